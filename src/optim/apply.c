/* How the threads share an update: in blocks of fixed size, one after the other in each thread. What is to be
 * measured is measured in parts of a block, while they are in the first-level cache. */
#include "base/count.h"
#include "math/kernels.h"
#include "optim/average.h"
#include "optim/optim.h"
#include "optim/squares.h"

enum { BLOCK = 1 << 16, PART = CVY_SQUARES_BLOCK }; /* values of a task, and of what is measured at a time */

typedef struct job {
  const cvy_rule *rule;
  const cvy_piece *piece;
  float *direction; /* NULL: the rule is applied */
  const void *config;
  cvy_squares *squares; /* of the new weights, or of the direction; NULL: of nothing */
} job;

/* Works on values first ... first + count-1 of the job's piece. */
static void run(const job *j, int64_t first, int64_t count) {
  cvy_piece part = *j->piece;
  part.first += first;
  part.count = count;
  part.weights += first;
  part.gradient += first;
  for (int64_t k = 0; k < j->rule->state_count; k++) part.state[k] += first;
  if (j->direction) {
    j->rule->direct(&part, j->direction + first, j->config);
    return;
  }
  j->rule->apply(&part, j->config);
  if (part.average) cvy_average_move(part.average + first, part.weights, part.average_share, part.count);
}

/* Returns the arrays that are read from value `first` of the piece on. A rule that directs needs its state
 * for that only. */
static cvy_ahead arrays_at(const job *j, int64_t first) {
  cvy_ahead all = {2, {j->piece->weights + first, j->piece->gradient + first}};
  const bool reads_state = j->direction || !j->rule->direct;
  for (int64_t k = 0; reads_state && k < j->rule->state_count; k++)
    all.of[all.count++] = j->piece->state[k] + first;
  if (!j->direction && j->piece->average) all.of[all.count++] = j->piece->average + first;
  return all;
}

/* Summing waits for the core, and updating for memory, so the next part is fetched while one is summed. */
static void run_measured(const job *j, int64_t first, int64_t count) {
  const float *values = j->direction ? j->direction : j->piece->weights;
  cvy_squares squares = {0};
  for (const int64_t end = first + count; first < end; first += PART) {
    const int64_t some = cvy_smaller(end - first, PART);
    cvy_ahead ahead = arrays_at(j, first + PART);
    if (first + 2 * PART > end) ahead.count = 0;
    run(j, first, some);
    cvy_squares_add_part(&squares, values + first, some, &ahead);
  }
  cvy_squares_merge(j->squares, &squares);
}

static void do_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t first = index * BLOCK, count = cvy_smaller(j->piece->count - first, BLOCK);
  j->squares ? run_measured(j, first, count) : run(j, first, count);
}

static void share(const job *j) {
  cvy_parallel(cvy_pieces(j->piece->count, BLOCK), do_block, j);
}

void cvy_rule_apply(const cvy_rule *rule, const cvy_piece *piece, const void *config, cvy_squares *weights) {
  share(&(job){rule, piece, NULL, config, weights});
}

void cvy_rule_direct(const cvy_rule *rule, const cvy_piece *piece, float *direction, const void *config,
                     cvy_squares *way) {
  share(&(job){rule, piece, direction, config, way});
}
