/* Measures what an exchange takes from those who compute meanwhile. All of a pair's threads run tasks, first
 * alone, then while the two ranks sum a vector, and the tasks are counted. The difference holds whatever
 * moving bytes costs, on whichever core the system has it done: copies, checksums, interrupts, the
 * communication thread's own work, caches that lose what they held. */
#include "comm/exchange.h"
#include "comm/measure.h"
#include "comm/mpi.h"
#include "comm/tree.h"

#include <stdlib.h>

enum {
  VECTOR = 1 << 22, /* floats a round */
  TASKS_A_CORE = 2, /* tasks from one look at the clock to the next */
  WAITS = 3         /* waits for each other */
};

static const double alone_s = 0.5, exchanging_s = 1;

typedef struct burden {
  cvy_comm *all, *pair; /* all ranks do the same at the same time */
  int cores;            /* cores that compute; threads beyond them lose no more */
  cvy_tree tree;
  cvy_exchange *exchange;
  float *vector;
  cvy_task task;
  const void *context;
} burden;

static int64_t compute(const burden *b) {
  const int64_t tasks = (int64_t)TASKS_A_CORE * b->cores;
  cvy_parallel(tasks, b->task, b->context);
  return tasks;
}

/* Returns how many tasks a second are computed while nothing is exchanged. */
static double compute_alone(const burden *b) {
  int64_t tasks = 0;
  double took_s;
  cvy_comm_wait(b->all);
  const double start_s = cvy_now_s();
  do {
    tasks += compute(b);
    took_s = cvy_now_s() - start_s;
  } while (took_s < alone_s);
  return (double)tasks / took_s;
}

static int64_t compute_during_round(const burden *b) {
  int64_t tasks = 0;
  cvy_exchange_begin(b->exchange, b->vector, NULL);
  cvy_exchange_submit(b->exchange, 0);
  while (!cvy_exchange_is_over(b->exchange)) tasks += compute(b);
  cvy_exchange_finish(b->exchange);
  return tasks;
}

/* Both ranks make the same number of rounds, for one of them decides. */
static bool goes_on(const burden *b, double start_s) {
  bool more = cvy_now_s() - start_s < exchanging_s;
  cvy_comm_broadcast(b->pair, &more, sizeof more);
  return more;
}

static double work_s_per_byte(const burden *b) {
  int64_t tasks = 0, rounds = 0;
  double rate = compute_alone(b), took_s = 0;
  cvy_comm_wait(b->all);
  compute_during_round(b);
  const double start_s = cvy_now_s();
  do {
    const double round_s = cvy_now_s();
    tasks += compute_during_round(b);
    took_s += cvy_now_s() - round_s;
    rounds++;
  } while (goes_on(b, start_s));
  rate = (rate + compute_alone(b)) / 2;
  /* Where the two share cores, one may lose what the other gains. */
  const double lost_s = cvy_comm_mean_s(b->pair, b->cores * (took_s - (double)tasks / rate));
  return lost_s > 0 ? lost_s / ((double)rounds * VECTOR * sizeof(float)) : 0;
}

static cvy_err prepare(burden *b) {
  const int64_t end = VECTOR;
  void *memory;
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * VECTOR, "measuring"));
  b->vector = memory;
  for (int64_t i = 0; i < VECTOR; i++) b->vector[i] = 1;
  CVY_TRY(cvy_tree_create(&b->tree, 2, NULL, 0));
  return cvy_exchange_create(&b->exchange, b->pair,
                             &(cvy_exchange_config){.tree = &b->tree,
                                                    .way = CVY_EXCHANGE_WHOLE,
                                                    .count = VECTOR,
                                                    .bucket_ends = &end,
                                                    .bucket_count = 1});
}

cvy_err cvy_burden_measure(double *out, cvy_comm *comm, int partner, cvy_task task, const void *context) {
  const int fair = cvy_comm_fair_threads(comm);
  burden b = {
      .all = comm, .cores = cvy_threads() < fair ? cvy_threads() : fair, .task = task, .context = context};
  *out = 0;
  cvy_comm_pair(&b.pair, comm, partner);
  const cvy_err err = cvy_comm_agree(comm, b.pair ? prepare(&b) : CVY_OK);
  if (!err && b.pair)
    *out = work_s_per_byte(&b);
  else if (!err)
    for (int i = 0; i < WAITS; i++) cvy_comm_wait(comm);
  cvy_exchange_destroy(b.exchange);
  cvy_buffer_destroy(b.vector);
  cvy_comm_release(b.pair);
  return err;
}
