/* The fixed tree: its shape, which rank counts it has, and the sum over one rank's own leaves. */
#include "comm/tree.h"

#include "base/count.h"
#include "base/text.h"
#include "comm/bf16.h"

#include <stdlib.h>
#include <string.h>

const char *const cvy_wire_words[] = {[CVY_WIRE_FP32] = "fp32", [CVY_WIRE_BF16] = "bf16", NULL};

enum { ADD_BLOCK = 1 << 16 }; /* floats a task */

/* ---- shape ---- */

static cvy_err create_from_list(cvy_tree *out, int64_t leaves, const int64_t *radices, int64_t count) {
  int64_t product = 1;
  if (count > CVY_COUNT(out->radix)) return cvy_error(CVY_E_INPUT, "the tree has more than 64 levels");
  for (int64_t i = 0; i < count; i++) {
    if (radices[i] < 2)
      return cvy_error(CVY_E_INPUT, "a radix of the tree is %" PRId64 "; each must be at least 2",
                       radices[i]);
    if (radices[i] > leaves / product)
      product = leaves; /* keeps the product from overflowing; it is wrong anyway */
    product *= radices[i];
    out->radix[count - 1 - i] = radices[i];
  }
  if (product != leaves)
    return cvy_error(CVY_E_INPUT,
                     "the radices of the tree do not multiply to the %" PRId64 " microbatches of a step",
                     leaves);
  out->level_count = (int)count;
  return CVY_OK;
}

cvy_err cvy_tree_create(cvy_tree *out, int64_t leaves, const int64_t *radices, int64_t radix_count) {
  CVY_CHECK(leaves >= 1);
  *out = (cvy_tree){.leaves = leaves};
  if (radix_count > 0) return create_from_list(out, leaves, radices, radix_count);
  for (; leaves % 2 == 0; leaves /= 2) out->radix[out->level_count++] = 2;
  for (int64_t factor = 3; leaves > 1; factor += 2) {
    if (factor > leaves / factor) factor = leaves; /* what is left is prime */
    for (; leaves % factor == 0; leaves /= factor) out->radix[out->level_count++] = factor;
  }
  return CVY_OK;
}

/* Returns the number of ranks that have `level` levels within them: the product of the radices above, which
 * is the leaves divided by the product of those below. */
static int64_t rank_count_above(const cvy_tree *tree, int level) {
  int64_t below = 1;
  for (int i = 0; i < level; i++) below *= tree->radix[i];
  return tree->leaves / below;
}

bool cvy_tree_allows(const cvy_tree *tree, int64_t ranks) {
  for (int level = 0; level <= tree->level_count; level++)
    if (rank_count_above(tree, level) == ranks) return true;
  return false;
}

static bool default_tree_allows(int64_t leaves, int64_t ranks) {
  cvy_tree tree;
  return leaves >= 1 && !cvy_tree_create(&tree, leaves, NULL, 0) && cvy_tree_allows(&tree, ranks);
}

cvy_err cvy_tree_check_ranks(const cvy_tree *tree, int64_t ranks, int64_t microbatch) {
  if (cvy_tree_allows(tree, ranks)) return CVY_OK;
  char counts[512];
  cvy_text list = cvy_text_in(counts, sizeof counts);
  for (int level = tree->level_count; level >= 0; level--)
    cvy_text_item(&list, ", ", "%" PRId64, rank_count_above(tree, level));
  cvy_tree usual;
  const bool custom = cvy_tree_create(&usual, tree->leaves, NULL, 0) ||
                      memcmp(usual.radix, tree->radix, sizeof usual.radix) != 0;
  if (custom)
    return cvy_error(CVY_E_INPUT,
                     "%" PRId64 " ranks cannot share the %" PRId64
                     " microbatches of a step along the recipe's own 'tree', "
                     "which runs on %s ranks: these are the products of its first radices",
                     ranks, tree->leaves, counts);
  int64_t smaller = tree->leaves, larger = tree->leaves;
  while (smaller >= 1 && !default_tree_allows(smaller, ranks)) smaller--;
  while (!default_tree_allows(larger, ranks)) larger++;
  char nearest[160];
  snprintf(nearest, sizeof nearest, smaller >= 1 ? "%2$" PRId64 " or %1$" PRId64 : "%1$" PRId64,
           larger * microbatch, smaller * microbatch);
  return cvy_error(CVY_E_INPUT,
                   "%" PRId64 " ranks cannot share the %" PRId64
                   " microbatches of a step: this recipe runs on %s ranks; batches of %s "
                   "images (microbatch %" PRId64 ") are the nearest that %" PRId64 " ranks can share",
                   ranks, tree->leaves, counts, nearest, microbatch, ranks);
}

/* ---- the sum over a rank's own leaves ---- */

struct cvy_accumulator {
  const cvy_tree *tree;
  int levels_within; /* levels that lie within the rank */
  int level_count;   /* levels of the sum under way: all of them, or none if it has one leaf */
  int64_t count, room, rooms;
  int64_t children[64]; /* how many children the open node of each level has so far */
  float *partial[65];   /* the sum of those children; the last one is where a later child is written */
  void *memory;
};

int cvy_tree_levels_within(const cvy_tree *tree, int64_t ranks) {
  int level = 0;
  while (rank_count_above(tree, level) != ranks) level++;
  return level;
}

cvy_tree cvy_tree_above(const cvy_tree *tree, int64_t ranks) {
  const int within = cvy_tree_levels_within(tree, ranks);
  cvy_tree above = {.leaves = ranks, .level_count = tree->level_count - within, .wire = tree->wire};
  memcpy(above.radix, tree->radix + within, sizeof *above.radix * (size_t)above.level_count);
  return above;
}

static size_t buffer_bytes(int64_t count) {
  return cvy_aligned(sizeof(float) * (size_t)count);
}

static float *buffer(const cvy_accumulator *a, int64_t k) {
  const int64_t roomy = cvy_smaller(k, a->rooms);
  return (float *)(void *)((char *)a->memory + (size_t)roomy * buffer_bytes(a->room) +
                           (size_t)(k - roomy) * buffer_bytes(a->count));
}

cvy_err cvy_accumulator_create(cvy_accumulator **out, const cvy_tree *tree, int64_t ranks, int64_t count,
                               int64_t room, int64_t rooms) {
  CVY_CHECK(room >= count && rooms >= 0);
  const int levels = cvy_tree_levels_within(tree, ranks);
  const size_t buffers = (size_t)levels + 1, roomy = (size_t)rooms;
  const size_t others = buffers > roomy ? buffers - roomy : 0;
  void *memory;
  *out = NULL;
  CVY_TRY(
      cvy_buffer_create(&memory, roomy * buffer_bytes(room) + others * buffer_bytes(count), "the gradients"));
  cvy_accumulator *a = cvy_new(sizeof *a);
  *a = (cvy_accumulator){.tree = tree,
                         .levels_within = levels,
                         .level_count = levels,
                         .count = count,
                         .room = room,
                         .rooms = rooms,
                         .memory = memory};
  for (int i = 0; i <= levels; i++) a->partial[i] = buffer(a, i);
  *out = a;
  return CVY_OK;
}

void cvy_accumulator_destroy(cvy_accumulator *accumulator) {
  if (!accumulator) return;
  cvy_buffer_destroy(accumulator->memory);
  free(accumulator);
}

float *cvy_accumulator_buffer(cvy_accumulator *a, int64_t k) {
  CVY_CHECK(k >= 0 && k < a->rooms);
  return buffer(a, k);
}

/* A node's first child becomes its partial sum without being copied or added to zero. */
float *cvy_accumulator_leaf(cvy_accumulator *a) {
  const bool first_child = a->level_count == 0 || a->children[0] == 0;
  return first_child ? a->partial[0] : a->partial[a->level_count];
}

/* How a child is added to what the node has so far. On a narrow wire the child is rounded, and so is the
 * first child, which lies there as it is until the second one comes. */
typedef enum manner { AS_IT_IS, TO_FIRST_CHILD, TO_SUM } manner;

static manner manner_of(const cvy_accumulator *a, int level) {
  if (a->tree->wire == CVY_WIRE_FP32) return AS_IT_IS;
  return a->children[level] == 1 ? TO_FIRST_CHILD : TO_SUM;
}

static void add_child(float *restrict to, const float *restrict from, int64_t count, manner how) {
  switch (how) {
  case AS_IT_IS:
    for (int64_t i = 0; i < count; i++) to[i] += from[i];
    break;
  case TO_FIRST_CHILD:
    for (int64_t i = 0; i < count; i++) to[i] = cvy_round_bf16(to[i]) + cvy_round_bf16(from[i]);
    break;
  case TO_SUM:
    for (int64_t i = 0; i < count; i++) to[i] += cvy_round_bf16(from[i]);
    break;
  }
}

/* In each block, each of the vectors in turn is added to the next one. */
typedef struct addition {
  float *vectors[65];
  manner manners[64];
  int count; /* number of additions */
  int64_t first, end;
} addition;

static void add_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const addition *add = context;
  const int64_t first = add->first + index * ADD_BLOCK;
  const int64_t end = cvy_smaller(first + ADD_BLOCK, add->end);
  for (int k = 0; k < add->count; k++)
    add_child(add->vectors[k + 1] + first, add->vectors[k] + first, end - first, add->manners[k]);
}

static void add_up(const addition *add) {
  cvy_parallel(cvy_pieces(add->end - add->first, ADD_BLOCK), add_block, add);
}

/* Adds a child to the node that is open at `level`, which has a child at least. */
static void add_to_node(const cvy_accumulator *a, int level, float *child) {
  add_up(&(addition){
      .vectors = {child, a->partial[level]}, .manners = {manner_of(a, level)}, .count = 1, .end = a->count});
}

void cvy_accumulator_add(cvy_accumulator *a) {
  if (a->level_count == 0) return;
  if (a->children[0] > 0) add_to_node(a, 0, a->partial[a->level_count]);
  a->children[0]++;
  for (int level = 0; level + 1 < a->level_count && a->children[level] == a->tree->radix[level]; level++) {
    a->children[level] = 0;
    if (a->children[level + 1] > 0) {
      add_to_node(a, level + 1, a->partial[level]);
    } else {
      float *swap = a->partial[level + 1];
      a->partial[level + 1] = a->partial[level];
      a->partial[level] = swap;
    }
    a->children[level + 1]++;
  }
}

static bool is_last_leaf(const cvy_accumulator *a) {
  for (int level = 0; level < a->level_count; level++)
    if (a->children[level] != a->tree->radix[level] - 1) return false;
  return true;
}

void cvy_accumulator_add_last(cvy_accumulator *a, int64_t first, int64_t end) {
  CVY_CHECK(is_last_leaf(a), "this is not the last leaf");
  addition chain = {
      .vectors = {a->partial[a->level_count]}, .count = a->level_count, .first = first, .end = end};
  for (int level = 0; level < a->level_count; level++) {
    chain.vectors[1 + level] = a->partial[level];
    chain.manners[level] = manner_of(a, level);
  }
  add_up(&chain);
}

float *cvy_accumulator_sum(cvy_accumulator *a) {
  CVY_CHECK(is_last_leaf(a), "the sum was asked for before its last leaf");
  return a->partial[a->level_count ? a->level_count - 1 : 0];
}

void cvy_accumulator_restart(cvy_accumulator *a) {
  memset(a->children, 0, sizeof a->children);
  a->level_count = a->levels_within;
}

void cvy_accumulator_restart_at_last(cvy_accumulator *a) {
  cvy_accumulator_restart(a);
  a->level_count = 0;
}
