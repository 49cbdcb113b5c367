/* Stochastic gradient descent with momentum and L2 weight decay, in PyTorch's form:
 * v = momentum v + (g + decay w), w = w - rate v. (Caffe keeps the rate inside v; the two differ only in the
 * steps after the rate has changed.) */
#include "base/options.h"
#include "math/kernels.h"
#include "optim/optim.h"

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

enum { BLOCK = 1 << 16 }; /* values a task */

typedef struct job {
  const cvy_update *update;
  float rate, momentum, decay;
} job;

static void apply_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const cvy_update *u = j->update;
  const int64_t first = index * BLOCK;
  const int64_t count = u->count - first < BLOCK ? u->count - first : BLOCK;
  cvy_kernels_get()->sgd_momentum(u->weights + first, u->state[0] + first, u->gradient + first, count,
                                  j->rate, j->momentum, j->decay);
}

static void apply(const cvy_update *update, const void *config) {
  const sgd *s = config;
  const bool decays = update->decays || s->decay_biases;
  const job j = {update, update->rate, (float)s->momentum, decays ? (float)s->weight_decay : 0.0f};
  cvy_parallel((update->count + BLOCK - 1) / BLOCK, apply_block, &j);
}

static const cvy_kind kind = {"sgd", "stochastic gradient descent with momentum and L2 weight decay", options,
                              sizeof(sgd)};

const cvy_rule cvy_rule_sgd = {.kind = &kind, .state_count = 1, .state_names = {"momentum"}, .apply = apply};
