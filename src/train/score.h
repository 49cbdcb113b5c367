/* The score of a whole dataset, which the ranks share among them. */
#ifndef CVY_TRAIN_SCORE_H
#define CVY_TRAIN_SCORE_H

#include "augment/chain.h"
#include "comm/comm.h"
#include "model/tally.h"
#include "train/recipe.h"

/* Collective: the score of `dataset` under the net's weights, every image counted once. Contiguous ranges
 * of microbatches go to the ranks; a microbatch holds the same images at any number of ranks. Where the
 * chain makes several views, an image's probabilities are the means over them. A record that cannot be
 * read is an error on all ranks, once each has come to the end of its range. */
cvy_err cvy_score_dataset(cvy_score *out, cvy_comm *comm, cvy_net *net, cvy_dataset *dataset,
                          const cvy_augment *augment, const cvy_dataset_info *normalisation,
                          const cvy_recipe *recipe) CVY_MUST_CHECK;

#endif
