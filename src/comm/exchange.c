/* The communication thread.
 *
 * It takes buckets in the order in which they are handed over, cuts them into blocks, and keeps a few of
 * those on their way through the ranks at once, so that one is added while others are sent. Between looks at
 * what has arrived it sleeps, for the core may be a computing thread's. It sleeps longer the longer nothing
 * arrives. When somebody waits for the end, or for a swap, it only makes way first. A swap goes before all
 * blocks that have not begun.
 *
 * Whoever waits, for the end or for a swap, while the thread has nothing under way does its work himself:
 * that saves the way to the thread and back. So the last bucket wakes nobody. */
#define _GNU_SOURCE
#include "comm/exchange.h"

#include "base/count.h"
#include "base/thread.h"
#include "base/trace.h"
#include "comm/reduce.h"
#include "comm/swap.h"
#include "comm/tree.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

const char *const cvy_exchange_words[] = {
    [CVY_EXCHANGE_SHARDED] = "sharded", [CVY_EXCHANGE_WHOLE] = "whole", [CVY_EXCHANGE_MPI] = "mpi", NULL};

enum {
  SLOTS = CVY_EXCHANGE_SLOTS,
  TAGS = 1 << 14,         /* MPI promises 32767 */
  MOST_AT_ONCE = 1 << 30, /* floats of one MPI_Allreduce */
  SHORTEST_NAP_NS = 10000,
  LONGEST_NAP_NS = 160000, /* while 20 kB come in on 1 Gbit/s: far less than what is under way */
  YIELDS = 1000,           /* looks in vain before a nap while somebody waits: about a millisecond */
  FIRST_YIELDS = 32,       /* the same while nobody waits: a nap takes 60 microseconds */
  ROUND_BLOCK = 1 << 16    /* floats a task */
};

typedef struct slot {
  bool used;
  cvy_block block;
} slot;

struct cvy_exchange {
  cvy_exchange_config config;
  int64_t block; /* floats */
  cvy_ladder ladder;
  int64_t *bucket_ends;
  void *memory;
  MPI_Request *requests; /* those of all slots, then those of a swap */
  int slot_requests, *finished;
  slot slots[SLOTS];

  pthread_t thread;
  bool has_thread;
  pthread_mutex_t lock;
  pthread_cond_t handed_over, finished_all, swapped;
  /* These are changed under the lock: */
  int64_t *queue;         /* buckets in their order */
  int64_t queued, taken;  /* buckets of the queue */
  int64_t done;           /* floats of this round */
  const cvy_swap *wanted; /* NULL: none, or it is done */
  bool over, ending, awaited;
  bool driven; /* somebody is in work(), and nobody else calls MPI */
  cvy_exchange_times times;

  /* These belong to whoever is in work(): */
  float *sums, *handed_on;
  cvy_span bucket; /* what is left of the one that is cut up */
  int64_t blocks;  /* begun since creation */
  int under_way;
  int swap_requests, swap_open; /* requests of the swap that has begun; 0: none has */
  int64_t idle;                 /* looks in a row that found nothing */
  long nap_ns;                  /* length of the next nap */
  double last_s, last_cpu_s;    /* until when the times are counted */
};

/* ---- the thread ---- */

static cvy_span bucket_span(const cvy_exchange *x, int64_t bucket) {
  return (cvy_span){bucket ? x->bucket_ends[bucket - 1] : 0, x->bucket_ends[bucket]};
}

/* The caller holds the lock. */
static bool has_block(const cvy_exchange *x) {
  return x->bucket.first < x->bucket.end || x->taken < x->queued;
}

static bool next_span(cvy_span *out, cvy_exchange *x, int64_t most) {
  pthread_mutex_lock(&x->lock);
  const bool any = has_block(x);
  if (x->bucket.first == x->bucket.end && any) x->bucket = bucket_span(x, x->queue[x->taken++]);
  pthread_mutex_unlock(&x->lock);
  if (!any) return false;
  const int64_t left = x->bucket.end - x->bucket.first;
  *out = (cvy_span){x->bucket.first, x->bucket.first + cvy_smaller(left, most)};
  x->bucket.first = out->end;
  return true;
}

static double cpu_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The caller holds the lock. */
static void keep_time(cvy_exchange *x) {
  const double now_s = cvy_now_s(), cpu_now_s = cpu_s();
  x->times.busy_s += now_s - x->last_s;
  x->times.cpu_s += cpu_now_s - x->last_cpu_s;
  x->last_s = now_s;
  x->last_cpu_s = cpu_now_s;
}

static void count_done(cvy_exchange *x, cvy_span span) {
  if (x->config.done) x->config.done(x->config.context, span.first, span.end);
  pthread_mutex_lock(&x->lock);
  keep_time(x);
  x->done += span.end - span.first;
  /* Empty buckets count too: whoever is told that the round is over may call MPI, and begin the next one. */
  x->over = x->done == x->config.count && x->taken == x->config.bucket_count &&
            x->bucket.first == x->bucket.end && x->under_way == 0;
  if (x->over) pthread_cond_signal(&x->finished_all);
  pthread_mutex_unlock(&x->lock);
}

static void use(const cvy_exchange *x, cvy_span span) {
  if (x->config.use) x->config.use(x->config.context, x->sums, span.first, span.end);
}

static float *way_back(const cvy_exchange *x) {
  return x->config.way == CVY_EXCHANGE_SHARDED ? x->handed_on : x->sums;
}

static void go_on(cvy_exchange *x, slot *s) {
  cvy_turn turn = cvy_block_advance(&s->block, x->sums, way_back(x));
  if (turn == CVY_SUMMED) {
    if (x->config.way == CVY_EXCHANGE_SHARDED) use(x, cvy_block_own(&s->block));
    turn = x->config.halfway ? CVY_DONE : cvy_block_hand_on(&s->block, way_back(x));
  }
  if (turn != CVY_DONE) return;
  if (x->config.way == CVY_EXCHANGE_WHOLE) use(x, s->block.spans[0]);
  s->used = false;
  x->under_way--;
  count_done(x, s->block.spans[0]);
}

static void begin_blocks(cvy_exchange *x) {
  for (int i = 0; i < SLOTS; i++) {
    slot *s = &x->slots[i];
    cvy_span span;
    if (s->used) continue;
    if (!next_span(&span, x, x->block)) return;
    s->used = true;
    x->under_way++;
    cvy_block_begin(&s->block, x->sums, span, (int)(x->blocks++ % TAGS));
  }
}

static void begin_swap(cvy_exchange *x) {
  pthread_mutex_lock(&x->lock);
  const cvy_swap *wanted = x->wanted;
  pthread_mutex_unlock(&x->lock);
  if (!wanted || x->swap_requests > 0) return;
  x->idle = 0;
  x->nap_ns = SHORTEST_NAP_NS;
  x->swap_requests = x->swap_open = cvy_swap_begin(x->ladder.comm, wanted,
                                                   x->requests + SLOTS * x->slot_requests);
}

static void end_swap(cvy_exchange *x) {
  x->swap_requests = 0;
  pthread_mutex_lock(&x->lock);
  keep_time(x);
  x->wanted = NULL;
  pthread_cond_signal(&x->swapped);
  pthread_mutex_unlock(&x->lock);
}

static void make_way(cvy_exchange *x) {
  pthread_mutex_lock(&x->lock);
  const bool awaited = x->awaited || x->wanted;
  pthread_mutex_unlock(&x->lock);
  if (x->idle++ < (awaited ? YIELDS : FIRST_YIELDS)) {
    sched_yield();
    return;
  }
  nanosleep(&(struct timespec){.tv_nsec = x->nap_ns}, NULL);
  x->nap_ns = cvy_smaller(2 * x->nap_ns, LONGEST_NAP_NS);
}

static void look(cvy_exchange *x) {
  int count = 0;
  CVY_MPI(MPI_Testsome(SLOTS * x->slot_requests + x->swap_requests, x->requests, &count, x->finished,
                       MPI_STATUSES_IGNORE));
  if (count <= 0) { /* or MPI_UNDEFINED, which is negative */
    make_way(x);
    return;
  }
  x->idle = 0;
  x->nap_ns = SHORTEST_NAP_NS;
  for (int i = 0; i < count; i++) {
    if (x->finished[i] >= SLOTS * x->slot_requests) {
      if (--x->swap_open == 0) end_swap(x);
      continue;
    }
    slot *s = &x->slots[x->finished[i] / x->slot_requests];
    if (--s->block.open == 0) go_on(x, s);
  }
}

static void sum_by_mpi(cvy_exchange *x) {
  cvy_span span;
  while (next_span(&span, x, MOST_AT_ONCE)) {
    CVY_MPI(MPI_Allreduce(MPI_IN_PLACE, x->sums + span.first, cvy_int(span.end - span.first), MPI_FLOAT,
                          MPI_SUM, x->ladder.comm->mpi));
    use(x, span);
    count_done(x, span);
  }
}

static void go_round(cvy_exchange *x) {
  begin_swap(x);
  if (x->swap_requests == 0) begin_blocks(x);
}

static bool wants_swap(cvy_exchange *x) {
  pthread_mutex_lock(&x->lock);
  const bool wanted = x->wanted != NULL;
  pthread_mutex_unlock(&x->lock);
  return wanted;
}

/* MPI_Allreduce blocks, so all ranks must call it and swap in one order: the order in which buckets are
 * handed over. Nothing is handed over after a swap that is wanted, and all that was handed over before it is
 * there once the swap has been seen. */
static void work_by_mpi(cvy_exchange *x) {
  const bool swaps = wants_swap(x);
  sum_by_mpi(x);
  if (swaps) begin_swap(x);
  while (x->swap_requests > 0) look(x);
}

/* The caller holds the lock, which is let go meanwhile. */
static void work(cvy_exchange *x) {
  x->driven = true;
  pthread_mutex_unlock(&x->lock);
  x->last_s = cvy_now_s();
  x->last_cpu_s = cpu_s();
  const int64_t begin_ns = cvy_trace_begin();
  if (x->config.way == CVY_EXCHANGE_MPI) {
    work_by_mpi(x);
  } else {
    go_round(x);
    while (x->under_way > 0 || x->swap_requests > 0) {
      look(x);
      go_round(x);
    }
  }
  cvy_trace_end(begin_ns, CVY_TRACE_EXCHANGE, NULL, -1);
  pthread_mutex_lock(&x->lock);
  x->driven = false;
}

/* The caller holds the lock. */
static bool has_work(const cvy_exchange *x) {
  return !x->driven && (x->wanted || has_block(x));
}

/* Does the work in place of the thread. The caller holds the lock. */
static void work_instead(cvy_exchange *x) {
  cvy_threads_alone();
  work(x);
  cvy_threads_together();
}

static void *run(void *context) {
  cvy_exchange *x = context;
  cvy_threads_alone();
  cvy_trace_thread("communication", -1);
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* without this a nap takes 50 microseconds more */
  pthread_mutex_lock(&x->lock);
  while (!x->ending) {
    if (has_work(x))
      work(x);
    else
      pthread_cond_wait(&x->handed_over, &x->lock);
  }
  pthread_mutex_unlock(&x->lock);
  cvy_trace_thread_ends();
  return NULL;
}

/* ---- creation ---- */

int64_t cvy_exchange_block(bool several_nodes) {
  return several_nodes ? 1 << 16 : 1 << 18;
}

static cvy_err start_thread(cvy_exchange *x) {
  CVY_TRY(cvy_thread_start(&x->thread, run, x, "the communication thread"));
  x->has_thread = true;
  return CVY_OK;
}

static cvy_err prepare_slots(cvy_exchange *x) {
  const size_t slot_bytes = cvy_aligned(sizeof(float) * (size_t)(x->block + x->ladder.widest));
  x->slot_requests = 2 * cvy_int(x->ladder.widest);
  const int requests = SLOTS * x->slot_requests + 2 * x->ladder.comm->size;
  x->requests = cvy_new(sizeof *x->requests * (size_t)requests);
  x->finished = cvy_new(sizeof *x->finished * (size_t)requests);
  for (int i = 0; i < requests; i++) x->requests[i] = MPI_REQUEST_NULL;
  CVY_TRY(cvy_buffer_create(&x->memory, slot_bytes * SLOTS, "the exchange of gradients"));
  for (int i = 0; i < SLOTS; i++)
    x->slots[i].block = (cvy_block){.ladder = &x->ladder,
                                    .staged = (char *)x->memory + slot_bytes * (size_t)i,
                                    .requests = x->requests + i * x->slot_requests};
  return CVY_OK;
}

cvy_err cvy_exchange_create(cvy_exchange **out, cvy_comm *comm, const cvy_exchange_config *config) {
  *out = NULL;
  CVY_CHECK(config->bucket_count > 0 && config->bucket_ends[config->bucket_count - 1] == config->count);
  CVY_CHECK(config->way != CVY_EXCHANGE_MPI || config->tree->wire == CVY_WIRE_FP32);
  CVY_CHECK(!config->halfway || config->way == CVY_EXCHANGE_SHARDED);
  cvy_exchange *x = cvy_new(sizeof *x);
  const size_t buckets = (size_t)config->bucket_count;
  x->config = *config;
  x->block = cvy_exchange_block(comm->has_nodes);
  x->nap_ns = SHORTEST_NAP_NS;
  x->bucket_ends = cvy_new(sizeof *x->bucket_ends * buckets);
  memcpy(x->bucket_ends, config->bucket_ends, sizeof *x->bucket_ends * buckets);
  x->queue = cvy_new(sizeof *x->queue * buckets);
  cvy_ladder_set(&x->ladder, comm, config->tree);
  if (config->way == CVY_EXCHANGE_WHOLE) x->ladder.down = x->ladder.up;
  pthread_mutex_init(&x->lock, NULL);
  pthread_cond_init(&x->handed_over, NULL);
  pthread_cond_init(&x->finished_all, NULL);
  pthread_cond_init(&x->swapped, NULL);
  cvy_err err = CVY_OK;
  if (x->ladder.level_count > 0) err = prepare_slots(x);
  if (!err && x->ladder.level_count > 0) err = start_thread(x);
  if (err)
    cvy_exchange_destroy(x);
  else
    *out = x;
  return err;
}

void cvy_exchange_destroy(cvy_exchange *x) {
  if (!x) return;
  pthread_mutex_lock(&x->lock);
  x->ending = true;
  pthread_cond_signal(&x->handed_over);
  pthread_mutex_unlock(&x->lock);
  if (x->has_thread) pthread_join(x->thread, NULL);
  pthread_cond_destroy(&x->swapped);
  pthread_cond_destroy(&x->finished_all);
  pthread_cond_destroy(&x->handed_over);
  pthread_mutex_destroy(&x->lock);
  cvy_buffer_destroy(x->memory);
  free(x->requests);
  free(x->finished);
  free(x->queue);
  free(x->bucket_ends);
  free(x);
}

/* ---- the caller's side ---- */

void cvy_exchange_begin(cvy_exchange *x, float *sums, float *handed_on) {
  pthread_mutex_lock(&x->lock);
  CVY_CHECK(x->queued == x->taken, "the round before is not over");
  x->queued = x->taken = x->done = 0;
  x->over = x->awaited = false;
  x->sums = sums;
  x->handed_on = handed_on;
  pthread_mutex_unlock(&x->lock);
}

void cvy_exchange_submit(cvy_exchange *x, int64_t bucket) {
  if (!x->has_thread) return;
  pthread_mutex_lock(&x->lock);
  CVY_CHECK(x->queued < x->config.bucket_count);
  x->queue[x->queued++] = bucket;
  if (x->queued < x->config.bucket_count) pthread_cond_signal(&x->handed_over);
  pthread_mutex_unlock(&x->lock);
}

static void round_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_exchange *x = context;
  const int64_t first = index * ROUND_BLOCK, left = x->config.count - first;
  cvy_round_sums(x->sums + first, cvy_smaller(left, ROUND_BLOCK));
}

static void finish_alone(const cvy_exchange *x) {
  if (x->ladder.up == CVY_WIRE_BF16) cvy_parallel(cvy_pieces(x->config.count, ROUND_BLOCK), round_block, x);
  use(x, (cvy_span){0, x->config.count});
}

void cvy_exchange_finish(cvy_exchange *x) {
  if (!x->has_thread) {
    finish_alone(x);
    return;
  }
  const double start_s = cvy_now_s();
  pthread_mutex_lock(&x->lock);
  CVY_CHECK(x->queued == x->config.bucket_count, "a bucket was not handed over");
  x->awaited = true;
  if (has_work(x)) work_instead(x);
  while (!x->over) pthread_cond_wait(&x->finished_all, &x->lock);
  x->times.exposed_s += cvy_now_s() - start_s;
  pthread_mutex_unlock(&x->lock);
}

bool cvy_exchange_is_over(cvy_exchange *x) {
  pthread_mutex_lock(&x->lock);
  const bool over = x->over || !x->has_thread;
  if (has_work(x)) pthread_cond_signal(&x->handed_over);
  pthread_mutex_unlock(&x->lock);
  return over;
}

void cvy_exchange_swap(cvy_exchange *x, float *in, int64_t in_stride, const float *out, int64_t out_stride,
                       int64_t count) {
  const cvy_swap swap = {in, in_stride, out, out_stride, count};
  cvy_swap_keep_own(x->ladder.comm, &swap);
  if (!x->has_thread) return;
  const double start_s = cvy_now_s();
  const int64_t begin_ns = cvy_trace_begin();
  pthread_mutex_lock(&x->lock);
  x->wanted = &swap;
  if (!x->driven && !has_block(x)) work_instead(x);
  if (has_work(x)) pthread_cond_signal(&x->handed_over);
  while (x->wanted) pthread_cond_wait(&x->swapped, &x->lock);
  x->times.exposed_s += cvy_now_s() - start_s;
  pthread_mutex_unlock(&x->lock);
  cvy_trace_end(begin_ns, CVY_TRACE_SWAP, NULL, -1);
}

/* ---- what is sharded ---- */

static void for_each_block(const cvy_exchange *x, void (*visit)(void *context, cvy_span whole),
                           void *context) {
  for (int64_t b = 0; b < x->config.bucket_count; b++) {
    const cvy_span bucket = bucket_span(x, b);
    for (int64_t first = bucket.first; first < bucket.end; first += x->block)
      visit(context, (cvy_span){first, cvy_smaller(first + x->block, bucket.end)});
  }
}

typedef struct gathering {
  cvy_exchange *exchange;
  float *values;
} gathering;

static void gather_block(void *context, cvy_span whole) {
  const gathering *g = context;
  cvy_block *b = &g->exchange->slots[0].block;
  cvy_block_place(b, whole, 0);
  for (cvy_turn turn = cvy_block_hand_on(b, g->values); turn != CVY_DONE;
       turn = cvy_block_advance(b, g->values, g->values)) {
    CVY_MPI(MPI_Waitall(b->open, b->requests, MPI_STATUSES_IGNORE));
    b->open = 0;
  }
}

static bool is_sharded(const cvy_exchange *x) {
  return x->has_thread && x->config.way == CVY_EXCHANGE_SHARDED;
}

void cvy_exchange_gather(cvy_exchange *x, float *values) {
  if (is_sharded(x)) for_each_block(x, gather_block, &(gathering){x, values});
}

typedef struct owning {
  const cvy_exchange *exchange;
  void (*part)(void *context, int64_t first, int64_t end);
  void *context;
} owning;

static void own_of_block(void *context, cvy_span whole) {
  const owning *o = context;
  cvy_block b = {.ladder = &o->exchange->ladder};
  cvy_block_place(&b, whole, 0);
  o->part(o->context, cvy_block_own(&b).first, cvy_block_own(&b).end);
}

void cvy_exchange_own(const cvy_exchange *x, void (*part)(void *context, int64_t first, int64_t end),
                      void *context) {
  if (is_sharded(x))
    for_each_block(x, own_of_block, &(owning){x, part, context});
  else
    part(context, 0, x->config.count);
}

/* ---- the clock ---- */

cvy_exchange_times cvy_exchange_spent(cvy_exchange *x) {
  pthread_mutex_lock(&x->lock);
  const cvy_exchange_times times = x->times;
  pthread_mutex_unlock(&x->lock);
  return times;
}
