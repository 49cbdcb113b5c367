/* How large the buckets are in which gradients travel. Small ones set out earlier and leave less to wait for
 * at the end; large ones cost fewer messages. Which does better is a matter of the network, the ranks and the
 * wire between them, so it is tried out before the run begins. The bits are the same with any size. */
#ifndef CVY_TRAIN_BUCKET_H
#define CVY_TRAIN_BUCKET_H

#include "train/learner.h"
#include "train/step_config.h"

enum { CVY_BUCKET_SIZES = 4, CVY_BUCKET_USUAL = 1 };
extern const int64_t cvy_bucket_mib[CVY_BUCKET_SIZES]; /* ascending, with the usual one */

typedef struct cvy_bucket_choice {
  int64_t mib;
  /* Medians, with each size, of what the last microbatch of a step and its update took. A median is 0 where
   * its size was not tried because another one cuts the network alike. All are 0 where nothing was measured,
   * as for one rank. */
  double step_s[CVY_BUCKET_SIZES];
  double exposed_s; /* what such a step waited for gradients, with the usual size */
} cvy_bucket_choice;

/* Cuts the learner, which makes steps as `config` says, into buckets of `wanted` MiB, or of the best size if
 * that is 0. The best is the usual one unless another is faster by more than the clock's noise. This takes
 * two steps of one microbatch where next to nothing is waited for, else some more, for at most a minute. The
 * learner's weights are lost. Sums by MPI_Allreduce are not measured: their bits depend on the size. This
 * call is collective. */
cvy_err cvy_bucket_choose(cvy_bucket_choice *out, cvy_learner *learner, cvy_comm *comm,
                          const cvy_step_config *config, int64_t wanted) CVY_MUST_CHECK;

/* Returns the place in cvy_bucket_mib of the best size among those that were tried (step_s > 0). */
int64_t cvy_bucket_best(const double step_s[CVY_BUCKET_SIZES]);

/* Writes what was measured: "812, 790, 760 ms with 1, 4, 16 MiB". */
void cvy_bucket_describe(char *out, size_t capacity, const cvy_bucket_choice *choice);

#endif
