/* Ranks and what they agree on. */
#include "comm/launcher.h"
#include "comm/mpi.h"
#include "comm/transport.h"
#include "comm/watch.h"

#include <stdlib.h>
#include <string.h>

void cvy_mpi_check(int code, const char *call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  cvy_fatal("%.80s: %.*s", call, length, text);
}

static void abort_all_ranks(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static void look_at_node(cvy_comm *comm) {
  MPI_Comm node;
  int ranks;
  uint64_t mine[CVY_CORE_WORDS], all[CVY_CORE_WORDS];
  CVY_MPI(MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node));
  CVY_MPI(MPI_Comm_size(node, &ranks));
  cvy_cores_allowed(mine);
  CVY_MPI(MPI_Allreduce(mine, all, CVY_CORE_WORDS, MPI_UINT64_T, MPI_BOR, node));
  CVY_MPI(MPI_Allreduce(&comm->rank, &comm->node_leader, 1, MPI_INT, MPI_MIN, node));
  CVY_MPI(MPI_Comm_free(&node));
  const int own = cvy_cores_count(mine), share = cvy_cores_count(all) / ranks;
  comm->fair_threads = share < 1 ? 1 : share < own ? share : own;
  comm->has_neighbours = ranks > 1;
  comm->has_nodes = ranks < comm->size;
}

static void tell_settings(const cvy_comm *comm) {
  char text[256];
  cvy_transport_tell(text, sizeof text, comm->has_nodes, comm->has_neighbours);
  if (text[0]) cvy_log("Open MPI's parameters set: %s (OMPI_MCA_... in the environment sets others)", text);
}

cvy_comm *cvy_comm_start(void) {
  int initialized = 0;
  CVY_MPI(MPI_Initialized(&initialized));
  CVY_CHECK(!initialized, "MPI was started elsewhere");
  int provided;
  char launcher[sizeof((cvy_comm *)0)->launcher], slurm[sizeof((cvy_comm *)0)->slurm];
  cvy_launcher_look(launcher, sizeof launcher);
  cvy_launcher_look_at_job(slurm, sizeof slurm);
  cvy_launcher_prepare();
  cvy_transport_prepare();
  CVY_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided));
  cvy_set_fatal_hook(abort_all_ranks);
  CVY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  if (provided < MPI_THREAD_SERIALIZED)
    cvy_fatal(
        "this MPI library cannot be used by one thread after another (it offers no MPI_THREAD_SERIALIZED)");

  cvy_comm *comm = cvy_new(sizeof *comm);
  comm->thread_level = provided;
  CVY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi));
  CVY_MPI(MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN));
  CVY_MPI(MPI_Comm_rank(comm->mpi, &comm->rank));
  CVY_MPI(MPI_Comm_size(comm->mpi, &comm->size));
  if (comm->size == 1) {
    memcpy(comm->launcher, launcher, sizeof launcher);
    memcpy(comm->slurm, slurm, sizeof slurm);
  }
  look_at_node(comm);
  cvy_log_enable(comm->rank == 0);
  tell_settings(comm);
  comm->watch = cvy_watch_start(comm);
  return comm;
}

void cvy_comm_finish(cvy_comm *comm) {
  if (!comm) return;
  CVY_MPI(MPI_Barrier(comm->mpi));
  cvy_watch_stop(comm->watch);
  CVY_MPI(MPI_Comm_free(&comm->mpi));
  cvy_set_fatal_hook(NULL);
  CVY_MPI(MPI_Finalize());
  free(comm);
}

int cvy_comm_rank(const cvy_comm *comm) {
  return comm->rank;
}

int cvy_comm_size(const cvy_comm *comm) {
  return comm->size;
}

int cvy_comm_fair_threads(const cvy_comm *comm) {
  return comm->fair_threads;
}

cvy_err cvy_comm_expect_alone(const cvy_comm *comm) {
  if (!comm->launcher[0]) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "%s, but this one finds itself alone, as each of them does. Convoy is built on %s: start it with "
      "that one's mpirun ('mpirun --version' says whose it is; on Debian it is mpirun.openmpi), or with "
      "'srun --mpi=pmix'. If it is meant to be alone, unset %.*s",
      comm->launcher, cvy_comm_library_version(), (int)strcspn(comm->launcher, "="), comm->launcher);
}

cvy_err cvy_comm_expect_all(const cvy_comm *comm) {
  if (!comm->slurm[0]) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "%s: this job of Slurm is for several programs, but one was started, which would train alone: 'mpirun "
      "convoy train ...' or 'srun --mpi=pmix convoy train ...' starts them all. If a single one is meant, "
      "'mpirun -n 1 convoy train ...' says so",
      comm->slurm);
}

bool cvy_comm_leads_node(const cvy_comm *comm) {
  return comm->node_leader == comm->rank;
}

const char *cvy_comm_thread_level(const cvy_comm *comm) {
  return comm->thread_level == MPI_THREAD_MULTIPLE ? "MPI_THREAD_MULTIPLE" : "MPI_THREAD_SERIALIZED";
}

const char *cvy_comm_library_version(void) {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "unknown MPI";
  text[strcspn(text, ",\n")] = '\0';
  return text;
}

cvy_err cvy_comm_agree(cvy_comm *comm, cvy_err mine) {
  const int me = mine ? comm->rank : comm->size;
  int first, failed = mine != CVY_OK, failures;
  CVY_MPI(MPI_Allreduce(&me, &first, 1, MPI_INT, MPI_MIN, comm->mpi));
  if (first == comm->size) return CVY_OK;
  CVY_MPI(MPI_Allreduce(&failed, &failures, 1, MPI_INT, MPI_SUM, comm->mpi));

  struct {
    int code;
    char host[MPI_MAX_PROCESSOR_NAME], text[CVY_MESSAGE_BYTES];
  } news = {.code = (int)mine};
  if (comm->rank == first) {
    int length;
    CVY_MPI(MPI_Get_processor_name(news.host, &length));
    snprintf(news.text, sizeof news.text, "%s", cvy_err_message());
  }
  CVY_MPI(MPI_Bcast(&news, (int)sizeof news, MPI_BYTE, first, comm->mpi));
  if (failures == comm->size) return cvy_error((cvy_err)news.code, "%s", news.text);
  return cvy_error((cvy_err)news.code, "rank %d of %d (on %s): %s", first, comm->size, news.host, news.text);
}

enum { MOST_BYTES = 1 << 30 }; /* bytes of one message */

void cvy_comm_broadcast(cvy_comm *comm, void *data, size_t bytes) {
  cvy_comm_broadcast_from(comm, 0, data, bytes);
}

void cvy_comm_broadcast_from(cvy_comm *comm, int root, void *data, size_t bytes) {
  for (char *at = data; bytes > 0;) {
    const size_t now = bytes < MOST_BYTES ? bytes : MOST_BYTES;
    CVY_MPI(MPI_Bcast(at, (int)now, MPI_BYTE, root, comm->mpi));
    at += now;
    bytes -= now;
  }
}

void cvy_comm_move(cvy_comm *comm, int to, int from, void *data, size_t bytes) {
  if (to == from || (comm->rank != to && comm->rank != from)) return;
  for (char *at = data; bytes > 0;) {
    const size_t now = bytes < MOST_BYTES ? bytes : MOST_BYTES;
    if (comm->rank == from)
      CVY_MPI(MPI_Send(at, (int)now, MPI_BYTE, to, 0, comm->mpi));
    else
      CVY_MPI(MPI_Recv(at, (int)now, MPI_BYTE, from, 0, comm->mpi, MPI_STATUS_IGNORE));
    at += now;
    bytes -= now;
  }
}

void cvy_comm_gather(cvy_comm *comm, void *all, const void *mine, size_t bytes) {
  CVY_MPI(MPI_Gather(mine, cvy_int((int64_t)bytes), MPI_BYTE, all, cvy_int((int64_t)bytes), MPI_BYTE, 0,
                     comm->mpi));
}

void cvy_comm_sum(cvy_comm *comm, int64_t *values, int64_t count) {
  CVY_MPI(MPI_Allreduce(MPI_IN_PLACE, values, cvy_int(count), MPI_INT64_T, MPI_SUM, comm->mpi));
}

double cvy_comm_mean_s(cvy_comm *comm, double mine_s) {
  int64_t ns = (int64_t)(1e9 * mine_s);
  cvy_comm_sum(comm, &ns, 1);
  return 1e-9 * (double)ns / comm->size;
}

int cvy_comm_first_different(cvy_comm *comm, const char *text) {
  char mine[256] = "", first[256];
  snprintf(mine, sizeof mine, "%s", text);
  memcpy(first, mine, sizeof first);
  cvy_comm_broadcast(comm, first, sizeof first);
  const int me = memcmp(mine, first, sizeof first) ? comm->rank : comm->size;
  int lowest;
  CVY_MPI(MPI_Allreduce(&me, &lowest, 1, MPI_INT, MPI_MIN, comm->mpi));
  return lowest == comm->size ? -1 : lowest;
}

cvy_err cvy_comm_expect_same(cvy_comm *comm, const char *text, const char *what) {
  const int other = cvy_comm_first_different(comm, text);
  if (other < 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "rank %d has %s than rank 0; does each node see the same files?", other,
                   what);
}
