/* Writing shards. The format is in datasets/README.md.
 *
 * A writer makes the shards of one split: dir/train-00000-of-00004.h5 and so on, under temporary names until
 * cvy_shards_finish, which writes the statistics, syncs and renames. Any error, and cvy_shards_abandon,
 * removes the temporary files, so a half-written file never stands under its final name. The bytes of encoded
 * records wait in a nameless file on the same disk until their shard is full, because a contiguous dataset,
 * which can be read without HDF5, must know its size. */
#ifndef CVY_DATA_SHARD_H
#define CVY_DATA_SHARD_H

#include "data/h5.h"
#include <convoy/data.h>

typedef enum cvy_encoding {
  CVY_RAW,    /* uint8 samples, one size */
  CVY_ENCODED /* the bytes of a JPEG or PNG file, any size */
} cvy_encoding;

enum { CVY_SHARD_VERSION = 1 };
#define CVY_SHARD_FORMAT "convoy-shard"

/* A dataset of one dimension with the CRC-32 of its bytes beside it (attribute "checksum"). Reading verifies
 * the length and the checksum; *out is from cvy_buffer_create. */
cvy_err cvy_shard_write_checked(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values,
                                int64_t count) CVY_MUST_CHECK;
cvy_err cvy_shard_read_checked(void **out, cvy_h5 *file, const char *name, cvy_h5_type type,
                               int64_t count) CVY_MUST_CHECK;
/* CRC-32 of zlib, as Python's zlib.crc32. */
uint32_t cvy_shard_checksum(const void *bytes, size_t byte_count);
/* Of all texts in a row, each with its terminating zero. */
uint32_t cvy_shard_checksum_of_texts(const char *const *texts, int64_t count);

/* Exact per-channel sums, so that mean and deviation do not depend on any order. */
typedef struct cvy_pixel_sums {
  int64_t channels;
  uint64_t count, sum[CVY_MAX_CHANNELS], sum_of_squares[CVY_MAX_CHANNELS];
} cvy_pixel_sums;
/* All images have the channels of the first. */
void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image);
/* A channel that never changes gets the deviation 1, so that dividing by it is harmless. */
void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums);

typedef struct cvy_shards_config {
  const char *dir, *split;
  int64_t shard_count, record_count; /* records are spread evenly: shard k holds records [k*n/K, (k+1)*n/K) */
  cvy_encoding encoding;
  int64_t h, w, c; /* CVY_RAW: of every image; CVY_ENCODED: c only */
  int64_t class_count;
  const char *const *class_names;
} cvy_shards_config;

typedef struct cvy_shards cvy_shards;
cvy_err cvy_shards_create(cvy_shards **out, const cvy_shards_config *config) CVY_MUST_CHECK;
/* Appends record 0, 1, 2, ... in order; exactly record_count of them. After an error only cvy_shards_abandon
 * is allowed. */
cvy_err cvy_shards_add(cvy_shards *shards, const void *bytes, size_t byte_count,
                       int32_t label) CVY_MUST_CHECK;
/* Writes the statistics (mean, deviation: of the training split) and syncs; after this only renaming can fail. */
cvy_err cvy_shards_seal(cvy_shards *shards, const float mean[], const float deviation[]) CVY_MUST_CHECK;
/* Seals, if that is not yet done, and renames. *bytes receives the size of the finished files. Frees the writer. */
cvy_err cvy_shards_finish(cvy_shards *shards, int64_t *bytes, const float mean[],
                          const float deviation[]) CVY_MUST_CHECK;
void cvy_shards_abandon(cvy_shards *shards); /* NULL is allowed */

#endif
