/* The prefetching loader. Its threads read, decode, augment and normalise microbatches ahead of the
 * training step. Everything random is keyed by (seed, epoch, sample), so the stream of samples does not
 * know about ranks or threads. Nothing here is collective; MPI is never called. */
#ifndef CVY_DATA_LOADER_H
#define CVY_DATA_LOADER_H

#include "data/stream.h"

typedef struct cvy_microbatch {
  const float *images;   /* [microbatch][h][w][c], 64-byte aligned */
  const int32_t *labels; /* [microbatch] */
  /* [microbatch]: the record that each image was made of, which is another than was due where that one was
   * bad; -1: none. */
  const int64_t *records;
  /* These two are NULL unless the chain mixes pictures: */
  const int32_t *partners; /* [microbatch]: the label of the other picture in each */
  const float *shares;     /* [microbatch]: the weight of the own label, 0 ... 1 */
  int64_t skipped;         /* bad records that were replaced on the way to these images */
} cvy_microbatch;

typedef struct cvy_loader cvy_loader;
cvy_err cvy_loader_create(cvy_loader **out, const cvy_loader_config *config) CVY_MUST_CHECK;
void cvy_loader_destroy(cvy_loader *loader); /* stops the threads, also in mid-stream */
/* Waits for the next microbatch; it stays valid until cvy_loader_release. An error of the loader's threads
 * comes out here, with the file and record. Nothing is allocated. */
cvy_err cvy_loader_next(cvy_microbatch *out, cvy_loader *loader) CVY_MUST_CHECK;
void cvy_loader_release(cvy_loader *loader);
/* Answers the error of a record, in front of which `before` others were bad: with CVY_OK and a warning if the
 * next one may take its place, else with the error. It may not unless `skips_bad` says so, if something else
 * than the record is wrong, or if too many of the dataset's `count` records follow each other. */
cvy_err cvy_loader_replace(cvy_err err, bool skips_bad, int64_t before, int64_t count) CVY_MUST_CHECK;
/* Seconds that all threads together have spent so far. */
typedef struct cvy_input_times {
  double read_s;   /* reading and verifying bytes */
  double decode_s; /* decoding them */
  double warp_s;   /* scaling, turning and bending what is in sight, and normalising it in the same loop */
  double colour_s; /* augmentations that compute samples */
  double copy_s;   /* pictures whose pixels are at most moved or mirrored, from bytes to normalised floats */
} cvy_input_times;
cvy_input_times cvy_loader_times(cvy_loader *loader);
/* Returns the seconds that cvy_loader_next has waited so far. */
double cvy_loader_waited_s(const cvy_loader *loader);

#endif
