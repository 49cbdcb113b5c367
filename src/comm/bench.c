/* The clock on sums of vectors over the ranks. */
#include "base/count.h"
#include "comm/exchange.h"
#include "comm/measure.h"
#include "comm/reduce.h"
#include "comm/tree.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE = 1 << 18, /* floats; a block of the exchange */ TAG = 2 };

const char *const cvy_summing_words[] = {"exact_whole", "exact_sharded", "allreduce", "iallreduce", NULL};

typedef struct bench {
  cvy_comm *comm;
  cvy_tree tree;
  cvy_ladder ladder;
  int64_t count, repetitions;
  float *vector, *handed_on;
  void *memory;
  cvy_exchange *exchanges[2]; /* CVY_SUM_WHOLE, CVY_SUM_SHARDED */
  MPI_Request *requests;
  double *seconds; /* [CVY_SUMMINGS and the levels][repetitions] */
} bench;

/* ---- the algorithms ---- */

static void use(void *context, const float *sums, int64_t first, int64_t end) {
  const bench *b = context;
  memcpy(b->handed_on + first, sums + first, sizeof(float) * (size_t)(end - first));
}

static void sum(const bench *b, cvy_summing way) {
  const int count = cvy_int(b->count);
  MPI_Request request;
  if (way == CVY_SUM_WHOLE || way == CVY_SUM_SHARDED) {
    cvy_exchange *x = b->exchanges[way];
    cvy_exchange_begin(x, b->vector, b->handed_on);
    cvy_exchange_submit(x, 0);
    cvy_exchange_finish(x);
  } else if (way == CVY_SUM_ALLREDUCE) {
    CVY_MPI(MPI_Allreduce(MPI_IN_PLACE, b->vector, count, MPI_FLOAT, MPI_SUM, b->comm->mpi));
  } else {
    CVY_MPI(MPI_Iallreduce(MPI_IN_PLACE, b->vector, count, MPI_FLOAT, MPI_SUM, b->comm->mpi, &request));
    CVY_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
  }
}

/* Returns a whole number, so that sums of such values are exact in any order. */
static float value_at(int rank, int64_t i) {
  return (float)(1 + (i + rank) % 7);
}

static void fill(const bench *b) {
  for (int64_t i = 0; i < b->count; i++) b->vector[i] = value_at(b->comm->rank, i);
}

static cvy_err check(const bench *b, cvy_summing way) {
  const float *sums = way == CVY_SUM_SHARDED ? b->handed_on : b->vector;
  for (int64_t i = 0; i < b->count; i++) {
    float expected = 0;
    for (int rank = 0; rank < b->comm->size; rank++) expected += value_at(rank, i);
    if (sums[i] != expected)
      return cvy_error(CVY_E_RUN, "%s: sum %" PRId64 " of %" PRId64 " is %g instead of %g",
                       cvy_summing_words[way], i, b->count, (double)sums[i], (double)expected);
  }
  return CVY_OK;
}

/* ---- the bound ---- */

/* Sends twice `count` floats, as in halving and doubling, to the next rank of this one's group at the level,
 * and receives as many from the one before. At radix 2 partners exchange them. */
static void carry(const bench *b, const cvy_level *l, int64_t count) {
  const int64_t base = b->comm->rank - l->digit * l->stride;
  const int to = cvy_int(base + (l->digit + 1) % l->radix * l->stride),
            from = cvy_int(base + (l->digit + l->radix - 1) % l->radix * l->stride);
  int open = 0;
  for (int64_t sent = 0; sent < 2 * count;) {
    const int64_t first = sent % count, left = count - first;
    const int length = cvy_int(cvy_smaller(left, MESSAGE));
    sent += length;
    MPI_Request *next = &b->requests[open];
    CVY_MPI(MPI_Irecv(b->handed_on + first, length, MPI_FLOAT, from, TAG, b->comm->mpi, next));
    CVY_MPI(MPI_Isend(b->vector + first, length, MPI_FLOAT, to, TAG, b->comm->mpi, next + 1));
    open += 2;
  }
  CVY_MPI(MPI_Waitall(open, b->requests, MPI_STATUSES_IGNORE));
}

/* Returns how many floats a rank sends at this level in halving, and again in doubling. */
static int64_t level_count(const bench *b, int level) {
  int64_t part = b->count;
  for (int i = 0; i < level; i++) part /= b->ladder.levels[i].radix;
  return part - part / b->ladder.levels[level].radix;
}

/* ---- the clock ---- */

/* A rank that is done must not spin on a core that another rank still needs: four nodes on two cores took 60
 * ms where it did, and 54 where it did not. */
static double slowest_rank(const bench *b, double start_s) {
  double mine_s = cvy_now_s() - start_s, slowest_s;
  cvy_comm_wait(b->comm);
  CVY_MPI(MPI_Allreduce(&mine_s, &slowest_s, 1, MPI_DOUBLE, MPI_MAX, b->comm->mpi));
  return slowest_s;
}

static double start(const bench *b) {
  cvy_comm_wait(b->comm);
  CVY_MPI(MPI_Barrier(b->comm->mpi));
  return cvy_now_s();
}

static void note(const bench *b, int row, int64_t repetition, double seconds) {
  if (repetition >= 0) b->seconds[row * b->repetitions + repetition] = seconds;
}

static cvy_err run(const bench *b) {
  for (int64_t r = -1; r < b->repetitions; r++) {
    for (cvy_summing way = 0; way < CVY_SUMMINGS; way++) {
      fill(b);
      const double start_s = start(b);
      sum(b, way);
      note(b, (int)way, r, slowest_rank(b, start_s));
      CVY_TRY(cvy_comm_agree(b->comm, check(b, way)));
    }
    for (int level = 0; level < b->ladder.level_count; level++) {
      const double start_s = start(b);
      carry(b, &b->ladder.levels[level], level_count(b, level));
      note(b, CVY_SUMMINGS + level, r, slowest_rank(b, start_s));
    }
  }
  return CVY_OK;
}

static cvy_spread range_of(const bench *b, int row) {
  return cvy_spread_of(b->seconds + row * b->repetitions, b->repetitions);
}

static void tell(cvy_summing_times *out, const bench *b) {
  for (int way = 0; way < CVY_SUMMINGS; way++) out->of[way] = range_of(b, way);
  for (int level = 0; level < b->ladder.level_count; level++) {
    const cvy_spread r = range_of(b, CVY_SUMMINGS + level);
    out->bound_s.median += r.median;
    out->bound_s.lowest += r.lowest;
    out->bound_s.highest += r.highest;
    if (level == 0) out->both_ways_bytes_s = 2.0 * sizeof(float) * (double)level_count(b, 0) / r.median;
  }
}

/* ---- all of it ---- */

static cvy_err prepare(bench *b) {
  const size_t bytes = cvy_aligned(sizeof(float) * (size_t)b->count);
  const int64_t end = b->count;
  CVY_TRY(cvy_tree_create(&b->tree, b->comm->size, NULL, 0));
  cvy_ladder_set(&b->ladder, b->comm, &b->tree);
  b->requests = cvy_new(sizeof *b->requests * 4 * (size_t)(b->count / MESSAGE + 1));
  b->seconds = cvy_new(sizeof *b->seconds *
                       (size_t)((CVY_SUMMINGS + b->ladder.level_count) * b->repetitions));
  CVY_TRY(cvy_buffer_create(&b->memory, 2 * bytes, "the vectors"));
  b->vector = b->memory;
  b->handed_on = (float *)(void *)((char *)b->memory + bytes);
  cvy_exchange_config config = {.tree = &b->tree,
                                .way = CVY_EXCHANGE_WHOLE,
                                .count = b->count,
                                .bucket_ends = &end,
                                .bucket_count = 1,
                                .context = b};
  CVY_TRY(cvy_exchange_create(&b->exchanges[CVY_SUM_WHOLE], b->comm, &config));
  config.way = CVY_EXCHANGE_SHARDED;
  config.use = use;
  return cvy_exchange_create(&b->exchanges[CVY_SUM_SHARDED], b->comm, &config);
}

cvy_err cvy_summing_measure(cvy_summing_times *out, cvy_comm *comm, int64_t count, int64_t repetitions) {
  bench b = {.comm = comm, .count = count, .repetitions = repetitions};
  *out = (cvy_summing_times){0};
  cvy_err err = cvy_comm_agree(comm, prepare(&b));
  if (!err) err = run(&b);
  if (!err) tell(out, &b);
  for (int i = 0; i < 2; i++) cvy_exchange_destroy(b.exchanges[i]);
  cvy_buffer_destroy(b.memory);
  free(b.requests);
  free(b.seconds);
  return err;
}
