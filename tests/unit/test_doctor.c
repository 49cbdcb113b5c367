/* Tests which pairs of ranks a diagnosis tells of, and in which order. */
#include "suite.h"

#include "measure/doctor.h"

enum { RANKS = 6 };

/* The pairs are 0-1, 2-3 and 4-5, of which 2-3 is the slowest and 0-1 the fastest. */
static const cvy_link links[RANKS] = {
    {.partner = 1, .both_ways_bytes_s = 3e9}, {.partner = 0, .both_ways_bytes_s = 1e9},
    {.partner = 3, .both_ways_bytes_s = 1e9}, {.partner = 2, .both_ways_bytes_s = 9e9},
    {.partner = 5, .both_ways_bytes_s = 2e9}, {.partner = 4, .both_ways_bytes_s = 9e9}};

static void expect_pairs(const cvy_link *of, int many, const int *wanted, int count) {
  int lower[RANKS];
  cvy_layout layout = {.ranks = RANKS, .nodes = 1};
  const cvy_diagnosis diagnosis = {.layout = &layout};
  CU_ASSERT_EQUAL_FATAL(cvy_diagnosis_pairs(lower, &diagnosis, of, many), count);
  for (int i = 0; i < count; i++) CU_ASSERT_EQUAL(lower[i], wanted[i]);
}

static void few_pairs_stand_in_the_order_of_ranks(void) {
  expect_pairs(links, 3, (const int[]){0, 2, 4}, 3);
}

static void of_many_pairs_the_slowest_come_first(void) {
  expect_pairs(links, 2, (const int[]){2, 4, 0}, 3);
}

static void a_rank_without_a_partner_is_in_no_pair(void) {
  cvy_link some[RANKS];
  memcpy(some, links, sizeof some);
  some[4].partner = some[5].partner = -1;
  expect_pairs(some, 1, (const int[]){2, 0}, 2);
}

SUITE("doctor", TEST(few_pairs_stand_in_the_order_of_ranks), TEST(of_many_pairs_the_slowest_come_first),
      TEST(a_rank_without_a_partner_is_in_no_pair))
