/* `convoy bench input`: how fast the loader delivers. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/bench.h"

static void print_part(FILE *out, const char *name, double seconds, double all) {
  fprintf(out, "%-12s %10.2f %%\n", name, all > 0 ? 100 * seconds / all : 0);
}

static void print_result(const cvy_bench_input_result *r, const cvy_bench_input_options *o) {
  const cvy_input_times *t = &r->times;
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  const double all = t->read_s + t->decode_s + t->warp_s + t->colour_s + t->copy_s;
  fprintf(out,
          "input: %" PRId64 "x%" PRId64 "x%" PRId64 " from %" PRId64 " images, microbatches of %" PRId64
          " on %" PRId64 " thread%s\n",
          r->h, r->w, r->c, r->images, o->batch, o->threads, o->threads > 1 ? "s" : "");
  cvy_fit_lines(&fitted);
  out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%-12s %10.1f\n", "images/s", r->images_per_s);
  fprintf(out, "%-12s %10.2f   %.2f ... %.2f\n", "microbatch_ms", 1e3 * r->microbatch_s.median,
          1e3 * r->microbatch_s.lowest, 1e3 * r->microbatch_s.highest);
  print_part(out, "read", t->read_s, all);
  print_part(out, "decode", t->decode_s, all);
  print_part(out, "warp", t->warp_s, all);
  print_part(out, "colour", t->colour_s, all);
  print_part(out, "copy", t->copy_s, all);
  if (r->kept.limit_bytes)
    fprintf(out, "%-12s %10.1f   of %.1f MiB, %" PRId64 " %s\n", "kept_MiB", (double)r->kept.bytes / 0x1p20,
            (double)r->kept.limit_bytes / 0x1p20, r->kept.entries,
            r->keep == CVY_KEEP_RECORDS ? "records" : "pictures");
  fprintf(out, "%-12s %10.1f\n", "peak_MB", 1e-6 * (double)r->peak_bytes);
  cvy_fit_table(&fitted);
}

static void print_json(const cvy_bench_input_result *r, const cvy_bench_input_options *o) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "images", r->images);
  cvy_json_int(&json, "height", r->h);
  cvy_json_int(&json, "width", r->w);
  cvy_json_int(&json, "channels", r->c);
  cvy_json_int(&json, "batch", o->batch);
  cvy_json_int(&json, "threads", o->threads);
  cvy_json_number(&json, "img_s", r->images_per_s, 6);
  cvy_json_number(&json, "microbatch_s", r->microbatch_s.median, 6);
  cvy_json_number(&json, "read_s", r->times.read_s, 6);
  cvy_json_number(&json, "decode_s", r->times.decode_s, 6);
  cvy_json_number(&json, "warp_s", r->times.warp_s, 6);
  cvy_json_number(&json, "colour_s", r->times.colour_s, 6);
  cvy_json_number(&json, "copy_s", r->times.copy_s, 6);
  cvy_json_int(&json, "kept", r->kept.entries);
  cvy_json_int(&json, "kept_bytes", (int64_t)r->kept.bytes);
  cvy_json_int(&json, "peak_bytes", (int64_t)r->peak_bytes);
  cvy_json_close(&json, '}');
  putchar('\n');
}

cvy_err cvy_run_bench_input(const cvy_arguments *arguments, const cvy_bench_input_options *options,
                            bool json) {
  CVY_TRY(cvy_expect_words(arguments, 2, 2, "'input' and the folder, prefix or file of a dataset"));
  cvy_bench_input_options o = *options;
  cvy_bench_input_result result;
  o.data = arguments->words[1];
  CVY_TRY(cvy_bench_input(&result, arguments->pool, &o));
  (json ? print_json : print_result)(&result, &o);
  return CVY_OK;
}
