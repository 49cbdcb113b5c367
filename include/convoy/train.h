/* Training and evaluation: a recipe, a run, a score (convoy/model.h). */
#ifndef CONVOY_TRAIN_H
#define CONVOY_TRAIN_H

#include <convoy/comm.h>
#include <convoy/data.h>
#include <convoy/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cvy_recipe cvy_recipe;
/* Reads a recipe and its network. `name` is a file, or a recipe that comes with Convoy; `overrides` are
 * "key.key=value". */
cvy_err cvy_recipe_load(cvy_recipe **out, const char *name, const char *const *overrides,
                        int64_t override_count) CVY_MUST_CHECK;
/* Reads a recipe from its resolved text, as checkpoints hold it. `name` stands for the file in errors, and
 * `overrides` are as above. */
cvy_err cvy_recipe_parse(cvy_recipe **out, const char *text, const char *name, const char *const *overrides,
                         int64_t override_count) CVY_MUST_CHECK;
void cvy_recipe_destroy(cvy_recipe *recipe);

typedef struct cvy_train_options {
  bool resume; /* go on from the run folder's last.h5 */
  bool change; /* with resume: a changed schedule, warm-up, clipping, rule's option or end holds from here */
  bool overwrite;     /* a run that stands in the folder is replaced */
  int64_t stop_after; /* stop as if asked to after this many steps; 0: never (for tests of resuming) */
  /* A file for what every thread of every rank did when, in Chrome's trace format; NULL: none. It covers
   * trace_steps steps from trace_from on (0: all that follow), as far as trace_bytes of each rank go. */
  const char *trace;
  int64_t trace_from, trace_steps;
  size_t trace_bytes;
} cvy_train_options;

typedef struct cvy_train_result {
  int64_t steps;
  double epochs;
  double train_loss; /* mean over the last epoch's steps */
  cvy_score val;     /* images 0 if the recipe has no validation data */
  cvy_score ema;     /* the same of the averaged weights; images 0 if there are none */
  double best_top1;  /* of the set of weights that the recipe chooses by */
  int64_t best_step;
  int64_t skipped;               /* bad records that others replaced in training, from the first step on */
  int64_t roll_backs;            /* how often it diverged and went back */
  char ended[160];               /* why it ended before its last step ("stopped early ..."); "": it did not */
  cvy_hash weights, ema_weights; /* ema_weights: "" if there are none */
  /* These are of this process's own steps. It waited for data for waited_s, and for gradients that came
   * through the ranks for exposed_s; exchange_cpu_s is what the exchange of gradients computed. */
  double seconds, images_per_s, waited_s, exposed_s, exchange_cpu_s;
} cvy_train_result;

/* Trains as the recipe says. The call is collective. Errors are returned, the same on all ranks: those met
 * before the first step as what they are, later ones as CVY_E_RUN or CVY_E_SYSTEM. What one rank alone meets
 * in mid-step (a damaged record, a full disk) ends the job. CVY_E_STOPPED means that SIGTERM, SIGINT or
 * SIGUSR1 came and a checkpoint is written. */
cvy_err cvy_train(cvy_train_result *out, cvy_comm *comm, const cvy_recipe *recipe,
                  const cvy_train_options *options) CVY_MUST_CHECK;

/* A time of a run in which more layers learn than before. */
typedef struct cvy_train_phase {
  int64_t at, step; /* the epochs and the steps that are done before */
  int64_t learnt;   /* parameters that learn from then on */
  double rate;      /* what the learning rate of the new ones is multiplied with */
  char layers[200]; /* their names, as the recipe has them */
} cvy_train_phase;

/* What a run would be, as far as that is known before its first step. */
typedef struct cvy_train_outline {
  /* What it would begin with: lines of text, and how many tensors of the network are loaded, of how many, and
   * how many of the file are left out. All is drawn if there is no text. */
  char *initial;
  int64_t loaded, tensors, left_out;
  /* Phases that come after the first one: layers begin to learn that were frozen. */
  int64_t phase_count;
  struct cvy_train_phase *phases;
  int64_t images, val_images;  /* of the training data, and of the validation data; 0: there is none */
  int64_t classes;             /* of the training data */
  int64_t parameters, learnt;  /* the network's numbers without running averages; those that are not frozen */
  int64_t batch, microbatches; /* the images of a step, and how many microbatches they make */
  int64_t epochs, total_steps;
  double *rates; /* [total_steps], the learning rate of each step */
  bool depends;  /* rates may be lower, for the schedule waits for scores, which are not known yet */
} cvy_train_outline;
/* Opens and checks all that training by the recipe would need, and tells what it would do, the same on every
 * rank. Nothing is written and no lock is taken, so the run folder may be another job's. The errors are those
 * that cvy_train meets before its first step; then there is nothing to free. The call is collective. */
cvy_err cvy_train_outline_create(cvy_train_outline *out, cvy_comm *comm,
                                 const cvy_recipe *recipe) CVY_MUST_CHECK;
void cvy_train_outline_free(cvy_train_outline *outline);

/* This is what is asked of cvy_evaluate. */
typedef struct cvy_evaluate_options {
  /* Further checkpoints, which make an ensemble with the first: the probabilities are the mean over them. */
  const char *const *members;
  int64_t member_count;
  const char *data;    /* a dataset; NULL: the recipe's own for the split */
  const char *split;   /* of a folder: "train", "val", "test", ...; NULL: "val" */
  const char *weights; /* "ema" or "raw", of a run that averaged; NULL: those by which it chose its best */
  bool assume_classes; /* if only one side names its classes, label 0 is taken for its first, and so on */
  const char *const *settings; /* "data.key=value": how the data are read, where the recipe says otherwise */
  int64_t setting_count;
  /* What takes the place of what the model's chain cuts out. 1: the centre of each picture; 10: its corners,
   * its centre and their mirror images, over which the probabilities are the mean; 0: the chain stays. */
  int64_t crops;
  /* If there are any, the network is applied densely: to whole pictures, whose shorter side is scaled to each
   * of these in turn, pixels (Simonyan & Zisserman 2015, section 3.2). */
  const int64_t *scales;
  int64_t scale_count;
  bool no_mirror; /* then no mirror images are seen besides */
} cvy_evaluate_options;

/* Finds the score of a checkpoint's network on a dataset. The recipe's own data for the split "train" are its
 * training data; for another split they are its validation data, or else its training data, which must be a
 * folder then. Every image is counted once, and the bits are the same for any number of ranks. Errors: what
 * cannot be read, classes that are not those of the network, a chain that cuts out nothing (crops), a network
 * that takes one size of pictures only (scales). The call is collective. */
cvy_err cvy_evaluate(cvy_score *out, cvy_comm *comm, const char *checkpoint,
                     const cvy_evaluate_options *options) CVY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
