/* What each thread did when: spans of time, recorded as they end, in memory that was taken at the start.
 *
 * Each thread writes to blocks of its own, which it takes from the common memory one after the other; when
 * all are taken, further events are counted as dropped. Where nothing is recorded a span costs two
 * branches. */
#ifndef CVY_BASE_TRACE_H
#define CVY_BASE_TRACE_H

#include "base/base.h"

#include <stdatomic.h>

typedef enum cvy_trace_kind {
  CVY_TRACE_STEP,
  CVY_TRACE_FORWARD,  /* forward of one layer */
  CVY_TRACE_BACKWARD, /* backward of one layer, with what is added up where several layers read one value */
  CVY_TRACE_TASKS,    /* tasks of a helping thread */
  CVY_TRACE_SUM,      /* the sum over a rank's own microbatches */
  CVY_TRACE_WAIT_FOR_DATA,
  CVY_TRACE_WAIT_FOR_GRADIENTS,
  CVY_TRACE_SWAP, /* within forward or backward: layers that are split over ranks send each other values */
  CVY_TRACE_UPDATE,
  CVY_TRACE_COUNT, /* the sum of hits and losses over the ranks */
  CVY_TRACE_EVALUATION,
  CVY_TRACE_CHECKPOINT,
  CVY_TRACE_CHECK,    /* the check that all ranks hold the same weights */
  CVY_TRACE_EXCHANGE, /* something is under way between ranks, and this thread sees to it */
  CVY_TRACE_ADD,      /* adding what came from other ranks */
  CVY_TRACE_BUCKET,   /* from hand-over to done; buckets overlap */
  CVY_TRACE_IMAGE,
  CVY_TRACE_READ,
  CVY_TRACE_AUGMENT, /* the chain, and normalising; with the decoding that it asks for */
  CVY_TRACE_DECODE,
  CVY_TRACE_KINDS
} cvy_trace_kind;

typedef struct cvy_trace_event {
  const char *name; /* name of the layer; NULL where the kind says all */
  int64_t begin_ns, end_ns;
  int32_t kind;   /* cvy_trace_kind */
  int32_t number; /* number of the step, bucket, image, ...; -1: none */
} cvy_trace_event;

/* Takes the memory of this process; what was recorded before is gone. Nothing is recorded until
 * cvy_trace_switch. */
cvy_err cvy_trace_create(size_t bytes) CVY_MUST_CHECK;
/* Gives the memory back. No thread may be recording. */
void cvy_trace_destroy(void);
/* Begins or ends recording, for all threads. Only one thread may call it. Spans that are open are recorded
 * when they end. */
void cvy_trace_switch(bool on);
/* Names the calling thread: "loader 1" (number -1: none). It must be called before the thread records. `role`
 * must outlive the trace. */
void cvy_trace_thread(const char *role, int number);
/* Ends the calling thread's track. Another thread of the same name may go on there. */
void cvy_trace_thread_ends(void);

/* ---- recording ---- */

extern atomic_bool cvy_trace_is_on;

/* Returns the time on the clock of cvy_now_s. */
int64_t cvy_trace_now_ns(void);
/* Begins a span. It returns the time, or 0 if nothing is recorded. */
static inline int64_t cvy_trace_begin(void) {
  return atomic_load_explicit(&cvy_trace_is_on, memory_order_relaxed) ? cvy_trace_now_ns() : 0;
}
/* Records an event of the calling thread, or counts it as dropped if there is no room. */
void cvy_trace_record(const cvy_trace_event *event);
/* Ends a span that began at `begin_ns`, and records it. `name` must outlive the trace. */
static inline void cvy_trace_end(int64_t begin_ns, cvy_trace_kind kind, const char *name, int64_t number) {
  if (begin_ns)
    cvy_trace_record(&(cvy_trace_event){name, begin_ns, cvy_trace_now_ns(), (int32_t)kind, (int32_t)number});
}

/* ---- reading, when no thread is recording any more ---- */

typedef struct cvy_trace_track {
  const char *role;
  int number;
} cvy_trace_track;
int64_t cvy_trace_track_count(void);
cvy_trace_track cvy_trace_track_at(int64_t index);
/* The events lie in blocks. A block is one track's, in the order in which its spans ended. */
int64_t cvy_trace_block_count(void);
const cvy_trace_event *cvy_trace_block_at(int64_t index, int64_t *count, int64_t *track);
int64_t cvy_trace_dropped(void);

#endif
