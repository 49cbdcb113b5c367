/* Opens a split with its augmentations, and says what the loader needs. */
#include "train/stream.h"

#include "base/count.h"
#include "train/sizes.h"

#include <string.h>

/* ---- opening ---- */

/* Files of other makers name no classes; theirs are numbers. */
static bool has_names(const cvy_dataset_info *data) {
  for (int64_t k = 0; k < data->class_count; k++) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, k);
    if (strcmp(data->class_names[k], number) != 0) return true;
  }
  return false;
}

static cvy_err check_classes(const char *path, const cvy_dataset_info *data, const cvy_dataset_info *known) {
  if (!known || !has_names(data) || !has_names(known)) return CVY_OK;
  for (int64_t k = 0; k < data->class_count; k++) {
    const char *expected = k < known->class_count ? known->class_names[k] : "no class";
    if (strcmp(data->class_names[k], expected) != 0)
      return cvy_error(CVY_E_INPUT,
                       "%s: class %" PRId64
                       " is '%s'; where the network learns it is '%s' (prepare both together)",
                       path, k, data->class_names[k], expected);
  }
  return CVY_OK;
}

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
  const cvy_dataset_info *info = cvy_dataset_describe(s->data);
  return cvy_augment_create(&s->augment, chain, info->h, info->w, &s->h, &s->w);
}

static cvy_err open_for(cvy_stream *s, const char *path, const char *split, const cvy_yaml *chain,
                        const cvy_net_info *net, const cvy_dataset_info *known) {
  CVY_TRY(cvy_dataset_open(&s->data, path, split));
  CVY_TRY(augment(s, chain));
  CVY_TRY(check_network(s, path, net));
  return check_classes(path, cvy_dataset_describe(s->data), known);
}

static cvy_err open_any(cvy_stream *s, const char *path, const char *split, const cvy_yaml *chain,
                        const cvy_yaml *chain_of_varying) {
  CVY_TRY(cvy_dataset_open(&s->data, path, split));
  const bool varies = cvy_dataset_describe(s->data)->h == 0;
  CVY_TRY(augment(s, !chain && varies ? chain_of_varying : chain));
  if (s->h == 0) {
    char advice[400];
    cvy_text text = cvy_text_in(advice, sizeof advice);
    cvy_sizes_advise_crop(&text, 224, 224);
    return cvy_error(CVY_E_INPUT, "images of varying size leave the recipe's augmentations; %s", advice);
  }
  return cvy_augment_check_channels(s->augment, cvy_dataset_describe(s->data)->c);
}

cvy_err cvy_stream_open(cvy_stream *out, const char *path, const char *split, const cvy_yaml *chain,
                        const cvy_net_info *net, const cvy_dataset_info *known) {
  *out = (cvy_stream){0};
  const cvy_err err = open_for(out, path, split, chain, net, known);
  if (err) cvy_stream_close(out);
  return err;
}

cvy_err cvy_stream_open_any(cvy_stream *out, const char *path, const char *split, const cvy_yaml *chain,
                            const cvy_yaml *chain_of_varying) {
  *out = (cvy_stream){0};
  const cvy_err err = open_any(out, path, split, chain, chain_of_varying);
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
