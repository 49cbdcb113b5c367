/* AdamW (Loshchilov and Hutter 2019, algorithm 2), in PyTorch's form: Adam whose weight decay goes past the
 * averages. w = (1 - rate decay) w - rate m' / (sqrt(v') + epsilon), with m' and v' of g as rule_adam.c has
 * them. */
#include "optim/moments.h"

typedef struct adamw {
  cvy_moments moments;
  cvy_decay decay;
} adamw;

static const cvy_option options[] = {
    CVY_MOMENTS_OPTIONS(adamw, moments, "1e-8"), CVY_DECAY_OPTIONS(adamw, decay, CVY_DECOUPLED_HELP), {0}};

static void apply(const cvy_piece *piece, const void *config) {
  const adamw *a = config;
  const cvy_moments_step step = cvy_moments_at(&a->moments, piece->step);
  const float rate = (float)piece->rate, kept = (float)(1 - piece->rate * cvy_decay_of(piece, &a->decay));
  float *w = piece->weights, *mean = piece->state[0], *square = piece->state[1];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++)
    w[i] = kept * w[i] - rate * cvy_moments_take(&mean[i], &square[i], cvy_clipped(g[i], clip), &step);
}

static const cvy_kind kind = {"adamw", "Adam with decoupled weight decay", options, sizeof(adamw)};

const cvy_rule CVY_RULE_CONSTANT(adamw) = {.kind = &kind, CVY_MOMENTS_STATE, .apply = apply};
