/* LARS, layer-wise adaptive rates (You, Gitman and Ginsburg 2017, algorithm 1), for large batches:
 * l = trust |w| / (|g| + decay |w| + epsilon), v = momentum v + rate l (g + decay w), w = w - v, with the
 * norms of the whole tensor. A tensor that does not decay (biases, normalisation), or whose norms are zero,
 * has l = 1, as in MLPerf's ResNet-50. */
#include "optim/rule.h"

typedef struct lars {
  double momentum, trust, epsilon;
  cvy_decay decay;
} lars;

static const cvy_option options[] = {
    {"momentum", CVY_FLOAT, offsetof(lars, momentum), "0.9", 0, 1,
     .help = "share of the last update that goes on"},
    {"trust", CVY_FLOAT, offsetof(lars, trust), "0.001", 0, 1,
     .help = "how far a step may go, as a share of the weights' length"},
    {"epsilon", CVY_FLOAT, offsetof(lars, epsilon), "0", 0, 1, .help = "added below the fraction"},
    CVY_DECAY_OPTIONS(lars, decay, CVY_L2_HELP),
    {0}};

/* Returns what the rate is multiplied with for the piece's tensor. */
static double local_rate(const cvy_piece *piece, const lars *l, double decay) {
  const cvy_norms *n = &piece->norms;
  if (!(piece->decays || l->decay.decay_biases) || n->weights == 0 || n->gradient == 0) return 1;
  return l->trust * n->weights / (n->gradient + decay * n->weights + l->epsilon);
}

static void apply(const cvy_piece *piece, const void *config) {
  const lars *l = config;
  const double decay_of_all = cvy_decay_of(piece, &l->decay);
  const float rate = (float)(piece->rate * local_rate(piece, l, decay_of_all)), momentum = (float)l->momentum,
              decay = (float)decay_of_all;
  float *w = piece->weights, *v = piece->state[0];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float velocity = momentum * v[i] + rate * (cvy_clipped(g[i], clip) + decay * w[i]);
    v[i] = velocity;
    w[i] -= velocity;
  }
}

static const cvy_kind kind = {"lars", "LARS: SGD for large batches, with a rate for each tensor", options,
                              sizeof(lars)};

const cvy_rule CVY_RULE_CONSTANT(lars) = {
    .kind = &kind, .state_count = 1, .state_names = {"momentum"}, .norms = CVY_NORMS_TENSOR, .apply = apply};
