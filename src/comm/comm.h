/* Ranks: starting, agreeing, exact sums, messages from one to another.
 *
 * This is the only door to MPI. All functions of a running communicator are collective unless they say
 * otherwise, and are called from one thread. An MPI call that fails ends the job through the fatal hook,
 * which is MPI_Abort from cvy_comm_start on.
 */
#ifndef CVY_COMM_COMM_H
#define CVY_COMM_COMM_H

#include "base/base.h"
#include <convoy/comm.h>

/* These three are not collective. */
bool cvy_comm_leads_node(const cvy_comm *comm);          /* the lowest rank of its node */
const char *cvy_comm_thread_level(const cvy_comm *comm); /* "MPI_THREAD_SERIALIZED": what MPI provides */
const char *cvy_comm_library_version(void); /* "Open MPI v4.1.4"; may be called before MPI starts */

/* Fails with CVY_E_USAGE if this is a job of one rank, but several programs were started by a launcher that
 * this MPI does not understand, such as the mpirun of another MPI. Each of them finds itself alone. This call
 * is not collective. */
cvy_err cvy_comm_expect_alone(const cvy_comm *comm) CVY_MUST_CHECK;
/* Fails with CVY_E_USAGE if this is a job of one rank within a job of Slurm for several, and neither mpirun
 * nor srun was told to start one. This call is not collective. */
cvy_err cvy_comm_expect_all(const cvy_comm *comm) CVY_MUST_CHECK;

/* Tells all ranks whether one of them failed. It returns, on every rank, the error of the lowest failing
 * rank, with its message (and which rank it was, unless all ranks failed). This is for set-up; in the step
 * loop errors are fatal. */
cvy_err cvy_comm_agree(cvy_comm *comm, cvy_err mine) CVY_MUST_CHECK;

void cvy_comm_broadcast(cvy_comm *comm, void *data, size_t bytes); /* sends from rank 0 to all */
void cvy_comm_broadcast_from(cvy_comm *comm, int root, void *data, size_t bytes);
/* Moves data from rank `from` to the same place on rank `to`. Nothing happens where these are one, and on all
 * other ranks. */
void cvy_comm_move(cvy_comm *comm, int to, int from, void *data, size_t bytes);
/* Gathers `bytes` of each rank in `all` on rank 0, in the order of the ranks; the others may pass NULL. */
void cvy_comm_gather(cvy_comm *comm, void *all, const void *mine, size_t bytes);
/* Sums over the ranks; the values are integers, so that the sum is exact in any order. */
void cvy_comm_sum(cvy_comm *comm, int64_t *values, int64_t count);
/* Returns the mean of the ranks' seconds, to the nanosecond. It is the same on all ranks. */
double cvy_comm_mean_s(cvy_comm *comm, double mine_s);
/* Returns the lowest rank whose text differs from rank 0's; -1 if all are equal. Texts are shorter than 256
 * bytes. */
int cvy_comm_first_different(cvy_comm *comm, const char *text);
/* Fails with CVY_E_INPUT on all ranks if their texts differ. The message names the first rank that has
 * another: "rank 3 has `what` than rank 0; ...". */
cvy_err cvy_comm_expect_same(cvy_comm *comm, const char *text, const char *what) CVY_MUST_CHECK;

/* ---- one by one --------------------------------------------------------------------------------------- */

/* These carry less than 2 GiB. They are not collective: one rank sends, and one receives and must have room.
 * cvy_comm_receive returns how many bytes came. */
void cvy_comm_send(cvy_comm *comm, int to, const void *data, size_t bytes);
size_t cvy_comm_receive(cvy_comm *comm, int from, void *data, size_t capacity);

/* Rank 0's clock is this rank's cvy_now_s plus later_s, plus or minus uncertain_s, as it was at read_s. That
 * is found by the fastest of some rounds of question and answer (Cristian 1989). */
typedef struct cvy_clock {
  double read_s, later_s, uncertain_s;
} cvy_clock;
cvy_clock cvy_comm_clock(cvy_comm *comm);

/* Makes ranks 0 ... count-1 a communicator of their own. It is NULL on the others. */
void cvy_comm_first(cvy_comm **out, cvy_comm *comm, int count);
/* Makes a communicator of this rank and `partner`, which names this one. It is NULL if `partner` is -1. */
void cvy_comm_pair(cvy_comm **out, cvy_comm *comm, int partner);
void cvy_comm_release(cvy_comm *part); /* frees such a part, on all of its ranks; NULL is allowed */
/* Waits for all ranks, as a barrier does, but leaves the cores to ranks that still compute: it looks every
 * half millisecond. */
void cvy_comm_wait(cvy_comm *comm);

#endif
