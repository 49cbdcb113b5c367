/* A picture as a record of a database holds it: a JPEG or PNG file, or samples. */
#ifndef CVY_DATASETS_HELD_H
#define CVY_DATASETS_HELD_H

#include "datasets/pictures.h"

typedef struct cvy_held {
  const uint8_t *bytes; /* of the file, or samples */
  size_t count;
  int64_t h, w, c; /* size of the samples; all 0: the bytes are a file */
  bool planes;     /* samples lie channel by channel, not pixel by pixel */
  bool bgr;        /* blue comes first */
} cvy_held;

/* Tells whether bytes begin as a JPEG or PNG file does. */
bool cvy_held_is_file(const void *bytes, size_t count);
/* Says what bytes look like, for errors: "a PNG file", "23 bytes that begin 80 04 95 1a". */
void cvy_held_describe(char out[80], const void *bytes, size_t count);
/* Refuses a picture that does not begin as a JPEG or PNG file does, and says what it is. */
cvy_err cvy_held_check_file(const cvy_held *held) CVY_MUST_CHECK;
/* Refuses samples of a size that makes no sense, or that does not fit their number. */
cvy_err cvy_held_check_samples(const cvy_held *held) CVY_MUST_CHECK;

/* These buffers are for making records of samples. They are zeros at first; each source has its own. */
typedef struct cvy_held_work {
  cvy_image samples, scaled;
} cvy_held_work;
void cvy_held_work_free(cvy_held_work *work);

/* Delivers the picture for a source that keeps files. Samples become an image of the source's size and
 * channels, or a PNG file if the source has no size. It leaves out->label alone, and takes the record's name
 * from `pictures`. */
cvy_err cvy_held_deliver(cvy_record *out, cvy_pictures *pictures, cvy_held_work *work,
                         const cvy_source *source, const cvy_held *held) CVY_MUST_CHECK;

#endif
