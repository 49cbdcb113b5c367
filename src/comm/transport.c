/* Open MPI reads its parameters from the environment when it starts, in each process, so that a process
 * may still set them before. What stands in the environment outweighs the files of parameters, hence these
 * are read here too. */
#define _GNU_SOURCE
#include "comm/transport.h"

#include "base/text.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- what the user chose ---- */

static bool line_speaks_of(char *line, const char *name) {
  line[strcspn(line, "#")] = '\0';
  for (char *save, *word = strtok_r(line, " \t=\n", &save); word; word = strtok_r(NULL, " \t=\n", &save))
    if (strcmp(word, name) == 0) return true;
  return false;
}

/* Looks into a file of "name = value" lines, or of "-mca name value" as mpirun --tune takes. */
static bool file_speaks_of(const char *path, const char *name) {
  FILE *file = fopen(path, "r");
  if (!file) return false;
  char line[4096];
  bool found = false;
  while (!found && fgets(line, sizeof line, file)) found = line_speaks_of(line, name);
  fclose(file);
  return found;
}

static bool files_speak_of(const char *paths, const char *name) {
  char *copy = cvy_format("%s", paths);
  bool found = false;
  for (char *save, *path = strtok_r(copy, ",", &save); path && !found; path = strtok_r(NULL, ",", &save))
    found = file_speaks_of(path, name);
  free(copy);
  return found;
}

static bool usual_files_speak_of(const char *name) {
  const char *chosen = getenv("OMPI_MCA_mca_base_param_files"), *home = getenv("HOME");
  if (chosen) return files_speak_of(chosen, name);
  char *paths = cvy_format("%s/.openmpi/mca-params.conf,%s/openmpi-mca-params.conf", home ? home : "",
                           CVY_OPENMPI_ETC);
  const bool found = files_speak_of(paths, name);
  free(paths);
  return found;
}

static bool is_chosen(const char *name) {
  /* These are mpirun --am and --tune. */
  static const char *const more[] = {"OMPI_MCA_mca_base_param_file_prefix",
                                     "OMPI_MCA_mca_base_envar_file_prefix"};
  char variable[128];
  snprintf(variable, sizeof variable, "OMPI_MCA_%s", name);
  if (getenv(variable) || usual_files_speak_of(name)) return true;
  for (int64_t i = 0; i < CVY_COUNT(more); i++)
    if (getenv(more[i]) && files_speak_of(getenv(more[i]), name)) return true;
  return false;
}

/* ---- what is worth it ---- */

static bool always(void) {
  return true;
}

/* Tells whether a process cannot read the memory of others. Containers forbid it. Open MPI looks at Yama
 * only, then tries it with every long message, and complains of each. */
static bool cannot_read_others(void) {
  int there = 1, here = 0;
  const struct iovec from = {&there, sizeof there}, to = {&here, sizeof here};
  if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)sizeof here) return true;
  FILE *yama = fopen("/proc/sys/kernel/yama/ptrace_scope", "r");
  int scope = 0;
  if (yama && fscanf(yama, "%d", &scope) != 1) scope = 0;
  if (yama) fclose(yama);
  return scope >= 2 && geteuid() != 0;
}

static bool crowds_its_cores(void) {
  const char *text = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  return text && atoi(text) > sysconf(_SC_NPROCESSORS_ONLN);
}

typedef struct setting {
  const char *name, *value;
  bool (*is_worth_it)(void);
  bool within_node; /* true: within a node; false: between nodes */
} setting;

static const setting settings[] = {
    /* One long message each way at once over one connection took twice the wire's time (67 MB, 1 Gbit/s:
     * 1.1 s, with four 0.57). Exchanges in blocks of 1 MB do as well with one: four neither helped nor
     * harmed them, P = 2 and 4. */
    {"btl_tcp_links", "4", always, false},
    /* Half a block and its header go at once. Longer messages ask their receiver first, and the answer
     * stands in line behind all that is under way: the exchange of 64 MiB took 1.25 times the wire's time
     * with the usual 64 KiB, and 1.05 with this. */
    {"btl_tcp_eager_limit", "655360", always, false},
    {"btl_vader_single_copy_mechanism", "none", cannot_read_others, true},
    /* Without this, whoever waits keeps the core from whom it waits for: 4 ranks on 2 cores, 4 MiB, took 7
     * ms, and 2 ms with it. Open MPI sees to that itself only where the hosts' slots are right. */
    {"mpi_yield_when_idle", "1", crowds_its_cores, true}};

static bool is_set[CVY_COUNT(settings)];

void cvy_transport_prepare(void) {
  /* A process that no mpirun started would start Open MPI's daemon: 0.1 s for what it never asks for. */
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  /* Processes that no mpirun started would also share a folder for files that they do not need, and one that
   * ends would take the folder away from another that begins. */
  if (!getenv("PMIX_NAMESPACE") && !getenv("OMPI_COMM_WORLD_SIZE"))
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  for (int64_t i = 0; i < CVY_COUNT(settings); i++) {
    const setting *s = &settings[i];
    is_set[i] = s->is_worth_it() && !is_chosen(s->name);
    if (!is_set[i]) continue;
    char variable[128];
    snprintf(variable, sizeof variable, "OMPI_MCA_%s", s->name);
    setenv(variable, s->value, 0);
  }
}

void cvy_transport_tell(char *out, size_t bytes, bool between_nodes, bool within_node) {
  cvy_text text = cvy_text_in(out, bytes);
  for (int64_t i = 0; i < CVY_COUNT(settings); i++) {
    if (!is_set[i] || !(settings[i].within_node ? within_node : between_nodes)) continue;
    cvy_text_item(&text, " ", "%s=%s", settings[i].name, settings[i].value);
  }
}

/* ---- what MPI made of it ---- */

static bool name_of(MPI_T_enum enumeration, int value, char *out, size_t bytes) {
  int count = 0, ignored = 0;
  if (MPI_T_enum_get_info(enumeration, &count, NULL, &ignored)) return false;
  for (int i = 0; i < count; i++) {
    int item;
    char name[64];
    int length = (int)sizeof name;
    if (MPI_T_enum_get_item(enumeration, i, &item, name, &length) || item != value) continue;
    snprintf(out, bytes, "%s", name);
    return true;
  }
  return false;
}

static bool read_variable(int index, char *out, size_t bytes) {
  MPI_T_cvar_handle handle;
  MPI_Datatype type;
  MPI_T_enum enumeration;
  int name_length = 0, text_length = 0, verbosity, binding, scope, count;
  if (MPI_T_cvar_get_info(index, NULL, &name_length, &verbosity, &type, &enumeration, NULL, &text_length,
                          &binding, &scope) ||
      MPI_T_cvar_handle_alloc(index, NULL, &handle, &count))
    return false;
  union {
    char text[4096];
    int number;
    unsigned unsigned_number;
  } value = {{0}};
  bool known = (type == MPI_CHAR ? count <= (int)sizeof value : count == 1) &&
               MPI_T_cvar_read(handle, &value) == MPI_SUCCESS;
  if (known && type == MPI_INT && enumeration != MPI_T_ENUM_NULL)
    known = name_of(enumeration, value.number, out, bytes);
  else if (type == MPI_CHAR)
    snprintf(out, bytes, "%s", value.text);
  else if (type == MPI_INT || type == MPI_UNSIGNED)
    snprintf(out, bytes, "%" PRId64,
             type == MPI_INT ? (int64_t)value.number : (int64_t)value.unsigned_number);
  else
    known = false;
  MPI_T_cvar_handle_free(&handle);
  return known;
}

bool cvy_transport_value(const char *name, char *out, size_t bytes) {
  int provided, index;
  if (MPI_T_init_thread(MPI_THREAD_SERIALIZED, &provided)) return false;
  const bool found = MPI_T_cvar_get_index(name, &index) == MPI_SUCCESS && read_variable(index, out, bytes);
  MPI_T_finalize();
  return found;
}
