/* Inside a dataset: shared by the files of this room that open and read one. */
#ifndef CVY_DATA_DATASET_H
#define CVY_DATA_DATASET_H

#include "data/h5.h"
#include "data/picture.h"
#include "data/shard.h"

typedef struct cvy_dataset_file {
  const char *path;
  const char *name;     /* the HDF5 dataset that holds the samples or encoded bytes */
  int64_t first, count; /* records */
  int32_t *labels;      /* [count], as are: */
  uint32_t *checksums;  /* NULL: none, in a foreign file */
  uint64_t *offsets;    /* CVY_ENCODED: [count + 1] into `name` */
  int fd;               /* where the layout allows reading without HDF5; else -1, and `h5` stays open */
  int64_t bytes_at;     /* in fd: the first byte of `name` */
  cvy_h5 *h5;
} cvy_dataset_file;

struct cvy_dataset {
  cvy_pool *pool;
  cvy_dataset_info info;
  cvy_encoding encoding;
  bool is_float;       /* samples are float, else uint8 */
  bool channels_first; /* records are [c][h][w], as foreign files may be */
  bool is_set;         /* all the shards of a split, not a single file */
  cvy_dataset_file *files;
  size_t record_bytes; /* of the largest */
  cvy_keep keep;
  cvy_cache *cache; /* NULL: nothing is kept */
  cvy_hash fingerprint;
};

/* Sets the paths of dataset->files, info.shard_count and is_set. */
cvy_err cvy_dataset_find(cvy_dataset *dataset, const char *path, const char *split) CVY_MUST_CHECK;
/* Reads everything but the samples of file `index`, and holds it against the files before it. */
cvy_err cvy_dataset_add_shard(cvy_dataset *dataset, int64_t index, cvy_h5 *h5) CVY_MUST_CHECK;
/* The same for the only file of a dataset that is not Convoy's: finds what holds images and labels, and reads
 * all samples once for mean, deviation and fingerprint (added to `hasher`). */
cvy_err cvy_dataset_add_foreign(cvy_dataset *dataset, cvy_h5 *h5, cvy_hasher *hasher) CVY_MUST_CHECK;

/* What reading needs, one for each thread that reads. */
typedef struct cvy_read_buffer {
  void *bytes;
  cvy_image image;
  cvy_decoded decoded; /* of the picture that was read last, as is: */
  const cvy_dataset *dataset;
  int64_t index;
} cvy_read_buffer;
cvy_err cvy_read_buffer_create(cvy_read_buffer *out, const cvy_dataset *dataset) CVY_MUST_CHECK;
void cvy_read_buffer_free(cvy_read_buffer *buffer);

/* Reads image `index` and verifies its checksum; an encoded one is decoded, to `channels`, when it is drawn or normalised.
 * The picture lies in `buffer` until the next read. Errors name file and record. No allocation outside the decoders. */
cvy_err cvy_dataset_read(cvy_picture *out, int32_t *label, const cvy_dataset *dataset,
                         cvy_read_buffer *buffer, int64_t index, int64_t channels) CVY_MUST_CHECK;
/* Tells the system that the records first ... first+count-1 will be read soon. Only advice: nothing can fail. */
void cvy_dataset_expect(const cvy_dataset *dataset, int64_t first, int64_t count);
/* Where image `index` came from, "cats/7.jpg", in `pool`; NULL if the file does not say. */
char *cvy_dataset_name(cvy_pool *pool, const cvy_dataset *dataset, int64_t index);
/* Puts "FILE: record 17 (cats/7.jpg): " before this thread's message. */
cvy_err cvy_dataset_error_in(cvy_err err, const cvy_dataset *dataset, int64_t index) CVY_MUST_CHECK;

#endif
