/* Checked values: datasets and texts of an HDF5 file that carry their checksum, so that damage to their
 * bytes is found when they are read. HDF5 guards only its own structures.
 *
 * The checksum is the CRC-32 of zlib and of Python's zlib.crc32, as the attribute `checksum` of the
 * dataset. It is taken over numbers in their stored order, and over texts in a row, each with a zero behind
 * it. A value that does not match is CVY_E_INPUT: "FILE: dataset 'NAME': checksum ... does not match
 * ...". */
#ifndef CVY_FILE_CHECKED_H
#define CVY_FILE_CHECKED_H

#include "file/h5.h"

uint32_t cvy_checked_sum(const void *bytes, size_t byte_count);
uint32_t cvy_checked_sum_of_texts(const char *const *texts, int64_t count);

/* Writes a dataset as cvy_h5_write does, and its checksum. */
cvy_err cvy_checked_write(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int dim_count,
                          const int64_t dims[]) CVY_MUST_CHECK;
/* Writes a dataset of one dimension. */
cvy_err cvy_checked_write_list(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values,
                               int64_t count) CVY_MUST_CHECK;
cvy_err cvy_checked_write_texts(cvy_h5 *file, const char *name, const char *const *texts,
                                int64_t count) CVY_MUST_CHECK;

/* Reads all of a dataset of `count` elements, whatever its shape, into `out`. */
cvy_err cvy_checked_read(void *out, cvy_h5 *file, const char *name, cvy_h5_type type,
                         int64_t count) CVY_MUST_CHECK;
/* Reads a dataset that must have one dimension of `count` elements into `out`. */
cvy_err cvy_checked_read_list(void *out, cvy_h5 *file, const char *name, cvy_h5_type type,
                              int64_t count) CVY_MUST_CHECK;
/* Reads such a list into memory from cvy_buffer_create, which the caller destroys. */
cvy_err cvy_checked_load_list(void **out, cvy_h5 *file, const char *name, cvy_h5_type type,
                              int64_t count) CVY_MUST_CHECK;
/* Reads all texts of a list. They and their list are in `pool`. */
cvy_err cvy_checked_read_texts(char ***out, int64_t *count, cvy_h5 *file, const char *name,
                               cvy_pool *pool) CVY_MUST_CHECK;

#endif
