/* Checkpoints: a model (model/stored.h has that part of the file), and what its run needs for going on:
 *
 *   attributes of /   step, best_step, best_top1, train_loss, the tallies of the epoch and of the metrics'
 *                     interval so far, skipped (bad records that were replaced), roll_backs, watched_since
 *                     and stopped_early (these four and the tallies' skipped are 0 where a file lacks them);
 *                     after a step first_loss; after a validation last_top1 and last_loss, its scores,
 *                     watched_best, and validated_on, the fingerprint of its data; arithmetic and products,
 *                     what the last steps were computed with; schedule_memory_0 ... _3, if the schedule has
 *                     noted anything; history, what of the recipe was changed after which step, if anything
 *                     was; momentum (hash; under the update rule's name for its state)
 *   /ema/...                       the averaged weights, of a run that keeps them (model/stored.h)
 *   /momentum/<layer>/<tensor>     the update rule's state under its name, float32, in the tensor's shape, of
 *                                  tensors that learn
 *
 * The hashes are checked when the file is read. A file stands under its name only when it is whole and on the
 * disk. */
#ifndef CVY_TRAIN_CHECKPOINT_H
#define CVY_TRAIN_CHECKPOINT_H

#include "math/arithmetic.h"
#include "model/stored.h"
#include "model/tally.h"
#include "train/update.h"

#include <math.h>

enum { CVY_HISTORY_BYTES = 4096 };

/* What a resumed run must know besides weights and state. */
typedef struct cvy_run_state {
  int64_t step; /* steps done */
  double best_top1;
  int64_t best_step;
  cvy_tally epoch;    /* tally of the epoch's steps so far */
  cvy_tally interval; /* tally of the steps since the last line of metrics */
  double train_loss;
  double last_top1, last_loss; /* scores of the latest validation; NaN: none, or the file lacks them */
  cvy_hash validated_on;       /* fingerprint of the data of which best and last are scores; "": as above */
  cvy_arithmetic arithmetic;   /* what the latest steps were computed with; no names: the file lacks it */
  double schedule_memory[CVY_SCHEDULE_MEMORY]; /* what the schedule has noted */
  int64_t skipped;                             /* bad records that were replaced in all steps so far */
  int64_t roll_backs; /* how often the run has gone back, each of which halves the rate */
  double first_loss;  /* mean loss of the first step; NaN: there was none, or the file lacks it */
  /* What early stopping remembers: its best score (NaN: none yet), the validations since then, and whether
   * the run has ended so (0, 1). */
  double watched_best;
  int64_t watched_since, stopped_early;
  char history[CVY_HISTORY_BYTES]; /* what was changed on the way, with " | " between */
} cvy_run_state;

/* Returns the state of a run that has made no step. */
static inline cvy_run_state cvy_run_state_at_first(void) {
  return (cvy_run_state){.last_top1 = NAN, .last_loss = NAN, .first_loss = NAN, .watched_best = NAN};
}

/* Writes a checkpoint, whole or not at all. */
cvy_err cvy_checkpoint_write(const char *path, const cvy_arenas *arenas, const cvy_run_state *state,
                             const cvy_model_head *head) CVY_MUST_CHECK;

/* An opened checkpoint. It gives first the recipe, to build the net from, then the contents. */
typedef struct cvy_checkpoint cvy_checkpoint;
cvy_err cvy_checkpoint_open(cvy_checkpoint **out, const char *path) CVY_MUST_CHECK;
void cvy_checkpoint_close(cvy_checkpoint *checkpoint);
/* These are the text of the resolved recipe, and the fingerprint of the training data. The checkpoint owns
 * them. */
const char *cvy_checkpoint_recipe(const cvy_checkpoint *checkpoint);
const char *cvy_checkpoint_fingerprint(const cvy_checkpoint *checkpoint);
/* Returns what is stored of the training data: classes, channels, mean and deviation. */
const cvy_dataset_info *cvy_checkpoint_data(const cvy_checkpoint *checkpoint);
/* Reads how many steps the run had done. */
cvy_err cvy_checkpoint_read_step(cvy_checkpoint *checkpoint, int64_t *step) CVY_MUST_CHECK;
/* Fills the arenas and the run's state. What learns now, and did not when the file was written, has a state
 * of zero. These are errors: tensors that are missing or have another shape,
 * values that do not match the stored hash. */
cvy_err cvy_checkpoint_read(cvy_checkpoint *checkpoint, const cvy_arenas *arenas,
                            cvy_run_state *state) CVY_MUST_CHECK;

#endif
