/* Tests what threads record: in order, under their names, within the memory, and nothing while it is off. */
#include "suite.h"

#include "base/trace.h"

#include <pthread.h>

static int64_t events_of(const char *role, int number) {
  int64_t sum = 0;
  for (int64_t i = 0; i < cvy_trace_block_count(); i++) {
    int64_t count, track;
    cvy_trace_block_at(i, &count, &track);
    const cvy_trace_track t = cvy_trace_track_at(track);
    if (strcmp(t.role, role) == 0 && t.number == number) sum += count;
  }
  return sum;
}

static void record(cvy_trace_kind kind, const char *name, int64_t number) {
  const int64_t begin_ns = cvy_trace_begin();
  cvy_trace_end(begin_ns, kind, name, number);
}

static void nothing_while_it_is_off(void) {
  record(CVY_TRACE_STEP, NULL, 1);
  cvy_trace_switch(true); /* there is no memory yet */
  record(CVY_TRACE_STEP, NULL, 1);
  CU_ASSERT_EQUAL(cvy_trace_block_count(), 0);
  CU_ASSERT_EQUAL_FATAL(cvy_trace_create(1 << 20), CVY_OK);
  record(CVY_TRACE_STEP, NULL, 1);
  CU_ASSERT_EQUAL(cvy_trace_block_count(), 0);
  const int64_t begin_ns = cvy_trace_begin();
  cvy_trace_switch(true);
  cvy_trace_end(begin_ns, CVY_TRACE_STEP, NULL, 1); /* its beginning is not known */
  CU_ASSERT_EQUAL(cvy_trace_block_count(), 0);
  cvy_trace_destroy();
}

static void spans_are_in_order(void) {
  int64_t count, track;
  CU_ASSERT_EQUAL_FATAL(cvy_trace_create(1 << 20), CVY_OK);
  cvy_trace_switch(true);
  const int64_t outer_ns = cvy_trace_begin();
  record(CVY_TRACE_FORWARD, "conv1", 7);
  cvy_trace_end(outer_ns, CVY_TRACE_STEP, NULL, 8);
  CU_ASSERT_EQUAL_FATAL(cvy_trace_block_count(), 1);
  const cvy_trace_event *e = cvy_trace_block_at(0, &count, &track);
  CU_ASSERT_EQUAL_FATAL(count, 2);
  CU_ASSERT(e[0].kind == CVY_TRACE_FORWARD && e[0].number == 7 && strcmp(e[0].name, "conv1") == 0);
  CU_ASSERT(e[1].kind == CVY_TRACE_STEP && e[1].number == 8 && !e[1].name);
  CU_ASSERT(e[1].begin_ns <= e[0].begin_ns && e[0].begin_ns <= e[0].end_ns && e[0].end_ns <= e[1].end_ns);
  CU_ASSERT_STRING_EQUAL(cvy_trace_track_at(track).role, "compute");
  CU_ASSERT(1e-9 * (double)e[1].end_ns <= cvy_now_s() && 1e-9 * (double)e[1].end_ns > cvy_now_s() - 10);
  cvy_trace_destroy();
  CU_ASSERT_EQUAL(cvy_trace_block_count(), 0);
}

/* Events that do not fit are counted, whoever records them. */
static void memory_is_bounded(void) {
  CU_ASSERT_EQUAL_FATAL(cvy_trace_create(1 << 16), CVY_OK);
  cvy_trace_switch(true);
  for (int64_t i = 0; i < 10000; i++) record(CVY_TRACE_READ, NULL, i);
  CU_ASSERT((size_t)events_of("compute", -1) * sizeof(cvy_trace_event) <= 1 << 16);
  CU_ASSERT(events_of("compute", -1) > 1000);
  CU_ASSERT_EQUAL(events_of("compute", -1) + cvy_trace_dropped(), 10000);
  cvy_trace_destroy();
}

typedef struct crew {
  pthread_barrier_t all_have_begun;
  int number;
} crew;

static void *work(void *context) {
  crew *c = context;
  cvy_trace_thread("worker", c->number);
  record(CVY_TRACE_READ, NULL, 0);
  pthread_barrier_wait(&c->all_have_begun);
  for (int64_t i = 1; i < 1000; i++) record(CVY_TRACE_READ, NULL, i);
  cvy_trace_thread_ends();
  return NULL;
}

static void run_crew(crew *c, int threads) {
  pthread_t ids[8];
  pthread_barrier_init(&c->all_have_begun, NULL, (unsigned)threads);
  for (int i = 0; i < threads; i++) CU_ASSERT_FATAL(pthread_create(&ids[i], NULL, work, c) == 0);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  pthread_barrier_destroy(&c->all_have_begun);
}

/* Threads of one name that live at the same time have tracks of their own; one that comes later goes on
 * with one. */
static void names_are_taken_once(void) {
  crew c = {.number = 3};
  CU_ASSERT_EQUAL_FATAL(cvy_trace_create(1 << 20), CVY_OK);
  cvy_trace_switch(true);
  run_crew(&c, 4);
  CU_ASSERT_EQUAL(cvy_trace_track_count(), 4);
  CU_ASSERT_EQUAL(events_of("worker", 3), 4000);
  run_crew(&c, 2);
  CU_ASSERT_EQUAL(cvy_trace_track_count(), 4);
  c.number = 4;
  run_crew(&c, 1);
  CU_ASSERT_EQUAL(cvy_trace_track_count(), 5);
  CU_ASSERT_EQUAL(events_of("worker", 3), 6000);
  CU_ASSERT_EQUAL(events_of("worker", 4), 1000);
  CU_ASSERT_EQUAL(cvy_trace_dropped(), 0);
  cvy_trace_destroy();
}

SUITE("trace", TEST(nothing_while_it_is_off), TEST(spans_are_in_order), TEST(memory_is_bounded),
      TEST(names_are_taken_once))
