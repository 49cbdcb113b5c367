/* A phase begins with a net that is planned anew, because what is frozen lies elsewhere than what learns, and
 * has neither gradients nor a state. The values go from the old learner to the new one tensor by tensor. */
#include "train/phase.h"

#include "train/tell.h"

#include <stdlib.h>
#include <string.h>

/* ---- planning ---- */

static cvy_net_wishes wishes_of(const cvy_recipe *r, int64_t phase) {
  cvy_net_wishes wishes = {.convolution = (cvy_conv_choice)r->convolution};
  cvy_freezing_wish(&wishes, r->pool, &r->freezing, &r->layer_rules, phase);
  return wishes;
}

cvy_err cvy_phase_check(const cvy_recipe *r, const cvy_net_info *net) {
  const cvy_yaml *list = cvy_yaml_get(r->root, "freeze"), *until = cvy_yaml_get(r->root, "freeze_until"),
                 *at = list ? list : until;
  if (net->param_count == 0)
    return cvy_error(CVY_E_INPUT, "network '%s' has no parameters that it could learn", net->name);
  if (net->frozen_count == net->param_count && at)
    return cvy_yaml_error(at, "network '%s' has nothing left to learn: all its layers are frozen", net->name);
  if (net->frozen_count == net->param_count)
    return cvy_error(CVY_E_INPUT, "network '%s' has nothing left to learn: all its layers are frozen",
                     net->name);
  for (int64_t i = 0; i < net->layer_count; i++)
    if (net->layers[i].untrainable)
      return cvy_error(CVY_E_INPUT, "network '%s', layer '%s': %s", net->name, net->layers[i].name,
                       net->layers[i].untrainable);
  return CVY_OK;
}

cvy_err cvy_phase_plan(cvy_run *run, int64_t phase, int64_t bucket_mib) {
  const cvy_recipe *r = run->recipe;
  cvy_learner_destroy(run->learner);
  run->learner = NULL;
  run->phase = phase;
  run->config.wishes = wishes_of(r, phase);
  run->config.thaws = cvy_freezing_thaws(&r->freezing, r->pool, phase, run->images, r->batch);
  const cvy_learner_config config = {
      .comm = run->comm, .step = run->config, .bucket_mib = bucket_mib, .network = r->network};
  CVY_TRY(cvy_learner_create(&run->learner, &config));
  run->net = cvy_learner_net(run->learner);
  run->step.net = run->net;
  run->step.learner = run->learner;
  return CVY_OK;
}

cvy_err cvy_phase_check_all(const cvy_run *run, int64_t *learnt) {
  const cvy_recipe *r = run->recipe;
  for (int64_t phase = 1; phase <= r->freezing.count; phase++) {
    const cvy_net_wishes wishes = wishes_of(r, phase);
    cvy_net *net;
    CVY_TRY(cvy_net_create(&net, r->network, r->microbatch, &wishes));
    const cvy_net_info *info = cvy_net_describe(net);
    if (learnt) learnt[phase] = info->param_count - info->frozen_count;
    const cvy_err err = cvy_phase_check(r, info);
    cvy_net_destroy(net);
    if (err) return err;
  }
  return CVY_OK;
}

/* ---- from one phase to the next ---- */

/* What a learner leaves to the next one: values of all tensors in their order. Only rank 0 has state and
 * average. */
typedef struct estate {
  float *params, *state[CVY_MOST_STATE], *average; /* NULL where there is none */
} estate;

/* Copies an arena's tensors, of which those that do not learn are zero if the arena ends before them. */
static float *pack(const cvy_net_info *net, const float *arena, bool learnt_only) {
  int64_t count = 0, at = 0;
  for (int64_t i = 0; i < net->param_tensors; i++) count += net->params[i].count;
  float *packed = cvy_new(sizeof *packed * (size_t)count);
  for (int64_t i = 0; i < net->param_tensors; at += net->params[i++].count)
    if (!learnt_only || net->params[i].learns)
      memcpy(packed + at, arena + net->params[i].offset, sizeof *packed * (size_t)net->params[i].count);
  return packed;
}

static void unpack(float *arena, const cvy_net_info *net, const float *packed, bool learnt_only) {
  int64_t at = 0;
  for (int64_t i = 0; i < net->param_tensors; at += net->params[i++].count)
    if (!learnt_only || net->params[i].learns)
      memcpy(arena + net->params[i].offset, packed + at, sizeof *packed * (size_t)net->params[i].count);
}

static estate leave(cvy_run *run) {
  const cvy_net_info *net = cvy_net_describe(run->net);
  const bool is_first = cvy_comm_rank(run->comm) == 0;
  estate e = {0};
  cvy_learner_whole_weights(run->learner);
  e.params = pack(net, cvy_net_params(run->net), false);
  for (int64_t k = 0; k < run->config.rule->state_count; k++) {
    const float *whole = cvy_learner_whole_state(run->learner, k);
    if (is_first) e.state[k] = pack(net, whole, true);
  }
  if (!cvy_recipe_averages(run->recipe)) return e;
  const float *whole = cvy_learner_whole_average(run->learner);
  if (is_first) e.average = pack(net, whole, false);
  return e;
}

static void take_over(cvy_run *run, const estate *e) {
  const cvy_net_info *net = cvy_net_describe(run->net);
  unpack(cvy_net_params(run->net), net, e->params, false);
  cvy_learner_weights_are_new(run->learner);
  for (int64_t k = 0; k < run->config.rule->state_count; k++) {
    float *room = cvy_learner_room(run->learner, k);
    if (e->state[k]) memset(room, 0, sizeof *room * (size_t)net->learnt_count);
    if (e->state[k]) unpack(room, net, e->state[k], true);
    cvy_learner_deal_state(run->learner, k);
  }
  if (!cvy_recipe_averages(run->recipe)) return;
  if (e->average) unpack(cvy_learner_room_of_average(run->learner), net, e->average, false);
  cvy_learner_deal_average(run->learner);
}

static void release(estate *e) {
  free(e->params);
  for (int k = 0; k < CVY_MOST_STATE; k++) free(e->state[k]);
  free(e->average);
}

/* Keeps what a trace has names of, and counts what the learner spent. */
static void put_away(cvy_run *run) {
  run->past_times = cvy_run_times(run);
  if (!run->tracing) return;
  cvy_learner_rest(run->learner);
  cvy_learner **past = cvy_new(sizeof(cvy_learner *) * (size_t)(run->past_count + 1));
  if (run->past_count > 0) memcpy(past, run->past, sizeof(cvy_learner *) * (size_t)run->past_count);
  past[run->past_count++] = run->learner;
  free(run->past);
  run->past = past;
  run->learner = NULL;
}

void cvy_phase_enter(cvy_run *run) {
  const int64_t phase = cvy_run_phase(run, run->state.step);
  if (phase == run->phase) return;
  cvy_doing("beginning to learn layers that were frozen");
  const int64_t before = cvy_net_describe(run->net)->frozen_count;
  estate e = leave(run);
  put_away(run);
  if (cvy_comm_agree(run->comm, cvy_phase_plan(run, phase, run->bucket.mib)))
    cvy_fatal("%s", cvy_err_message());
  take_over(run, &e);
  release(&e);
  cvy_tell_phase(run, before - cvy_net_describe(run->net)->frozen_count);
}
