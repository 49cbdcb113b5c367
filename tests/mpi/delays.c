/* Makes messages and ranks late at random. */
#define _GNU_SOURCE
#include "delays.h"

#include <cblas.h>
#include <dlfcn.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

atomic_bool delays_on = DELAYS_AT_START;
static atomic_long messages, products; /* how many came late */

/* Draws from 0 to `of`, other numbers in each thread of each rank. */
static int chance(int of) {
  static _Thread_local unsigned state;
  if (!state) state = (unsigned)getpid() ^ (unsigned)(uintptr_t)&state;
  return rand_r(&state) % of;
}

static void rest(int most_us) {
  nanosleep(&(struct timespec){.tv_nsec = 1000L * chance(most_us)}, NULL);
}

void delay(void) {
  if (delays_on) rest(300);
}

/* These functions stand in front of MPI's own, which is what MPI's PMPI names are for. Messages leave late,
 * and arrive unseen at first or some before others. */
int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm over,
              MPI_Request *request) {
  if (delays_on && chance(4) == 0) {
    messages++;
    delay();
  }
  return PMPI_Isend(data, count, type, to, tag, over, request);
}

int MPI_Testsome(int count, MPI_Request requests[], int *done, int indices[], MPI_Status statuses[]) {
  if (delays_on && count > 1 && chance(2) == 0) count = 1 + chance(count);
  return PMPI_Testsome(count, requests, done, indices, statuses);
}

#if DELAYS_AT_START
/* Between what a thread sees after a sum and what it does, others hand something over. Sanitizers have
 * locks of their own. */
static _Thread_local int locks_after_sum;

int MPI_Allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm over) {
  const int error = PMPI_Allreduce(in, out, count, type, op, over);
  locks_after_sum = 4;
  return error;
}

int pthread_mutex_lock(pthread_mutex_t *lock) {
  static _Atomic(__typeof__(&pthread_mutex_lock)) next;
  if (!next) next = (__typeof__(&pthread_mutex_lock))dlsym(RTLD_NEXT, "pthread_mutex_lock");
  if (delays_on && locks_after_sum > 0 && locks_after_sum-- && chance(4) == 0) rest(5000);
  return next(lock);
}
#endif

/* Computing threads fall behind, each rank's at other layers. */
void cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE trans_a,
                 const enum CBLAS_TRANSPOSE trans_b, const blasint m, const blasint n, const blasint k,
                 const float alpha, const float *a, const blasint lda, const float *b, const blasint ldb,
                 const float beta, float *c, const blasint ldc) {
  static _Atomic(__typeof__(&cblas_sgemm)) openblas;
  if (!openblas) openblas = (__typeof__(&cblas_sgemm))dlsym(RTLD_NEXT, "cblas_sgemm");
  if (delays_on && chance(32) == 0) {
    products++;
    rest(3000);
  }
  openblas(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

__attribute__((destructor)) static void tell(void) {
  if (DELAYS_AT_START && products)
    fprintf(stderr, "delayed: %ld messages, %ld products\n", messages, products);
}
