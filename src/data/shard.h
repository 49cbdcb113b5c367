/* Writing shards. The format is in datasets/README.md.
 *
 * A shard is written under a temporary name, dir/train-00000-of-00004.h5.tmp. How many records it will hold
 * need not be known: their bytes wait in a nameless file on the same disk until the shard is closed, because a
 * contiguous dataset, which can be read without HDF5, must know its size. What depends on the other shards of
 * the set (statistics, number of the first record) is written at the end, by sealing it. */
#ifndef CVY_DATA_SHARD_H
#define CVY_DATA_SHARD_H

#include "file/h5.h"
#include "picture/image.h"

typedef enum cvy_encoding {
  CVY_RAW,    /* uint8 samples, one size */
  CVY_ENCODED /* the bytes of a JPEG or PNG file, any size */
} cvy_encoding;

/* 1: records were spread over the shards by a formula, and names and colour were not kept. */
enum { CVY_SHARD_VERSION = 2 };
#define CVY_SHARD_FORMAT "convoy-shard"

/* A dataset of one dimension with the CRC-32 of its bytes beside it (attribute "checksum"). Reading verifies
 * the length and the checksum; *out is from cvy_buffer_create. */
cvy_err cvy_shard_write_checked(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values,
                                int64_t count) CVY_MUST_CHECK;
cvy_err cvy_shard_read_checked(void **out, cvy_h5 *file, const char *name, cvy_h5_type type,
                               int64_t count) CVY_MUST_CHECK;
/* CRC-32 as zlib's and Python's zlib.crc32. */
uint32_t cvy_shard_checksum(const void *bytes, size_t byte_count);
/* Of all texts in a row, each with its terminating zero. */
uint32_t cvy_shard_checksum_of_texts(const char *const *texts, int64_t count);

/* What all shards of all splits hold of the training split. */
typedef struct cvy_shard_statistics {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  bool has_colour; /* the two below are known: there is more than one channel */
  /* The covariance of a pixel's channels: its eigenvalues, the largest first, in squared units of the samples, and
   * eigenvectors [which][channel] of length 1, whose largest component is positive. */
  float colour_values[CVY_MAX_CHANNELS], colour_vectors[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];
} cvy_shard_statistics;

/* Exact sums over pixels, so that what is made of them does not depend on any order. */
typedef struct cvy_pixel_sums {
  int64_t channels; /* 0: nothing was added yet */
  uint64_t count, sum[CVY_MAX_CHANNELS];
  uint64_t product[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS]; /* of channels i <= j */
} cvy_pixel_sums;
/* All images have the channels of the first. */
void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image);
void cvy_pixel_sums_merge(cvy_pixel_sums *into, const cvy_pixel_sums *from);
/* A channel that never changes gets the deviation 1, so that dividing by it is harmless. */
void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums);
void cvy_pixel_sums_statistics(cvy_shard_statistics *out, const cvy_pixel_sums *sums);

typedef struct cvy_shards_config {
  const char *dir, *split; /* the folder must be there */
  int64_t shard_count;
  int64_t record_count; /* of the set; counts only for cvy_shards_create, which spreads them evenly */
  cvy_encoding encoding;
  int64_t h, w, c; /* CVY_RAW: of every image; CVY_ENCODED: c only */
  int64_t class_count;
  const char *const *class_names; /* all texts and names outlive the writer */
} cvy_shards_config;

/* ---- one shard ---------------------------------------------------------------------------------------- */

/* dir/split-00000-of-00004.h5, in `pool`. */
char *cvy_shard_path(cvy_pool *pool, const char *dir, const char *split, int64_t shard, int64_t shard_count);

typedef struct cvy_shard cvy_shard;
/* For at most `most` records. */
cvy_err cvy_shard_create(cvy_shard **out, const cvy_shards_config *config, int64_t shard,
                         int64_t most) CVY_MUST_CHECK;
/* `name`: where the record comes from, copied; NULL: not kept, then for all records of the shard. After an
 * error only cvy_shard_abandon is allowed. */
cvy_err cvy_shard_add(cvy_shard *shard, const void *bytes, size_t byte_count, int32_t label,
                      const char *name) CVY_MUST_CHECK;
/* Writes what is known, syncs, and leaves the shard under its temporary name. Frees the writer; an error has
 * removed the file. */
cvy_err cvy_shard_close(cvy_shard *shard) CVY_MUST_CHECK;
void cvy_shard_abandon(cvy_shard *shard); /* removes the file; NULL is allowed */
/* Writes the rest into a closed shard, still under its temporary name, and syncs. To be done once: a file that
 * this has begun and not ended is lost. `path` is the final name. */
cvy_err cvy_shard_seal(const char *path, int64_t first_record, const cvy_shard_statistics *statistics,
                       int64_t channels) CVY_MUST_CHECK;

/* ---- a whole set, one shard after the other -------------------------------------------------------------- */

/* Shard k of K holds records k*n/K ... (k+1)*n/K-1. The folder is made. Any error, and cvy_shards_abandon,
 * removes the temporary files, so a half-written set never stands under its final names. */
typedef struct cvy_shards cvy_shards;
cvy_err cvy_shards_create(cvy_shards **out, const cvy_shards_config *config) CVY_MUST_CHECK;
/* Appends record 0, 1, 2, ... in order; exactly record_count of them. After an error only cvy_shards_abandon
 * is allowed. */
cvy_err cvy_shards_add(cvy_shards *shards, const void *bytes, size_t byte_count,
                       int32_t label) CVY_MUST_CHECK;
/* Seals and renames. *bytes receives the size of the finished files. Frees the writer. */
cvy_err cvy_shards_finish(cvy_shards *shards, int64_t *bytes, const float mean[],
                          const float deviation[]) CVY_MUST_CHECK;
void cvy_shards_abandon(cvy_shards *shards); /* NULL is allowed */

#endif
