/* Runs a step: microbatches go forward and backward, then the weights change. */
#include "train/step.h"

#include "base/trace.h"

cvy_step cvy_step_of(const cvy_step_config *config, cvy_net *net, int rank, int ranks) {
  const int64_t own = config->tree.leaves / ranks;
  return (cvy_step){.net = net,
                    .first = rank * own,
                    .own = own,
                    .microbatch = config->microbatch,
                    .seed = config->seed,
                    .loss_scale = (float)(1.0 / (double)cvy_step_batch(config))};
}

/* ---- where microbatches come from ---- */

static cvy_microbatch take_microbatch(const cvy_step *s) {
  if (!s->loader) return s->fixed;
  cvy_microbatch data;
  const int64_t begin_ns = cvy_trace_begin();
  if (cvy_loader_next(&data, s->loader)) cvy_fatal("%s", cvy_err_message());
  cvy_trace_end(begin_ns, CVY_TRACE_WAIT_FOR_DATA, NULL, -1);
  return data;
}

static void release_microbatch(const cvy_step *s) {
  if (s->loader) cvy_loader_release(s->loader);
}

/* ---- where gradients go ---- */

static void begin_gradients(const cvy_step *s, int64_t number, double rate) {
  if (s->alone) {
    s->alone->update.step = number + 1;
    s->alone->update.rate = rate;
  } else if (s->rehearses) {
    cvy_learner_begin_at_last(s->learner);
  } else {
    cvy_learner_begin(s->learner, number + 1, rate);
  }
}

static void backward(const cvy_step *s, const float *images, const cvy_targets *targets,
                     const cvy_pass *pass) {
  if (s->learner)
    cvy_learner_backward(s->learner, images, targets, pass);
  else
    cvy_net_backward(s->net, s->alone->gradients, images, targets, pass);
}

static void use_gradients(const cvy_step *s) {
  if (s->learner)
    cvy_learner_finish(s->learner);
  else
    cvy_update_weights(&s->alone->update, s->alone->gradients, 0, cvy_net_describe(s->net)->arena_count,
                       NULL);
}

/* ---- the step ---- */

static void mark(const cvy_step *s, cvy_moment moment) {
  if (s->observer) s->observer->mark(s->observer->context, moment);
}

/* The weights are still those that made the losses: no rank's last gradients are there yet. */
static void note_fault(const cvy_step *s, const cvy_microbatch *data, const cvy_targets *targets,
                       const cvy_pass *pass) {
  if (!s->fault || !s->learner || s->fault->microbatch >= 0) return;
  s->fault->microbatch = pass->first_sample / s->microbatch;
  s->fault->at = cvy_learner_find_fault(s->learner, data->images, targets, pass);
}

static void run_microbatch(cvy_tally *tally, const cvy_step *s, const cvy_pass *pass) {
  const cvy_microbatch data = take_microbatch(s);
  const cvy_targets targets = cvy_targets_of(&data);
  cvy_net_forward(s->net, data.images, &targets, pass);
  const int64_t diverged = tally->diverged;
  cvy_tally_add_microbatch(tally, s->net, &targets);
  if (tally->diverged > diverged) note_fault(s, &data, &targets, pass);
  tally->skipped += data.skipped;
  mark(s, CVY_FORWARD_ENDS);
  backward(s, data.images, &targets, pass);
  mark(s, CVY_BACKWARD_ENDS);
  release_microbatch(s);
}

cvy_tally cvy_step_run(const cvy_step *s, int64_t number, double rate) {
  CVY_CHECK((s->learner != NULL) != (s->alone != NULL));
  CVY_CHECK(s->learner || s->own == 1, "one microbatch is all that learns alone");
  cvy_tally tally = {0};
  mark(s, CVY_STEP_BEGINS);
  begin_gradients(s, number, rate);
  for (int64_t m = 0; m < s->own; m++) {
    const cvy_pass pass = {.training = true,
                           .seed = s->seed,
                           .step = number,
                           .params = cvy_params_of_pass(m, s->own),
                           .first_sample = (s->first + m) * s->microbatch,
                           .loss_scale = s->loss_scale};
    run_microbatch(&tally, s, &pass);
  }
  use_gradients(s);
  mark(s, CVY_STEP_ENDS);
  return tally;
}
