/* The clock on the loader. */
#include "measure/bench.h"
#include "train/stream.h"

/* What most people do with photographs, if no recipe says otherwise. */
static const char usual_chain[] = "[{random_resized_crop: {size: 224}}, mirror]";

enum { DEPTH = 4 };

typedef struct input {
  cvy_stream stream;
  cvy_recipe *recipe; /* NULL: none */
  cvy_intake intake;
} input;

/* ---- microbatches ---- */

static cvy_err take(cvy_loader *loader) {
  cvy_microbatch m;
  CVY_TRY(cvy_loader_next(&m, loader));
  cvy_loader_release(loader);
  return CVY_OK;
}

/* Measures after a first round through the loader's memory, which also pays for its pages. */
static cvy_err measure(cvy_bench_input_result *out, cvy_loader *loader, double *seconds, int64_t count) {
  for (int64_t i = 0; i < DEPTH; i++) CVY_TRY(take(loader));
  const cvy_input_times before = cvy_loader_times(loader);
  const double start_s = cvy_now_s(), waited_s = cvy_loader_waited_s(loader);
  double mark_s = start_s;
  for (int64_t i = 0; i < count; i++) {
    CVY_TRY(take(loader));
    const double now_s = cvy_now_s();
    seconds[i] = now_s - mark_s;
    mark_s = now_s;
  }
  const cvy_input_times after = cvy_loader_times(loader);
  out->images_per_s = (double)count / (mark_s - start_s); /* microbatches so far */
  out->waited_s = cvy_loader_waited_s(loader) - waited_s;
  out->times = (cvy_input_times){after.read_s - before.read_s, after.decode_s - before.decode_s,
                                 after.warp_s - before.warp_s, after.colour_s - before.colour_s,
                                 after.copy_s - before.copy_s};
  return CVY_OK;
}

static cvy_err run_loader(cvy_bench_input_result *out, cvy_pool *pool, const input *in,
                          const cvy_bench_input_options *options) {
  const int64_t count = options->microbatches;
  double *seconds = cvy_pool_new(pool, sizeof *seconds * (size_t)count);
  cvy_loader_config config = cvy_stream_for_training(&in->stream, &in->intake, options->batch);
  cvy_loader *loader;
  config.per_step = config.own = 1;
  config.end_step = count + 2 * DEPTH;
  CVY_TRY(cvy_loader_create(&loader, &config));
  const cvy_err err = measure(out, loader, seconds, count);
  cvy_loader_destroy(loader);
  if (err) return err;
  out->microbatch_s = cvy_spread_of(seconds, count);
  out->images_per_s *= (double)options->batch;
  return CVY_OK;
}

/* ---- before and after ---- */

static cvy_err read_recipe(input *in, cvy_bench_input_result *out, const cvy_bench_input_options *options) {
  in->intake = (cvy_intake){.seed = 1};
  if (options->recipe[0]) {
    CVY_TRY(cvy_recipe_load(&in->recipe, options->recipe, NULL, 0));
    in->intake = cvy_intake_of(in->recipe);
    out->keep = (cvy_keep)in->recipe->data.cache.keep;
  }
  in->intake.depth = DEPTH;
  in->intake.threads = options->threads;
  return CVY_OK;
}

static cvy_err open_input(input *in, cvy_bench_input_result *out, cvy_pool *pool,
                          const cvy_bench_input_options *options) {
  cvy_yaml *usual;
  CVY_TRY(read_recipe(in, out, options));
  CVY_TRY(cvy_yaml_parse(&usual, pool, usual_chain, "the usual chain"));
  const cvy_recipe *r = in->recipe;
  CVY_TRY(cvy_stream_open_any(&in->stream, options->data, "train", r ? &r->data.arrays : NULL,
                              r ? r->data.augment : NULL, r ? NULL : usual));
  CVY_TRY(cvy_stream_check_sizes(&in->stream, &in->intake, true));
  if (r) CVY_TRY(cvy_dataset_keep(in->stream.data, out->keep, (size_t)r->data.cache.memory_mib << 20));
  const cvy_dataset_info *info = cvy_dataset_describe(in->stream.data);
  out->images = info->count;
  out->h = in->stream.h;
  out->w = in->stream.w;
  out->c = info->c;
  return CVY_OK;
}

cvy_err cvy_bench_input(cvy_bench_input_result *out, cvy_pool *pool, const cvy_bench_input_options *options) {
  input in = {0};
  *out = (cvy_bench_input_result){0};
  cvy_err err = open_input(&in, out, pool, options);
  if (!err) err = run_loader(out, pool, &in, options);
  if (!err) {
    out->kept = cvy_dataset_kept(in.stream.data);
    out->peak_bytes = cvy_peak_bytes();
  }
  cvy_stream_close(&in.stream);
  cvy_recipe_destroy(in.recipe);
  return err;
}
