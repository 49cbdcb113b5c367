/* Stochastic gradient descent with momentum and L2 weight decay, in PyTorch's form:
 * v = momentum v + (g + decay w), w = w - rate v. (Caffe keeps the rate inside v; the two differ only in the
 * steps after the rate has changed.) With Nesterov's momentum (Sutskever et al. 2013)
 * w = w - rate (g + decay w + momentum v), with the new v. */
#include "optim/rule.h"

typedef struct sgd {
  double momentum;
  bool nesterov;
  cvy_decay decay;
} sgd;

static const cvy_option options[] = {
    {"momentum", CVY_FLOAT, offsetof(sgd, momentum), "0.9", 0, 1,
     .help = "share of the last update that goes on"},
    {"nesterov", CVY_BOOL, offsetof(sgd, nesterov), "false", .help = "look ahead along the momentum"},
    CVY_DECAY_OPTIONS(sgd, decay, CVY_L2_HELP),
    {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const sgd *s = config;
  const float rate = (float)piece->rate, momentum = (float)s->momentum,
              decay = (float)cvy_decay_of(piece, &s->decay);
  float *w = piece->weights, *v = piece->state[0];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  if (s->nesterov) {
    CVY_VECTOR
    for (int64_t i = 0; i < piece->count; i++) {
      const float gradient = cvy_clipped(g[i], clip) + decay * w[i], velocity = momentum * v[i] + gradient;
      v[i] = velocity;
      w[i] -= rate * (gradient + momentum * velocity);
    }
    return;
  }
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float velocity = momentum * v[i] + (cvy_clipped(g[i], clip) + decay * w[i]);
    v[i] = velocity;
    w[i] -= rate * velocity;
  }
}

static const cvy_kind kind = {"sgd", "stochastic gradient descent with momentum, Nesterov's too", options,
                              sizeof(sgd)};

const cvy_rule CVY_RULE_CONSTANT(sgd) = {
    .kind = &kind, .state_count = 1, .state_names = {"momentum"}, .apply = apply};
