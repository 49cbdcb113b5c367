/* Swaps between all ranks, by non-blocking messages. */
#include "comm/swap.h"

#include <string.h>

/* Begins with the rank behind this one, so that not all ranks send to one at once. */
int cvy_swap_begin(const cvy_comm *comm, const cvy_swap *s, MPI_Request *requests) {
  const int count = cvy_int(s->count);
  int begun = 0;
  for (int k = 1; k < comm->size; k++) {
    const int before = (comm->rank + comm->size - k) % comm->size;
    CVY_MPI(MPI_Irecv(s->in + before * s->in_stride, count, MPI_FLOAT, before, CVY_SWAP_TAG, comm->mpi,
                      &requests[begun++]));
  }
  for (int k = 1; k < comm->size; k++) {
    const int behind = (comm->rank + k) % comm->size;
    CVY_MPI(MPI_Isend(s->out + behind * s->out_stride, count, MPI_FLOAT, behind, CVY_SWAP_TAG, comm->mpi,
                      &requests[begun++]));
  }
  return begun;
}

void cvy_swap_keep_own(const cvy_comm *comm, const cvy_swap *s) {
  memcpy(s->in + comm->rank * s->in_stride, s->out + comm->rank * s->out_stride,
         sizeof *s->in * (size_t)s->count);
}
