/* `convoy bench input`: how fast the loader delivers. */
#include "augment/chain.h"
#include "base/json.h"
#include "cmd/bench.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "measure/bench.h"
#include "train/recipe.h"
#include "train/trainer.h"
#include <convoy/data.h>

#include <string.h>

/* What most people do with photographs, if no recipe says otherwise. */
static const char usual_chain[] = "[{random_resized_crop: {size: 224}}, mirror]";

typedef struct input {
  cvy_dataset *data;
  cvy_augment *augment;
  cvy_recipe *recipe;
  cvy_loader_config config;
} input;

static cvy_err read_chain(input *in, cvy_pool *pool, const cvy_bench_input_options *o) {
  const cvy_dataset_info *info = cvy_dataset_describe(in->data);
  const cvy_yaml *chain = NULL;
  cvy_yaml *usual;
  if (o->recipe[0]) {
    CVY_TRY(cvy_recipe_load(&in->recipe, o->recipe, NULL, 0));
    chain = in->recipe->data.augment;
  } else if (info->h == 0) {
    CVY_TRY(cvy_yaml_parse(&usual, pool, usual_chain, "the usual chain"));
    chain = usual;
  }
  return cvy_augment_create(&in->augment, chain, info->h, info->w, &in->config.h, &in->config.w);
}

/* What a recipe says of the way to the records. */
static cvy_err read_ways(input *in) {
  const cvy_recipe *r = in->recipe;
  if (!r) return CVY_OK;
  in->config.shuffle = (cvy_shuffle)r->data.shuffle;
  in->config.blocks = (cvy_blocks){r->data.block, r->data.window};
  return cvy_dataset_keep(in->data, (cvy_keep)r->data.cache.keep, (size_t)r->data.cache.memory_mib << 20);
}

static cvy_err open_input(input *in, cvy_pool *pool, const char *path, const cvy_bench_input_options *o) {
  CVY_TRY(cvy_dataset_open(&in->data, path, "train"));
  CVY_TRY(read_chain(in, pool, o));
  CVY_TRY(read_ways(in));
  const cvy_dataset_info *info = cvy_dataset_describe(in->data);
  cvy_loader_config *c = &in->config;
  if (c->h == 0)
    return cvy_error(CVY_E_INPUT,
                     "images of varying size leave the recipe's augmentations; a crop would end that");
  c->dataset = in->data;
  c->augment = in->augment;
  c->training = true;
  c->seed = in->recipe ? (uint64_t)in->recipe->seed : 1;
  c->skips_bad = in->recipe && in->recipe->data.on_bad_record == CVY_BAD_RECORD_SKIPPED;
  c->c = info->c;
  c->microbatch = o->batch;
  c->per_step = c->own = 1;
  c->depth = 4;
  c->threads = o->threads;
  memcpy(c->mean, info->mean, sizeof c->mean);
  memcpy(c->deviation, info->deviation, sizeof c->deviation);
  return CVY_OK;
}

static void close_input(input *in) {
  cvy_augment_destroy(in->augment);
  cvy_dataset_close(in->data);
  cvy_recipe_destroy(in->recipe);
}

static void print_part(const char *name, double seconds, double all) {
  printf("%-12s %10.2f %%\n", name, all > 0 ? 100 * seconds / all : 0);
}

static void print_result(const cvy_bench_input_result *r, const cvy_bench_input_options *o, const input *in) {
  const cvy_input_times *t = &r->times;
  const double all = t->read_s + t->decode_s + t->warp_s + t->colour_s + t->copy_s;
  printf("input: %lldx%lldx%lld from %lld images, microbatches of %lld on %lld thread%s\n",
         (long long)in->config.h, (long long)in->config.w, (long long)in->config.c,
         (long long)cvy_dataset_describe(in->data)->count, (long long)o->batch, (long long)o->threads,
         o->threads > 1 ? "s" : "");
  printf("%-12s %10.1f\n", "images/s", r->images_per_s);
  printf("%-12s %10.2f   %.2f ... %.2f\n", "microbatch_ms", 1e3 * r->microbatch_s.median,
         1e3 * r->microbatch_s.lowest, 1e3 * r->microbatch_s.highest);
  print_part("read", t->read_s, all);
  print_part("decode", t->decode_s, all);
  print_part("warp", t->warp_s, all);
  print_part("colour", t->colour_s, all);
  print_part("copy", t->copy_s, all);
  const cvy_kept kept = cvy_dataset_kept(in->data);
  if (kept.limit_bytes)
    printf("%-12s %10.1f   of %.1f MiB, %lld %s\n", "kept_MiB", (double)kept.bytes / 0x1p20,
           (double)kept.limit_bytes / 0x1p20, (long long)kept.entries,
           in->recipe->data.cache.keep == CVY_KEEP_RECORDS ? "records" : "pictures");
  printf("%-12s %10.1f\n", "peak_MB", 1e-6 * (double)r->peak_bytes);
}

static void print_json(const cvy_bench_input_result *r, const cvy_bench_input_options *o, const input *in) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "images", cvy_dataset_describe(in->data)->count);
  cvy_json_int(&json, "height", in->config.h);
  cvy_json_int(&json, "width", in->config.w);
  cvy_json_int(&json, "channels", in->config.c);
  cvy_json_int(&json, "batch", o->batch);
  cvy_json_int(&json, "threads", o->threads);
  cvy_json_number(&json, "img_s", r->images_per_s, 6);
  cvy_json_number(&json, "microbatch_s", r->microbatch_s.median, 6);
  cvy_json_number(&json, "read_s", r->times.read_s, 6);
  cvy_json_number(&json, "decode_s", r->times.decode_s, 6);
  cvy_json_number(&json, "warp_s", r->times.warp_s, 6);
  cvy_json_number(&json, "colour_s", r->times.colour_s, 6);
  cvy_json_number(&json, "copy_s", r->times.copy_s, 6);
  cvy_json_int(&json, "kept", cvy_dataset_kept(in->data).entries);
  cvy_json_int(&json, "kept_bytes", (int64_t)cvy_dataset_kept(in->data).bytes);
  cvy_json_int(&json, "peak_bytes", (int64_t)r->peak_bytes);
  cvy_json_close(&json, '}');
  putchar('\n');
}

cvy_err cvy_run_bench_input(const cvy_arguments *arguments, const cvy_bench_input_options *o) {
  CVY_TRY(cvy_expect_words(arguments, 2, 2, "'input' and the folder, prefix or file of a dataset"));
  input in = {0};
  cvy_bench_input_result result;
  cvy_err err = open_input(&in, arguments->pool, arguments->words[1], o);
  if (!err) err = cvy_bench_input(&result, arguments->pool, &in.config, o->microbatches);
  if (!err && o->json)
    print_json(&result, o, &in);
  else if (!err)
    print_result(&result, o, &in);
  close_input(&in);
  return err;
}
