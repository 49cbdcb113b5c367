/* Tasks of fixed shape, handed to whichever thread is free.
 *
 * This is a pool of our own instead of OpenMP's. libgomp's threads spin at every barrier until all have come,
 * which on a node with more threads than cores made a training step 60 times slower (4 ranks of 2 threads on
 * 2 cores). Its barriers are also opaque to ThreadSanitizer. Here nobody waits for a thread that has not
 * come: a job is over when its tasks are done, and a worker that wakes too late finds it closed. */
#define _GNU_SOURCE
#include "base/thread.h"
#include "base/trace.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 1024, SPINS = 2000 }; /* about 20 microseconds */

static struct pool {
  int count;         /* threads, the caller's included */
  atomic_bool spins; /* cores are to spare, so waiting threads may look around before they sleep */
  pthread_t workers[MAX_THREADS];
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  bool ending;
  /* The open job; all but `next` change only under the lock. */
  atomic_uint generation;
  bool open;
  cvy_task task;
  const void *context;
  int64_t tasks;
  atomic_llong next;
  atomic_int inside; /* workers that take part */
} pool = {.count = 1,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static _Thread_local bool alone; /* this thread gets no help */

static void run_tasks(int thread, cvy_task task, const void *context, int64_t tasks) {
  for (int64_t i; (i = atomic_fetch_add(&pool.next, 1)) < tasks;) task(context, i, thread);
}

static void pause_a_little(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void *worker(void *argument) {
  const int thread = (int)(intptr_t)argument;
  unsigned seen = 0;
  cvy_trace_thread("helper", thread);
  pthread_mutex_lock(&pool.lock);
  while (!pool.ending) {
    if (!pool.open || seen == atomic_load(&pool.generation)) {
      pthread_mutex_unlock(&pool.lock);
      for (int i = 0; pool.spins && i < SPINS && seen == atomic_load(&pool.generation); i++) pause_a_little();
      pthread_mutex_lock(&pool.lock);
      while (!pool.ending && (!pool.open || seen == atomic_load(&pool.generation)))
        pthread_cond_wait(&pool.work, &pool.lock);
      continue;
    }
    seen = atomic_load(&pool.generation);
    const cvy_task task = pool.task;
    const void *context = pool.context;
    const int64_t tasks = pool.tasks;
    atomic_fetch_add(&pool.inside, 1);
    pthread_mutex_unlock(&pool.lock);
    const int64_t begin_ns = cvy_trace_begin();
    run_tasks(thread, task, context, tasks);
    cvy_trace_end(begin_ns, CVY_TRACE_TASKS, NULL, -1);
    pthread_mutex_lock(&pool.lock);
    if (atomic_fetch_sub(&pool.inside, 1) == 1) pthread_cond_signal(&pool.done);
  }
  pthread_mutex_unlock(&pool.lock);
  cvy_trace_thread_ends();
  return NULL;
}

static void end_workers(void) {
  pthread_mutex_lock(&pool.lock);
  pool.ending = true;
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);
  for (int i = 1; i < pool.count; i++) pthread_join(pool.workers[i], NULL);
  pool.ending = false;
}

void cvy_threads_set(int count) {
  CVY_CHECK(count >= 1 && count <= MAX_THREADS, "%d threads", count);
  end_workers();
  uint64_t cores[CVY_CORE_WORDS];
  cvy_cores_allowed(cores);
  pool.count = count;
  pool.spins = count <= cvy_cores_count(cores);
  for (int i = 1; i < count; i++)
    if (pthread_create(&pool.workers[i], NULL, worker, (void *)(intptr_t)i))
      cvy_fatal("the system gives no thread number %d of %d", i + 1, count);
}

void cvy_threads_share_cores(void) {
  pool.spins = false;
}

void cvy_threads_alone(void) {
  alone = true;
}

void cvy_threads_together(void) {
  alone = false;
}

int cvy_threads(void) {
  return pool.count;
}

void cvy_parallel(int64_t tasks, cvy_task task, const void *context) {
  if (tasks <= 1 || pool.count == 1 || alone) {
    for (int64_t i = 0; i < tasks; i++) task(context, i, 0);
    return;
  }
  pthread_mutex_lock(&pool.lock);
  CVY_CHECK(!pool.open, "cvy_parallel within a task");
  pool.task = task;
  pool.context = context;
  pool.tasks = tasks;
  atomic_store(&pool.next, 0);
  pool.open = true;
  atomic_fetch_add(&pool.generation, 1);
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);

  run_tasks(0, task, context, tasks);

  for (int i = 0; pool.spins && i < SPINS && atomic_load(&pool.inside) > 0; i++) pause_a_little();
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.inside) > 0) pthread_cond_wait(&pool.done, &pool.lock);
  pool.open = false;
  pthread_mutex_unlock(&pool.lock);
}

cvy_err cvy_thread_start(pthread_t *out, void *(*run)(void *), void *context, const char *what) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int reason = pthread_create(out, NULL, run, context);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return reason ? cvy_error(CVY_E_SYSTEM, "cannot start %s: %s", what, strerror(reason)) : CVY_OK;
}

void cvy_cores_allowed(uint64_t mask[CVY_CORE_WORDS]) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int i = 0; i < CVY_CORE_WORDS; i++) mask[i] = 0;
  if (sched_getaffinity(0, sizeof cores, &cores)) CPU_SET(0, &cores);
  for (size_t core = 0; core < 64 * CVY_CORE_WORDS; core++)
    if (CPU_ISSET(core, &cores)) mask[core / 64] |= (uint64_t)1 << core % 64;
}

int cvy_cores_count(const uint64_t mask[CVY_CORE_WORDS]) {
  int count = 0;
  for (int i = 0; i < CVY_CORE_WORDS; i++) count += __builtin_popcountll(mask[i]);
  return count;
}

double cvy_now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
