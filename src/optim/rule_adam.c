/* Adam (Kingma and Ba 2015, algorithm 1), in PyTorch's form: h = g + decay w, m = beta1 m + (1 - beta1) h,
 * v = beta2 v + (1 - beta2) h h, w = w - rate m' / (sqrt(v') + epsilon), where m' = m / (1 - beta1^step) and
 * v' = v / (1 - beta2^step). */
#include "optim/moments.h"

typedef struct adam {
  cvy_moments moments;
  cvy_decay decay;
} adam;

static const cvy_option options[] = {
    CVY_MOMENTS_OPTIONS(adam, moments, "1e-8"), CVY_DECAY_OPTIONS(adam, decay, CVY_L2_HELP), {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const adam *a = config;
  const cvy_moments_step step = cvy_moments_at(&a->moments, piece->step);
  const float rate = (float)piece->rate, decay = (float)cvy_decay_of(piece, &a->decay);
  float *w = piece->weights, *mean = piece->state[0], *square = piece->state[1];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++)
    w[i] -= rate * cvy_moments_take(&mean[i], &square[i], cvy_clipped(g[i], clip) + decay * w[i], &step);
}

static const cvy_kind kind = {"adam", "Adam: averages of the gradient and of its square", options,
                              sizeof(adam)};

const cvy_rule CVY_RULE_CONSTANT(adam) = {.kind = &kind, CVY_MOMENTS_STATE, .apply = apply};
