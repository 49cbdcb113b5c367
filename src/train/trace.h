/* `convoy train --trace`: from what the ranks' threads recorded (base/trace.h) to one file in Chrome's
 * trace-event format (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU),
 * which chrome://tracing and Perfetto open. A process is a rank; its times are told on rank 0's clock. */
#ifndef CVY_TRAIN_TRACE_H
#define CVY_TRAIN_TRACE_H

#include <convoy/train.h>

typedef struct cvy_tracing cvy_tracing;

/* Collective. Opens the file on rank 0 (CVY_E_INPUT where a file that is no trace would be lost), takes
 * the memory, compares the clocks. NULL without an error if no trace is wanted; then the others do
 * nothing. */
cvy_err cvy_tracing_create(cvy_tracing **out, cvy_comm *comm, const char *run_folder,
                           const cvy_train_options *options) CVY_MUST_CHECK;
/* Not collective: from now on it is step `step`, from 1. */
void cvy_tracing_step(cvy_tracing *tracing, int64_t step);
/* Collective, once, after all other threads have ended, while what gave the events their names still
 * lives. */
cvy_err cvy_tracing_write(cvy_tracing *tracing) CVY_MUST_CHECK;
void cvy_tracing_destroy(cvy_tracing *tracing);

#endif
