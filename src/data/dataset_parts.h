/* Inside a dataset: what the files of this room that open and read one share. */
#ifndef CVY_DATA_DATASET_PARTS_H
#define CVY_DATA_DATASET_PARTS_H

#include "augment/augmentation.h"
#include "data/cache.h"
#include "data/shard.h"
#include "file/h5.h"
#include <convoy/data.h>

typedef struct cvy_dataset_file {
  const char *path;
  const char *name;     /* the HDF5 dataset that holds the samples or encoded bytes */
  int64_t first, count; /* records */
  int32_t *labels;      /* [count] */
  uint32_t *checksums;  /* [count]; NULL: none, in a foreign file */
  uint64_t *offsets;    /* CVY_ENCODED: [count + 1] into `name` */
  int32_t *sizes;   /* CVY_ENCODED: [count][2], height and width, 0 where not known; NULL: an older shard */
  int64_t bytes_at; /* the first byte of `name`, where the layout allows reading without HDF5; else -1 */
  int fd;           /* open for reading from `bytes_at`; else -1, and `h5` is open */
  cvy_h5 *h5;
} cvy_dataset_file;

typedef struct cvy_open_files cvy_open_files;

struct cvy_dataset {
  cvy_pool *pool;
  cvy_dataset_info info;
  cvy_encoding encoding;
  bool is_float; /* samples are float, else uint8 */
  /* Distances in samples within a record, where it is not [h][w][c]; else all 0. */
  int64_t row_step, column_step, channel_step;
  bool is_set; /* all the shards of a split, not a single file */
  cvy_dataset_file *files;
  cvy_open_files *open; /* NULL: all files stay open */
  size_t record_bytes;  /* bytes of the largest record */
  cvy_keep keep;
  cvy_cache *cache; /* NULL: nothing is kept */
  cvy_hash fingerprint;
  cvy_augment_source source;
};

/* Returns the file that holds record `index`. */
const cvy_dataset_file *cvy_dataset_file_of(const cvy_dataset *dataset, int64_t index);

/* Sets the paths of dataset->files, info.shard_count and is_set. */
cvy_err cvy_dataset_find(cvy_dataset *dataset, const char *path, const char *split) CVY_MUST_CHECK;
/* Reads everything but the samples of file `index`, and holds it against the files before it. */
cvy_err cvy_dataset_add_shard(cvy_dataset *dataset, int64_t index, cvy_h5 *h5) CVY_MUST_CHECK;
/* Opens files that are not Convoy's, as dataset->files, where so far the only one has the name that the user
 * gave. Reads all samples once for mean, deviation and fingerprint (added to `hasher`). */
cvy_err cvy_dataset_add_foreign(cvy_dataset *dataset, const char *split, const cvy_arrays_said *said,
                                cvy_hasher *hasher) CVY_MUST_CHECK;

#endif
