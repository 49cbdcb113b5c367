/* Threads of one's own, beside those that compute. */
#ifndef CVY_BASE_THREAD_H
#define CVY_BASE_THREAD_H

#include "base/base.h"

#include <pthread.h>

/* Starts a thread that no signal is delivered to, for signals are for threads that know what to do with them.
 * `what` is for the error. */
cvy_err cvy_thread_start(pthread_t *out, void *(*run)(void *), void *context,
                         const char *what) CVY_MUST_CHECK;

#endif
