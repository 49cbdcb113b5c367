/* AdaDelta (Zeiler 2012, algorithm 1), with PyTorch's rate: h = g + decay w, s = rho s + (1 - rho) h h,
 * d = sqrt(u + epsilon) / sqrt(s + epsilon) h, u = rho u + (1 - rho) d d, w = w - rate d. The paper's rate
 * is 1. */
#include "optim/rule.h"

typedef struct adadelta {
  double rho, epsilon;
  cvy_decay decay;
} adadelta;

/* Epsilon is above zero, also as a float: a first gradient of zero would divide zero by zero. */
static const cvy_option options[] = {{"rho", CVY_FLOAT, offsetof(adadelta, rho), "0.9", 0, 1,
                                      .help = "share of the average squares that goes on"},
                                     {"epsilon", CVY_FLOAT, offsetof(adadelta, epsilon), "1e-6", 1e-30, 1,
                                      .help = "added below both roots; it sets the first steps' size"},
                                     CVY_DECAY_OPTIONS(adadelta, decay, CVY_L2_HELP),
                                     {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const adadelta *a = config;
  const float rate = (float)piece->rate, old = (float)a->rho, new = (float)(1 - a->rho),
              epsilon = (float)a->epsilon, decay = (float)cvy_decay_of(piece, &a->decay);
  float *w = piece->weights, *square = piece->state[0], *update = piece->state[1];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float gradient = cvy_clipped(g[i], clip) + decay * w[i];
    square[i] = old * square[i] + new *(gradient * gradient);
    const float delta = sqrtf(update[i] + epsilon) / sqrtf(square[i] + epsilon) * gradient;
    update[i] = old * update[i] + new *(delta * delta);
    w[i] -= rate * delta;
  }
}

static const cvy_kind kind = {"adadelta", "AdaDelta: steps as long as the last ones were, without a rate",
                              options, sizeof(adadelta)};

const cvy_rule CVY_RULE_CONSTANT(adadelta) = {
    .kind = &kind, .state_count = 2, .state_names = {"squares", "updates"}, .apply = apply};
