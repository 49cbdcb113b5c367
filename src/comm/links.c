/* Pairs of ranks play ping-pong, carry as much as they can, and compute meanwhile (burden.c); one rank of
 * each node tells rank 0 the time. */
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
  TAG = 1
};

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
  return cvy_spread_of(round_s, PING_PONGS).median / 2;
}

/* Returns the seconds until everything is sent, received, and known to be there. */
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
  out->one_way_bytes_s = (double)MESSAGES * MESSAGE / cvy_spread_of(one_s, TRIES).median;
  out->both_ways_bytes_s = (double)MESSAGES * MESSAGE / cvy_spread_of(both_s, TRIES).median;
}

cvy_err cvy_links_measure(cvy_link **out, cvy_comm *comm, int distance, cvy_task task, const void *context) {
  cvy_link mine = {.partner = partner_at(comm, distance)};
  *out = NULL;
  char *memory = cvy_new((size_t)2 * MESSAGES * MESSAGE);
  memset(memory, 1, (size_t)2 * MESSAGES * MESSAGE);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (mine.partner >= 0) mine.latency_s = measure_latency(comm, mine.partner);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (mine.partner >= 0) measure_bandwidth(&mine, comm, memory);
  free(memory);
  CVY_TRY(cvy_burden_measure(&mine.work_s_per_byte, comm, mine.partner, task, context));
  if (comm->rank == 0) *out = cvy_new(sizeof mine * (size_t)comm->size);
  cvy_comm_gather(comm, *out, &mine, sizeof mine);
  return CVY_OK;
}

/* ---- clocks ---- */

static double time_of_day_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static cvy_clock_offset ask(cvy_comm *comm, int rank) {
  const cvy_clock c = cvy_clock_ask(comm, rank, time_of_day_s);
  return (cvy_clock_offset){c.later_s, c.uncertain_s};
}

cvy_clock_offset *cvy_clocks_measure(cvy_comm *comm) {
  int *leaders = comm->rank ? NULL : cvy_new(sizeof *leaders * (size_t)comm->size);
  cvy_comm_gather(comm, leaders, &comm->node_leader, sizeof comm->node_leader);
  CVY_MPI(MPI_Barrier(comm->mpi));
  if (comm->rank != 0) {
    if (comm->node_leader == comm->rank) cvy_clock_answer(comm, 0, time_of_day_s);
    return NULL;
  }
  cvy_clock_offset *all = cvy_new(sizeof *all * (size_t)comm->size);
  for (int rank = 1; rank < comm->size; rank++)
    all[rank] = leaders[rank] == rank ? ask(comm, rank) : all[leaders[rank]];
  free(leaders);
  return all;
}
