/* An exchange between all ranks that somebody waits for. No thread of its own. */
#ifndef CVY_COMM_SWAP_H
#define CVY_COMM_SWAP_H

#include "comm/mpi.h"

enum { CVY_SWAP_TAG = 1 << 14 }; /* beyond those of blocks */

typedef struct cvy_swap {
  float *in;
  int64_t in_stride;
  const float *out;
  int64_t out_stride, count;
} cvy_swap;

/* From all others and to all others, two requests each; returns how many. */
int cvy_swap_begin(const cvy_comm *comm, const cvy_swap *swap, MPI_Request *requests);
/* This rank's own part. */
void cvy_swap_keep_own(const cvy_comm *comm, const cvy_swap *swap);

#endif
