/* Defines update rules, with and without norms, to test what rules are promised. */
#ifndef CVY_TESTS_MPI_RULES_H
#define CVY_TESTS_MPI_RULES_H

#include "optim/optim.h"

#include <math.h>

/* Makes a step of plain gradient descent. The state is the sum of the gradients. */
static void apply_plain(const cvy_piece *p, const void *config) {
  (void)config;
  for (int64_t i = 0; i < p->count; i++) {
    p->state[0][i] += p->gradient[i];
    p->weights[i] -= (float)p->rate * p->gradient[i];
  }
}

static const cvy_rule plain = {.state_count = 1, .state_names = {"sum"}, .apply = apply_plain};

/* Makes a step with layer-wise rates, after LARS (You et al. 2017): the rate is a share of
 * |w| / (|g| + decay |w|). There is momentum too. */
static void apply_layerwise(const cvy_piece *p, const void *config) {
  (void)config;
  const double decay = p->decays ? 1e-3 : 0, length = p->norms.gradient + decay * p->norms.weights;
  const double local = p->norms.weights > 0 && length > 0 ? 0.02 * p->norms.weights / length : 1;
  float *velocity = p->state[0];
  for (int64_t i = 0; i < p->count; i++) {
    velocity[i] = 0.9f * velocity[i] +
                  (float)(p->rate * local) * (p->gradient[i] + (float)decay * p->weights[i]);
    p->weights[i] -= velocity[i];
  }
}

static const cvy_rule layerwise = {
    .state_count = 1, .state_names = {"velocity"}, .norms = CVY_NORMS_TENSOR, .apply = apply_layerwise};

/* Clips the gradients of all tensors together to a length of 0.5. There are four arrays of state, of which
 * one counts the steps. */
static void apply_clipped(const cvy_piece *p, const void *config) {
  (void)config;
  const float scale = (float)fmin(1, 0.5 / p->norms.gradient), rate = (float)p->rate;
  for (int64_t i = 0; i < p->count; i++) {
    p->state[0][i] = 0.9f * p->state[0][i] + scale * p->gradient[i];
    p->state[1][i] = p->gradient[i];
    p->state[2][i] += 1;
    p->state[3][i] = (float)p->step;
    p->weights[i] -= rate * p->state[0][i];
  }
}

static const cvy_rule clipped = {.state_count = 4,
                                 .state_names = {"velocity", "gradient", "steps", "step"},
                                 .norms = CVY_NORMS_GLOBAL,
                                 .apply = apply_clipped};

#endif
