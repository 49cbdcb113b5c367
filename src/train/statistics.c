/* Runs the network over the training data as training does, and averages what batch normalisation finds. */
#include "train/statistics.h"

#include "base/count.h"
#include "data/loader.h"
#include "model/tally.h"
#include "train/recipe.h"
#include "train/stream.h"

#include <math.h>
#include <stdlib.h>

/* A sum of floats: digits of 2^0, 2^-40 and 2^-80. A float below 2^40 is taken as it is, down to 2^-80. Up to
 * 2^22 of them add up without a carry, so that the order makes no difference. */
enum { DIGITS = 3, DIGIT_BITS = 40, MOST_TERMS = 1 << 22 };
static const double digit = 0x1p40;

typedef struct exact_sum {
  int64_t digits[DIGITS];
} exact_sum;

typedef struct work {
  cvy_model *model;
  cvy_recipe *recipe;
  cvy_stream stream;
  cvy_net *net; /* for training, with the model's weights */
  cvy_loader *loader;
  int64_t microbatches, first, own;
  float *found;    /* statistics of one microbatch, laid out as the weights */
  exact_sum *sums; /* [count] */
  int64_t count;   /* running averages */
} work;

static void close_all(work *w) {
  cvy_loader_destroy(w->loader);
  cvy_net_destroy(w->net);
  cvy_stream_close(&w->stream);
  cvy_recipe_destroy(w->recipe);
  cvy_buffer_destroy(w->found);
  free(w->sums);
}

/* ---- opening ---- */

static cvy_err open_data(work *w, const char *data) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->model);
  CVY_TRY(cvy_stream_open(&w->stream, data, "train", &w->recipe->data.arrays, w->recipe->data.augment,
                          cvy_net_describe(cvy_model_net(w->model))));
  CVY_TRY(cvy_dataset_check_classes(data, cvy_dataset_describe(w->stream.data), spec->data,
                                    w->recipe->data.arrays.assume_classes ? CVY_ASSUMES : CVY_ASSUMES_NEVER));
  w->microbatches = cvy_dataset_describe(w->stream.data)->count / spec->microbatch;
  if (w->microbatches > 0 && w->microbatches <= MOST_TERMS) return CVY_OK;
  return cvy_error(
      CVY_E_INPUT,
      "%s: %" PRId64 " images make %" PRId64 " microbatches of %" PRId64 "; statistics need from 1 to %d",
      data, cvy_dataset_describe(w->stream.data)->count, w->microbatches, spec->microbatch, MOST_TERMS);
}

static cvy_err open_net(work *w) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->model);
  const cvy_net_wishes wishes = {
      .purpose = CVY_NET_TRAINING, .convolution = spec->convolution, .params_of = cvy_model_net(w->model)};
  void *memory;
  CVY_TRY_IN(cvy_net_create(&w->net, spec->network, spec->microbatch, &wishes), "%s", spec->path);
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)cvy_net_describe(w->net)->arena_count,
                            "statistics of a microbatch"));
  w->found = memory;
  w->sums = cvy_new(sizeof *w->sums * (size_t)w->count);
  return CVY_OK;
}

/* Images are normalised as the model does it, whatever the data's own mean is. */
static cvy_err start_loader(work *w, const cvy_comm *comm) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->model);
  const cvy_intake intake = cvy_intake_of(w->recipe);
  const int rank = cvy_comm_rank(comm), ranks = cvy_comm_size(comm);
  cvy_loader_config config = cvy_stream_for_training(&w->stream, &intake, spec->microbatch);
  for (int64_t c = 0; c < config.c; c++) {
    config.mean[c] = spec->data->mean[c];
    config.deviation[c] = spec->data->deviation[c];
  }
  w->first = w->microbatches * rank / ranks;
  w->own = w->microbatches * (rank + 1) / ranks - w->first;
  config.per_step = w->microbatches;
  config.first = w->first;
  config.own = w->own;
  config.end_step = 1;
  return w->own > 0 ? cvy_loader_create(&w->loader, &config) : CVY_OK;
}

static cvy_err open_all(work *w, const cvy_comm *comm, const char *data) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->model);
  if (!spec->recipe_text)
    return cvy_error(CVY_E_INPUT,
                     "%s: does not say how it was trained, so that no statistics can be found anew",
                     spec->path);
  CVY_TRY_IN(cvy_recipe_parse(&w->recipe, spec->recipe_text, "its recipe", NULL, 0), "%s", spec->path);
  CVY_TRY(open_data(w, data));
  CVY_TRY(open_net(w));
  return start_loader(w, comm);
}

/* ---- sums ---- */

static bool add(exact_sum *sum, float value) {
  double rest = (double)value;
  if (!(fabs(rest) < digit)) return false;
  for (int i = 0; i < DIGITS; i++) {
    const double whole = floor(rest);
    sum->digits[i] += (int64_t)whole;
    rest = (rest - whole) * digit;
  }
  return true;
}

static double mean_of(const exact_sum *sum, int64_t terms) {
  exact_sum s = *sum;
  for (int i = DIGITS - 1; i > 0; i--) {
    const int64_t carry = s.digits[i] >> DIGIT_BITS;
    s.digits[i - 1] += carry;
    s.digits[i] -= carry * ((int64_t)1 << DIGIT_BITS);
  }
  return ((double)s.digits[0] + ((double)s.digits[1] + (double)s.digits[2] / digit) / digit) / (double)terms;
}

/* Calls for the running averages, in order. */
static bool add_found(work *w) {
  const cvy_net_info *info = cvy_net_describe(w->net);
  exact_sum *sum = w->sums;
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    if (p->spec->averaging == 0) continue;
    for (int64_t k = 0; k < p->count; k++)
      if (!add(sum++, w->found[p->offset + k])) return false;
  }
  return true;
}

static void take_means(const work *w) {
  const cvy_net_info *info = cvy_net_describe(w->net);
  float *params = cvy_net_params(cvy_model_net(w->model));
  const exact_sum *sum = w->sums;
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    if (p->spec->averaging == 0) continue;
    for (int64_t k = 0; k < p->count; k++) params[p->offset + k] = (float)mean_of(sum++, w->microbatches);
  }
}

/* ---- the pass ---- */

static cvy_err see_own(work *w) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->model);
  for (int64_t i = 0; i < w->own; i++) {
    const cvy_pass pass = {.training = true,
                           .seed = (uint64_t)w->recipe->seed,
                           .params = cvy_params_of_pass(i, w->own),
                           .first_sample = (w->first + i) * spec->microbatch};
    cvy_microbatch m;
    CVY_TRY(cvy_loader_next(&m, w->loader));
    const cvy_targets targets = cvy_targets_of(&m);
    cvy_net_forward(w->net, m.images, &targets, &pass);
    cvy_net_statistics(w->net, w->found, m.images, &targets, &pass);
    cvy_loader_release(w->loader);
    if (!add_found(w))
      return cvy_error(CVY_E_RUN,
                       "microbatch %" PRId64
                       ": the statistics of a batch normalisation are not finite, or beyond "
                       "10^12; have the models diverged?",
                       w->first + i);
    cvy_progress("finding statistics: %" PRId64 " of %" PRId64 " microbatches", i + 1, w->own);
  }
  return CVY_OK;
}

static cvy_err renew(work *w, cvy_comm *comm, const char *data) {
  CVY_TRY(cvy_comm_agree(comm, open_all(w, comm, data)));
  CVY_TRY(cvy_comm_expect_same(comm, cvy_dataset_fingerprint(w->stream.data).hex, "other data"));
  cvy_doing("finding statistics");
  const cvy_err mine = see_own(w);
  CVY_TRY(cvy_comm_agree(comm, mine ? cvy_error(CVY_E_RUN, "%s", cvy_err_message()) : CVY_OK));
  cvy_comm_sum(comm, w->sums->digits, w->count * DIGITS);
  take_means(w);
  return CVY_OK;
}

cvy_err cvy_statistics_renew(int64_t *images, cvy_comm *comm, cvy_model *model, const char *data) {
  work w = {.model = model, .count = cvy_net_describe(cvy_model_net(model))->average_count};
  *images = 0;
  if (w.count == 0) return CVY_OK;
  const cvy_err err = renew(&w, comm, data);
  cvy_progress_drop();
  if (!err) *images = w.microbatches * cvy_model_spec_of(model)->microbatch;
  close_all(&w);
  return err;
}
