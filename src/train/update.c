#include "train/update.h"

cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) {
  const size_t bytes = sizeof(float) * (size_t)cvy_net_describe(net)->arena_count;
  *out = (cvy_arenas){.net = net, .rule = rule, .params = cvy_net_params(net)};
  for (int64_t k = 0; k < rule->state_count; k++) {
    void *memory;
    /* A rank that shares the work touches its part of each block only. Small pages make an update 3 % slower. */
    const cvy_err err = cvy_buffer_create_sparse(&memory, bytes, "the optimiser's state");
    out->state[k] = memory;
    if (!err) continue;
    cvy_arenas_destroy(out);
    return err;
  }
  return CVY_OK;
}

void cvy_arenas_destroy(cvy_arenas *arenas) {
  for (int k = 0; k < 2; k++) cvy_buffer_destroy(arenas->state[k]);
  *arenas = (cvy_arenas){0};
}

static void update_tensor(const cvy_step_update *step, const cvy_net_param *p, const float *gradients,
                          int64_t first, int64_t end) {
  const cvy_arenas *arenas = step->arenas;
  const cvy_rule *rule = arenas->rule;
  cvy_update update = {.weights = arenas->params + first,
                       .gradient = gradients,
                       .count = end - first,
                       .rate = (float)step->rate,
                       .decays = p->spec->decays};
  for (int64_t k = 0; k < rule->state_count; k++) update.state[k] = arenas->state[k] + first;
  rule->apply(&update, step->rule_config);
}

static void update_average(const cvy_step_update *step, const cvy_net_param *p, const float *sums,
                           int64_t first, int64_t end) {
  float *average = step->arenas->params;
  const float share = (float)p->spec->averaging, scale = (float)(1.0 / (double)step->microbatches);
  for (int64_t k = first; k < end; k++) average[k] += share * (sums[k - first] * scale - average[k]);
}

void cvy_update_weights(const cvy_step_update *step, const float *gradients, int64_t first, int64_t end) {
  const cvy_net_info *net = cvy_net_describe(step->arenas->net);
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    const int64_t from = p->offset > first ? p->offset : first;
    const int64_t to = p->offset + p->count < end ? p->offset + p->count : end;
    if (from >= to) continue;
    (p->spec->averaging > 0 ? update_average : update_tensor)(step, p, gradients + (from - first), from, to);
  }
}
