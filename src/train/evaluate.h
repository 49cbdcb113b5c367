/* An evaluation with all that it finds, for those who want more of it than the score. */
#ifndef CVY_TRAIN_EVALUATE_H
#define CVY_TRAIN_EVALUATE_H

#include "comm/comm.h"
#include "model/ensemble.h"
#include "model/model.h"
#include "model/verdict.h"
#include "train/dense.h"

typedef struct cvy_evaluation {
  cvy_model *model;
  cvy_recipe *recipe;
  const char *from, *split; /* where the images come from; the caller's or the recipe's texts */
  cvy_stream data;
  cvy_dense *dense;       /* NULL: pictures go through the chain of `data` */
  cvy_ensemble *ensemble; /* NULL: there is one model */
  int64_t model_count;    /* of the ensemble */
  cvy_model **models;     /* its members, of which the first is `model` */
  int64_t views;          /* of each picture, over which its probabilities are the mean */
  cvy_score score;
  cvy_verdicts verdicts; /* of all images, in the order of the dataset; rank 0 alone has any */
} cvy_evaluation;

/* Does what cvy_evaluate does, and keeps what it found until cvy_evaluation_close, which is due after an
 * error, too. The call is collective. */
cvy_err cvy_evaluation_run(cvy_evaluation *out, cvy_comm *comm, const char *checkpoint,
                           const cvy_evaluate_options *options) CVY_MUST_CHECK;
void cvy_evaluation_close(cvy_evaluation *evaluation);

#endif
