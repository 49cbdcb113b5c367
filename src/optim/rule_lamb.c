/* LAMB (You et al. 2020, algorithm 2), Adam for large batches: u = m' / (sqrt(v') + epsilon) + decay w, with
 * m' and v' of g as rule_adam.c has them, and w = w - rate |w| / |u| u, with the norms of the whole tensor. A
 * tensor that does not decay (biases, normalisation), or whose norms are zero, takes u as it is. */
#include "optim/moments.h"

typedef struct lamb {
  cvy_moments moments;
  cvy_decay decay;
} lamb;

static const cvy_option options[] = {CVY_MOMENTS_OPTIONS(lamb, moments, "1e-6"),
                                     CVY_DECAY_OPTIONS(lamb, decay, "this times w is added to the step"),
                                     {0}};

static void direct(const cvy_piece *piece, float *direction, const void *config) {
  const lamb *l = config;
  const cvy_moments_step step = cvy_moments_at(&l->moments, piece->step);
  const float decay = (float)cvy_decay_of(piece, &l->decay);
  const cvy_clip clip = cvy_clip_of(piece);
  const float *w = piece->weights;
  float *mean = piece->state[0], *square = piece->state[1];
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++)
    direction[i] = cvy_moments_take(&mean[i], &square[i], cvy_clipped(direction[i], clip), &step) +
                   decay * w[i];
}

static void apply(const cvy_piece *piece, const void *config) {
  const lamb *l = config;
  const cvy_norms *n = &piece->norms;
  const bool adapts = (piece->decays || l->decay.decay_biases) && n->weights != 0 && n->gradient != 0;
  const float rate = (float)(adapts ? piece->rate * n->weights / n->gradient : piece->rate);
  float *w = piece->weights;
  const float *u = piece->gradient;
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) w[i] -= rate * u[i];
}

static const cvy_kind kind = {"lamb", "LAMB: Adam for large batches, with a rate for each tensor", options,
                              sizeof(lamb)};

const cvy_rule CVY_RULE_CONSTANT(lamb) = {
    .kind = &kind, CVY_MOMENTS_STATE, .norms = CVY_NORMS_TENSOR, .direct = direct, .apply = apply};
