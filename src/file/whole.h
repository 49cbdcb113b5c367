/* The file system, where more than one room needs the same of it. */
#ifndef CVY_FILE_WHOLE_H
#define CVY_FILE_WHOLE_H

#include "base/base.h"

/* Makes a folder with its parents, unless it is there. *made (NULL: not wanted): whether the last one is new. An error
 * says what stands in the way: CVY_E_INPUT, or CVY_E_SYSTEM where the disk is full or read-only. */
cvy_err cvy_make_folder(bool *made, const char *path) CVY_MUST_CHECK;

#endif
