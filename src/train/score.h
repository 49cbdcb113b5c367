/* The score of a network on a dataset, over all ranks. model/tally.h counts, as exact sums. */
#ifndef CVY_TRAIN_SCORE_H
#define CVY_TRAIN_SCORE_H

#include "comm/comm.h"
#include "model/ensemble.h"
#include "model/verdict.h"
#include "train/stream.h"

/* Scores `data` under the net's weights, with every image counted once. Contiguous ranges of microbatches go
 * to the ranks; a microbatch holds the same images at any number of ranks. Where the chain makes several
 * views, an image's probabilities are the means over them. A record that cannot be read is an error on all
 * ranks, once each has come to the end of its range. `verdicts` (NULL: not wanted) receives what is said of
 * each image: rank 0 has those of all images, in the order of the dataset, and the others have none; they are
 * to be freed. This call is collective. */
cvy_err cvy_score_dataset(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_net *net,
                          const cvy_stream *data, const cvy_intake *intake,
                          const cvy_dataset_info *trained_on) CVY_MUST_CHECK;
/* Scores a dataset under an ensemble, by the mean probabilities of its members. `net` is the first one's,
 * whose loss counts. Ranges, errors and `verdicts`, which must be there, are as above. This call is
 * collective. */
cvy_err cvy_score_ensemble(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_ensemble *ensemble,
                           const cvy_picture_source *source, const cvy_net *net) CVY_MUST_CHECK;
/* Sums the ranks' tallies to a score, and brings the ranks' verdicts (NULL: none) together on rank 0. This is
 * the end of every collective evaluation. It is collective, and fails on all ranks if one of them did, as
 * `mine` says. */
cvy_err cvy_score_together(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_tally *tally,
                           cvy_err mine) CVY_MUST_CHECK;

#endif
