/* What the files of this room share: the communicator's insides, and the check around every MPI call. */
#ifndef CVY_COMM_MPI_H
#define CVY_COMM_MPI_H

#include <convoy/comm.h>
#include <mpi.h>

struct cvy_comm {
  MPI_Comm mpi;
  int rank, size, fair_threads;
  int thread_level;               /* that MPI provides */
  int node_leader;                /* the lowest rank of the node */
  bool has_neighbours, has_nodes; /* other ranks on this node, on others */
};

#define CVY_MPI(call) cvy_mpi_check(call, #call)
void cvy_mpi_check(int code, const char *call);

#endif
