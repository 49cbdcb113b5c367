/* Brings pictures to a model, a microbatch at a time. Its threads read, decode and preprocess ahead of the
 * model. It differs from the loader in that pictures may be files, and that one which cannot be read is noted
 * and leaves its place empty. Nothing here is collective. */
#ifndef CVY_MODEL_FEED_H
#define CVY_MODEL_FEED_H

#include "file/bytes.h"
#include "model/preprocessor.h"

/* Where pictures come from: records of a dataset, or files. */
typedef struct cvy_picture_source {
  int64_t count;
  cvy_dataset *dataset; /* NULL: they are files */
  /* These say what becomes of a record that cannot be read: it is noted, or the next one takes its place. If
   * neither is set, it is an error. A file that cannot be read is always noted. */
  bool notes_bad, skips_bad;
  /* Reads file `index`, whole. Any thread may call it. CVY_E_INPUT: this one cannot be read, but
   * others can. */
  cvy_err (*read)(cvy_bytes *out, const void *context, int64_t index);
  const void *context;
} cvy_picture_source;

/* What came in a picture's place. */
typedef struct cvy_fed {
  int64_t index;   /* of the source; -1: none, behind the last one */
  int64_t record;  /* of the dataset, the one that was really seen */
  int64_t skipped; /* records that were replaced on the way to it */
  int32_t label;   /* of the dataset; -1: none */
  char *reason;    /* why it cannot be read; NULL: it was read */
} cvy_fed;

typedef struct cvy_feed_config {
  const cvy_picture_source *source;
  const cvy_preprocessor *preprocess;
  int64_t image_floats, microbatch;
  int64_t first, end; /* of the source */
  int64_t threads;
} cvy_feed_config;

typedef struct cvy_feed cvy_feed;
/* Starts the threads. What the configuration points to must outlive the feed. */
cvy_err cvy_feed_create(cvy_feed **out, const cvy_feed_config *config) CVY_MUST_CHECK;
void cvy_feed_destroy(cvy_feed *feed); /* also in the middle; NULL is allowed */
/* Waits for the next microbatch, images [microbatch][h][w][c] and what they are. Each microbatch comes as
 * often as there are views. Places without a picture are zeros. It is valid until cvy_feed_release. An error
 * means that no further picture can be read. */
cvy_err cvy_feed_next(const float **images, const cvy_fed **what, cvy_feed *feed) CVY_MUST_CHECK;
void cvy_feed_release(cvy_feed *feed);

#endif
