/* How the threads share an update: in blocks of fixed size, one after the other in each thread. */
#include "base/count.h"
#include "optim/optim.h"

enum { BLOCK = 1 << 16 }; /* values of a task */

typedef struct job {
  const cvy_rule *rule;
  const cvy_piece *piece;
  const void *config;
} job;

static void apply_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t first = index * BLOCK, left = j->piece->count - first;
  cvy_piece block = *j->piece;
  block.first += first;
  block.count = cvy_smaller(left, BLOCK);
  block.weights += first;
  block.gradient += first;
  for (int64_t k = 0; k < j->rule->state_count; k++) block.state[k] += first;
  j->rule->apply(&block, j->config);
}

void cvy_rule_apply(const cvy_rule *rule, const cvy_piece *piece, const void *config) {
  cvy_parallel(cvy_pieces(piece->count, BLOCK), apply_block, &(job){rule, piece, config});
}
