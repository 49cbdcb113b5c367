/* The ranks of a job. All functions are called from one thread. An MPI call that fails ends the job through
 * the fatal hook, which is MPI_Abort from cvy_comm_start on. */
#ifndef CONVOY_COMM_H
#define CONVOY_COMM_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cvy_comm cvy_comm;

/* Starts MPI, and lets only rank 0 log. Without mpirun there is one rank. */
cvy_comm *cvy_comm_start(void);
void cvy_comm_finish(cvy_comm *comm); /* waits for all ranks */

/* These two are not collective. */
int cvy_comm_rank(const cvy_comm *comm);
int cvy_comm_size(const cvy_comm *comm);
/* Returns how many threads this rank may have so that all ranks of its node compute without sharing cores.
 * There is one for each core that this rank may run on, but no more than its share of the cores that any rank
 * of the node may run on. There is at least one. */
int cvy_comm_fair_threads(const cvy_comm *comm);

#ifdef __cplusplus
}
#endif
#endif
