#include "train/update.h"

cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) {
  const size_t bytes = sizeof(float) * (size_t)cvy_net_describe(net)->arena_count;
  *out = (cvy_arenas){.net = net, .rule = rule, .params = cvy_net_params(net)};
  for (int64_t k = 0; k < rule->state_count; k++) {
    void *memory;
    const cvy_err err = cvy_buffer_create(&memory, bytes, "the optimiser's state");
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

void cvy_update_weights(const cvy_arenas *arenas, const float *gradients, double rate,
                        const void *rule_config, int64_t microbatches) {
  const cvy_net_info *net = cvy_net_describe(arenas->net);
  const cvy_rule *rule = arenas->rule;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    if (p->spec->averaging > 0) continue;
    cvy_update update = {.weights = arenas->params + p->offset,
                         .gradient = gradients + p->offset,
                         .count = p->count,
                         .rate = (float)rate,
                         .decays = p->spec->decays};
    for (int64_t k = 0; k < rule->state_count; k++) update.state[k] = arenas->state[k] + p->offset;
    rule->apply(&update, rule_config);
  }
  cvy_net_update_averages(arenas->net, gradients, microbatches);
}
