/* What the subcommands that run under mpirun share. */
#ifndef CVY_CMD_RANKS_H
#define CVY_CMD_RANKS_H

#include "cmd/command.h"
#include "comm/comm.h"

typedef struct cvy_rank_options {
  int64_t threads;
} cvy_rank_options;

#define CVY_RANK_OPTIONS(type, field)                                                                        \
  {                                                                                                          \
    "threads", CVY_INT, offsetof(type, field.threads), "0", 0, 1024,                                         \
        .help = "computing threads a rank; 0: the cores this rank may use, shared fairly on its node"        \
  }

/* Starts MPI, and sets the threads that are asked for or that this rank's share of the node allows. */
cvy_comm *cvy_ranks_start(const cvy_rank_options *options);
/* Fails with CVY_E_USAGE unless all ranks know of each other, and were asked for the same. The call is
 * collective. It must come before all other collective calls, in which ranks would wait for one that does
 * something else. */
cvy_err cvy_ranks_same(cvy_comm *comm, const cvy_arguments *arguments) CVY_MUST_CHECK;
/* Ends MPI, and returns the error without its message. Rank 0 prints the message; it is also an error if the
 * results, which rank 0 prints, cannot be written (cmd/results.h). All ranks wait for that: mpirun ends a job
 * as soon as one rank has failed, and what was not yet printed is lost. */
cvy_err cvy_ranks_finish(cvy_comm *comm, cvy_err err, const char *command) CVY_MUST_CHECK;

#endif
