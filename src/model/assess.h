/* What people publish about a model beside its score, worked out from what it says of each image: which
 * classes it takes for which, how well it knows each class, how far its confidence can be trusted, and its
 * worst mistakes. All sums are of integers, and an image's verdict does not depend on who made it, so that
 * the figures are the same to the bit at any number of ranks. */
#ifndef CVY_MODEL_ASSESS_H
#define CVY_MODEL_ASSESS_H

#include "model/verdict.h"

/* The images of a class, and how many images were taken for it. */
typedef struct cvy_class_score {
  int64_t images, top1, top5; /* top1, top5: how many of these were hits */
  int64_t predicted;
} cvy_class_score;

/* `images` of one class that were taken for another, or for itself. */
typedef struct cvy_confused {
  int32_t label, predicted;
  int64_t images;
} cvy_confused;

/* Images whose confidence, which is the probability of the likeliest class, lies in one of CVY_BINS equal
 * parts of 0 ... 1: bin m has those above m / CVY_BINS, up to (m + 1) / CVY_BINS. */
enum { CVY_BINS = 15 };
typedef struct cvy_bin {
  int64_t images, hits;
  int64_t confidence; /* sum, in units of 2^-32 */
} cvy_bin;

/* Images whose loss has diverged are hits of nothing. They are in no cell and no bin. */
typedef struct cvy_assessment {
  int64_t images, diverged, class_count;
  cvy_class_score *classes; /* [class_count] */
  int64_t cell_count;
  cvy_confused *cells; /* [cell_count], those that are not 0, by label and then by what it was taken for */
  cvy_bin bins[CVY_BINS];
  /* The expected calibration error (Guo et al. 2017, section 2, eq. 3): the mean distance between confidence
   * and accuracy of a bin, weighted by its images. It is NaN if a loss has diverged, or without images. */
  double ece;
  int64_t mistake_count;
  /* [mistake_count]: which verdicts are no hits, the largest loss first, and of equal ones the first. */
  int64_t *mistakes;
} cvy_assessment;

void cvy_assess(cvy_assessment *out, const cvy_verdicts *verdicts, int64_t class_count);
void cvy_assessment_free(cvy_assessment *assessment);

/* These return the mean confidence and the share of hits in a bin, which is not empty. */
double cvy_bin_confidence(const cvy_bin *bin);
double cvy_bin_accuracy(const cvy_bin *bin);

#endif
