/* An exchange between all ranks that somebody waits for. It has no thread of its own. */
#ifndef CVY_COMM_SWAP_H
#define CVY_COMM_SWAP_H

#include "comm/mpi.h"

enum { CVY_SWAP_TAG = 1 << 14 }; /* beyond the tags of blocks */

typedef struct cvy_swap {
  float *in;
  int64_t in_stride;
  const float *out;
  int64_t out_stride, count;
} cvy_swap;

/* Begins to receive from all others and to send to them, with two requests for each. It returns how many
 * requests there are. */
int cvy_swap_begin(const cvy_comm *comm, const cvy_swap *swap, MPI_Request *requests);
/* Copies this rank's own part. */
void cvy_swap_keep_own(const cvy_comm *comm, const cvy_swap *swap);

#endif
