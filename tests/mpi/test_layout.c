/* ranks: 1 2 4 */
/* Tests who runs where: what is said of places that are invented, what is found of those that are real, and
 * how fast messages are. */
#include "unit/suite.h"

#include "comm/layout.h"
#include "comm/measure.h"
#include "comm/transport.h"

#include <math.h>

static cvy_comm *comm;

/* ---- invented places ---- */

/* Cores first ... first+count-1 of a node of `all`. */
typedef struct spot {
  int node, first, count, all, threads;
} spot;

static cvy_place place_of(const spot *s) {
  cvy_place p = {.node = s->node, .threads = s->threads, .whole_cores = s->all};
  snprintf(p.host, sizeof p.host, "host%d", s->node);
  for (int core = 0; core < s->all; core++) {
    const uint64_t bit = (uint64_t)1 << core % 64;
    p.node_cores[core / 64] |= bit;
    if (core >= s->first && core < s->first + s->count) p.cores[core / 64] |= bit;
  }
  return p;
}

static cvy_layout layout_of(cvy_place *places, const spot *spots, int ranks) {
  cvy_layout layout = {.ranks = ranks, .places = places};
  for (int rank = 0; rank < ranks; rank++) {
    places[rank] = place_of(&spots[rank]);
    if (spots[rank].node >= layout.nodes) layout.nodes = spots[rank].node + 1;
  }
  return layout;
}

typedef struct expectation {
  const char *what;
  int ranks;
  spot spots[8];
  const char *names;  /* of the findings, each followed by a blank */
  const char *text;   /* within the first one */
  const char *advice; /* "" without findings */
} expectation;

static const expectation expectations[] = {
    {"four ranks with two cores each",
     4,
     {{0, 0, 2, 8, 2}, {0, 2, 2, 8, 2}, {0, 4, 2, 8, 2}, {0, 6, 2, 8, 2}},
     "",
     "",
     ""},
    {"two unbound ranks that share eight cores", 2, {{0, 0, 8, 8, 4}, {0, 0, 8, 8, 4}}, "", "", ""},
    {"one bound rank with more threads than cores",
     1,
     {{0, 3, 1, 8, 4}},
     "binding idle ",
     "rank 0 on host0 has 4 threads but may run on core 3 only, of 8",
     "mpirun -n 1 --map-by ppr:1:node:pe=8 --bind-to core"},
    {"two ranks that are held on the same two cores",
     2,
     {{0, 0, 2, 8, 2}, {0, 0, 2, 8, 2}},
     "binding idle ",
     "2 ranks on host0, rank 0 one of them, have 4 threads but may run on cores 0-1 only, of 8",
     "mpirun -n 2 --map-by ppr:2:node:pe=4 --bind-to core"},
    {"what Open MPI does with two ranks, and threads that fit it",
     2,
     {{0, 0, 1, 8, 1}, {0, 1, 1, 8, 1}},
     "idle ",
     "2 ranks with 2 threads in all are bound to cores 0-1: 6 of 8 cores have no work",
     "mpirun -n 2 --map-by ppr:2:node:pe=4 --bind-to core"},
    {"more threads than cores",
     4,
     {{0, 0, 2, 2, 1}, {0, 0, 2, 2, 1}, {0, 0, 2, 2, 1}, {0, 0, 2, 2, 1}},
     "oversubscribed ",
     "on host0 4 ranks with 4 threads in all share 2 cores",
     "mpirun -n 2 --map-by ppr:2:node:pe=1 --bind-to core"},
    {"two nodes in order",
     4,
     {{0, 0, 2, 4, 2}, {0, 2, 2, 4, 2}, {1, 0, 2, 4, 2}, {1, 2, 2, 4, 2}},
     "",
     "",
     ""},
    {"two nodes in turn",
     4,
     {{0, 0, 2, 4, 2}, {1, 0, 2, 4, 2}, {0, 2, 2, 4, 2}, {1, 2, 2, 4, 2}},
     "order ",
     "ranks 0 and 1 are on host0 and host1",
     "mpirun -n 4 --map-by ppr:2:node:pe=2 --bind-to core"},
    {"one rank a node", 3, {{0, 0, 4, 4, 4}, {1, 0, 4, 4, 4}, {2, 0, 4, 4, 4}}, "", "", ""},
    {"a fuller node",
     3,
     {{0, 0, 2, 4, 2}, {0, 2, 2, 4, 2}, {1, 0, 4, 4, 4}},
     "uneven ",
     "host0 has 2 ranks, host1 has 1",
     "mpirun -n 4 --map-by ppr:2:node:pe=2 --bind-to core"},
    {"six ranks where four fit, of which three share the tree",
     6,
     {{0, 0, 4, 4, 1}, {0, 0, 4, 4, 1}, {0, 0, 4, 4, 1}, {0, 0, 4, 4, 1}, {0, 0, 4, 4, 1}, {0, 0, 4, 4, 1}},
     "oversubscribed ",
     "6 threads",
     "mpirun -n 3 --map-by ppr:3:node:pe=1 --bind-to core"}};

static void check(const expectation *e) {
  cvy_place places[8];
  cvy_findings findings = {0};
  char names[200] = "", advice[160] = "";
  const cvy_layout layout = layout_of(places, e->spots, e->ranks);
  if (cvy_layout_examine(&findings, &layout)) cvy_layout_advise(advice, sizeof advice, &layout);
  for (int i = 0; i < findings.count; i++) {
    strcat(names, findings.items[i].name);
    strcat(names, " ");
  }
  const bool right = strcmp(names, e->names) == 0 && strcmp(advice, e->advice) == 0 &&
                     (findings.count == 0 || strstr(findings.items[0].text, e->text));
  if (!right) printf("%s: %s| %s | %s\n", e->what, names, findings.items[0].text, advice);
  CU_ASSERT(right);
}

static void faults_are_named(void) {
  for (int64_t i = 0; i < CVY_COUNT(expectations); i++) check(&expectations[i]);
}

static void limits_and_mixtures_are_named(void) {
  cvy_place places[2];
  const spot spots[] = {{0, 0, 8, 8, 4}, {0, 0, 8, 8, 4}};
  cvy_layout layout = layout_of(places, spots, 2);
  cvy_findings findings = {0};
  char advice[160];
  snprintf(places[0].software, sizeof places[0].software, "Haswell");
  snprintf(places[1].software, sizeof places[1].software, "Zen");
  CU_ASSERT_FALSE(cvy_layout_examine(&findings, &layout)); /* no other mpirun line makes them equal */
  CU_ASSERT_EQUAL(findings.count, 1);
  CU_ASSERT_STRING_EQUAL(findings.items[0].name, "mixed");
  places[0].quota_cores = places[1].quota_cores = 2.5;
  CU_ASSERT(cvy_layout_examine(&findings, &layout));
  CU_ASSERT_STRING_EQUAL(findings.items[1].name, "quota");
  cvy_layout_advise(advice, sizeof advice, &layout);
  CU_ASSERT_STRING_EQUAL(advice, "mpirun -n 2 --map-by ppr:2:node:pe=1 --bind-to core");
}

static void cores_are_written_short(void) {
  uint64_t cores[CVY_CORE_WORDS] = {0xF1};
  char text[64];
  cores[1] = 3;
  cvy_cores_text(text, sizeof text, cores);
  CU_ASSERT_STRING_EQUAL(text, "0,4-7,64-65");
}

/* ---- real ones ---- */

static void places_are_gathered(void) {
  const int rank = cvy_comm_rank(comm), size = cvy_comm_size(comm);
  char mine[32];
  uint64_t before[CVY_CORE_WORDS], after[CVY_CORE_WORDS];
  snprintf(mine, sizeof mine, "software of %d", rank);
  cvy_cores_allowed(before);
  cvy_layout *layout = cvy_layout_gather(comm, 3 + rank, mine);
  cvy_cores_allowed(after);
  CU_ASSERT(memcmp(before, after, sizeof before) == 0);
  CU_ASSERT_EQUAL(layout != NULL, rank == 0);
  for (int other = 0; layout && other < size; other++) {
    const cvy_place *p = &layout->places[other];
    snprintf(mine, sizeof mine, "software of %d", other);
    CU_ASSERT_STRING_EQUAL(p->software, mine);
    CU_ASSERT_EQUAL(p->threads, 3 + other);
    CU_ASSERT_EQUAL(p->node, 0); /* this test has one node */
    CU_ASSERT(p->host[0] && p->whole_cores >= 1 &&
              cvy_cores_count(p->node_cores) >= cvy_cores_count(p->cores));
    CU_ASSERT(p->memory_bytes > p->free_bytes && p->free_bytes > 0);
  }
  CU_ASSERT(!layout || layout->nodes == 1);
  cvy_layout_destroy(layout);
}

static void compute_a_little(const void *context, int64_t index, int thread) {
  (void)context;
  (void)index;
  (void)thread;
  for (volatile int i = 0; i < 10000; i++) {
  }
}

static void links_are_measured(void) {
  const int size = cvy_comm_size(comm);
  for (int distance = 1; distance < size; distance *= 2) {
    cvy_link *links;
    CU_ASSERT_EQUAL_FATAL(cvy_links_measure(&links, comm, distance, compute_a_little, NULL), CVY_OK);
    for (int rank = 0; links && rank < size; rank++) {
      CU_ASSERT_EQUAL(links[rank].partner, rank ^ distance);
      CU_ASSERT(links[rank].latency_s > 0 && links[rank].latency_s < 10);
      CU_ASSERT(links[rank].one_way_bytes_s > 1e3 && links[rank].both_ways_bytes_s > 1e3);
      CU_ASSERT(links[rank].work_s_per_byte >= 0 && links[rank].work_s_per_byte < 1e-3);
    }
    free(links);
  }
}

static void one_clock_is_its_own(void) {
  cvy_clock_offset *clocks = cvy_clocks_measure(comm);
  for (int rank = 0; clocks && rank < cvy_comm_size(comm); rank++)
    CU_ASSERT(fabs(clocks[rank].ahead_s) <= clocks[rank].error_s);
  free(clocks);
}

static void sums_are_measured(void) {
  for (int64_t count = 1; count < 3000000; count = 1500 * count + 7) {
    cvy_summing_times t;
    CU_ASSERT_EQUAL_FATAL(cvy_summing_measure(&t, comm, count, 2), CVY_OK);
    for (int way = 0; way < CVY_SUMMINGS; way++) {
      CU_ASSERT(t.of[way].lowest >= 0 && t.of[way].lowest <= t.of[way].median);
      CU_ASSERT(t.of[way].median <= t.of[way].highest && t.of[way].highest < 60);
    }
    CU_ASSERT(cvy_comm_size(comm) == 1 || t.bound_s.median > 0);
  }
}

static void settings_reach_mpi(void) {
  char value[64], told[256];
  CU_ASSERT(cvy_transport_value("btl_tcp_links", value, sizeof value));
  CU_ASSERT_STRING_EQUAL(value, "4");
  CU_ASSERT_FALSE(cvy_transport_value("btl_tcp_lunks", value, sizeof value));
  cvy_transport_tell(told, sizeof told, true, false);
  CU_ASSERT_STRING_EQUAL(told, "btl_tcp_links=4 btl_tcp_eager_limit=655360");
}

int main(void) {
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(faults_are_named),
                         TEST(limits_and_mixtures_are_named),
                         TEST(cores_are_written_short),
                         TEST(places_are_gathered),
                         TEST(links_are_measured),
                         TEST(one_clock_is_its_own),
                         TEST(sums_are_measured),
                         TEST(settings_reach_mpi),
                         CU_TEST_INFO_NULL};
  const int failed = run_suite("layout", tests);
  cvy_comm_finish(comm);
  return failed;
}
