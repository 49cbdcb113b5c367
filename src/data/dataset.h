/* Reading a dataset's records. convoy/data.h has what opens and describes one. Nothing here is collective. */
#ifndef CVY_DATA_DATASET_H
#define CVY_DATA_DATASET_H

#include "augment/augmentation.h"
#include "data/cache.h"
#include "data/shard.h"
#include "picture/image.h"
#include "picture/picture.h"
#include <convoy/data.h>

/* Tells whether anything stands at the path of a dataset: a file, FILE:PART, a folder, or a shard with this
 * prefix. It may replace this thread's error message. */
bool cvy_dataset_stands(const char *path);

/* Has what is read stay in memory, as far as it fits into `memory_bytes`. It must be called once, before
 * anybody reads. What is read is the same to the bit; a kept record is not verified again. */
cvy_err cvy_dataset_keep(cvy_dataset *dataset, cvy_keep keep, size_t memory_bytes) CVY_MUST_CHECK;
cvy_kept cvy_dataset_kept(const cvy_dataset *dataset); /* zeros if nothing is to be kept */

/* What each reading thread needs for itself. */
typedef struct cvy_read_buffer {
  void *bytes;
  cvy_image image;
  const cvy_dataset *dataset; /* whose picture was read last, where pictures are kept */
  int64_t index;              /* which picture that was */
} cvy_read_buffer;
cvy_err cvy_read_buffer_create(cvy_read_buffer *out, const cvy_dataset *dataset) CVY_MUST_CHECK;
void cvy_read_buffer_free(cvy_read_buffer *buffer);

/* Reads image `index` and verifies its checksum; an encoded one is decoded, to `channels`, when it is drawn
 * or normalised. The picture lies in `buffer` until the next read. Errors name file and record. Nothing is
 * allocated outside the decoders. */
cvy_err cvy_dataset_read(cvy_picture *out, int32_t *label, const cvy_dataset *dataset,
                         cvy_read_buffer *buffer, int64_t index, int64_t channels) CVY_MUST_CHECK;
/* Reads the bytes of record `index` as they are stored, and verifies them. They lie in `buffer` until the
 * next read, or where they are kept. Errors name file and record. */
cvy_err cvy_dataset_read_stored(const void **bytes, size_t *byte_count, int32_t *label,
                                const cvy_dataset *dataset, const cvy_read_buffer *buffer,
                                int64_t index) CVY_MUST_CHECK;
/* Tells the system that the records first ... first+count-1 will be read soon. This is only advice;
 * nothing can fail. */
void cvy_dataset_expect(const cvy_dataset *dataset, int64_t first, int64_t count);

cvy_encoding cvy_dataset_encoding(const cvy_dataset *dataset);
/* Tells whether samples are float, and not bytes. */
bool cvy_dataset_is_float(const cvy_dataset *dataset);
/* Returns what augmentations may know about the set. */
const cvy_augment_source *cvy_dataset_source(const cvy_dataset *dataset);
/* The records first ... first+count-1 of the set, which one file holds. */
typedef struct cvy_file_records {
  const char *path;
  int64_t first, count;
} cvy_file_records;
/* Describes file `file`, from 0 to shard_count-1. */
cvy_file_records cvy_dataset_records_in(const cvy_dataset *dataset, int64_t file);
/* Adds each image to the count of its class in counts[class_count]. */
void cvy_dataset_count_classes(int64_t *counts, const cvy_dataset *dataset);
/* What may be done where one set has names of classes, and the other only the numbers 0, 1, 2 ... They can be
 * assumed to mean the same. */
typedef enum cvy_assuming {
  CVY_ASSUMES_NEVER, /* this would not help: the difference is an error, and the message names no way out */
  CVY_ASSUMES_ASKED, /* it is an error until the user asks for it: the message says how */
  CVY_ASSUMES        /* the user has asked for it: they are taken for the same, with a warning */
} cvy_assuming;
/* Compares the classes of `data`, found at `path`, with those that a network learns or has learnt. Errors:
 * the same names in another order, other names, more or fewer classes; and names on one side only, unless
 * they are to be assumed to mean the same. */
cvy_err cvy_dataset_check_classes(const char *path, const cvy_dataset_info *data,
                                  const cvy_dataset_info *known, cvy_assuming assuming) CVY_MUST_CHECK;
/* Warns where the samples of `data` seem to be on another scale than those of `known`, by whose mean and
 * deviation they are normalised: from 0 to 1, for instance, where the others are bytes. */
void cvy_dataset_warn_of_scale(const char *path, const cvy_dataset_info *data, const cvy_dataset_info *known);
/* Tells the size of image `index`. It returns false, and 0 x 0, where only its file would tell (shards made
 * before sizes were recorded). */
bool cvy_dataset_size(int64_t *h, int64_t *w, const cvy_dataset *dataset, int64_t index);
/* Tells the size that all images have whose size is known, 0 x 0 if they differ or no size is known. */
void cvy_dataset_common_size(int64_t *h, int64_t *w, const cvy_dataset *dataset);
/* Returns where image `index` came from, "cats/7.jpg", in `pool`; NULL if the file does not say. */
char *cvy_dataset_name(cvy_pool *pool, const cvy_dataset *dataset, int64_t index);
/* Returns where all images of file `file`, from 0 to shard_count-1, came from, in order, in `pool`; NULL if
 * the file does not say. */
char **cvy_dataset_names_in(cvy_pool *pool, const cvy_dataset *dataset, int64_t file);
/* Puts "FILE: record 17 (cats/7.jpg): " before this thread's message. */
cvy_err cvy_dataset_error_in(cvy_err err, const cvy_dataset *dataset, int64_t index) CVY_MUST_CHECK;

#endif
