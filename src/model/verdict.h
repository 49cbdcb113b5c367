/* What a model says of each image of a dataset. A score is made of sums; this is what is left when people ask
 * which images were taken for what. */
#ifndef CVY_MODEL_VERDICT_H
#define CVY_MODEL_VERDICT_H

#include "model/tally.h"

enum { CVY_VERDICT_CLASSES = 5 };

typedef struct cvy_verdict {
  int64_t record; /* of the dataset, the one that was really seen */
  double loss;
  double of_label; /* probability of the label's class */
  int32_t label;
  int32_t place; /* classes that come before the label's; 0 is a hit */
  /* The likeliest classes, the likeliest first, and -1 where the network has no more. Where the loss has
   * diverged, which is what a tally calls so, all are -1. */
  int32_t classes[CVY_VERDICT_CLASSES];
  float probabilities[CVY_VERDICT_CLASSES];
} cvy_verdict;

/* Verdicts in the order of the images. */
typedef struct cvy_verdicts {
  int64_t count, capacity;
  cvy_verdict *items;
} cvy_verdicts;

/* Makes room for `capacity` verdicts, and empties the list. */
cvy_err cvy_verdicts_create(cvy_verdicts *out, int64_t capacity) CVY_MUST_CHECK;
void cvy_verdicts_free(cvy_verdicts *verdicts); /* a list of zeros is free already */

/* Adds the microbatch that the net saw last, of which labels of -1 do not count. The lower index
 * comes first where classes have the same logit, as in a tally. */
void cvy_verdicts_add(cvy_verdicts *verdicts, const cvy_net *net, const int32_t *labels,
                      const int64_t *records);
/* Adds an image by its mean probabilities [score_count]. */
void cvy_verdicts_add_mean(cvy_verdicts *verdicts, const cvy_net *net, const double *p, int32_t label,
                           int64_t record);
/* Adds such a microbatch by the means of what was summed over its views, which stay as they are. */
void cvy_verdicts_add_views(cvy_verdicts *verdicts, const cvy_view_sums *views, const cvy_net *net,
                            const int32_t *labels, const int64_t *records);

#endif
