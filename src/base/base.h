/* The ground floor: errors, memory, counted random numbers, threads, hashes.
 *
 * Nothing here knows about networks, data or MPI. Every other room may include this header.
 *
 * Errors. An operating error (file, recipe, memory, network) is a `cvy_err` that the caller must look at; its
 * message waits in a buffer of the calling thread until the next error of that thread. CVY_TRY passes an
 * error up, CVY_TRY_IN puts the place in front of the message on the way. A programmer error is a CVY_CHECK:
 * it is compiled into every build and ends the job through the fatal hook (MPI_Abort in an MPI job). A
 * function that fails leaves its out pointers NULL, and its caller owes nothing.
 */
#ifndef CVY_BASE_BASE_H
#define CVY_BASE_BASE_H

#include <convoy/base.h>

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define CVY_NORETURN        __attribute__((noreturn))
#define CVY_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define CVY_COUNT(array)    ((int64_t)(sizeof(array) / sizeof((array)[0])))

/* ---- errors ------------------------------------------------------------------------------------------- */

enum { CVY_MESSAGE_BYTES = 4096 }; /* the most bytes of a message; a longer one is cut */
/* Sets this thread's message and returns `code`. The arguments may point into the message that was there
 * before. */
cvy_err cvy_error(cvy_err code, const char *format, ...) CVY_PRINTF(2, 3) CVY_MUST_CHECK;
/* Puts "place: " in front of this thread's message and returns `code`. */
cvy_err cvy_error_in(cvy_err code, const char *format, ...) CVY_PRINTF(2, 3) CVY_MUST_CHECK;

/* An error that is handed on later, after calls that may fail themselves, or by another thread. */
typedef struct cvy_saved_error {
  cvy_err code;
  char message[CVY_MESSAGE_BYTES];
} cvy_saved_error;
/* Keeps `code` with this thread's message. */
void cvy_error_save(cvy_saved_error *out, cvy_err code);
/* Makes the kept message this thread's own, unless nothing was wrong, and returns the kept code. */
cvy_err cvy_error_restore(const cvy_saved_error *saved) CVY_MUST_CHECK;

#define CVY_TRY(call)                                                                                        \
  do {                                                                                                       \
    cvy_err cvy_try_err_ = (call);                                                                           \
    if (cvy_try_err_) return cvy_try_err_;                                                                   \
  } while (0)

#define CVY_TRY_IN(call, ...)                                                                                \
  do {                                                                                                       \
    cvy_err cvy_try_err_ = (call);                                                                           \
    if (cvy_try_err_) return cvy_error_in(cvy_try_err_, __VA_ARGS__);                                        \
  } while (0)

/* Ends the job: prints the message and calls the hook (by default _Exit(1)). It never returns. */
CVY_NORETURN void cvy_fatal(const char *format, ...) CVY_PRINTF(1, 2);

#define CVY_CHECK(condition, ...)                                                                            \
  do {                                                                                                       \
    if (!(condition)) cvy_check_failed(__FILE__, __LINE__, #condition, " " __VA_ARGS__);                     \
  } while (0)
CVY_NORETURN void cvy_check_failed(const char *file, int line, const char *condition, const char *format, ...)
    CVY_PRINTF(4, 5);

/* ---- log ---------------------------------------------------------------------------------------------- */

/* Writes a line for a person on stderr, "convoy: ...", only where logging is on (rank 0 of an MPI job). */
void cvy_log(const char *format, ...) CVY_PRINTF(1, 2);
void cvy_warn(const char *format, ...) CVY_PRINTF(1, 2);
/* Warns where logging is off, too: of what one rank alone knows. */
void cvy_warn_everywhere(const char *format, ...) CVY_PRINTF(1, 2);

/* Shows progress of long work on stderr. On a terminal it is one line, cut to the terminal's width, that
 * rewrites itself and that a line of the log replaces; elsewhere it is a plain line every few seconds.
 * Nothing is shown where logging is off. */
void cvy_progress(const char *format, ...) CVY_PRINTF(1, 2);
/* Shows at once the progress of the last call, which may have been held back. */
void cvy_progress_show(void);
/* Ends the work, and leaves its last progress standing as a line. */
void cvy_progress_end(void);
/* Ends the work, and leaves no line of it. */
void cvy_progress_drop(void);
/* Says what work begins now: "reading the list of files". It lasts until the next call, or the end of
 * progress. Whenever nothing has been shown for some seconds meanwhile, a line tells the work and how long it
 * has taken so far. */
void cvy_doing(const char *format, ...) CVY_PRINTF(1, 2);

/* ---- memory ------------------------------------------------------------------------------------------- */

/* These make small set-up objects (names, nodes, tables). Running out of memory here is fatal, so there is no
 * error. */
void *cvy_new(size_t bytes); /* zeroed; free with free() */
char *cvy_format(const char *format, ...) CVY_PRINTF(1, 2);

/* A pool holds many small set-up objects that die together. Two threads may not use one at once. */
typedef struct cvy_pool cvy_pool;
cvy_pool *cvy_pool_create(void);
void cvy_pool_destroy(cvy_pool *pool); /* NULL is allowed */
void *cvy_pool_new(cvy_pool *pool, size_t bytes);
char *cvy_pool_format(cvy_pool *pool, const char *format, ...) CVY_PRINTF(2, 3);

/* This is a stream into memory, for functions that print into a FILE. */
typedef struct cvy_text_stream {
  FILE *out; /* what is printed here is kept */
  char *text;
  size_t bytes;
} cvy_text_stream;
void cvy_text_stream_begin(cvy_text_stream *stream);
/* Begins anew in the memory of the text so far, and returns `stream->out`. */
FILE *cvy_text_stream_again(cvy_text_stream *stream);
/* Returns what was printed since the beginning; it stays the stream's. *bytes receives its length. */
const char *cvy_text_stream_look(cvy_text_stream *stream, size_t *bytes);
/* Returns all that was printed, with a zero behind it; free() it. *bytes receives the length without the
 * zero, if `bytes` is not NULL. */
char *cvy_text_stream_end(cvy_text_stream *stream, size_t *bytes);

/* Takes large planned memory (parameters, activations, scratch). It is 64-byte aligned and zeroed, page by
 * page on first touch. `what` names it in the error. */
cvy_err cvy_buffer_create(void **out, size_t bytes, const char *what) CVY_MUST_CHECK;
/* Takes such memory where parts of it are never touched: its pages are small, so those parts take nothing. */
cvy_err cvy_buffer_create_sparse(void **out, size_t bytes, const char *what) CVY_MUST_CHECK;
void cvy_buffer_destroy(void *buffer);
/* Rounds `bytes` up to whole cache lines, so that neighbours in an arena never share one. */
size_t cvy_aligned(size_t bytes);
/* Returns the most memory that this process has had resident so far; 0 if the system does not say. */
size_t cvy_peak_bytes(void);

/* Makes the int of MPI and BLAS from our int64_t. A value that does not fit is fatal. */
static inline int cvy_int(int64_t value) {
  CVY_CHECK(value >= INT_MIN && value <= INT_MAX, "%" PRId64 " does not fit an int", value);
  return (int)value;
}

/* ---- counted random numbers --------------------------------------------------------------------------- */

/* A random number is a function of where it is used, never of who draws it: Philox4x32-10 (Salmon et al.
 * 2011, "Parallel random numbers: as easy as 1, 2, 3") keyed by the seed and counting (purpose, layer; step
 * or epoch; sample; unit). */
typedef enum cvy_purpose {
  CVY_FOR_INIT = 1,
  CVY_FOR_SHUFFLE,
  CVY_FOR_AUGMENT,
  CVY_FOR_DROPOUT,
  CVY_FOR_SYNTHETIC,
  CVY_FOR_SPLIT,
  CVY_FOR_TEST
} cvy_purpose;

typedef struct cvy_random {
  uint64_t seed;
  cvy_purpose purpose; /* 8 bits */
  uint32_t layer;      /* 24 bits: index of the layer, augmentation, parameter */
  uint32_t step;       /* step, epoch, or what else repeats */
  uint32_t sample;     /* index of the sample */
  uint32_t unit;       /* next unit for the cvy_random_next_ calls */
} cvy_random;

/* Gives the four words at counter `unit`, which counts blocks of four words. */
void cvy_random_block(uint32_t out[4], const cvy_random *where, uint32_t unit);
/* These draw in sequence. Each takes one unit a draw, but the last two take as many as they need. where->unit
 * advances by what was taken. */
uint32_t cvy_random_next(cvy_random *where);
double cvy_random_next_uniform(cvy_random *where, double low, double high); /* [low, high) */
double cvy_random_next_gaussian(cvy_random *where);                         /* mean 0, deviation 1 */
int64_t cvy_random_next_below(cvy_random *where, int64_t bound);            /* 0 ... bound-1, unbiased */
double cvy_random_next_beta(cvy_random *where, double alpha); /* Beta(alpha, alpha), alpha > 0 */

/* Returns the image of `index` under permutation `step` of `where`, a permutation of 0 ... count-1. It takes
 * O(1) memory: a Feistel network on the next power of four is walked until it lands inside (Black & Rogaway
 * 2002). */
int64_t cvy_random_permute(const cvy_random *where, int64_t index, int64_t count);

/* ---- threads ------------------------------------------------------------------------------------------ */

/* Tells the threads that others need the cores too. Threads that wait for work look around for some
 * microseconds before they sleep, unless there are more of them than cores, or this was called.
 * cvy_threads_set() is in convoy/base.h. */
void cvy_threads_share_cores(void);
/* After cvy_threads_alone this thread does itself what it gives to cvy_parallel, until it calls
 * cvy_threads_together. This is for a thread that works beside the one that computes, and within a task. */
void cvy_threads_alone(void);
void cvy_threads_together(void);
/* cvy_cores_allowed gives the cores that this process may run on, as a bit mask. Cores beyond 1,023 are left
 * out. */
enum { CVY_CORE_WORDS = 16 };
void cvy_cores_allowed(uint64_t mask[CVY_CORE_WORDS]);
int cvy_cores_count(const uint64_t mask[CVY_CORE_WORDS]);

/* Calls task(context, i, thread) for i = 0 ... tasks-1, each once, `thread` < cvy_threads(). Which thread
 * runs which task is open, so a task must write only what belongs to it, or to the scratch of its thread, and
 * must not call cvy_parallel itself unless it is alone. */
typedef void (*cvy_task)(const void *context, int64_t index, int thread);
void cvy_parallel(int64_t tasks, cvy_task task, const void *context);

/* Returns the seconds on a clock that never steps. */
double cvy_now_s(void);

/* This is the median, the lowest and the highest of some values. cvy_spread_of sorts the values. The median
 * of an even count is the mean of the two in the middle. */
typedef struct cvy_spread {
  double median, lowest, highest;
} cvy_spread;
cvy_spread cvy_spread_of(double *values, int64_t count);

/* ---- hashes ------------------------------------------------------------------------------------------- */

typedef struct cvy_hasher cvy_hasher;
cvy_hasher *cvy_hasher_create(void);
void cvy_hasher_destroy(cvy_hasher *hasher);
void cvy_hasher_reset(cvy_hasher *hasher);
void cvy_hasher_add(cvy_hasher *hasher, const void *data, size_t bytes);
cvy_hash cvy_hasher_result(const cvy_hasher *hasher);
cvy_hash cvy_hash_of_text(const char *text);

#endif
