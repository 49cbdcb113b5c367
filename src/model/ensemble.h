/* One model or several that predict together: the probabilities of a picture are the mean over the members,
 * in their order. Each member has its own input size and preprocessing. Nothing here is collective, but
 * ranges are such that the numbers are the same whoever computes which: a member's microbatches hold the same
 * images as when it computes all of them. */
#ifndef CVY_MODEL_ENSEMBLE_H
#define CVY_MODEL_ENSEMBLE_H

#include "model/feed.h"

typedef struct cvy_ensemble cvy_ensemble;

typedef struct cvy_ensemble_options {
  cvy_preprocessor_options preprocess; /* of each member */
  /* Images that each member computes at a time. 0: as many as in its training's evaluation, whose bits are
   * those of that number, for products round otherwise in another shape. */
  int64_t microbatch;
} cvy_ensemble_options;

/* Makes an ensemble of models, which stay the caller's and must outlive it. It is an error if they tell apart
 * other classes, or the same in another order, or take another number of channels than the first. */
cvy_err cvy_ensemble_create(cvy_ensemble **out, cvy_model *const *models, int64_t count,
                            const cvy_ensemble_options *options) CVY_MUST_CHECK;
void cvy_ensemble_destroy(cvy_ensemble *ensemble); /* NULL is allowed */
/* Returns over how many views of a picture the first member's probabilities are the mean. */
int64_t cvy_ensemble_views(const cvy_ensemble *ensemble);
int64_t cvy_ensemble_class_count(const cvy_ensemble *ensemble);

/* Finds the pictures of rank `rank` of `ranks`: first ... end-1 of `count`. */
void cvy_ensemble_share(int64_t *first, int64_t *end, const cvy_ensemble *ensemble, int64_t count, int rank,
                        int ranks);

/* What is said of a picture. */
typedef struct cvy_said {
  const cvy_fed *fed; /* which it is; where it has a reason, the picture could not be read */
  /* [class_count]: the probabilities, and by what classes are ranked. These are the logits where there is one
   * model with one view, so that classes of the same probability have the order that evaluation gives
   * them. */
  const double *probabilities, *keys;
} cvy_said;

/* Computes the pictures first ... end-1, as cvy_ensemble_share has found them, and tells `hear` of each, in
 * order. Progress is shown; `of_whom` is put behind it. */
cvy_err cvy_ensemble_run(cvy_ensemble *ensemble, const cvy_picture_source *source, int64_t first, int64_t end,
                         void (*hear)(void *context, const cvy_said *said), void *context,
                         const char *of_whom) CVY_MUST_CHECK;

#endif
