/* `convoy doctor`: whether the ranks are well placed, and how fast what joins them is. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/ranks.h"
#include "measure/doctor.h"

#include <stdlib.h>

enum { MOST_ROWS = 64, MOST_PAIRS = 32, SLOWEST_PAIRS = 8, TEXT = 64 };

typedef struct options {
  cvy_rank_options ranks;
  const char *data;
  bool json;
} options;

static const cvy_option table[] = {
    CVY_RANK_OPTIONS(options, ranks),
    {"data", CVY_STRING, offsetof(options, data), "",
     .help = "a folder of shards, or a file: how fast each node reads it; none: not measured"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

/* ---- for people ---- */

static void print_ranks(const cvy_diagnosis *d) {
  const cvy_layout *layout = d->layout;
  putchar('\n');
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "rank  %-20s %7s %-12s %-12s %9s %11s %s\n", "host", "threads", "cores", "of node's",
          "free_GiB", "huge_pages", "BLAS core type, kernels, HDF5");
  for (int rank = 0; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    const bool leads = rank == 0 || layout->places[rank - 1].node != p->node;
    if (layout->ranks > MOST_ROWS && !leads) continue;
    char cores[TEXT], all[TEXT];
    cvy_cores_text(cores, sizeof cores, p->cores);
    cvy_cores_text(all, sizeof all, p->node_cores);
    fprintf(out, "%4d  %-20s %7d %-12s %-12s %9.1f %11s %s\n", rank, p->host, p->threads, cores, all,
            (double)p->free_bytes / 0x1p30, p->huge_pages, p->software);
  }
  cvy_fit_table(&fitted);
  if (layout->ranks > MOST_ROWS)
    printf("(more than %d ranks: the first of neighbours is shown)\n", MOST_ROWS);
}

static void print_link(FILE *out, const cvy_layout *layout, const cvy_link *links, int rank) {
  const cvy_link *l = &links[rank];
  char pair[TEXT];
  snprintf(pair, sizeof pair, "%d - %d", rank, l->partner);
  fprintf(out, "%-13s %-11s %10.1f %12.0f %13.0f %12.2f\n", pair,
          layout->places[rank].node == layout->places[l->partner].node ? "one node" : "two nodes",
          1e6 * l->latency_s, 1e-6 * l->one_way_bytes_s, 1e-6 * l->both_ways_bytes_s,
          1e9 * l->work_s_per_byte);
}

/* Prints all pairs, or the slowest of many and the one in the middle. */
static void print_links(const cvy_diagnosis *d, const cvy_link *links, const char *which) {
  if (!links) return;
  int *lower = cvy_new(sizeof *lower * (size_t)d->layout->ranks);
  const int count = cvy_diagnosis_pairs(lower, d, links, MOST_PAIRS);
  cvy_fitted fitted;
  putchar('\n');
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%-13s %-11s %10s %12s %13s %12s\n", which, "", "latency_us", "one_way_MB/s", "both_ways_MB/s",
          "work_ns/byte");
  const int shown = count <= MOST_PAIRS ? count : SLOWEST_PAIRS;
  for (int i = 0; i < shown; i++) print_link(out, d->layout, links, lower[i]);
  if (shown < count) {
    cvy_fit_table(&fitted);
    printf("(the slowest of %d; in the middle:)\n", count);
    out = cvy_fit_begin(&fitted, stdout);
    print_link(out, d->layout, links, lower[count / 2]);
  }
  cvy_fit_table(&fitted);
  free(lower);
}

static void print_nodes(const cvy_diagnosis *d) {
  const cvy_layout *layout = d->layout;
  if (layout->nodes == 1 && !d->readings) return;
  cvy_fitted fitted;
  putchar('\n');
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%-20s %18s", "node", "clock_ahead_ms");
  fprintf(out, d->readings ? " %16s %16s\n" : "\n", "first_read_MB/s", "read_again_MB/s");
  for (int rank = 0, next = 0; rank < layout->ranks; rank++) {
    const cvy_place *p = &layout->places[rank];
    if (p->node != next) continue;
    next++;
    fprintf(out, "%-20s %9.3f +- %.3f", p->host, 1e3 * d->clocks[rank].ahead_s,
            1e3 * d->clocks[rank].error_s);
    if (d->readings)
      fprintf(out, " %16.0f %16.0f", 1e-6 * d->readings[rank].first_bytes_s,
              1e-6 * d->readings[rank].again_bytes_s);
    fputc('\n', out);
  }
  cvy_fit_table(&fitted);
}

static void print_text(const cvy_diagnosis *d, const cvy_comm *comm) {
  const cvy_layout *layout = d->layout;
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "convoy %s, %s with %s: %d rank%s on %d node%s\n", CVY_VERSION, cvy_comm_library_version(),
          cvy_comm_thread_level(comm), layout->ranks, layout->ranks > 1 ? "s" : "", layout->nodes,
          layout->nodes > 1 ? "s" : "");
  fprintf(out, "TCP connections of a pair: %s; copying between ranks of a node: %s\n",
          d->tcp_links[0] ? d->tcp_links : "unknown", d->single_copy[0] ? d->single_copy : "unknown");
  cvy_fit_lines(&fitted);
  print_ranks(d);
  print_links(d, d->nearest, "nearest");
  print_links(d, d->farthest, "farthest");
  print_nodes(d);
  putchar('\n');
  out = cvy_fit_begin(&fitted, stdout);
  if (d->findings.count == 0) fputs("ok\n", out);
  for (int i = 0; i < d->findings.count; i++)
    fprintf(out, "%s: %s\n", d->findings.items[i].name, d->findings.items[i].text);
  if (d->advice[0]) fprintf(out, "better: %s convoy train ...\n", d->advice);
  cvy_fit_lines(&fitted);
}

/* ---- for programs ---- */

static void json_cores(cvy_json *json, const char *key, const uint64_t cores[CVY_CORE_WORDS]) {
  char text[1024];
  cvy_cores_text(text, sizeof text, cores);
  cvy_json_text(json, key, text);
}

static void json_link(cvy_json *json, const char *key, const cvy_link *links, int rank) {
  if (!links || links[rank].partner < 0) return;
  const cvy_link *l = &links[rank];
  cvy_json_open(json, key, '{');
  cvy_json_int(json, "partner", l->partner);
  cvy_json_number(json, "latency_s", l->latency_s, 4);
  cvy_json_number(json, "one_way_bytes_s", l->one_way_bytes_s, 4);
  cvy_json_number(json, "both_ways_bytes_s", l->both_ways_bytes_s, 4);
  cvy_json_number(json, "work_s_per_byte", l->work_s_per_byte, 4);
  cvy_json_close(json, '}');
}

static void json_rank(cvy_json *json, const cvy_diagnosis *d, int rank) {
  const cvy_place *p = &d->layout->places[rank];
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "host", p->host);
  cvy_json_int(json, "node", p->node);
  cvy_json_int(json, "threads", p->threads);
  json_cores(json, "cores", p->cores);
  json_cores(json, "node_cores", p->node_cores);
  cvy_json_int(json, "whole_cores", p->whole_cores);
  cvy_json_number(json, "quota_cores", p->quota_cores, 4);
  cvy_json_int(json, "memory_bytes", p->memory_bytes);
  cvy_json_int(json, "free_bytes", p->free_bytes);
  cvy_json_text(json, "huge_pages", p->huge_pages);
  cvy_json_text(json, "software", p->software);
  json_link(json, "nearest", d->nearest, rank);
  json_link(json, "farthest", d->farthest, rank);
  cvy_json_number(json, "clock_ahead_s", d->clocks[rank].ahead_s, 6);
  cvy_json_number(json, "clock_error_s", d->clocks[rank].error_s, 4);
  if (d->readings && d->readings[rank].bytes) {
    cvy_json_int(json, "read_bytes", d->readings[rank].bytes);
    cvy_json_number(json, "first_read_bytes_s", d->readings[rank].first_bytes_s, 4);
    cvy_json_number(json, "read_again_bytes_s", d->readings[rank].again_bytes_s, 4);
  }
  cvy_json_close(json, '}');
}

static void print_json(const cvy_diagnosis *d, const cvy_comm *comm) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "version", CVY_VERSION);
  cvy_json_text(&json, "mpi", cvy_comm_library_version());
  cvy_json_text(&json, "thread_level", cvy_comm_thread_level(comm));
  cvy_json_text(&json, "tcp_links", d->tcp_links);
  cvy_json_text(&json, "single_copy", d->single_copy);
  cvy_json_int(&json, "nodes", d->layout->nodes);
  cvy_json_open(&json, "ranks", '[');
  for (int rank = 0; rank < d->layout->ranks; rank++) json_rank(&json, d, rank);
  cvy_json_close(&json, ']');
  cvy_json_open(&json, "problems", '[');
  for (int i = 0; i < d->findings.count; i++) {
    cvy_json_open(&json, NULL, '{');
    cvy_json_text(&json, "name", d->findings.items[i].name);
    cvy_json_text(&json, "text", d->findings.items[i].text);
    cvy_json_close(&json, '}');
  }
  cvy_json_close(&json, ']');
  cvy_json_text(&json, "better", d->advice);
  cvy_json_text(&json, "verdict", d->findings.count ? "problems" : "ok");
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* ---- the command ---- */

static const cvy_kind kind = {"doctor", "whether the ranks are well placed, and how fast what joins them is",
                              table, sizeof(options)};

static cvy_err examine(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 0, 0, "no words"));
  cvy_diagnosis *d;
  CVY_TRY(cvy_diagnose(&d, comm, o->data[0] ? o->data : NULL));
  int64_t problems = d ? d->findings.count : 0;
  if (d && o->json)
    print_json(d, comm);
  else if (d)
    print_text(d, comm);
  cvy_diagnosis_destroy(d);
  cvy_comm_sum(comm, &problems, 1);
  return problems
             ? cvy_error(CVY_E_RUN, "%" PRId64 " problem%s, named above", problems, problems > 1 ? "s" : "")
             : CVY_OK;
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, examine(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_doctor = {
    .kind = &kind,
    .usage = "[options]",
    .description =
        "Run it as training will be: with the same mpirun options, on the same hosts. It tells of each rank\n"
        "the host, the cores that it may run on and those that the job has there, the threads that it would\n"
        "compute with, the node's free memory, the processor type that OpenBLAS sees and Convoy's kernels;\n"
        "between ranks (the nearest partners of the sum of gradients, and the farthest, all pairs at once)\n"
        "latency, bandwidth, one way and both ways, and how long the threads that compute are kept from it\n"
        "by a byte sent and one received (convoy plan's --wire-cost); how far the clocks of the nodes\n"
        "differ, and at most by how much that is wrong; with --data how fast every node reads, the first\n"
        "time (from the disk, where the system lets go of what it holds) and again.\n"
        "\n"
        "The last lines are 'ok', or problems with their names and an mpirun line without them; then the\n"
        "exit code is 1:\n"
        "\n"
        "  binding         ranks are held on fewer cores than they have threads, while the node has more\n"
        "  oversubscribed  a node's ranks have more threads than it has cores\n"
        "  idle            mpirun's binding leaves cores without work: its own choice is one core a rank "
        "for\n"
        "                  up to two ranks, whatever the number of threads\n"
        "  quota           a container's limit of processor time is below its threads\n"
        "  order           neighbouring ranks are on different nodes although nodes have several\n"
        "  uneven          nodes have different numbers of ranks\n"
        "  mixed           processor types or libraries differ\n"
        "  link            a pair exchanges less than half of what is usual among its like\n"
        "  connections     a pair exchanges slowly for want of TCP connections\n"
        "  clock           clocks differ by more than 0.1 s\n"
        "\n"
        "Training looks for the first seven at its start too, and warns.\n"
        "\n"
        "  mpirun -n 4 --map-by ppr:2:node:pe=8 --bind-to core convoy doctor --data data/photographs",
    .run = run};
