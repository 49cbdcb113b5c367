#include "measure/bench.h"

static cvy_err take(cvy_loader *loader) {
  cvy_microbatch m;
  CVY_TRY(cvy_loader_next(&m, loader));
  cvy_loader_release(loader);
  return CVY_OK;
}

/* The first round through the loader's memory also pays for its pages. */
static cvy_err measure(cvy_bench_input_result *out, cvy_loader *loader, double *seconds, int64_t depth,
                       int64_t count) {
  for (int64_t i = 0; i < depth; i++) CVY_TRY(take(loader));
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

cvy_err cvy_bench_input(cvy_bench_input_result *out, cvy_pool *pool, const cvy_loader_config *config,
                        int64_t microbatches) {
  double *seconds = cvy_pool_new(pool, sizeof *seconds * (size_t)microbatches);
  cvy_loader_config endless = *config;
  cvy_loader *loader;
  *out = (cvy_bench_input_result){0};
  endless.end_step = endless.first_step + microbatches + 2 * config->depth;
  CVY_TRY(cvy_loader_create(&loader, &endless));
  const cvy_err err = measure(out, loader, seconds, config->depth, microbatches);
  cvy_loader_destroy(loader);
  if (err) return err;
  out->microbatch_s = cvy_spread_of(seconds, microbatches);
  out->images_per_s *= (double)config->microbatch;
  out->peak_bytes = cvy_peak_bytes();
  return CVY_OK;
}
