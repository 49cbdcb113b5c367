/* The fixed tree along which gradients are summed. */
#ifndef CVY_COMM_TREE_H
#define CVY_COMM_TREE_H

#include "base/base.h"

/* The S microbatches of a step are the leaves of a tree with one radix a level. A node is the sum of its
 * children in order: ((c0 + c1) + c2) ... A rank owns the leaves below one node. So the rank counts that work
 * are the products of the top radices, and the sum has the same bits at all of them. */
typedef enum cvy_wire { CVY_WIRE_FP32, CVY_WIRE_BF16 } cvy_wire;
extern const char *const cvy_wire_words[]; /* "fp32", "bf16" */

/* With CVY_WIRE_BF16 the value of every node, leaves and root included, is rounded to bfloat16 before its
 * parent, or whoever uses the sums, takes it. A node adds its children in float. What crosses between ranks
 * is half as long then. The places of rounding are the tree's, so the bits are still the same at all rank
 * counts. Each of a leaf's levels + 1 roundings adds at most 2^-8 of the magnitude, hence with L levels over
 * leaves g
 *   |sum - exact| <= ((1 + 2^-8)^(L + 1) - 1) Σ|g|, about (L + 1) Σ|g| / 256,
 * to which float itself and values below 2^-126 add their errors. A sum beyond 3.39e38 becomes infinite, one
 * of NaN is NaN. */
typedef struct cvy_tree {
  int64_t leaves;
  int level_count;
  int64_t radix[64]; /* radix[0] is at the leaves */
  cvy_wire wire;
} cvy_tree;

/* `radices` are given from the top. If there are none, they are the odd prime factors of `leaves`, largest at
 * the top, then twos. The wire is fp32. The call is not collective. */
cvy_err cvy_tree_create(cvy_tree *out, int64_t leaves, const int64_t *radices,
                        int64_t radix_count) CVY_MUST_CHECK;
/* Tells whether `ranks` ranks can share the tree: each then owns the leaves below one node. */
bool cvy_tree_allows(const cvy_tree *tree, int64_t ranks);
/* Returns the tree of the levels above those that lie within each of `ranks` ranks, which the tree must
 * allow. Each rank is a leaf of it. */
cvy_tree cvy_tree_above(const cvy_tree *tree, int64_t ranks);
/* Returns how many levels lie within each of `ranks` ranks, which the tree must allow. */
int cvy_tree_levels_within(const cvy_tree *tree, int64_t ranks);
/* Fails with CVY_E_INPUT unless the tree allows `ranks`. The message names the counts that work and, for
 * batches of `microbatch` images a leaf, the nearest batch sizes that would allow this one. */
cvy_err cvy_tree_check_ranks(const cvy_tree *tree, int64_t ranks, int64_t microbatch) CVY_MUST_CHECK;

/* Sums what one rank's own leaves contribute, one after the other, along the tree. Each leaf is written to
 * cvy_accumulator_leaf. For all leaves but the last cvy_accumulator_add is then called.
 * cvy_accumulator_add_last adds the last one in parts, as they become ready: cvy_accumulator_sum then holds
 * floats first ... end-1 of the sum. After all of them cvy_accumulator_restart makes ready for the next sum.
 * There is one buffer a level and one more, of `count` floats each. The first `rooms` of these, which must
 * not be more than there are, have `room` for more floats. Nothing here is collective, and nothing is
 * allocated after creation. */
typedef struct cvy_accumulator cvy_accumulator;
cvy_err cvy_accumulator_create(cvy_accumulator **out, const cvy_tree *tree, int64_t ranks, int64_t count,
                               int64_t room, int64_t rooms) CVY_MUST_CHECK;
void cvy_accumulator_destroy(cvy_accumulator *accumulator);
/* Returns buffer `k` of those that have room. Its first `count` floats mean nothing from the end of a sum to
 * the first leaf of the next; what lies behind them is never touched. */
float *cvy_accumulator_buffer(cvy_accumulator *accumulator, int64_t k);
float *cvy_accumulator_leaf(cvy_accumulator *accumulator);
void cvy_accumulator_add(cvy_accumulator *accumulator);
void cvy_accumulator_add_last(cvy_accumulator *accumulator, int64_t first, int64_t end);
float *cvy_accumulator_sum(cvy_accumulator *accumulator);
void cvy_accumulator_restart(cvy_accumulator *accumulator);
/* Makes ready for a sum of one leaf, its last. */
void cvy_accumulator_restart_at_last(cvy_accumulator *accumulator);

#endif
