/* Tests who has started this program: which variables speak for several programs, and which do not. */
#include "comm/launcher.h"

#include "suite.h"

#include <stdio.h>

/* Sets these variables ("A=1 B=2") alone. */
static void set(const char *variables) {
  static const char *const all[] = {
      "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE",          "PMI_RANK",     "PMI_FD",
      "MPI_LOCALNRANKS",      "MPI_LOCALRANKID",      "PMIX_RANK",         "SLURM_NTASKS", "SLURM_PROCID",
      "MV2_COMM_WORLD_SIZE",  "SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID",     "SLURM_STEPID", "SLURM_PTY_PORT",
      "MV2_COMM_WORLD_RANK",  "PMIX_NAMESPACE",       "SLURM_PTY_WIN_COL", "SLURM_NPROCS", "MPI_NRANKS",
      "MPI_RANKID",           "PALS_NRANKS",          "PALS_RANKID",       "ALPS_APP_PE",  "FLUX_JOB_SIZE",
      "FLUX_TASK_RANK",       "JSM_NAMESPACE_SIZE",   "JSM_NAMESPACE_RANK"};
  char text[400];
  for (int64_t i = 0; i < CVY_COUNT(all); i++) unsetenv(all[i]);
  snprintf(text, sizeof text, "%s", variables);
  for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
    char *value = strchr(word, '=');
    *value = '\0';
    setenv(word, value + 1, 1);
  }
}

/* Looks where these variables alone are set. */
static const char *look(const char *variables) {
  static char out[200];
  set(variables);
  cvy_launcher_look(out, sizeof out);
  return out;
}

static const char *look_at_job(const char *variables) {
  static char out[200];
  set(variables);
  cvy_launcher_look_at_job(out, sizeof out);
  return out;
}

static bool finds(const char *variables, const char *text) {
  return strstr(look(variables), text) != NULL;
}

static void several(void) {
  CU_ASSERT_STRING_EQUAL(look("PMI_SIZE=3 PMI_RANK=0 MPI_LOCALNRANKS=3"),
                         "PMI_SIZE=3: mpirun of another MPI (MPICH, Intel MPI) has started several programs");
  CU_ASSERT(finds("PMI_RANK=2", "PMI_RANK=2: mpirun of another MPI (MPICH, Intel MPI) has started several"));
  CU_ASSERT(finds("MPI_LOCALNRANKS=2", "MPI_LOCALNRANKS=2: mpirun of another MPI"));
  CU_ASSERT(finds("MV2_COMM_WORLD_SIZE=2", "MVAPICH2"));
  CU_ASSERT(
      finds("PMIX_RANK=1", "PMIX_RANK=1: a launcher that speaks another PMIx has started several programs"));
  CU_ASSERT(finds("OMPI_COMM_WORLD_SIZE=4 PMI_SIZE=4", "OMPI_COMM_WORLD_SIZE=4: mpirun of another Open MPI"));
  CU_ASSERT(finds("SLURM_NTASKS=4 SLURM_PROCID=0 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2",
                  "SLURM_STEP_NUM_TASKS=2: srun has started several programs"));
  CU_ASSERT(finds("SLURM_NTASKS=4 SLURM_PROCID=0 SLURM_STEPID=1", "SLURM_NTASKS=4: srun"));
  CU_ASSERT(finds("SLURM_NTASKS=4 SLURM_PROCID=3", "SLURM_PROCID=3: srun"));
}

static void one(void) {
  const char *const alone[] = {
      "", "PMI_SIZE=1 PMI_RANK=0 MPI_LOCALNRANKS=1", "PMIX_RANK=0 PMIX_NAMESPACE=x",
      "PMI_SIZE=many PMI_RANK=",
      /* mpirun -n 1 sets these, on this node or on another one of a job of Slurm: */
      "OMPI_COMM_WORLD_SIZE=1 OMPI_COMM_WORLD_RANK=0 PMIX_RANK=0",
      "OMPI_COMM_WORLD_SIZE=1 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1",
      /* A batch script has these, the shell of salloc, and that shell as a step of its own: */
      "SLURM_NTASKS=8 SLURM_PROCID=0", "SLURM_NTASKS=8",
      "SLURM_NTASKS=8 SLURM_PROCID=0 SLURM_STEP_ID=4294967290",
      /* srun -n 1 and srun --pty bash set these: */
      "SLURM_NTASKS=8 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1",
      "SLURM_NTASKS=8 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=8 SLURM_PTY_PORT=9 SLURM_PROCID=0"};
  for (int64_t i = 0; i < CVY_COUNT(alone); i++) CU_ASSERT_STRING_EQUAL(look(alone[i]), "");
}

static void other_launchers(void) {
  static const char *const names[][2] = {{"MPI_NRANKS", "MPI_RANKID"},
                                         {"PALS_NRANKS", "PALS_RANKID"},
                                         {"FLUX_JOB_SIZE", "FLUX_TASK_RANK"},
                                         {"JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"},
                                         {NULL, "ALPS_APP_PE"}};
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    for (int k = 0; k < 2; k++) {
      char text[100];
      if (!names[i][k]) continue;
      snprintf(text, sizeof text, "%s=%d", names[i][k], k == 0 ? 2 : 1);
      CU_ASSERT(finds(text, text) && finds(text, "has started several programs"));
      snprintf(text, sizeof text, "%s=%d", names[i][k], k == 0 ? 1 : 0);
      CU_ASSERT_STRING_EQUAL(look(text), "");
    }
}

/* A job of Slurm says how many programs it is meant to have; mpirun and srun say it better. */
static void a_job_for_several(void) {
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NTASKS=4"), "SLURM_NTASKS=4");
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NPROCS=4 SLURM_PROCID=0"), "SLURM_NPROCS=4");
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NTASKS=4 SLURM_STEP_ID=4294967290 SLURM_STEP_NUM_TASKS=1"),
                         "SLURM_NTASKS=4");
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NTASKS=4 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1"), "");
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NTASKS=4 OMPI_COMM_WORLD_SIZE=1"), "");
  CU_ASSERT_STRING_EQUAL(look_at_job("SLURM_NTASKS=1 SLURM_NPROCS=1"), "");
  CU_ASSERT_STRING_EQUAL(look_at_job(""), "");
}

/* Open MPI takes a step of Slurm for its own launcher, which it cannot be without PMIx. */
static void a_step_alone(void) {
  look("SLURM_STEPID=0 SLURM_STEP_ID=0");
  cvy_launcher_prepare();
  CU_ASSERT(!getenv("SLURM_STEPID") && !getenv("SLURM_STEP_ID"));
  look("SLURM_STEPID=0 PMIX_NAMESPACE=x");
  cvy_launcher_prepare();
  CU_ASSERT_PTR_NOT_NULL(getenv("SLURM_STEPID"));
}

SUITE("launcher", TEST(several), TEST(one), TEST(other_launchers), TEST(a_job_for_several),
      TEST(a_step_alone))
