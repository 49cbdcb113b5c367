/* Pairs of ranks play ping-pong, then carry as much as they can, and one rank of each node tells rank 0 the time. */
#include "comm/measure.h"

#include "comm/mpi.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  PING_PONGS = 101,
  TRIES = 5,
  MESSAGE = 1 << 20, /* bytes; a block of the exchange */
  MESSAGES = 8,
  CLOCK_ASKS = 32,
  TAG = 1
};

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

/* ---- pairs ---- */

static int partner_at(const cvy_comm *comm, int distance) {
  const int partner = comm->rank / distance % 2 ? comm->rank - distance : comm->rank + distance;
  return partner < comm->size ? partner : -1;
}

static double measure_latency(const cvy_comm *comm, int partner) {
  double round_s[PING_PONGS];
  char ball = 0;
  for (int i = 0; i < PING_PONGS; i++) {
    const double start_s = cvy_now_s();
    if (comm->rank < partner) CVY_MPI(MPI_Send(&ball, 1, MPI_BYTE, partner, TAG, comm->mpi));
    CVY_MPI(MPI_Recv(&ball, 1, MPI_BYTE, partner, TAG, comm->mpi, MPI_STATUS_IGNORE));
    if (comm->rank > partner) CVY_MPI(MPI_Send(&ball, 1, MPI_BYTE, partner, TAG, comm->mpi));
    round_s[i] = cvy_now_s() - start_s;
  }
  return median(round_s, PING_PONGS) / 2;
}

/* The seconds until everything is sent, received, and known to be there. */
static double carry(const cvy_comm *comm, int partner, char *memory, bool sends, bool receives) {
  MPI_Request requests[2 * MESSAGES];
  char end = 0;
  int count = 0;
  const double start_s = cvy_now_s();
  for (int i = 0; i < MESSAGES; i++) {
    char *sent = memory + (size_t)i * MESSAGE, *received = sent + (size_t)MESSAGES * MESSAGE;
    if (receives)
      CVY_MPI(MPI_Irecv(received, MESSAGE, MPI_BYTE, partner, TAG, comm->mpi, &requests[count++]));
    if (sends) CVY_MPI(MPI_Isend(sent, MESSAGE, MPI_BYTE, partner, TAG, comm->mpi, &requests[count++]));
  }
  CVY_MPI(MPI_Waitall(count, requests, MPI_STATUSES_IGNORE));
  CVY_MPI(MPI_Sendrecv_replace(&end, 1, MPI_BYTE, partner, TAG, partner, TAG, comm->mpi, MPI_STATUS_IGNORE));
  return cvy_now_s() - start_s;
}

static void measure_bandwidth(cvy_link *out, const cvy_comm *comm, char *memory) {
  double one_s[TRIES], both_s[TRIES];
  const bool is_lower = comm->rank < out->partner;
  for (int i = -1; i < TRIES; i++) { /* the first one warms up */
    const double one = carry(comm, out->partner, memory, is_lower, !is_lower);
    const double both = carry(comm, out->partner, memory, true, true);
    if (i < 0) continue;
    one_s[i] = one;
    both_s[i] = both;
  }
  out->one_way_bytes_s = (double)MESSAGES * MESSAGE / median(one_s, TRIES);
  out->both_ways_bytes_s = (double)MESSAGES * MESSAGE / median(both_s, TRIES);
}

cvy_link *cvy_links_measure(cvy_comm *comm, int distance) {
  cvy_link mine = {.partner = partner_at(comm, distance)}, *all = NULL;
  char *memory = cvy_new((size_t)2 * MESSAGES * MESSAGE);
  memset(memory, 1, (size_t)2 * MESSAGES * MESSAGE);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (mine.partner >= 0) mine.latency_s = measure_latency(comm, mine.partner);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (mine.partner >= 0) measure_bandwidth(&mine, comm, memory);
  free(memory);
  if (comm->rank == 0) all = cvy_new(sizeof *all * (size_t)comm->size);
  cvy_comm_gather(comm, all, &mine, sizeof mine);
  return all;
}

/* ---- clocks ---- */

static double time_of_day_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void answer(const cvy_comm *comm) {
  for (int i = 0; i < CLOCK_ASKS; i++) {
    double now_s;
    CVY_MPI(MPI_Recv(&now_s, 1, MPI_DOUBLE, 0, TAG, comm->mpi, MPI_STATUS_IGNORE));
    now_s = time_of_day_s();
    CVY_MPI(MPI_Send(&now_s, 1, MPI_DOUBLE, 0, TAG, comm->mpi));
  }
}

/* The answer was given between question and return; the quickest round leaves the least doubt when. */
static cvy_clock_offset ask(const cvy_comm *comm, int rank) {
  cvy_clock_offset best = {.error_s = 1e9};
  for (int i = 0; i < CLOCK_ASKS; i++) {
    double theirs_s = 0;
    const double asked_s = time_of_day_s();
    CVY_MPI(MPI_Send(&theirs_s, 1, MPI_DOUBLE, rank, TAG, comm->mpi));
    CVY_MPI(MPI_Recv(&theirs_s, 1, MPI_DOUBLE, rank, TAG, comm->mpi, MPI_STATUS_IGNORE));
    const double back_s = time_of_day_s(), error_s = (back_s - asked_s) / 2;
    if (error_s < best.error_s) best = (cvy_clock_offset){theirs_s - (asked_s + error_s), error_s};
  }
  return best;
}

cvy_clock_offset *cvy_clocks_measure(cvy_comm *comm) {
  int *leaders = comm->rank ? NULL : cvy_new(sizeof *leaders * (size_t)comm->size);
  cvy_comm_gather(comm, leaders, &comm->node_leader, sizeof comm->node_leader);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (comm->rank != 0) {
    if (comm->node_leader == comm->rank) answer(comm);
    return NULL;
  }
  cvy_clock_offset *all = cvy_new(sizeof *all * (size_t)comm->size);
  for (int rank = 1; rank < comm->size; rank++)
    all[rank] = leaders[rank] == rank ? ask(comm, rank) : all[leaders[rank]];
  free(leaders);
  return all;
}
