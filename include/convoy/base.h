/* What every program that calls Convoy needs: errors, the log, threads, hashes.
 *
 * A function that can fail returns a `cvy_err`, which the caller must look at; the message waits in a
 * buffer of the calling thread until the next error of that thread. On an error an out pointer is NULL and
 * the caller owes nothing. A mistake of the program itself (an argument that cannot be) ends the process
 * through the fatal hook, with a message. */
#ifndef CONVOY_BASE_H
#define CONVOY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_VERSION "0.1.0"

#define CVY_MUST_CHECK __attribute__((warn_unused_result))

typedef enum cvy_err {
  CVY_OK = 0,
  CVY_E_USAGE,  /* the command line is wrong */
  CVY_E_INPUT,  /* a recipe, network, image or data file is missing or wrong */
  CVY_E_SYSTEM, /* the system refused: disk full, out of memory, a read or write failed */
  /* It failed after it had begun: a damaged picture, a loss that is not finite, replicas that differ. */
  CVY_E_RUN,
  CVY_E_STOPPED /* it stopped on request, with a checkpoint written */
} cvy_err;

/* Returns this thread's latest error message, or "" if there was none. */
const char *cvy_err_message(void);
/* Returns the exit code for an error that was met before anything was started. It is 0 for CVY_OK, 2 for
 * usage and input, 75 for CVY_E_STOPPED, and else 1. */
int cvy_err_exit_code(cvy_err code);
/* The hook is called after the message of a fatal error, and must not return. By default it is _Exit(1);
 * cvy_comm_start sets MPI_Abort. */
void cvy_set_fatal_hook(void (*hook)(int exit_code));

/* Allows or forbids the library to write lines for people ("convoy: ...") and progress on stderr. At first it
 * may; cvy_comm_start lets only rank 0. */
void cvy_log_enable(bool on);

/* Sets how many threads compute in this process, the calling one included. Until then there is
 * one. */
void cvy_threads_set(int count);
int cvy_threads(void);

/* The most channels that an image may have. */
enum { CVY_MAX_CHANNELS = 4 };

/* A hash of 128 bits (XXH3), as 32 hexadecimal digits. */
typedef struct cvy_hash {
  char hex[33];
} cvy_hash;

#ifdef __cplusplus
}
#endif
#endif
