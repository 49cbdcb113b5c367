/* `convoy bench allreduce`: how fast vectors are summed over the ranks. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/bench.h"
#include "cmd/ranks.h"
#include "comm/measure.h"

#include <stdlib.h>
#include <string.h>

static const char *const usual_sizes[] = {"0.0625", "0.25", "1", "4", "16", "64"};

typedef struct allreduce {
  cvy_comm *comm;
  const cvy_bench_allreduce_options *options;
  cvy_json *json;    /* NULL: the results are for people */
  cvy_fitted *table; /* what people see */
} allreduce;

static bool speaks(const allreduce *a) {
  return cvy_comm_rank(a->comm) == 0;
}

/* ---- what came out ---- */

static double mib(int64_t count) {
  return (double)count * sizeof(float) / 0x1p20;
}

static double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

static void print_range(FILE *out, const char *name, cvy_spread s, double bound_s, double allreduce_s) {
  fprintf(out, "          %-14s %10.3f   %9.3f ... %9.3f %8.2f %10.2f\n", name, 1e3 * s.median,
          1e3 * s.lowest, 1e3 * s.highest, ratio(bound_s, s.median), ratio(allreduce_s, s.median));
}

static void print_times(FILE *out, int64_t count, const cvy_summing_times *t) {
  const double allreduce_s = t->of[CVY_SUM_ALLREDUCE].median;
  fprintf(out, "%9.4g %-14s %10.3f   %9.3f ... %9.3f %8s %10.2f   (%.0f MB/s both ways)\n", mib(count),
          "bound", 1e3 * t->bound_s.median, 1e3 * t->bound_s.lowest, 1e3 * t->bound_s.highest, "",
          ratio(allreduce_s, t->bound_s.median), 1e-6 * t->both_ways_bytes_s);
  for (int way = 0; way < CVY_SUMMINGS; way++)
    print_range(out, cvy_summing_words[way], t->of[way], t->bound_s.median, allreduce_s);
  fflush(out);
}

static void json_range(cvy_json *json, const char *key, cvy_spread s) {
  cvy_json_open(json, key, '{');
  cvy_json_number(json, "median", s.median, 6);
  cvy_json_number(json, "lowest", s.lowest, 6);
  cvy_json_number(json, "highest", s.highest, 6);
  cvy_json_close(json, '}');
}

static void json_times(cvy_json *json, int64_t count, const cvy_summing_times *t) {
  cvy_json_open(json, NULL, '{');
  cvy_json_int(json, "bytes", count * (int64_t)sizeof(float));
  cvy_json_number(json, "both_ways_bytes_s", t->both_ways_bytes_s, 6);
  json_range(json, "bound_s", t->bound_s);
  for (int way = 0; way < CVY_SUMMINGS; way++) {
    char key[32];
    snprintf(key, sizeof key, "%s_s", cvy_summing_words[way]);
    json_range(json, key, t->of[way]);
  }
  cvy_json_close(json, '}');
}

/* ---- the command ---- */

static cvy_err read_size(int64_t *count, const char *word) {
  char *end;
  const double size = strtod(word, &end);
  if (*word == '\0' || *end != '\0' || !(size >= 1e-4 && size <= 4096))
    return cvy_error(CVY_E_USAGE, "'%s' is no size: expected MiB, from 0.0001 to 4096", word);
  *count = (int64_t)(size * 0x1p20 / sizeof(float));
  return CVY_OK;
}

static cvy_err measure_sizes(const allreduce *a, const int64_t *counts, int64_t size_count) {
  for (int64_t i = 0; i < size_count; i++) {
    cvy_summing_times times;
    CVY_TRY(cvy_summing_measure(&times, a->comm, counts[i], a->options->repetitions));
    if (!speaks(a)) continue;
    if (a->json)
      json_times(a->json, counts[i], &times);
    else
      print_times(a->table->out, counts[i], &times);
  }
  return CVY_OK;
}

static void begin(const allreduce *a) {
  if (!speaks(a)) return;
  if (a->json) {
    cvy_json_open(a->json, NULL, '{');
    cvy_json_int(a->json, "ranks", cvy_comm_size(a->comm));
    cvy_json_int(a->json, "repetitions", a->options->repetitions);
    cvy_json_open(a->json, "sizes", '[');
  } else {
    fprintf(cvy_fit_begin(a->table, stdout),
            "sums over %d rank%s, ms, median of %" PRId64 ", each the slowest rank's\n",
            cvy_comm_size(a->comm), cvy_comm_size(a->comm) > 1 ? "s" : "", a->options->repetitions);
    cvy_fit_lines(a->table);
    fprintf(cvy_fit_begin(a->table, stdout), "%9s %-14s %10s   %9s ... %9s %8s %10s\n", "MiB", "", "median",
            "lowest", "highest", "of bound", "allreduce=1");
  }
}

static void end(const allreduce *a) {
  if (!speaks(a)) return;
  if (!a->json) {
    cvy_fit_table(a->table);
    return;
  }
  cvy_json_close(a->json, ']');
  cvy_json_close(a->json, '}');
  putchar('\n');
}

static cvy_err run(const allreduce *a, const cvy_arguments *arguments) {
  const bool chosen = arguments->count > 1;
  const char *const *words = chosen ? arguments->words + 1 : usual_sizes;
  const int64_t size_count = chosen ? arguments->count - 1 : CVY_COUNT(usual_sizes);
  int64_t *counts = cvy_pool_new(arguments->pool, sizeof *counts * (size_t)size_count);
  CVY_TRY(cvy_ranks_same(a->comm, arguments));
  for (int64_t i = 0; i < size_count; i++) CVY_TRY(read_size(&counts[i], words[i]));
  begin(a);
  CVY_TRY(measure_sizes(a, counts, size_count));
  end(a);
  return CVY_OK;
}

cvy_err cvy_run_bench_allreduce(const cvy_arguments *arguments, const cvy_bench_allreduce_options *options) {
  cvy_comm *comm = cvy_ranks_start(&(cvy_rank_options){1});
  cvy_json json = {.out = stdout};
  cvy_fitted table;
  const allreduce a = {comm, options, options->json ? &json : NULL, &table};
  return cvy_ranks_finish(comm, run(&a, arguments), "bench");
}
