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
const char *cvy_comm_library_version(void); /* "Open MPI v4.1.4"; may be called before MPI starts */

/* All ranks learn whether one of them failed: returns on every rank the error of the lowest failing rank,
 * with its message (and which rank it was, unless all ranks failed). For set-up; in the step loop errors are
 * fatal. */
cvy_err cvy_comm_agree(cvy_comm *comm, cvy_err mine) CVY_MUST_CHECK;

void cvy_comm_broadcast(cvy_comm *comm, void *data, size_t bytes); /* from rank 0 */
/* Integers, so that the sum is exact in any order. */
void cvy_comm_sum(cvy_comm *comm, int64_t *values, int64_t count);
/* The lowest rank whose text differs from rank 0's, -1 if all are equal. Texts shorter than 256 bytes. */
int cvy_comm_first_different(cvy_comm *comm, const char *text);

/* ---- the tree ----------------------------------------------------------------------------------------- */

/* The S microbatches of a step are the leaves of a tree with one radix a level. A node is the sum of its
 * children in order: ((c0 + c1) + c2) ...; a rank owns the leaves below one node, so the rank counts that
 * work are the products of the top radices, and the sum has the same bits at all of them. */
typedef struct cvy_tree {
  int64_t leaves;
  int level_count;
  int64_t radix[64]; /* radix[0] is at the leaves */
} cvy_tree;

/* `radices` from the top; none: the odd prime factors of `leaves`, largest at the top, then twos. Not
 * collective. */
cvy_err cvy_tree_create(cvy_tree *out, int64_t leaves, const int64_t *radices,
                        int64_t radix_count) CVY_MUST_CHECK;
bool cvy_tree_allows(const cvy_tree *tree, int64_t ranks);
/* CVY_E_INPUT unless the tree allows `ranks`; the message names the counts that work and, for batches of
 * `microbatch` images a leaf, the nearest batch sizes that would allow this one. */
cvy_err cvy_tree_check_ranks(const cvy_tree *tree, int64_t ranks, int64_t microbatch) CVY_MUST_CHECK;

/* Sums what one rank's own leaves contribute, one after the other, along the tree: each leaf is written to
 * cvy_accumulator_leaf, then cvy_accumulator_add is called; after the last one cvy_accumulator_sum holds
 * their sum. Needs one buffer a level and one more. Not collective, allocates nothing after create. */
typedef struct cvy_accumulator cvy_accumulator;
cvy_err cvy_accumulator_create(cvy_accumulator **out, const cvy_tree *tree, int64_t ranks,
                               int64_t count) CVY_MUST_CHECK;
void cvy_accumulator_destroy(cvy_accumulator *accumulator);
float *cvy_accumulator_leaf(cvy_accumulator *accumulator);
void cvy_accumulator_add(cvy_accumulator *accumulator);
float *cvy_accumulator_sum(cvy_accumulator *accumulator);

/* The rest of the way, between ranks: in place, every rank ends with the sum over all ranks along the tree.
 * Recursive halving with partners at distance 1, 2, 4, ..., then doubling (Rabenseifner 2004; at a level of
 * radix q, q partners exchange q-ths), point to point. Allocates nothing after create. */
typedef struct cvy_reducer cvy_reducer;
cvy_err cvy_reducer_create(cvy_reducer **out, cvy_comm *comm, const cvy_tree *tree) CVY_MUST_CHECK;
void cvy_reducer_destroy(cvy_reducer *reducer);
void cvy_reducer_sum(cvy_reducer *reducer, float *data, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
