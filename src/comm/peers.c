/* Ranks one by one: messages to a certain one, their clocks, and some of them as a job of their own. */
#include "comm/mpi.h"

#include <stdlib.h>
#include <time.h>

enum { TAG = 1, ROUNDS = 50, NAP_NS = 500000 };

void cvy_comm_send(cvy_comm *comm, int to, const void *data, size_t bytes) {
  CVY_MPI(MPI_Send(data, cvy_int((int64_t)bytes), MPI_BYTE, to, TAG, comm->mpi));
}

size_t cvy_comm_receive(cvy_comm *comm, int from, void *data, size_t capacity) {
  MPI_Status status;
  int bytes;
  CVY_MPI(MPI_Recv(data, cvy_int((int64_t)capacity), MPI_BYTE, from, TAG, comm->mpi, &status));
  CVY_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
  return (size_t)bytes;
}

/* ---- clocks ---- */

void cvy_clock_answer(cvy_comm *comm, int who, double (*now)(void)) {
  for (int i = 0; i < ROUNDS; i++) {
    double now_s;
    cvy_comm_receive(comm, who, &now_s, sizeof now_s);
    now_s = now();
    cvy_comm_send(comm, who, &now_s, sizeof now_s);
  }
}

/* Asks in some rounds. The answer was given between question and return, and the quickest round leaves the
 * least doubt about when. */
cvy_clock cvy_clock_ask(cvy_comm *comm, int whom, double (*now)(void)) {
  cvy_clock best = {.uncertain_s = 1e9};
  for (int i = 0; i < ROUNDS; i++) {
    double theirs_s;
    const double sent_s = now();
    cvy_comm_send(comm, whom, &sent_s, sizeof sent_s);
    cvy_comm_receive(comm, whom, &theirs_s, sizeof theirs_s);
    const double back_s = now(), half_s = (back_s - sent_s) / 2;
    if (half_s < best.uncertain_s) best = (cvy_clock){back_s, theirs_s - (sent_s + half_s), half_s};
  }
  return best;
}

cvy_clock cvy_comm_clock(cvy_comm *comm) {
  cvy_clock mine = {.read_s = cvy_now_s()};
  for (int rank = 1; rank < comm->size; rank++) {
    CVY_MPI(MPI_Barrier(comm->mpi));
    if (comm->rank == 0) cvy_clock_answer(comm, rank, cvy_now_s);
    if (comm->rank == rank) mine = cvy_clock_ask(comm, 0, cvy_now_s);
  }
  return mine;
}

/* ---- some of them ---- */

/* Makes a communicator of the ranks of one group, in their order. A rank of group -1 is in none. */
static cvy_comm *split(cvy_comm *comm, int group) {
  MPI_Comm mpi;
  CVY_MPI(MPI_Comm_split(comm->mpi, group < 0 ? MPI_UNDEFINED : group, comm->rank, &mpi));
  if (group < 0) return NULL;
  cvy_comm *part = cvy_new(sizeof *part);
  *part = *comm;
  part->mpi = mpi;
  CVY_MPI(MPI_Comm_set_errhandler(mpi, MPI_ERRORS_RETURN));
  CVY_MPI(MPI_Comm_rank(mpi, &part->rank));
  CVY_MPI(MPI_Comm_size(mpi, &part->size));
  return part;
}

void cvy_comm_first(cvy_comm **out, cvy_comm *comm, int count) {
  CVY_CHECK(count >= 1 && count <= comm->size);
  *out = split(comm, comm->rank < count ? 0 : -1);
}

void cvy_comm_pair(cvy_comm **out, cvy_comm *comm, int partner) {
  CVY_CHECK(partner != comm->rank && partner < comm->size);
  *out = split(comm, partner < comm->rank ? partner : comm->rank);
}

void cvy_comm_release(cvy_comm *part) {
  if (!part) return;
  CVY_MPI(MPI_Comm_free(&part->mpi));
  free(part);
}

void cvy_comm_wait(cvy_comm *comm) {
  MPI_Request request;
  int done = 0;
  CVY_MPI(MPI_Ibarrier(comm->mpi, &request));
  for (;;) {
    CVY_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done) return;
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
  }
}
