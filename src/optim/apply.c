/* How the threads share an update: in blocks of fixed size, one after the other in each thread. */
#include "base/count.h"
#include "optim/average.h"
#include "optim/optim.h"

enum { BLOCK = 1 << 16 }; /* values of a task */

typedef struct job {
  const cvy_rule *rule;
  const cvy_piece *piece;
  float *direction; /* NULL: the rule is applied */
  const void *config;
} job;

static void do_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t first = index * BLOCK, left = j->piece->count - first;
  cvy_piece block = *j->piece;
  block.first += first;
  block.count = cvy_smaller(left, BLOCK);
  block.weights += first;
  block.gradient += first;
  for (int64_t k = 0; k < j->rule->state_count; k++) block.state[k] += first;
  if (j->direction) {
    j->rule->direct(&block, j->direction + first, j->config);
    return;
  }
  j->rule->apply(&block, j->config);
  if (block.average) cvy_average_move(block.average + first, block.weights, block.average_share, block.count);
}

static void share(const job *j) {
  cvy_parallel(cvy_pieces(j->piece->count, BLOCK), do_block, j);
}

void cvy_rule_apply(const cvy_rule *rule, const cvy_piece *piece, const void *config) {
  share(&(job){rule, piece, NULL, config});
}

void cvy_rule_direct(const cvy_rule *rule, const cvy_piece *piece, float *direction, const void *config) {
  share(&(job){rule, piece, direction, config});
}
