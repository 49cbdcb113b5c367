/* Gathers what each rank sees of its machine, and judges it. */
#define _GNU_SOURCE
#include "comm/layout.h"

#include "base/text.h"
#include "comm/mpi.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one rank's place ---- */

/* Finds the cores of the process that started this one, as far as this one may have them too. The rank could
 * run on them, were it not bound. */
static void job_cores(uint64_t mask[CVY_CORE_WORDS], const uint64_t own[CVY_CORE_WORDS]) {
  cpu_set_t before, parents;
  memcpy(mask, own, sizeof(uint64_t) * CVY_CORE_WORDS);
  if (sched_getaffinity(0, sizeof before, &before) ||
      sched_getaffinity(getppid(), sizeof parents, &parents) ||
      sched_setaffinity(0, sizeof parents, &parents))
    return;
  cvy_cores_allowed(mask);
  if (sched_setaffinity(0, sizeof before, &before)) memcpy(mask, own, sizeof(uint64_t) * CVY_CORE_WORDS);
}

static bool has_core(const uint64_t mask[CVY_CORE_WORDS], int core) {
  return mask[core / 64] >> core % 64 & 1;
}

/* Reads the first line of a file of /proc or /sys; it is "" where the file is not there. */
static void first_line(char *out, int bytes, const char *path) {
  FILE *file = fopen(path, "r");
  if (!file || !fgets(out, bytes, file)) out[0] = '\0';
  if (file) fclose(file);
  out[strcspn(out, "\n")] = '\0';
}

static bool is_first_sibling(int core) {
  char path[96], siblings[64];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", core);
  first_line(siblings, sizeof siblings, path);
  return !siblings[0] || atoi(siblings) == core;
}

static int count_whole_cores(const uint64_t mask[CVY_CORE_WORDS]) {
  int count = 0;
  for (int core = 0; core < 64 * CVY_CORE_WORDS; core++)
    if (has_core(mask, core) && is_first_sibling(core)) count++;
  return count ? count : cvy_cores_count(mask);
}

/* Reads version 2 of control groups, as a container sees its own. */
static double read_quota(void) {
  char line[64];
  long long quota_us, period_us;
  first_line(line, sizeof line, "/sys/fs/cgroup/cpu.max");
  if (sscanf(line, "%lld %lld", &quota_us, &period_us) != 2 || period_us <= 0) return 0;
  return (double)quota_us / (double)period_us;
}

static void read_memory(cvy_place *p) {
  FILE *file = fopen("/proc/meminfo", "r");
  char line[128];
  long long kib;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "MemTotal: %lld", &kib) == 1) p->memory_bytes = kib << 10;
    if (sscanf(line, "MemAvailable: %lld", &kib) == 1) p->free_bytes = kib << 10;
  }
  if (file) fclose(file);
}

/* Reads the word in brackets of a line such as "always [madvise] never". */
static void read_huge_pages(cvy_place *p) {
  char line[64];
  first_line(line, sizeof line, "/sys/kernel/mm/transparent_hugepage/enabled");
  const char *open = strchr(line, '[');
  if (open) snprintf(p->huge_pages, sizeof p->huge_pages, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
}

static void look_around(cvy_place *p, const cvy_comm *comm, int threads, const char *software) {
  *p = (cvy_place){.node = comm->node_leader, .threads = threads};
  if (gethostname(p->host, sizeof p->host - 1)) snprintf(p->host, sizeof p->host, "unknown");
  snprintf(p->software, sizeof p->software, "%s", software);
  cvy_cores_allowed(p->cores);
  job_cores(p->node_cores, p->cores);
  p->whole_cores = count_whole_cores(p->node_cores);
  p->quota_cores = read_quota();
  read_memory(p);
  read_huge_pages(p);
}

/* ---- all of them ---- */

/* Turns the lowest rank of each node into the node's number. */
static void number_nodes(cvy_layout *layout) {
  int *numbers = cvy_new(sizeof *numbers * (size_t)layout->ranks);
  for (int rank = 0; rank < layout->ranks; rank++) {
    cvy_place *p = &layout->places[rank];
    if (p->node == rank) numbers[rank] = layout->nodes++;
    p->node = numbers[p->node];
  }
  free(numbers);
}

cvy_layout *cvy_layout_gather(cvy_comm *comm, int threads, const char *software) {
  cvy_place mine;
  cvy_layout *layout = NULL;
  look_around(&mine, comm, threads, software);
  if (comm->rank == 0) {
    layout = cvy_new(sizeof *layout);
    layout->ranks = comm->size;
    layout->places = cvy_new(sizeof *layout->places * (size_t)comm->size);
  }
  cvy_comm_gather(comm, layout ? layout->places : NULL, &mine, sizeof mine);
  if (layout) number_nodes(layout);
  return layout;
}

void cvy_layout_destroy(cvy_layout *layout) {
  if (!layout) return;
  free(layout->places);
  free(layout);
}

void cvy_cores_text(char *out, size_t bytes, const uint64_t cores[CVY_CORE_WORDS]) {
  cvy_text text = cvy_text_in(out, bytes);
  for (int core = 0; core < 64 * CVY_CORE_WORDS; core++) {
    if (!has_core(cores, core)) continue;
    int last = core;
    while (last + 1 < 64 * CVY_CORE_WORDS && has_core(cores, last + 1)) last++;
    cvy_text_item(&text, ",", last > core ? "%d-%d" : "%d", core, last);
    core = last;
  }
}

/* ---- what is wrong ---- */

void cvy_findings_add(cvy_findings *findings, const char *name, const char *format, ...) {
  if (findings->count == CVY_COUNT(findings->items)) return;
  cvy_finding *f = &findings->items[findings->count++];
  va_list va;
  snprintf(f->name, sizeof f->name, "%s", name);
  va_start(va, format);
  vsnprintf(f->text, sizeof f->text, format, va);
  va_end(va);
}

/* One node's ranks. */
typedef struct node {
  int ranks, first_rank, threads;
  uint64_t cores[CVY_CORE_WORDS]; /* cores that any of them may run on */
} node;

static node node_at(const cvy_layout *layout, int number) {
  node n = {.first_rank = -1};
  for (int rank = 0; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    if (p->node != number) continue;
    if (n.first_rank < 0) n.first_rank = rank;
    n.ranks++;
    n.threads += p->threads;
    for (int i = 0; i < CVY_CORE_WORDS; i++) n.cores[i] |= p->cores[i];
  }
  return n;
}

static bool is_within(const uint64_t part[CVY_CORE_WORDS], const uint64_t whole[CVY_CORE_WORDS]) {
  for (int i = 0; i < CVY_CORE_WORDS; i++)
    if (part[i] & ~whole[i]) return false;
  return true;
}

/* Finds the ranks that can run nowhere but where rank `of` can. */
static node held_with(const cvy_layout *layout, int of) {
  const cvy_place *held = &layout->places[of];
  node n = {.first_rank = of};
  for (int rank = 0; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    if (p->node != held->node || !is_within(p->cores, held->cores)) continue;
    n.ranks++;
    n.threads += p->threads;
  }
  return n;
}

static const char *plural(int count) {
  return count == 1 ? "" : "s";
}

static bool find_binding(cvy_findings *findings, const cvy_layout *layout, int rank) {
  const cvy_place *p = &layout->places[rank];
  const node held = held_with(layout, rank);
  const int cores = cvy_cores_count(p->cores), all = cvy_cores_count(p->node_cores);
  if (held.threads <= cores || cores >= all) return false;
  char text[64];
  cvy_cores_text(text, sizeof text, p->cores);
  if (held.ranks == 1)
    cvy_findings_add(
        findings, "binding",
        "rank %d on %s has %d threads but may run on core%s %s only, of %d: mpirun has bound it there", rank,
        p->host, held.threads, plural(cores), text, all);
  else
    cvy_findings_add(findings, "binding",
                     "%d ranks on %s, rank %d one of them, have %d threads but may run on core%s %s only, of "
                     "%d: mpirun has bound them there",
                     held.ranks, p->host, rank, held.threads, plural(cores), text, all);
  return true;
}

static bool find_oversubscription(cvy_findings *findings, const cvy_layout *layout, int number) {
  const node n = node_at(layout, number);
  const cvy_place *p = &layout->places[n.first_rank];
  const int cores = cvy_cores_count(p->node_cores);
  if (n.threads <= cores) return false;
  char right[64] = "";
  if (n.ranks <= cores && n.threads > n.ranks)
    snprintf(right, sizeof right, "; --threads %d would be right", cores / n.ranks);
  cvy_findings_add(findings, "oversubscribed",
                   "on %s %d rank%s with %d threads in all share%s %d core%s: they wait for each other%s",
                   p->host, n.ranks, plural(n.ranks), n.threads, n.ranks == 1 ? "s" : "", cores,
                   plural(cores), right);
  return true;
}

static bool find_idleness(cvy_findings *findings, const cvy_layout *layout, int number) {
  const node n = node_at(layout, number);
  const cvy_place *p = &layout->places[n.first_rank];
  if (is_within(p->node_cores, n.cores) || n.threads >= p->whole_cores) return false;
  char text[64];
  cvy_cores_text(text, sizeof text, n.cores);
  cvy_findings_add(
      findings, "idle",
      "on %s %d rank%s with %d thread%s in all %s bound to core%s %s: %d of %d cores have no work", p->host,
      n.ranks, plural(n.ranks), n.threads, plural(n.threads), n.ranks == 1 ? "is" : "are",
      plural(cvy_cores_count(n.cores)), text, p->whole_cores - n.threads, p->whole_cores);
  return true;
}

static bool find_quota(cvy_findings *findings, const cvy_layout *layout, int number) {
  const node n = node_at(layout, number);
  const cvy_place *p = &layout->places[n.first_rank];
  if (p->quota_cores <= 0 || n.threads <= p->quota_cores) return false;
  cvy_findings_add(findings, "quota",
                   "on %s the container gets the time of %.1f cores (cpu.max) for %d threads: they are "
                   "stopped again and again",
                   p->host, p->quota_cores, n.threads);
  return true;
}

static void for_first(cvy_findings *findings, const cvy_layout *layout, int count,
                      bool (*find)(cvy_findings *, const cvy_layout *, int)) {
  for (int i = 0; i < count; i++)
    if (find(findings, layout, i)) return;
}

static void find_order(cvy_findings *findings, const cvy_layout *layout) {
  int changes = 0, apart = -1;
  for (int rank = 1; rank < layout->ranks; rank++) {
    if (layout->places[rank].node == layout->places[rank - 1].node) continue;
    changes++;
    if (apart < 0) apart = rank;
  }
  if (changes < layout->nodes) return;
  cvy_findings_add(findings, "order",
                   "ranks %d and %d are on %s and %s, although nodes have several ranks: neighbours exchange "
                   "the most, and do so across the network",
                   apart - 1, apart, layout->places[apart - 1].host, layout->places[apart].host);
}

static void find_unevenness(cvy_findings *findings, const cvy_layout *layout) {
  const node first = node_at(layout, 0);
  for (int i = 1; i < layout->nodes; i++) {
    const node n = node_at(layout, i);
    if (n.ranks == first.ranks) continue;
    cvy_findings_add(findings, "uneven", "%s has %d rank%s, %s has %d: the others wait for the fullest node",
                     layout->places[0].host, first.ranks, plural(first.ranks),
                     layout->places[n.first_rank].host, n.ranks);
    return;
  }
}

static void find_mixture(cvy_findings *findings, const cvy_layout *layout) {
  const cvy_place *first = &layout->places[0];
  for (int rank = 1; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    if (strcmp(p->software, first->software) == 0) continue;
    cvy_findings_add(
        findings, "mixed",
        "rank %d on %s computes with %s, rank 0 on %s with %s: the slower ones set the pace, and the "
        "bits are those of this mixture",
        rank, p->host, p->software, first->host, first->software);
    return;
  }
}

bool cvy_layout_examine(cvy_findings *findings, const cvy_layout *layout) {
  const int before = findings->count;
  for_first(findings, layout, layout->ranks, find_binding);
  for_first(findings, layout, layout->nodes, find_oversubscription);
  for_first(findings, layout, layout->nodes, find_idleness);
  for_first(findings, layout, layout->nodes, find_quota);
  find_order(findings, layout);
  find_unevenness(findings, layout);
  const bool helps = findings->count > before;
  find_mixture(findings, layout);
  return helps;
}

/* ---- what would be right ---- */

static int fewest_cores(const cvy_layout *layout) {
  int fewest = layout->places[0].whole_cores;
  for (int rank = 0; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    int cores = p->whole_cores;
    if (p->quota_cores > 0 && p->quota_cores < cores) cores = (int)p->quota_cores;
    if (cores < fewest) fewest = cores;
  }
  return fewest < 1 ? 1 : fewest;
}

void cvy_layout_advise(char *out, size_t bytes, const cvy_layout *layout) {
  const int cores = fewest_cores(layout), nodes = layout->nodes;
  int ranks = (layout->ranks + nodes - 1) / nodes; /* a node */
  if (ranks > cores) ranks = cores;
  while (ranks > 1 && layout->ranks % nodes == 0 && layout->ranks % (ranks * nodes) != 0) ranks--;
  snprintf(out, bytes, "mpirun -n %d --map-by ppr:%d:node:pe=%d --bind-to core", ranks * nodes, ranks,
           cores / ranks);
}

void cvy_layout_warn(cvy_comm *comm, int threads) {
  cvy_layout *layout = cvy_layout_gather(comm, threads, "");
  if (!layout) return;
  cvy_findings findings = {0};
  char advice[160];
  const bool helps = cvy_layout_examine(&findings, layout);
  cvy_layout_advise(advice, sizeof advice, layout);
  for (int i = 0; i < findings.count; i++) cvy_warn("%s", findings.items[i].text);
  if (helps) cvy_warn("better: %s ... (convoy doctor tells more)", advice);
  cvy_layout_destroy(layout);
}
