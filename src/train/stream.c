/* Opens a split with its augmentations, and says what the loader needs. */
#include "train/stream.h"

#include "base/count.h"
#include "train/sizes.h"

/* ---- opening ---- */

static cvy_err check_network(const cvy_stream *s, const char *path, const cvy_net_info *net) {
  const cvy_dataset_info *info = cvy_dataset_describe(s->data);
  CVY_TRY(cvy_sizes_fit(s->h, s->w, info->c, path, net));
  CVY_TRY(cvy_augment_check_channels(s->augment, net->input.c));
  if (info->class_count > net->class_count)
    return cvy_error(CVY_E_INPUT, "%s: has %" PRId64 " classes; network '%s' tells apart %" PRId64, path,
                     info->class_count, net->name, net->class_count);
  return CVY_OK;
}

static cvy_err augment(cvy_stream *s, const cvy_yaml *chain) {
  int64_t h, w;
  cvy_dataset_common_size(&h, &w, s->data);
  return cvy_augment_create(&s->augment, chain, h, w, &s->h, &s->w);
}

static cvy_err open_for(cvy_stream *s, const char *path, const char *split, const cvy_arrays_said *said,
                        const cvy_yaml *chain, const cvy_net_info *net) {
  CVY_TRY(cvy_dataset_open_said(&s->data, path, split, said));
  CVY_TRY(augment(s, chain));
  return check_network(s, path, net);
}

static cvy_err open_any(cvy_stream *s, const char *path, const char *split, const cvy_arrays_said *said,
                        const cvy_yaml *chain, const cvy_yaml *chain_of_varying) {
  CVY_TRY(cvy_dataset_open_said(&s->data, path, split, said));
  int64_t h, w;
  cvy_dataset_common_size(&h, &w, s->data);
  CVY_TRY(augment(s, !chain && h == 0 ? chain_of_varying : chain));
  if (s->h == 0) {
    char advice[400];
    cvy_text text = cvy_text_in(advice, sizeof advice);
    cvy_sizes_advise_crop(&text, 224, 224);
    return cvy_error(CVY_E_INPUT, "images of varying size leave the recipe's augmentations; %s", advice);
  }
  return cvy_augment_check_channels(s->augment, cvy_dataset_describe(s->data)->c);
}

cvy_err cvy_stream_open(cvy_stream *out, const char *path, const char *split, const cvy_arrays_said *said,
                        const cvy_yaml *chain, const cvy_net_info *net) {
  *out = (cvy_stream){0};
  const cvy_err err = open_for(out, path, split, said, chain, net);
  if (err) cvy_stream_close(out);
  return err;
}

cvy_err cvy_stream_open_any(cvy_stream *out, const char *path, const char *split, const cvy_arrays_said *said,
                            const cvy_yaml *chain, const cvy_yaml *chain_of_varying) {
  *out = (cvy_stream){0};
  const cvy_err err = open_any(out, path, split, said, chain, chain_of_varying);
  if (err) cvy_stream_close(out);
  return err;
}

cvy_err cvy_stream_check_sizes(const cvy_stream *s, const cvy_intake *intake, bool training) {
  return cvy_sizes_check(s->data, s->augment, training, intake->skips_bad);
}

void cvy_stream_close(cvy_stream *s) {
  cvy_augment_destroy(s->augment);
  cvy_dataset_close(s->data);
  *s = (cvy_stream){0};
}

/* ---- reading ---- */

cvy_intake cvy_intake_of(const cvy_recipe *recipe) {
  return (cvy_intake){.shuffle = (cvy_shuffle)recipe->data.shuffle,
                      .blocks = {recipe->data.block, recipe->data.window},
                      .seed = (uint64_t)recipe->seed,
                      .depth = recipe->data.prefetch,
                      .threads = recipe->data.threads,
                      .skips_bad = recipe->data.on_bad_record == CVY_BAD_RECORD_SKIPPED};
}

static cvy_loader_config loader_of(const cvy_stream *s, const cvy_intake *intake, int64_t microbatch,
                                   const cvy_dataset_info *normalisation) {
  cvy_loader_config config = {.dataset = s->data,
                              .augment = s->augment,
                              .h = s->h,
                              .w = s->w,
                              .c = cvy_dataset_describe(s->data)->c,
                              .microbatch = microbatch,
                              .depth = intake->depth,
                              .threads = intake->threads,
                              .skips_bad = intake->skips_bad};
  for (int64_t c = 0; c < config.c; c++) {
    config.mean[c] = normalisation->mean[c];
    config.deviation[c] = normalisation->deviation[c];
  }
  return config;
}

cvy_loader_config cvy_stream_for_training(const cvy_stream *s, const cvy_intake *intake, int64_t microbatch) {
  cvy_loader_config config = loader_of(s, intake, microbatch, cvy_dataset_describe(s->data));
  config.training = true;
  config.shuffle = intake->shuffle;
  config.blocks = intake->blocks;
  config.seed = intake->seed;
  return config;
}

cvy_loader_config cvy_stream_for_evaluation(const cvy_stream *s, const cvy_intake *intake, int64_t microbatch,
                                            const cvy_dataset_info *trained_on, int rank, int ranks) {
  cvy_loader_config config = loader_of(s, intake, microbatch, trained_on);
  const int64_t count = cvy_pieces(cvy_dataset_describe(s->data)->count, microbatch);
  config.per_step = count;
  config.first = count * rank / ranks;
  config.own = count * (rank + 1) / ranks - config.first;
  config.end_step = 1;
  return config;
}
