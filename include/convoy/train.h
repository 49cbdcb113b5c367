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
/* `name`: a file or a recipe that comes with Convoy; `overrides`: "key.key=value". Reads the network too. */
cvy_err cvy_recipe_load(cvy_recipe **out, const char *name, const char *const *overrides,
                        int64_t override_count) CVY_MUST_CHECK;
/* From the text of a resolved recipe, as checkpoints hold it. */
cvy_err cvy_recipe_parse(cvy_recipe **out, const char *text, const char *name) CVY_MUST_CHECK;
void cvy_recipe_destroy(cvy_recipe *recipe);

typedef struct cvy_train_options {
  bool resume;        /* go on from the run folder's last.h5 */
  bool overwrite;     /* a run that stands in the folder is replaced */
  int64_t stop_after; /* stop as if asked to after this many steps; 0: never (for tests of resuming) */
  /* A file for what every thread of every rank did when, in Chrome's trace format; NULL: none. Steps
   * trace_from ... of trace_steps (0: all that follow), as far as trace_bytes of each rank go. */
  const char *trace;
  int64_t trace_from, trace_steps;
  size_t trace_bytes;
} cvy_train_options;

typedef struct cvy_train_result {
  int64_t steps;
  double epochs;
  double train_loss; /* mean over the last epoch's steps */
  cvy_score val;     /* images 0 if the recipe has no validation data */
  double best_top1;
  int64_t best_step;
  int64_t skipped; /* bad records that others took the place of in training, from the first step on */
  cvy_hash weights;
  /* Of this process's own steps: waited for data; exposed is what was waited for gradients that came
   * through the ranks, and exchange_cpu what the exchange of gradients computed. */
  double seconds, images_per_s, waited_s, exposed_s, exchange_cpu_s;
} cvy_train_result;

/* Collective. Errors are returned, the same on all ranks: those met before the first step as what they are,
 * later ones as CVY_E_RUN or CVY_E_SYSTEM; what one rank alone meets in mid-step (a damaged record, a full
 * disk) ends the job. CVY_E_STOPPED: SIGTERM, SIGINT or SIGUSR1 came and a checkpoint is written. */
cvy_err cvy_train(cvy_train_result *out, cvy_comm *comm, const cvy_recipe *recipe,
                  const cvy_train_options *options) CVY_MUST_CHECK;

/* Collective. The score of a checkpoint's network on `data` (its val split if a folder), every image counted
 * once, the same bits for any number of ranks. `data` NULL: the recipe's validation data. */
cvy_err cvy_evaluate(cvy_score *out, cvy_comm *comm, const char *checkpoint, const char *data) CVY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
