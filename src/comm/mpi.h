/* What the files of this room share: the communicator's insides, and the check around every MPI call. */
#ifndef CVY_COMM_MPI_H
#define CVY_COMM_MPI_H

#include "comm/comm.h"

#include <mpi.h>

struct cvy_comm {
  MPI_Comm mpi;
  int rank, size, fair_threads;
  int thread_level;               /* the level that MPI provides */
  int node_leader;                /* the lowest rank of the node */
  bool has_neighbours, has_nodes; /* other ranks are on this node, on other nodes */
  struct cvy_watch *watch;
  char launcher[200]; /* the sign that several programs were started, though this job has one rank; or "" */
  char slurm[64];     /* the sign that several were meant to be, though this job has one rank; or "" */
};

/* Finds how much later the clock of rank `whom` is than this one's, both read by `now`. That rank answers
 * meanwhile, by cvy_clock_answer. */
cvy_clock cvy_clock_ask(cvy_comm *comm, int whom, double (*now)(void));
void cvy_clock_answer(cvy_comm *comm, int who, double (*now)(void));

#define CVY_MPI(call) cvy_mpi_check(call, #call)
void cvy_mpi_check(int code, const char *call);

#endif
