/* Runs a subcommand under MPI. The ranks agree on what was asked, and rank 0 tells of an error. */
#include "cmd/ranks.h"

#include "cmd/results.h"

cvy_comm *cvy_ranks_start(const cvy_rank_options *options) {
  cvy_comm *comm = cvy_comm_start();
  const int fair = cvy_comm_fair_threads(comm),
            threads = options->threads > 0 ? cvy_int(options->threads) : fair;
  cvy_threads_set(threads);
  if (threads > fair) cvy_threads_share_cores();
  return comm;
}

cvy_err cvy_ranks_same(cvy_comm *comm, const cvy_arguments *arguments) {
  CVY_TRY(cvy_comm_expect_alone(comm));
  const int other = cvy_comm_first_different(comm, arguments->asked.hex);
  if (other < 0) return CVY_OK;
  return cvy_error(CVY_E_USAGE,
                   "rank %d was given another command than rank 0, or other words or options; all ranks need "
                   "the same (but for --threads)",
                   other);
}

cvy_err cvy_ranks_finish(cvy_comm *comm, cvy_err err, const char *command) {
  cvy_progress_drop();
  if (!err) err = cvy_results_flush();
  if (err && cvy_comm_rank(comm) == 0) fprintf(stderr, "convoy %s: %s\n", command, cvy_err_message());
  fflush(NULL);
  cvy_comm_finish(comm);
  return err ? cvy_error(err, "%s", "") : CVY_OK;
}
