/* Judges steps, and tells where one went wrong. */
#include "train/divergence.h"

#include "base/text.h"

#include <stdlib.h>

/* Returns the mean loss above which a step diverges. */
static double limit_of(const cvy_run *run) {
  const double guessing = log((double)cvy_net_describe(run->net)->class_count);
  return run->recipe->exploding_loss * fmax(guessing, run->state.first_loss); /* fmax passes over a NaN */
}

/* Returns the fault of the step's first bad microbatch, whoever has it; the same on all ranks. */
static cvy_step_fault first_fault(const cvy_run *run) {
  const int ranks = cvy_comm_size(run->comm);
  cvy_step_fault *all = cvy_new(sizeof *all * (size_t)ranks), first = {.microbatch = -1};
  cvy_comm_gather(run->comm, all, &run->fault, sizeof run->fault);
  for (int rank = 0; rank < ranks && first.microbatch < 0; rank++) first = all[rank];
  cvy_comm_broadcast(run->comm, &first, sizeof first);
  free(all);
  return first;
}

static void describe(char out[400], const cvy_net_info *net, const cvy_step_fault *fault) {
  cvy_text text = cvy_text_in(out, 400);
  const char *layer = fault->at.layer >= 0 ? net->layers[fault->at.layer].name : "";
  out[0] = '\0';
  if (fault->microbatch < 0) return;
  switch (fault->at.kind) {
  case CVY_NET_BAD_IMAGES:
    cvy_text_add(&text, "; the network was given values that are not finite");
    break;
  case CVY_NET_BAD_WEIGHTS:
    cvy_text_add(
        &text,
        "; the weights of layer '%s' are not finite, since the gradients of the step before were not "
        "from there on down",
        layer);
    break;
  case CVY_NET_BAD_OUTPUT:
    cvy_text_add(&text, "; the first values that are not finite are in the output of layer '%s'", layer);
    break;
  case CVY_NET_BAD_GRADIENT:
    cvy_text_add(&text, "; the first values that are not finite are in the gradients of layer '%s'", layer);
    break;
  case CVY_NET_SOUND:
    cvy_text_add(&text, "; all values of its layers are finite, so far");
    break;
  }
  cvy_text_add(&text, " (microbatch %" PRId64 " of the step)", fault->microbatch + 1);
}

cvy_err cvy_divergence_mark(cvy_run *run, cvy_err err) {
  run->has_diverged = err == CVY_E_RUN;
  return err;
}

cvy_err cvy_divergence_judge(cvy_run *run, const cvy_tally *tally, double rate) {
  const int64_t step = run->state.step;
  char told[100], where[400];
  snprintf(told, sizeof told, "training diverged (learning rate %g; a smaller one may help)", rate);
  if (tally->diverged > 0) {
    const cvy_step_fault fault = first_fault(run);
    describe(where, cvy_net_describe(run->net), &fault);
    return cvy_divergence_mark(run, cvy_error(CVY_E_RUN,
                                              "step %" PRId64 ": the loss of %" PRId64 " of %" PRId64
                                              " images is not a number below a million%s; %s",
                                              step, tally->diverged, tally->images, where, told));
  }
  const double loss = cvy_tally_score(tally).loss, limit = limit_of(run);
  if (isnan(run->state.first_loss)) {
    run->state.first_loss = loss;
    return CVY_OK;
  }
  if (run->recipe->exploding_loss <= 0 || loss <= limit) return CVY_OK;
  return cvy_divergence_mark(run,
                             cvy_error(CVY_E_RUN,
                                       "step %" PRId64 ": the mean loss is %.6g, above the %.6g at which "
                                       "'exploding_loss: %g' ends it; %s",
                                       step, loss, limit, run->recipe->exploding_loss, told));
}
