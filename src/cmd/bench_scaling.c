/* `convoy bench scaling`: how much more several ranks do than one. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/bench.h"
#include "cmd/network.h"
#include "cmd/ranks.h"
#include "measure/bench.h"

#include <stdlib.h>

typedef struct row {
  int ranks;
  cvy_bench_ranks_result result;
} row;

/* One way of scaling, from one rank on. */
typedef struct table {
  const char *name, *says;
  int64_t count;
  row *rows; /* one for each number of ranks that is measured */
} table;

typedef struct scaling {
  cvy_comm *comm;
  cvy_yaml *network;
  cvy_net *net; /* described, not trained */
  cvy_pool *pool;
  const cvy_bench_scaling_options *options;
  table weak, strong;
} scaling;

/* ---- measuring ---- */

static cvy_bench_ranks_options options_of(const scaling *s, int ranks, const cvy_tree *tree) {
  return (cvy_bench_ranks_options){.network = s->network,
                                   .microbatch = s->options->batch,
                                   .ranks = ranks,
                                   .tree = tree,
                                   .steps = s->options->steps,
                                   .way = s->options->way,
                                   .convolution = s->options->convolution,
                                   .bucket_mib = s->options->bucket_mib};
}

static cvy_err measure(scaling *s, table *t, int ranks, const cvy_tree *tree) {
  const cvy_bench_ranks_options options = options_of(s, ranks, tree);
  row *r = &t->rows[t->count++];
  r->ranks = ranks;
  CVY_TRY(cvy_bench_ranks(&r->result, s->pool, s->comm, &options));
  cvy_progress("%s scaling: %d rank%s, %.1f images/s", t->name, ranks, ranks > 1 ? "s" : "",
               (double)r->result.images / r->result.step_s.median);
  return CVY_OK;
}

/* Returns the number of ranks after this one in 1, 2, 4, ..., all. */
static int next_count(int ranks, int all) {
  return ranks == all ? all + 1 : 2 * ranks < all ? 2 * ranks : all;
}

static cvy_err measure_all(scaling *s) {
  const int all = cvy_comm_size(s->comm);
  const int64_t own = s->options->microbatches;
  cvy_tree tree;
  for (int ranks = 1; ranks <= all; ranks = next_count(ranks, all)) {
    CVY_TRY(cvy_bench_tree(&tree, ranks, own));
    CVY_TRY(measure(s, &s->weak, ranks, &tree));
  }
  CVY_TRY(cvy_bench_tree(&tree, all, own));
  for (int ranks = 1; ranks <= all; ranks++)
    if (cvy_tree_allows(&tree, ranks)) CVY_TRY(measure(s, &s->strong, ranks, &tree));
  cvy_progress_end();
  return CVY_OK;
}

/* ---- telling ---- */

static double speed(const row *r) {
  return (double)r->result.images / r->result.step_s.median;
}

static double efficiency(const table *t, const row *r) {
  return speed(r) / (r->ranks * speed(&t->rows[0]));
}

static void print_table(const table *t) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "\n%s scaling: %s\n", t->name, t->says);
  cvy_fit_lines(&fitted);
  out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%6s %8s %10s %12s %11s %10s %12s\n", "ranks", "images", "step_ms", "images/s", "efficiency",
          "exposed", "exchange_cpu");
  for (int64_t i = 0; i < t->count; i++) {
    const row *r = &t->rows[i];
    const double step_s = r->result.step_s.median;
    fprintf(out, "%6d %8" PRId64 " %10.2f %12.1f %10.1f%% %9.1f%% %11.1f%%\n", r->ranks, r->result.images,
            1e3 * step_s, speed(r), 100 * efficiency(t, r), 100 * r->result.exposed_s / step_s,
            100 * r->result.exchange_cpu_s / step_s);
  }
  cvy_fit_table(&fitted);
}

static void print_tables(const scaling *s) {
  cvy_fitted fitted;
  fprintf(cvy_fit_begin(&fitted, stdout),
          "%s: training steps, %" PRId64 " images a microbatch, %d thread%s a rank, median of %" PRId64 "\n",
          cvy_net_describe(s->net)->name, cvy_net_describe(s->net)->input.n, cvy_threads(),
          cvy_threads() > 1 ? "s" : "", s->options->steps);
  cvy_fit_lines(&fitted);
  print_table(&s->weak);
  print_table(&s->strong);
}

static void json_table(cvy_json *json, const table *t) {
  cvy_json_open(json, t->name, '[');
  for (int64_t i = 0; i < t->count; i++) {
    const row *r = &t->rows[i];
    cvy_json_open(json, NULL, '{');
    cvy_json_int(json, "ranks", r->ranks);
    cvy_json_int(json, "images", r->result.images);
    cvy_json_int(json, "bucket_mib", r->result.bucket_mib);
    cvy_json_number(json, "img_s", speed(r), 6);
    cvy_json_number(json, "efficiency", efficiency(t, r), 6);
    cvy_json_open(json, "step_s", '{');
    cvy_json_number(json, "median", r->result.step_s.median, 6);
    cvy_json_number(json, "lowest", r->result.step_s.lowest, 6);
    cvy_json_number(json, "highest", r->result.step_s.highest, 6);
    cvy_json_close(json, '}');
    cvy_json_number(json, "exposed_s", r->result.exposed_s, 6);
    cvy_json_number(json, "exchange_cpu_s", r->result.exchange_cpu_s, 6);
    cvy_json_text(json, "weights", r->result.weights.hex);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
}

static void print_json(const scaling *s) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "network", cvy_net_describe(s->net)->name);
  cvy_json_int(&json, "microbatch", cvy_net_describe(s->net)->input.n);
  cvy_json_int(&json, "microbatches", s->options->microbatches);
  cvy_json_int(&json, "threads", cvy_threads());
  cvy_json_int(&json, "steps", s->options->steps);
  json_table(&json, &s->weak);
  json_table(&json, &s->strong);
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* ---- the command ---- */

static cvy_err create_net(scaling *s, const cvy_arguments *arguments) {
  cvy_tree tree;
  CVY_TRY(cvy_network_from_words(&s->network, arguments, 1));
  CVY_TRY(cvy_bench_tree(&tree, cvy_comm_size(s->comm), s->options->microbatches));
  const cvy_bench_ranks_options options = options_of(s, cvy_comm_size(s->comm), &tree);
  CVY_TRY(cvy_bench_ranks_net(&s->net, s->comm, &options));
  cvy_net_warn(s->net);
  return CVY_OK;
}

static cvy_err compare_networks(scaling *s) {
  char *text = cvy_yaml_text(s->network);
  const cvy_hash hash = cvy_hash_of_text(text);
  free(text);
  return cvy_comm_expect_same(s->comm, hash.hex, "another network");
}

static cvy_err scale(cvy_comm *comm, const cvy_arguments *arguments, const cvy_bench_scaling_options *o) {
  scaling s = {.comm = comm,
               .pool = arguments->pool,
               .options = o,
               .weak = {.name = "weak", .says = "each rank has as many images as one alone"},
               .strong = {.name = "strong", .says = "all ranks share the same images"}};
  const size_t rows_bytes = sizeof(row) * (size_t)cvy_comm_size(comm);
  s.weak.rows = cvy_pool_new(arguments->pool, rows_bytes);
  s.strong.rows = cvy_pool_new(arguments->pool, rows_bytes);
  cvy_err err = cvy_ranks_same(comm, arguments);
  if (!err) err = cvy_comm_agree(comm, create_net(&s, arguments));
  if (!err) err = compare_networks(&s);
  if (!err) err = measure_all(&s);
  if (!err && cvy_comm_rank(comm) == 0) (o->json ? print_json : print_tables)(&s);
  cvy_net_destroy(s.net);
  return err;
}

cvy_err cvy_run_bench_scaling(const cvy_arguments *arguments, const cvy_bench_scaling_options *o) {
  cvy_comm *comm = cvy_ranks_start(&(cvy_rank_options){o->threads});
  return cvy_ranks_finish(comm, scale(comm, arguments, o), "bench");
}
