/* AdaGrad (Duchi, Hazan and Singer 2011), in PyTorch's form without its decay of the learning rate:
 * h = g + decay w, G = G + h h, w = w - rate h / (sqrt(G) + epsilon). */
#include "optim/rule.h"

typedef struct adagrad {
  double epsilon;
  cvy_decay decay;
} adagrad;

/* Epsilon is above zero, also as a float: a first gradient of zero would divide zero by zero. */
static const cvy_option options[] = {{"epsilon", CVY_FLOAT, offsetof(adagrad, epsilon), "1e-10", 1e-30, 1,
                                      .help = "added to the root, which is zero before the first gradient"},
                                     CVY_DECAY_OPTIONS(adagrad, decay, CVY_L2_HELP),
                                     {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const adagrad *a = config;
  const float rate = (float)piece->rate, epsilon = (float)a->epsilon,
              decay = (float)cvy_decay_of(piece, &a->decay);
  float *w = piece->weights, *sum = piece->state[0];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float gradient = cvy_clipped(g[i], clip) + decay * w[i];
    const float squares = sum[i] + gradient * gradient;
    sum[i] = squares;
    w[i] -= rate * gradient / (sqrtf(squares) + epsilon);
  }
}

static const cvy_kind kind = {"adagrad", "AdaGrad: rates that fall with the sum of the squares of gradients",
                              options, sizeof(adagrad)};

const cvy_rule CVY_RULE_CONSTANT(adagrad) = {
    .kind = &kind, .state_count = 1, .state_names = {"squares"}, .apply = apply};
