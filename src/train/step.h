/* One training step: a rank's microbatches go forward and backward, and the weights change. The trainer,
 * the benches and the trials of bucket sizes all make their steps here. */
#ifndef CVY_TRAIN_STEP_H
#define CVY_TRAIN_STEP_H

#include "data/loader.h"
#include "model/tally.h"
#include "train/learner.h"
#include "train/step_config.h"

/* Learning where one process has one microbatch a step. No gradients are summed, and no MPI is needed. */
typedef struct cvy_alone {
  float *gradients; /* laid out as the parameters */
  cvy_step_update update;
} cvy_alone;

typedef enum cvy_moment { CVY_STEP_BEGINS, CVY_FORWARD_ENDS, CVY_BACKWARD_ENDS, CVY_STEP_ENDS } cvy_moment;

/* Sees the moments of a step go by. Forward ends once its losses are counted. */
typedef struct cvy_step_observer {
  void (*mark)(void *context, cvy_moment moment);
  void *context;
} cvy_step_observer;

/* Where a step went wrong. */
typedef struct cvy_step_fault {
  int64_t microbatch; /* the first one of the step with a loss that is none, from 0; -1: there is none */
  cvy_net_fault at;
} cvy_step_fault;

typedef struct cvy_step {
  cvy_net *net;
  /* One of learner and alone is set, and takes the gradients. */
  cvy_learner *learner;
  cvy_alone *alone;
  bool rehearses;       /* only a step's last microbatch is made, to see what it takes */
  cvy_loader *loader;   /* NULL: every microbatch is `fixed` */
  cvy_microbatch fixed; /* its images and labels must outlive the step */
  int64_t first, own;   /* the rank's first microbatch of a step, and how many it has */
  int64_t microbatch;   /* images */
  uint64_t seed;
  float loss_scale;                  /* what each image's loss counts for in the gradients: 1 / batch */
  const cvy_step_observer *observer; /* NULL: nobody watches */
  /* A step whose losses are bad (cvy_tally.diverged) puts here where this rank's first bad microbatch went
   * wrong, unless something stands here already. NULL: nobody wants to know. */
  cvy_step_fault *fault;
} cvy_step;

/* Returns the step of rank `rank` among `ranks` as `config` says. The caller adds what learns and where
 * microbatches come from. */
cvy_step cvy_step_of(const cvy_step_config *config, cvy_net *net, int rank, int ranks);

/* Makes step `number`, from 0, at learning rate `rate`. Returns the tally of the rank's own microbatches. A
 * microbatch that cannot be read ends the job, since the other ranks wait within the step. It allocates
 * nothing. It is collective, unless the process learns alone. */
cvy_tally cvy_step_run(const cvy_step *step, int64_t number, double rate);

#endif
