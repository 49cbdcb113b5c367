/* Images that lie in chunks, unpacked once. */
#ifndef CVY_ARCHIVE_ARRAYS_UNPACK_H
#define CVY_ARCHIVE_ARRAYS_UNPACK_H

#include "archive/arrays.h"

/* Unpacks a part that lies in chunks, as cvy_arrays_open says; its h5 is closed then. */
cvy_err cvy_arrays_unpack(const cvy_arrays *arrays, cvy_arrays_part *part, bool spools) CVY_MUST_CHECK;

#endif
