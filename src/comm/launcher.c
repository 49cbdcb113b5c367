/* Reads the environment for launchers that MPI may not understand.
 *
 * The mpirun of another MPI starts several programs, each of which finds itself alone, because that mpirun
 * speaks another language than the Open MPI that Convoy is built on. So does srun without --mpi=pmix.
 *
 * A batch script of Slurm, or the shell of salloc, has the variables of its job too, but is one program. So
 * only the variables of a step prove several programs, unless the step is a shell at somebody's terminal. The
 * job's own variables tell how many programs it is meant to have. */
#include "comm/launcher.h"

#include <stdlib.h>

typedef struct launcher {
  const char *size, *rank; /* names of variables; size may be NULL */
  const char *name;
} launcher;

static const launcher launchers[] = {
    {"PMI_SIZE", "PMI_RANK", "mpirun of another MPI (MPICH, Intel MPI)"},
    {"MPI_LOCALNRANKS", "MPI_LOCALRANKID", "mpirun of another MPI (MPICH, Intel MPI)"},
    {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "mpirun of another MPI (MVAPICH2)"},
    {"MPI_NRANKS", "MPI_RANKID", "mpirun of another MPI (Platform MPI)"},
    {"PALS_NRANKS", "PALS_RANKID", "mpiexec of Cray's PALS"},
    {NULL, "ALPS_APP_PE", "aprun of Cray's ALPS"},
    {"FLUX_JOB_SIZE", "FLUX_TASK_RANK", "flux run"},
    {"JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK", "jsrun"},
    {NULL, "PMIX_RANK", "a launcher that speaks another PMIx"},
};

/* Returns the whole number that the variable holds; -1 if it holds none. */
static int64_t number_in(const char *variable) {
  const char *text = variable ? getenv(variable) : NULL;
  char *end;
  if (!text || !*text) return -1;
  const long long value = strtoll(text, &end, 10);
  return *end == '\0' && value >= 0 ? value : -1;
}

/* Returns the variable that shows several programs; NULL if none does. */
static const char *variable_of(const launcher *l) {
  if (number_in(l->size) > 1) return l->size;
  return number_in(l->rank) > 0 ? l->rank : NULL;
}

/* Steps of a special kind have numbers from here on: batch scripts, shells. */
static const int64_t special_steps = 0xfffffff0;

static int64_t slurm_step(void) {
  const int64_t step = number_in("SLURM_STEP_ID");
  return step >= 0 ? step : number_in("SLURM_STEPID");
}

static const char *variable_of_slurm(void) {
  if (getenv("SLURM_PTY_PORT") || getenv("SLURM_PTY_WIN_COL") || slurm_step() >= special_steps) return NULL;
  if (number_in("SLURM_STEP_NUM_TASKS") > 1) return "SLURM_STEP_NUM_TASKS";
  if (number_in("SLURM_STEP_NUM_TASKS") == 1) return NULL;
  if (slurm_step() >= 0 && number_in("SLURM_NTASKS") > 1) return "SLURM_NTASKS";
  return number_in("SLURM_PROCID") > 0 ? "SLURM_PROCID" : NULL;
}

static void tell(char *out, size_t bytes, const char *variable, const char *name) {
  snprintf(out, bytes, "%s=%s: %s has started several programs", variable, getenv(variable), name);
}

void cvy_launcher_look(char *out, size_t bytes) {
  out[0] = '\0';
  if (number_in("OMPI_COMM_WORLD_SIZE") > 1)
    tell(out, bytes, "OMPI_COMM_WORLD_SIZE", "mpirun of another Open MPI");
  if (getenv("OMPI_COMM_WORLD_SIZE")) return; /* the innermost launcher counts, and that is its mpirun */
  for (int64_t i = 0; i < CVY_COUNT(launchers); i++) {
    const char *variable = variable_of(&launchers[i]);
    if (!variable) continue;
    tell(out, bytes, variable, launchers[i].name);
    return;
  }
  const char *variable = variable_of_slurm();
  if (variable) tell(out, bytes, variable, "srun");
}

void cvy_launcher_look_at_job(char *out, size_t bytes) {
  static const char *const names[] = {"SLURM_NTASKS", "SLURM_NPROCS"};
  const bool is_step_of_one = number_in("SLURM_STEP_NUM_TASKS") == 1 && slurm_step() < special_steps;
  out[0] = '\0';
  if (getenv("OMPI_COMM_WORLD_SIZE") || is_step_of_one) return;
  for (int64_t i = 0; i < CVY_COUNT(names) && !out[0]; i++)
    if (number_in(names[i]) > 1) snprintf(out, bytes, "%s=%s", names[i], getenv(names[i]));
}

void cvy_launcher_prepare(void) {
  if (getenv("PMIX_NAMESPACE") || getenv("PMI_RANK") || getenv("PMI_FD")) return;
  unsetenv("SLURM_STEP_ID");
  unsetenv("SLURM_STEPID");
}
