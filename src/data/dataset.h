/* Reading a dataset's records. convoy/data.h has what opens and describes one. Nothing here is collective. */
#ifndef CVY_DATA_DATASET_H
#define CVY_DATA_DATASET_H

#include "data/cache.h"
#include "picture/image.h"
#include "picture/picture.h"
#include <convoy/data.h>

/* What stays in memory once it was read: records as they are stored, or pictures decoded whole at each scale that was asked
 * for. What is read is the same to the bit. Once verified, a kept record is not verified again. */
typedef enum cvy_keep { CVY_KEEP_NOTHING, CVY_KEEP_RECORDS, CVY_KEEP_PICTURES } cvy_keep;
extern const char *const cvy_keep_words[]; /* "nothing", "records", "pictures" */
/* Before anybody reads, once. No more than `memory_bytes`: what fits stays. */
cvy_err cvy_dataset_keep(cvy_dataset *dataset, cvy_keep keep, size_t memory_bytes) CVY_MUST_CHECK;
cvy_kept cvy_dataset_kept(const cvy_dataset *dataset); /* zeros if nothing is to be kept */

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
/* Adds each image to the count of its class: counts[class_count]. */
void cvy_dataset_count_classes(int64_t *counts, const cvy_dataset *dataset);
/* Where image `index` came from, "cats/7.jpg", in `pool`; NULL if the file does not say. */
char *cvy_dataset_name(cvy_pool *pool, const cvy_dataset *dataset, int64_t index);
/* Puts "FILE: record 17 (cats/7.jpg): " before this thread's message. */
cvy_err cvy_dataset_error_in(cvy_err err, const cvy_dataset *dataset, int64_t index) CVY_MUST_CHECK;

#endif
