/* Files of a set that say which of how many they are: "train-00003-of-00128.tar". */
#ifndef CVY_FILE_NUMBERED_H
#define CVY_FILE_NUMBERED_H

#include "base/base.h"

/* Checks that the files of such sets among `paths` are all there, counted from 0 or from 1. Other names count
 * for nothing. The error tells the first set of which some are missing, and their names. */
cvy_err cvy_check_numbered(const char *const *paths, int64_t count) CVY_MUST_CHECK;

#endif
