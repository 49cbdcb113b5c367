/* Makes the file of `convoy train --trace` from what the ranks' threads recorded (base/trace.h). It is in
 * Chrome's trace-event format
 * (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), which chrome://tracing
 * and Perfetto open. A process is a rank; its times are told on rank 0's clock. */
#ifndef CVY_TRAIN_TRACE_H
#define CVY_TRAIN_TRACE_H

#include <convoy/train.h>

typedef struct cvy_tracing cvy_tracing;

/* Opens the file on rank 0 (CVY_E_INPUT where a file that is no trace would be lost), takes the memory and
 * compares the clocks. If no trace is wanted, *out is NULL without an error, and the other functions do
 * nothing. This call is collective. */
cvy_err cvy_tracing_create(cvy_tracing **out, cvy_comm *comm, const char *run_folder,
                           const cvy_train_options *options) CVY_MUST_CHECK;
/* Says that step `step`, counted from 1, begins. This call is not collective. */
void cvy_tracing_step(cvy_tracing *tracing, int64_t step);
/* Writes the trace. It is called once, after all other threads have ended, while what gave the events their
 * names still lives. This call is collective. */
cvy_err cvy_tracing_write(cvy_tracing *tracing) CVY_MUST_CHECK;
void cvy_tracing_destroy(cvy_tracing *tracing);

#endif
