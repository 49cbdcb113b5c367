/* Ranks: starting, agreeing, exact sums, and the fixed tree along which gradients are summed.
 *
 * The only door to MPI. All functions of a running communicator are collective unless they say otherwise, and
 * are called from one thread. An MPI call that fails ends the job through the fatal hook, which is MPI_Abort
 * from cvy_comm_start on.
 */
#ifndef CONVOY_COMM_H
#define CONVOY_COMM_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cvy_comm cvy_comm;

/* Starts MPI (also without mpirun: one rank), lets only rank 0 log. */
cvy_comm *cvy_comm_start(void);
void cvy_comm_finish(cvy_comm *comm); /* waits for all ranks */

/* Not collective. */
int cvy_comm_rank(const cvy_comm *comm);
int cvy_comm_size(const cvy_comm *comm);
/* Threads that let all ranks of a node compute without sharing cores: the cores this rank may run on, at most
 * its share of those that any rank of the node may run on; at least 1. */
int cvy_comm_fair_threads(const cvy_comm *comm);
bool cvy_comm_leads_node(const cvy_comm *comm);          /* the lowest rank of its node */
const char *cvy_comm_thread_level(const cvy_comm *comm); /* "MPI_THREAD_SERIALIZED": what MPI provides */
const char *cvy_comm_library_version(void); /* "Open MPI v4.1.4"; may be called before MPI starts */

/* All ranks learn whether one of them failed: returns on every rank the error of the lowest failing rank,
 * with its message (and which rank it was, unless all ranks failed). For set-up; in the step loop errors are
 * fatal. */
cvy_err cvy_comm_agree(cvy_comm *comm, cvy_err mine) CVY_MUST_CHECK;

void cvy_comm_broadcast(cvy_comm *comm, void *data, size_t bytes); /* from rank 0 */
void cvy_comm_broadcast_from(cvy_comm *comm, int root, void *data, size_t bytes);
/* From rank `from` to the same place on rank `to`; nothing happens where they are one, and on all others. */
void cvy_comm_move(cvy_comm *comm, int to, int from, void *data, size_t bytes);
/* `bytes` of each rank, to `all` of rank 0 in the order of the ranks; the others may pass NULL. */
void cvy_comm_gather(cvy_comm *comm, void *all, const void *mine, size_t bytes);
/* Integers, so that the sum is exact in any order. */
void cvy_comm_sum(cvy_comm *comm, int64_t *values, int64_t count);
/* Of the ranks' seconds, to the nanosecond; the same on all. */
double cvy_comm_mean_s(cvy_comm *comm, double mine_s);
/* The lowest rank whose text differs from rank 0's, -1 if all are equal. Texts shorter than 256 bytes. */
int cvy_comm_first_different(cvy_comm *comm, const char *text);
/* Else CVY_E_INPUT, naming that rank, on all of them: "rank 3 has `what` than rank 0; ...". */
cvy_err cvy_comm_expect_same(cvy_comm *comm, const char *text, const char *what) CVY_MUST_CHECK;

/* ---- one by one --------------------------------------------------------------------------------------- */

/* Less than 2 GiB. Not collective: one sends, one receives, who must have room; returns how many bytes came. */
void cvy_comm_send(cvy_comm *comm, int to, const void *data, size_t bytes);
size_t cvy_comm_receive(cvy_comm *comm, int from, void *data, size_t capacity);

/* Rank 0's clock is this rank's cvy_now_s plus later_s, plus or minus uncertain_s; as of read_s. From the fastest of some
 * rounds of question and answer (Cristian 1989). */
typedef struct cvy_clock {
  double read_s, later_s, uncertain_s;
} cvy_clock;
cvy_clock cvy_comm_clock(cvy_comm *comm);

/* Ranks 0 ... count-1 as a communicator of their own; NULL on the others. */
void cvy_comm_first(cvy_comm **out, cvy_comm *comm, int count);
/* This rank and `partner`, who names this one; NULL if that is -1. */
void cvy_comm_pair(cvy_comm **out, cvy_comm *comm, int partner);
void cvy_comm_release(cvy_comm *part); /* one of those; NULL is allowed. Collective over its ranks */
/* A barrier that leaves the cores to those who still compute: it looks every half millisecond. */
void cvy_comm_wait(cvy_comm *comm);

/* ---- the tree ----------------------------------------------------------------------------------------- */

/* The S microbatches of a step are the leaves of a tree with one radix a level. A node is the sum of its
 * children in order: ((c0 + c1) + c2) ...; a rank owns the leaves below one node, so the rank counts that
 * work are the products of the top radices, and the sum has the same bits at all of them. */
typedef enum cvy_wire { CVY_WIRE_FP32, CVY_WIRE_BF16 } cvy_wire;

/* With CVY_WIRE_BF16 the value of every node, leaves and root included, is rounded to bfloat16 before its parent, or whoever uses
 * the sums, takes it; a node adds its children in float. What crosses between ranks is half as long then, and the places of
 * rounding are the tree's, so the bits are still the same at all rank counts. Each of a leaf's levels + 1 roundings adds at most
 * 2^-8 of the magnitude, hence with L levels over leaves g
 *   |sum - exact| <= ((1 + 2^-8)^(L + 1) - 1) Σ|g|, about (L + 1) Σ|g| / 256,
 * and what float itself and values below 2^-126 add. A sum beyond 3.39e38 becomes infinite, one of NaN is NaN. */
typedef struct cvy_tree {
  int64_t leaves;
  int level_count;
  int64_t radix[64]; /* radix[0] is at the leaves */
  cvy_wire wire;
} cvy_tree;

/* `radices` from the top; none: the odd prime factors of `leaves`, largest at the top, then twos. The wire is fp32. Not
 * collective. */
cvy_err cvy_tree_create(cvy_tree *out, int64_t leaves, const int64_t *radices,
                        int64_t radix_count) CVY_MUST_CHECK;
bool cvy_tree_allows(const cvy_tree *tree, int64_t ranks);
/* Its levels above those that lie within each of `ranks` ranks, which the tree must allow: each rank is a leaf. */
cvy_tree cvy_tree_above(const cvy_tree *tree, int64_t ranks);
/* How many levels lie within each of `ranks` ranks, which the tree must allow. */
int cvy_tree_levels_within(const cvy_tree *tree, int64_t ranks);
/* CVY_E_INPUT unless the tree allows `ranks`; the message names the counts that work and, for batches of
 * `microbatch` images a leaf, the nearest batch sizes that would allow this one. */
cvy_err cvy_tree_check_ranks(const cvy_tree *tree, int64_t ranks, int64_t microbatch) CVY_MUST_CHECK;

/* Sums what one rank's own leaves contribute, one after the other, along the tree: each leaf is written to
 * cvy_accumulator_leaf; then, for all but the last, cvy_accumulator_add is called. The last one is added in parts, as they
 * become ready: cvy_accumulator_sum then holds floats first ... end-1 of the sum. After all of them
 * cvy_accumulator_restart makes ready for the next sum. Needs one buffer a level and one more, at least two, of `count` floats;
 * the first two have `room` for at least as many. Not collective, allocates nothing after create. */
typedef struct cvy_accumulator cvy_accumulator;
cvy_err cvy_accumulator_create(cvy_accumulator **out, const cvy_tree *tree, int64_t ranks, int64_t count,
                               int64_t room) CVY_MUST_CHECK;
void cvy_accumulator_destroy(cvy_accumulator *accumulator);
/* Buffer `k`, one of two or more, whose contents count for nothing from the end of a sum to the first leaf of the next. */
float *cvy_accumulator_buffer(cvy_accumulator *accumulator, int64_t k);
float *cvy_accumulator_leaf(cvy_accumulator *accumulator);
void cvy_accumulator_add(cvy_accumulator *accumulator);
void cvy_accumulator_add_last(cvy_accumulator *accumulator, int64_t first, int64_t end);
float *cvy_accumulator_sum(cvy_accumulator *accumulator);
void cvy_accumulator_restart(cvy_accumulator *accumulator);

/* ---- the communication thread -------------------------------------------------------------------------- */

/* Sums a vector over the ranks while its owner goes on computing. The vector is cut into buckets, each handed over when
 * its values are there; a thread of its own, or who waits for it, takes them along the rest of the tree, and alone calls MPI
 * meanwhile: recursive halving with partners at distance 1, 2, 4, ..., then doubling (Rabenseifner 2004; at a level of radix q, q
 * partners exchange q-ths), point to point. The sums have the tree's bits at any number of ranks, any buckets and blocks. */
typedef struct cvy_exchange cvy_exchange;

/* Buckets are cut into blocks, of which so many are under way at once. */
enum { CVY_EXCHANGE_SLOTS = 8 };

/* Floats: 1 MiB in shared memory, where smaller ones cost more than they gain; 256 KiB where ranks are on several nodes, whose
 * links then lie idle less at a round's end (4 nodes, 1 Gbit/s: 16 MiB took 219 ms and not 225, 64 MiB 856 and not 901). */
int64_t cvy_exchange_block(bool several_nodes);

typedef enum cvy_exchange_way {
  CVY_EXCHANGE_SHARDED, /* a rank uses its part of the sums, and hands on what it made of it: the same part of another vector */
  CVY_EXCHANGE_WHOLE, /* all ranks have and use all sums */
  CVY_EXCHANGE_MPI /* the same by MPI_Allreduce, whose bits depend on the number of ranks: for comparison */
} cvy_exchange_way;

typedef struct cvy_exchange_config {
  const cvy_tree *tree; /* must allow the ranks, and outlive the exchange */
  cvy_exchange_way way;
  int64_t count; /* floats */
  const int64_t
      *bucket_ends; /* bucket k ends before float bucket_ends[k], where the next begins; the last is count */
  int64_t bucket_count;
  /* NULL, or called for sums first ... end-1 as they get ready, in the communication thread or in cvy_exchange_finish (in both
   * cvy_parallel gets no help); of one rank in the latter, with help. */
  void (*use)(void *context, const float *sums, int64_t first, int64_t end);
  void (*done)(void *context, int64_t first,
               int64_t end); /* NULL, or likewise when all is done for them; not of one rank */
  void *context;
} cvy_exchange_config;

/* Collective, as are rounds; allocates nothing afterwards. */
cvy_err cvy_exchange_create(cvy_exchange **out, cvy_comm *comm,
                            const cvy_exchange_config *config) CVY_MUST_CHECK;
void cvy_exchange_destroy(cvy_exchange *exchange);
/* One round: the vector, and of a sharded one what is handed on. Until it is finished no other function of the communicator
 * may be called, and a bucket that was submitted belongs to the exchange. The last one may set out with the next call only, which
 * should follow at once. */
void cvy_exchange_begin(cvy_exchange *exchange, float *sums, float *handed_on);
void cvy_exchange_submit(cvy_exchange *exchange,
                         int64_t bucket);          /* all ranks in the same order; never waits */
void cvy_exchange_finish(cvy_exchange *exchange);  /* waits until all is summed, used and handed on */
bool cvy_exchange_is_over(cvy_exchange *exchange); /* whether that would not have to wait */

/* Each rank q gets the floats out + q * out_stride, and what q has for this one comes to in + q * in_stride, `count` each.
 * Waits for it. At any time, within a round too; all ranks in the same order, also of submits. */
void cvy_exchange_swap(cvy_exchange *exchange, float *in, int64_t in_stride, const float *out,
                       int64_t out_stride, int64_t count);

/* Seconds since creation: exposed is what cvy_exchange_finish and _swap waited, busy the time with anything under way, cpu what
 * the thread, or who did its work, computed meanwhile. */
typedef struct cvy_exchange_times {
  double exposed_s, busy_s, cpu_s;
} cvy_exchange_times;
cvy_exchange_times cvy_exchange_spent(cvy_exchange *exchange);

/* Of a sharded exchange: makes the parts that the ranks own of `values` whole, on all ranks. Collective, outside of rounds. */
void cvy_exchange_gather(cvy_exchange *exchange, float *values);
/* Calls `part` for what this rank owns; everything, unless the exchange is sharded. Not collective. */
void cvy_exchange_own(const cvy_exchange *exchange, void (*part)(void *context, int64_t first, int64_t end),
                      void *context);

#ifdef __cplusplus
}
#endif
#endif
