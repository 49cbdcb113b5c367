/* Texts in HDF5's memory layouts, which datasets and attributes have in common. */
#ifndef CVY_FILE_H5_TEXTS_H
#define CVY_FILE_H5_TEXTS_H

#include "file/h5_call.h"

/* Makes a type for UTF-8 of at most `bytes` bytes, padded with zeros. It is invalid if HDF5 cannot make
 * it. */
hid_t cvy_h5_text_type(cvy_h5_call *c, size_t bytes);
/* Copies text `index` of a fixed-length type into `pool`, without its padding. Zeros before other bytes are
 * an error, unless the type says that what comes behind a zero means nothing. */
cvy_err cvy_h5_unpadded(char **out, const cvy_h5_call *c, int64_t index, const char *text, size_t width,
                        H5T_str_t padding, cvy_pool *pool) CVY_MUST_CHECK;

/* H5Dread or H5Aread by another name. */
typedef herr_t (*cvy_h5_text_reader)(hid_t from, hid_t memory_type, void *out);
/* Reads the `count` texts of a dataset or attribute `from`, of fixed or variable length, into `pool`. */
cvy_err cvy_h5_read_block(cvy_h5_call *c, cvy_h5_text_reader read, hid_t from, hid_t type, hid_t space,
                          char **texts, int64_t count, cvy_pool *pool) CVY_MUST_CHECK;

#endif
