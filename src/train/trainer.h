/* What setting up a training run makes, and the step loop uses. */
#ifndef CVY_TRAIN_TRAINER_H
#define CVY_TRAIN_TRAINER_H

#include "augment/chain.h"
#include "data/loader.h"
#include "train/bucket.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/learner.h"
#include "train/recipe.h"
#include "train/score.h"
#include "train/trace.h"

typedef struct trainer {
  cvy_comm *comm;
  const cvy_recipe *recipe;
  cvy_dataset *train, *val; /* val: NULL if the recipe has none */
  cvy_augment *train_augment, *val_augment;
  cvy_loader *loader;
  cvy_learner *learner;
  cvy_net *net; /* the learner's */
  cvy_bucket_choice bucket;
  cvy_tracing *tracing; /* NULL: not wanted */
  cvy_folder *folder;   /* rank 0 only */
  cvy_hash fingerprint; /* of the training data */
  int64_t first_microbatch, own_microbatches;
  int64_t images; /* in the training set */
  int64_t total_steps;
  cvy_run_state state;
} trainer;

/* Collective: opens, plans, agrees, initialises or resumes. On an error everything is given back. */
cvy_err cvy_trainer_create(trainer *t, cvy_comm *comm, const cvy_recipe *recipe,
                           const cvy_train_options *options) CVY_MUST_CHECK;
void cvy_trainer_destroy(trainer *t);
/* Ends the threads; no further step. */
void cvy_trainer_rest(trainer *t);

/* All steps are made, and the last one's epoch is validated. */
bool cvy_trainer_is_done(const trainer *t);

/* Opens a split and its augmentation chain, and checks that what leaves the chain is what the network wants, and that
 * the classes are those of `known`, what the network was trained on (NULL: not yet known). What was opened before an
 * error is the caller's to close. */
cvy_err cvy_open_data(cvy_dataset **data, cvy_augment **augment, const char *path, const char *split,
                      const cvy_yaml *chain, const cvy_net_info *net,
                      const cvy_dataset_info *known) CVY_MUST_CHECK;

/* CVY_E_RUN, naming the first tensor and rank that differ, unless all ranks hold the same weights.
 * Collective. */
cvy_err cvy_check_replicas(cvy_comm *comm, const cvy_net *net, int64_t step) CVY_MUST_CHECK;

#endif
