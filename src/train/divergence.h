/* When a run diverges, and where.
 *
 * A step diverges if the loss of one of its images is not a number below a million. It also does if the mean
 * loss of all of them explodes: if it is above `exploding_loss` times the first step's, and above that many
 * times ln(classes), which is what guessing costs. Both are known from exact sums over the ranks, so all
 * decide alike, at any number of them. Weights and validations that are not finite diverge too.
 *
 * If losses are no numbers, that of the first microbatch is followed: the layer is named where a value was
 * first infinite or NaN. The rank that has the microbatch walks it again, before the step's end changes the
 * weights (net/fault.c). A step that goes well costs nothing. */
#ifndef CVY_TRAIN_DIVERGENCE_H
#define CVY_TRAIN_DIVERGENCE_H

#include "train/run.h"

/* Judges the step that was just made, whose tally is that of all ranks. A divergence is CVY_E_RUN with a
 * message that says where, and run->has_diverged. This call is collective. */
cvy_err cvy_divergence_judge(cvy_run *run, const cvy_tally *tally, double rate) CVY_MUST_CHECK;
/* Marks an error as a divergence, and returns it. */
cvy_err cvy_divergence_mark(cvy_run *run, cvy_err err) CVY_MUST_CHECK;

#endif
