/* The only user of OpenMP: tasks of fixed shape, handed to whichever thread is free. */
#define _GNU_SOURCE
#include <convoy/base.h>

#include <omp.h>
#include <sched.h>
#include <time.h>

static int thread_count = 1;

void cvy_threads_set(int count) {
  CVY_CHECK(count >= 1);
  thread_count = count;
}

int cvy_threads(void) {
  return thread_count;
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

void cvy_parallel(int64_t tasks, cvy_task task, const void *context) {
  if (tasks <= 1 || thread_count == 1) {
    for (int64_t i = 0; i < tasks; i++) task(context, i, 0);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(thread_count)
  for (int64_t i = 0; i < tasks; i++) task(context, i, omp_get_thread_num());
}

double cvy_now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
