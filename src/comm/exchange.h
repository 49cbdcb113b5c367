/* The communication thread: sums over the ranks beside computing. */
#ifndef CVY_COMM_EXCHANGE_H
#define CVY_COMM_EXCHANGE_H

#include "comm/comm.h"
#include "comm/tree.h"

/* Sums a vector over the ranks while its owner goes on computing. The vector is cut into buckets, each handed
 * over when its values are there. A thread of its own, or whoever waits for it, takes them along the rest of
 * the tree, and alone calls MPI meanwhile. The way is recursive halving with partners at distance 1, 2, 4,
 * ..., then doubling, point to point (Rabenseifner 2004). At a level of radix q, q partners exchange q-ths.
 * The sums have the tree's bits at any number of ranks, any buckets and blocks. */
typedef struct cvy_exchange cvy_exchange;

/* Buckets are cut into blocks. This many blocks are under way at once. */
enum { CVY_EXCHANGE_SLOTS = 8 };

/* Returns how many floats a block has. These are 1 MiB in shared memory, where smaller blocks cost more than
 * they gain. They are 256 KiB where ranks are on several nodes, whose links then lie idle less at a round's
 * end (4 nodes, 1 Gbit/s: 16 MiB took 219 ms and not 225, 64 MiB 856 and not 901). */
int64_t cvy_exchange_block(bool several_nodes);

typedef enum cvy_exchange_way {
  /* A rank uses its part of the sums, and hands on what it made of it: the same part of another vector. */
  CVY_EXCHANGE_SHARDED,
  /* All ranks have and use all sums. */
  CVY_EXCHANGE_WHOLE,
  /* All ranks have and use all sums, which MPI_Allreduce makes: their bits depend on the number of ranks.
   * This is for comparison. */
  CVY_EXCHANGE_MPI
} cvy_exchange_way;
extern const char *const cvy_exchange_words[]; /* "sharded", "whole", "mpi" */

typedef struct cvy_exchange_config {
  const cvy_tree *tree; /* it must allow the ranks, and outlive the exchange */
  cvy_exchange_way way;
  int64_t count; /* floats */
  /* Bucket k ends before float bucket_ends[k], where the next begins; the last end is `count`. */
  const int64_t *bucket_ends;
  int64_t bucket_count;
  /* It is called for sums first ... end-1 as they get ready, unless it is NULL. It runs in the communication
   * thread or in cvy_exchange_finish, without help for cvy_parallel. With a single rank it runs in
   * cvy_exchange_finish, with help. */
  void (*use)(void *context, const float *sums, int64_t first, int64_t end);
  /* It is called in the same way when all is done for these sums. With a single rank it is not called. */
  void (*done)(void *context, int64_t first, int64_t end);
  void *context;
  /* Whether a round of a sharded exchange ends when each rank has its part of the sums. Nothing is handed on
   * then; the caller does that later, by cvy_exchange_gather. */
  bool halfway;
} cvy_exchange_config;

/* Creating is collective, as rounds are. Nothing is allocated afterwards. */
cvy_err cvy_exchange_create(cvy_exchange **out, cvy_comm *comm,
                            const cvy_exchange_config *config) CVY_MUST_CHECK;
void cvy_exchange_destroy(cvy_exchange *exchange);
/* Begins a round that sums `sums`. A sharded exchange hands on its part of `handed_on`. Until the round is
 * finished no other function of the communicator may be called, and a bucket that was submitted belongs to
 * the exchange. The last bucket may set out only with the next call, which should follow at once. */
void cvy_exchange_begin(cvy_exchange *exchange, float *sums, float *handed_on);
/* Hands a bucket over. All ranks do so in the same order. It never waits. */
void cvy_exchange_submit(cvy_exchange *exchange, int64_t bucket);
/* Waits until all is summed, used and handed on. */
void cvy_exchange_finish(cvy_exchange *exchange);
/* Tells whether cvy_exchange_finish would not have to wait. */
bool cvy_exchange_is_over(cvy_exchange *exchange);

/* Each rank q gets the floats out + q * out_stride, and what q has for this one comes to in + q * in_stride,
 * `count` each. The call returns when they are there. It may be called at any time, within a round too, but
 * all ranks must swap and submit in the same order. */
void cvy_exchange_swap(cvy_exchange *exchange, float *in, int64_t in_stride, const float *out,
                       int64_t out_stride, int64_t count);

/* Seconds since creation. Exposed is what cvy_exchange_finish and cvy_exchange_swap have waited, busy the
 * time with anything under way, and cpu what the thread, or whoever did its work, computed meanwhile. */
typedef struct cvy_exchange_times {
  double exposed_s, busy_s, cpu_s;
} cvy_exchange_times;
cvy_exchange_times cvy_exchange_spent(cvy_exchange *exchange);

/* Makes `values` whole on all ranks, of which each rank of a sharded exchange owns parts. The call is
 * collective, and must be made outside of rounds. */
void cvy_exchange_gather(cvy_exchange *exchange, float *values);
/* Calls `part` for what this rank owns, which is everything unless the exchange is sharded. This call is not
 * collective. */
void cvy_exchange_own(const cvy_exchange *exchange, void (*part)(void *context, int64_t first, int64_t end),
                      void *context);

#endif
