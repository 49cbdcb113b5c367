/* The trace: blocks of events that each thread fills for itself, without a lock. */
#include "base/trace.h"

#include "base/count.h"

#include <string.h>
#include <time.h>

enum { MOST_TRACKS = 1024, BLOCK_EVENTS = 511 };

typedef struct block {
  int64_t track, count; /* its owner writes them */
  cvy_trace_event events[BLOCK_EVENTS];
} block;

typedef struct track {
  cvy_trace_track name;
  bool is_taken; /* a living thread has it */
} track;

static struct trace {
  atomic_int generation; /* number of the memory; 0: none yet */
  block *blocks;
  int64_t block_count;
  atomic_llong used, dropped;
  /* These change only while `busy` is set: */
  atomic_flag busy;
  track tracks[MOST_TRACKS];
  int64_t track_count;
} trace = {.busy = ATOMIC_FLAG_INIT};

atomic_bool cvy_trace_is_on;

/* What a thread knows of itself. */
static _Thread_local struct self {
  cvy_trace_track name;
  int generation; /* number of the memory that the rest is about */
  int64_t track;
  block *open;
} self = {.name = {"compute", -1}};

cvy_err cvy_trace_create(size_t bytes) {
  void *memory;
  cvy_trace_destroy();
  trace.block_count = (int64_t)(bytes / sizeof(block));
  if (trace.block_count == 0) trace.block_count = 1;
  CVY_TRY(cvy_buffer_create(&memory, (size_t)trace.block_count * sizeof(block), "the trace"));
  trace.blocks = memory;
  atomic_fetch_add(&trace.generation, 1);
  return CVY_OK;
}

void cvy_trace_destroy(void) {
  cvy_trace_switch(false);
  cvy_buffer_destroy(trace.blocks);
  trace.blocks = NULL;
  trace.block_count = trace.track_count = 0;
  atomic_store(&trace.used, 0);
  atomic_store(&trace.dropped, 0);
}

void cvy_trace_switch(bool on) {
  atomic_store(&cvy_trace_is_on, on && trace.blocks);
}

int64_t cvy_trace_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- tracks: taken once in a thread's life, so nobody waits long ---- */

static void enter(void) {
  while (atomic_flag_test_and_set_explicit(&trace.busy, memory_order_acquire)) {
  }
}

static void leave(void) {
  atomic_flag_clear_explicit(&trace.busy, memory_order_release);
}

static bool is_called(const track *t, cvy_trace_track name) {
  return t->name.number == name.number && strcmp(t->name.role, name.role) == 0;
}

/* Returns the track's number; -1: there are too many. */
static int64_t take_track(cvy_trace_track name) {
  int64_t i = 0;
  enter();
  while (i < trace.track_count && (trace.tracks[i].is_taken || !is_called(&trace.tracks[i], name))) i++;
  if (i == trace.track_count && i < MOST_TRACKS) trace.tracks[trace.track_count++].name = name;
  if (i < MOST_TRACKS) trace.tracks[i].is_taken = true;
  leave();
  return i < MOST_TRACKS ? i : -1;
}

void cvy_trace_thread(const char *role, int number) {
  self = (struct self){.name = {role, number}};
}

void cvy_trace_thread_ends(void) {
  if (self.generation != atomic_load(&trace.generation) || self.track < 0) return;
  enter();
  trace.tracks[self.track].is_taken = false;
  leave();
  self.generation = 0;
}

/* ---- recording ---- */

static bool take_block(void) {
  if (self.track < 0) return false;
  const int64_t next = atomic_fetch_add(&trace.used, 1);
  if (next >= trace.block_count) return false;
  self.open = &trace.blocks[next];
  self.open->track = self.track;
  self.open->count = 0;
  return true;
}

void cvy_trace_record(const cvy_trace_event *event) {
  const int generation = atomic_load(&trace.generation);
  if (self.generation != generation) {
    self.generation = generation;
    self.track = take_track(self.name);
    self.open = NULL;
  }
  if ((!self.open || self.open->count == BLOCK_EVENTS) && !take_block()) {
    atomic_fetch_add(&trace.dropped, 1);
    return;
  }
  self.open->events[self.open->count++] = *event;
}

/* ---- reading ---- */

int64_t cvy_trace_track_count(void) {
  return trace.track_count;
}

cvy_trace_track cvy_trace_track_at(int64_t index) {
  return trace.tracks[index].name;
}

int64_t cvy_trace_block_count(void) {
  const int64_t used = atomic_load(&trace.used);
  return cvy_smaller(used, trace.block_count);
}

const cvy_trace_event *cvy_trace_block_at(int64_t index, int64_t *count, int64_t *track_index) {
  const block *b = &trace.blocks[index];
  *count = b->count;
  *track_index = b->track;
  return b->events;
}

int64_t cvy_trace_dropped(void) {
  return atomic_load(&trace.dropped);
}
