/* Losses and accuracies of what a net has computed, counted as integers, so that they add up to the same
 * bits in any order and at any number of ranks. */
#ifndef CVY_MODEL_TALLY_H
#define CVY_MODEL_TALLY_H

#include "data/loader.h"
#include "net/net.h"
#include <convoy/model.h>

static inline cvy_targets cvy_targets_of(const cvy_microbatch *m) {
  return (cvy_targets){m->labels, m->partners, m->shares};
}

typedef struct cvy_tally {
  int64_t images;
  int64_t loss; /* in units of 2^-24 */
  int64_t top1, top5;
  int64_t diverged; /* images whose loss is not a number, or beyond 10^6 */
  int64_t skipped;  /* bad records that were replaced on the way to the images */
} cvy_tally;

/* Tells whether an image's loss is too large to be counted, or no number. */
bool cvy_loss_diverges(double loss);

enum { CVY_TALLY_FIELDS = 6 };
_Static_assert(sizeof(cvy_tally) == CVY_TALLY_FIELDS * sizeof(int64_t), "a tally is summed as an array");

/* Adds the microbatch that the net saw last. Where classes have equal logits, the lower index comes first. In
 * a mixed image the label with the larger share is the one to hit; if both have a half, it is the image's
 * own. */
void cvy_tally_add_microbatch(cvy_tally *tally, const cvy_net *net, const cvy_targets *targets);
/* Adds another tally. */
void cvy_tally_add(cvy_tally *tally, const cvy_tally *more);
/* Returns the score that the counts make. */
cvy_score cvy_tally_score(const cvy_tally *tally);
/* Tells whether top-5 says something. Every image is a hit where there are five classes or fewer, and then
 * nothing shows it. */
static inline bool cvy_score_has_top5(const cvy_score *score) {
  return score->classes > 5;
}

/* Adds an image by its mean probabilities [score_count]. */
void cvy_tally_add_mean(cvy_tally *tally, const cvy_net *net, const double *p, int32_t label);

/* Probabilities of a microbatch, summed over views of its images. */
typedef struct cvy_view_sums {
  int64_t views;
  double *sums; /* [microbatch][score_count] */
} cvy_view_sums;
/* Adds the view of the microbatch that the net saw last. */
void cvy_view_sums_add(cvy_view_sums *views, const cvy_net *net);
/* Adds the images by the means of what was summed, and begins anew. */
void cvy_tally_add_views(cvy_tally *tally, cvy_view_sums *views, const cvy_net *net, const int32_t *labels);

#endif
