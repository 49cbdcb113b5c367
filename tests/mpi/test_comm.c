/* ranks: 1 2 3 4 6 8 12 */
/* Tests ranks: their agreement, exact sums, and the tree whose bits do not depend on the number of ranks. */
#include "unit/suite.h"

#include "comm/bf16.h"
#include "mpi/delays.h"

#include "comm/exchange.h"

#include <math.h>
#include <mpi.h>

static cvy_comm *comm;

/* ---- the tree's shape ---- */

static void default_trees(void) {
  const struct {
    int64_t leaves, radix[6];
    int levels;
  } known[] = {{1, {0}, 0},        {2, {2}, 1},        {8, {2, 2, 2}, 3}, {48, {2, 2, 2, 2, 3}, 5},
               {12, {2, 2, 3}, 3}, {45, {3, 3, 5}, 3}, {7, {7}, 1},       {30, {2, 3, 5}, 3},
               {1009, {1009}, 1},  {50, {2, 5, 5}, 3}};
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    cvy_tree tree;
    CU_ASSERT_EQUAL(cvy_tree_create(&tree, known[i].leaves, NULL, 0), CVY_OK);
    CU_ASSERT_EQUAL(tree.level_count, known[i].levels);
    for (int k = 0; k < known[i].levels; k++) CU_ASSERT_EQUAL(tree.radix[k], known[i].radix[k]);
  }
}

static void rank_counts_of_a_tree(void) {
  cvy_tree tree;
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, 48, NULL, 0), CVY_OK);
  int64_t allowed[8], count = 0;
  for (int64_t ranks = 1; ranks <= 100 && count < 8; ranks++)
    if (cvy_tree_allows(&tree, ranks)) allowed[count++] = ranks;
  const int64_t expected[] = {1, 3, 6, 12, 24, 48};
  CU_ASSERT_EQUAL_FATAL(count, 6);
  CU_ASSERT(memcmp(allowed, expected, sizeof expected) == 0);

  CU_ASSERT_EQUAL(cvy_tree_create(&tree, 8, NULL, 0), CVY_OK);
  CU_ASSERT_EQUAL(cvy_tree_check_ranks(&tree, 4, 16), CVY_OK);
  CU_ASSERT_EQUAL(cvy_tree_check_ranks(&tree, 3, 16), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "runs on 1, 2, 4, 8 ranks"));
  CU_ASSERT_PTR_NOT_NULL(
      strstr(cvy_err_message(),
             "batches of 96 or 144 images (microbatch 16) are the nearest that 3 ranks can share"));
  CU_ASSERT_EQUAL(cvy_tree_check_ranks(&tree, 16, 16), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "batches of 256 images (microbatch 16) are the nearest"));

  const int64_t custom[] = {4, 2, 3}, wrong[] = {4, 3}, one[] = {24, 1};
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, 24, custom, 3), CVY_OK);
  CU_ASSERT(cvy_tree_allows(&tree, 4) && cvy_tree_allows(&tree, 8));
  CU_ASSERT(!cvy_tree_allows(&tree, 2) && !cvy_tree_allows(&tree, 12));
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, 24, wrong, 2), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, 24, one, 2), CVY_E_INPUT);
}

/* ---- sums ---- */

/* Gives values of sizes so different that every order of adding rounds differently. */
static float leaf_value(int64_t leaf, int64_t i) {
  const cvy_random where = {
      .seed = 1, .purpose = CVY_FOR_TEST, .step = (uint32_t)leaf, .sample = (uint32_t)i};
  uint32_t words[4];
  cvy_random_block(words, &where, 0);
  return ((float)words[0] - 0x1p31f) * (words[1] % 5 ? 1e-9f : 1e-3f);
}

/* Rounds to 8 bits of precision, for numbers that are neither tiny nor huge. */
static float rounded(float value) {
  int exponent;
  const double mantissa = frexp(value, &exponent);
  return (float)ldexp(rint(ldexp(mantissa, 8)), exponent - 8);
}

/* Gives a node by the definition: it is the sum of its children in order, rounded for a narrow wire. */
static float node_value(const cvy_tree *tree, int level, int64_t node, int64_t i) {
  float sum = 0;
  if (level == 0) {
    sum = leaf_value(node, i);
  } else {
    const int64_t radix = tree->radix[level - 1];
    sum = node_value(tree, level - 1, node * radix, i);
    for (int64_t child = 1; child < radix; child++)
      sum += node_value(tree, level - 1, node * radix + child, i);
  }
  return tree->wire == CVY_WIRE_BF16 ? rounded(sum) : sum;
}

/* Where the test puts what it makes of the sums: their doubles. */
typedef struct making {
  float *made;
} making;

static void make(void *context, const float *sums, int64_t first, int64_t end) {
  const making *r = context;
  for (int64_t i = first; i < end; i++) r->made[i] = 2 * sums[i];
}

typedef struct plan {
  const cvy_tree *tree;
  int64_t count, buckets;
  cvy_exchange_way way;
} plan;

/* Gives what rank `from` has for rank `to`. */
static float swapped_value(int64_t from, int64_t to, int64_t number, int64_t i) {
  return (float)(((from * 16 + to) * 64 + number) * 64 + i);
}

/* Swaps to each its own, or the same to all. */
static bool swap_is_exact(cvy_exchange *exchange, int64_t number, bool to_all) {
  enum { COUNT = 37, MOST_RANKS = 16 };
  float in[MOST_RANKS * (COUNT + 1)] = {0}, out[MOST_RANKS * COUNT];
  const int64_t size = cvy_comm_size(comm), me = cvy_comm_rank(comm);
  for (int64_t k = 0; k < (to_all ? 1 : size) * COUNT; k++)
    out[k] = swapped_value(me, to_all ? 0 : k / COUNT, number, k % COUNT);
  cvy_exchange_swap(exchange, in, COUNT + 1, out, to_all ? 0 : COUNT, COUNT);
  bool same = true;
  for (int64_t k = 0; k < size * (COUNT + 1); k++) {
    const int64_t from = k / (COUNT + 1), i = k % (COUNT + 1);
    same = same && in[k] == (i == COUNT ? 0 : swapped_value(from, to_all ? 0 : me, number, i));
  }
  return same;
}

static bool round_is_exact(const plan *p, cvy_accumulator *accumulator, cvy_exchange *exchange,
                           const int64_t *ends, making *r) {
  const int64_t own = p->tree->leaves / cvy_comm_size(comm);
  cvy_accumulator_restart(accumulator);
  for (int64_t m = 0; m < own; m++) {
    float *leaf = cvy_accumulator_leaf(accumulator);
    for (int64_t i = 0; i < p->count; i++) leaf[i] = leaf_value(cvy_comm_rank(comm) * own + m, i);
    if (m + 1 < own) cvy_accumulator_add(accumulator);
  }
  float *sum = cvy_accumulator_sum(accumulator);
  memset(r->made, 0, sizeof *r->made * (size_t)p->count);
  bool same = swap_is_exact(exchange, 63, false);
  cvy_exchange_begin(exchange, sum, r->made);
  for (int64_t k = p->buckets - 1; k >= 0; k--) {
    delay();
    if (k % 2 == 0) same = swap_is_exact(exchange, k, k % 4 == 0) && same;
    cvy_accumulator_add_last(accumulator, k ? ends[k - 1] : 0, ends[k]);
    cvy_exchange_submit(exchange, k);
  }
  cvy_exchange_finish(exchange);
  for (int64_t i = 0; i < p->count; i++) {
    const float expected = 2 * node_value(p->tree, p->tree->level_count, 0, i);
    same = same && memcmp(&expected, &r->made[i], sizeof expected) == 0;
  }
  return same;
}

static void sum_along_with(const plan *p) {
  int64_t ends[64];
  for (int64_t k = 0; k < p->buckets; k++) ends[k] = p->count * (k + 1) / p->buckets;
  making r = {malloc(sizeof *r.made * (size_t)p->count)};
  cvy_accumulator *accumulator;
  cvy_exchange *exchange;
  const cvy_exchange_config config = {.tree = p->tree,
                                      .way = p->way,
                                      .count = p->count,
                                      .bucket_ends = ends,
                                      .bucket_count = p->buckets,
                                      .use = make,
                                      .context = &r};
  CU_ASSERT_EQUAL_FATAL(
      cvy_accumulator_create(&accumulator, p->tree, cvy_comm_size(comm), p->count, p->count, 0), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_exchange_create(&exchange, comm, &config), CVY_OK);
  for (int i = 0; i < 2; i++) /* the second time buffers are used ones */
    CU_ASSERT(round_is_exact(p, accumulator, exchange, ends, &r));
  cvy_exchange_destroy(exchange);
  cvy_accumulator_destroy(accumulator);
  free(r.made);
}

static void sum_along(const cvy_tree *tree, int64_t count) {
  if (!cvy_tree_allows(tree, cvy_comm_size(comm))) return;
  for (int64_t buckets = 1; buckets <= 3; buckets += 2)
    for (int way = CVY_EXCHANGE_SHARDED; way <= CVY_EXCHANGE_WHOLE; way++)
      for (int wire = CVY_WIRE_FP32; wire <= (count < 5 ? CVY_WIRE_FP32 : CVY_WIRE_BF16); wire++) {
        cvy_tree of_wire = *tree;
        of_wire.wire = (cvy_wire)wire;
        delays_on = count == 5;
        sum_along_with(&(plan){&of_wire, count, buckets, (cvy_exchange_way)way});
        delays_on = false;
      }
}

static void sums_follow_the_tree_to_the_bit(void) {
  const int64_t leaves[] = {1, 2, 4, 8, 16, 12, 24, 3, 6, 9, 18};
  const int64_t counts[] = {5, 1001, 1, 2, 16};
  for (int64_t l = 0; l < CVY_COUNT(leaves); l++) {
    cvy_tree tree;
    CU_ASSERT_EQUAL(cvy_tree_create(&tree, leaves[l], NULL, 0), CVY_OK);
    for (int64_t c = 0; c < (cvy_comm_size(comm) > 6 ? 2 : CVY_COUNT(counts)); c++)
      sum_along(&tree, counts[c]);
  }
  const int64_t custom[][3] = {{4, 3, 2}, {2, 3, 4}, {6, 2, 2}, {3, 2, 5}};
  for (int64_t k = 0; k < CVY_COUNT(custom); k++) {
    cvy_tree tree;
    CU_ASSERT_EQUAL(cvy_tree_create(&tree, custom[k][0] * custom[k][1] * custom[k][2], custom[k], 3), CVY_OK);
    sum_along(&tree, 333);
  }
}

/* There are many blocks, more of them than are under way at once. */
static void long_vectors(void) {
  cvy_tree tree;
  const int64_t ranks = cvy_comm_size(comm);
  if (ranks > 6) return; /* that is more than the cores of most machines */
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, ranks, NULL, 0), CVY_OK);
  delays_on = true;
  for (int way = CVY_EXCHANGE_SHARDED; way <= CVY_EXCHANGE_WHOLE; way++) {
    tree.wire = way == CVY_EXCHANGE_WHOLE ? CVY_WIRE_BF16 : CVY_WIRE_FP32;
    sum_along_with(&(plan){&tree, (5 << 20) + 4099, 7, (cvy_exchange_way)way});
  }
  delays_on = false;
}

/* ---- bfloat16 ---- */

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void numbers_are_rounded_to_the_nearest(void) {
  const struct {
    uint32_t bits;
    uint16_t half;
  } known[] = {
      {0x00000000, 0x0000}, {0x80000000, 0x8000},                       /* zeros */
      {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, /* 1; ties go to even */
      {0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80}, {0xbf808001, 0xbf81}, /* beside them */
      {0x3fffffff, 0x4000},                                             /* to the next exponent */
      {0x7f7f7fff, 0x7f7f}, {0x7f7f8000, 0x7f80}, {0xff7fffff, 0xff80}, /* the largest, and beyond */
      {0x7f800000, 0x7f80}, {0xff800000, 0xff80},                       /* infinities */
      {0x7fc00000, 0x7fc0}, {0x7f800001, 0x7fc0}, {0xffffffff, 0xffff}, /* NaNs stay NaNs */
      {0x00000001, 0x0000}, {0x00008000, 0x0000}, {0x00008001, 0x0001}, {0x007fffff, 0x0080} /* tiny ones */
  };
  for (int64_t k = 0; k < CVY_COUNT(known); k++)
    CU_ASSERT_EQUAL(cvy_to_bf16(float_of(known[k].bits)), known[k].half);
  for (uint32_t half = 0; half < 1 << 16; half++) { /* what is one already stays, if only as a quiet NaN */
    const bool nan = (half & 0x7fff) > 0x7f80;
    CU_ASSERT_EQUAL_FATAL(cvy_to_bf16(cvy_from_bf16((uint16_t)half)), half | (nan ? 0x40 : 0));
  }
}

/* The bound is the one that the tree's comment promises. */
static void narrow_sums_keep_their_bound(void) {
  enum { COUNT = 20000 };
  for (int64_t leaves = 1; leaves <= 64; leaves *= 4) {
    cvy_tree tree;
    CU_ASSERT_EQUAL(cvy_tree_create(&tree, leaves, NULL, 0), CVY_OK);
    tree.wire = CVY_WIRE_BF16;
    const double worst = pow(1 + 0x1p-8, tree.level_count + 1) - 1;
    double largest = 0;
    for (int64_t i = 0; i < COUNT; i++) {
      double exact = 0, magnitude = 0;
      for (int64_t leaf = 0; leaf < leaves; leaf++) {
        exact += (double)leaf_value(leaf, i);
        magnitude += fabs((double)leaf_value(leaf, i));
      }
      const double off = fabs((double)node_value(&tree, tree.level_count, 0, i) - exact) / magnitude;
      largest = off > largest ? off : largest;
    }
    CU_ASSERT(largest < worst * (1 + 1e-4)); /* float's own part: 2^-24 beside 2^-8 an addition */
    CU_ASSERT(largest > worst / 64);         /* otherwise the bound says nothing */
  }
}

/* The bits of MPI's sums are nobody's business. But the sums must be right, and its calls that block may not
 * cross with swaps. */
static void sums_by_mpi(void) {
  cvy_tree tree;
  const int64_t ranks = cvy_comm_size(comm), count = 1001, ends[] = {500, count};
  float sums[1001], made[1001];
  making r = {made};
  cvy_exchange *exchange;
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, ranks, NULL, 0), CVY_OK);
  const cvy_exchange_config config = {.tree = &tree,
                                      .way = CVY_EXCHANGE_MPI,
                                      .count = count,
                                      .bucket_ends = ends,
                                      .bucket_count = 2,
                                      .use = make,
                                      .context = &r};
  CU_ASSERT_EQUAL_FATAL(cvy_exchange_create(&exchange, comm, &config), CVY_OK);
  for (int64_t i = 0; i < count; i++) sums[i] = (float)(i + cvy_comm_rank(comm));
  cvy_exchange_begin(exchange, sums, NULL);
  cvy_exchange_submit(exchange, 1);
  delay();
  bool same = swap_is_exact(exchange, 1, true);
  cvy_exchange_submit(exchange, 0);
  same = swap_is_exact(exchange, 2, false) && same;
  cvy_exchange_finish(exchange);
  for (int64_t i = 0; i < count; i++)
    same = same && made[i] == 2 * (float)(ranks * i + ranks * (ranks - 1) / 2);
  CU_ASSERT(same);
  cvy_exchange_destroy(exchange);
}

/* Marks what a rank owns. The parts that the ranks own make a whole, and each value has one owner. */
static void mark_own(void *context, int64_t first, int64_t end) {
  for (int64_t i = first; i < end; i++) ((float *)context)[i] += 1;
}

static void owned_parts_are_gathered(void) {
  enum { COUNT = 1000003 };
  cvy_tree tree;
  const int64_t ends[] = {17, 500000, COUNT};
  float *values = calloc(COUNT, sizeof *values);
  cvy_exchange *exchange;
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, cvy_comm_size(comm), NULL, 0), CVY_OK);
  const cvy_exchange_config config = {
      .tree = &tree, .count = COUNT, .bucket_ends = ends, .bucket_count = 3, .use = make};
  CU_ASSERT_EQUAL_FATAL(cvy_exchange_create(&exchange, comm, &config), CVY_OK);
  cvy_exchange_own(exchange, mark_own, values);
  int64_t owned = 0;
  for (int64_t i = 0; i < COUNT; i++) owned += values[i] != 0;
  CU_ASSERT(owned <= COUNT / cvy_comm_size(comm) + 100);
  cvy_exchange_gather(exchange, values);
  bool ones = true;
  for (int64_t i = 0; i < COUNT; i++) ones = ones && values[i] == 1;
  CU_ASSERT(ones);
  cvy_exchange_destroy(exchange);
  free(values);
}

/* What a rank owns of sizes beyond MPI's counts, which are ints. Who owns what is worked out all the same,
 * and messages are of blocks. */
typedef struct ownership {
  int64_t floats, end;
  bool in_order;
} ownership;

static void count_own(void *context, int64_t first, int64_t end) {
  ownership *o = context;
  o->in_order = o->in_order && first >= o->end && end >= first;
  o->floats += end - first;
  o->end = end;
}

static void vectors_may_be_longer_than_ints(void) {
  const int64_t count = ((int64_t)5 << 31) + 12345, ends[] = {((int64_t)3 << 31) + 1, count};
  cvy_tree tree;
  cvy_exchange *exchange;
  CU_ASSERT_EQUAL(cvy_tree_create(&tree, cvy_comm_size(comm), NULL, 0), CVY_OK);
  const cvy_exchange_config config = {
      .tree = &tree, .count = count, .bucket_ends = ends, .bucket_count = 2, .use = make};
  CU_ASSERT_EQUAL_FATAL(cvy_exchange_create(&exchange, comm, &config), CVY_OK);
  ownership own = {.in_order = true};
  cvy_exchange_own(exchange, count_own, &own);
  const bool last = cvy_comm_rank(comm) == cvy_comm_size(comm) - 1;
  int64_t total = own.floats;
  cvy_comm_sum(comm, &total, 1);
  CU_ASSERT_EQUAL(total, count);
  CU_ASSERT(own.in_order);
  CU_ASSERT(!last || own.end == count);
  cvy_exchange_destroy(exchange);
}

/* ---- agreement ---- */

static void errors_are_agreed_on(void) {
  const int rank = cvy_comm_rank(comm), size = cvy_comm_size(comm);
  CU_ASSERT_EQUAL(cvy_comm_agree(comm, CVY_OK), CVY_OK);
  const int failing = size - 1;
  cvy_err mine = CVY_OK;
  if (rank == failing) mine = cvy_error(CVY_E_INPUT, "no such file");
  CU_ASSERT_EQUAL(cvy_comm_agree(comm, mine), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "no such file"));
  char who[32];
  snprintf(who, sizeof who, "rank %d of %d", failing, size);
  CU_ASSERT(size == 1 || strstr(cvy_err_message(), who));
  mine = cvy_error(CVY_E_SYSTEM, "everywhere");
  CU_ASSERT_EQUAL(cvy_comm_agree(comm, mine), CVY_E_SYSTEM);
  CU_ASSERT_STRING_EQUAL(cvy_err_message(), "everywhere");
}

static void small_collectives(void) {
  const int rank = cvy_comm_rank(comm), size = cvy_comm_size(comm);
  int64_t values[2] = {rank + 1, (int64_t)1 << 60};
  cvy_comm_sum(comm, values, 2);
  CU_ASSERT_EQUAL(values[0], (int64_t)size * (size + 1) / 2);
  CU_ASSERT_EQUAL(values[1], size * ((int64_t)1 << 60));
  double pi = rank == 0 ? 3.14 : 0;
  cvy_comm_broadcast(comm, &pi, sizeof pi);
  CU_ASSERT_EQUAL(pi, 3.14);
  const int other = size > 1 ? size - 1 : -1;
  CU_ASSERT_EQUAL(cvy_comm_first_different(comm, "same"), -1);
  CU_ASSERT_EQUAL(cvy_comm_first_different(comm, rank == other ? "other" : "same"), other);
  CU_ASSERT(cvy_comm_fair_threads(comm) >= 1);
}

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(default_trees),
                         TEST(rank_counts_of_a_tree),
                         TEST(sums_follow_the_tree_to_the_bit),
                         TEST(long_vectors),
                         TEST(numbers_are_rounded_to_the_nearest),
                         TEST(narrow_sums_keep_their_bound),
                         TEST(sums_by_mpi),
                         TEST(owned_parts_are_gathered),
                         TEST(vectors_may_be_longer_than_ints),
                         TEST(errors_are_agreed_on),
                         TEST(small_collectives),
                         CU_TEST_INFO_NULL};
  const int failed = run_suite("comm", tests);
  cvy_comm_finish(comm);
  return failed;
}
