/* Stochastic gradient descent with momentum and L2 weight decay, in PyTorch's form:
 * v = momentum v + (g + decay w), w = w - rate v. (Caffe keeps the rate inside v; the two differ only in the
 * steps after the rate has changed.) */
#include "base/options.h"
#include "optim/rule.h"

typedef struct sgd {
  double momentum, weight_decay;
  bool decay_biases;
} sgd;

static const cvy_option options[] = {{"momentum", CVY_FLOAT, offsetof(sgd, momentum), "0.9", 0, 1,
                                      .help = "share of the last update that goes on"},
                                     {"weight_decay", CVY_FLOAT, offsetof(sgd, weight_decay), "0", 0, 1,
                                      .help = "L2: this times w is added to the gradient"},
                                     {"decay_biases", CVY_BOOL, offsetof(sgd, decay_biases), "false",
                                      .help = "decay biases too (as PyTorch does by default)"},
                                     {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const sgd *s = config;
  const bool decays = piece->decays || s->decay_biases;
  const float rate = (float)piece->rate, momentum = (float)s->momentum,
              decay = decays ? (float)s->weight_decay : 0.0f;
  float *w = piece->weights, *v = piece->state[0];
  const float *g = piece->gradient;
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float velocity = momentum * v[i] + (g[i] + decay * w[i]);
    v[i] = velocity;
    w[i] -= rate * velocity;
  }
}

static const cvy_kind kind = {"sgd", "stochastic gradient descent with momentum and L2 weight decay", options,
                              sizeof(sgd)};

const cvy_rule CVY_RULE_CONSTANT(sgd) = {
    .kind = &kind, .state_count = 1, .state_names = {"momentum"}, .apply = apply};
