/* Runs the dense form of a network over whole pictures, one at a time, for each may have its own size. */
#include "train/dense.h"

#include "augment/augmentation.h"
#include "augment/chain.h"
#include "data/dataset.h"
#include "train/score.h"
#include "train/sizes.h"

#include <stdlib.h>
#include <string.h>

/* What pictures go through at one scale, and the net that the last one was for. */
typedef struct scale {
  int64_t shorter;
  cvy_augment *augment;
  cvy_pool *pool; /* holds the net's description */
  cvy_net *net;
  int64_t passes; /* of this net so far */
} scale;

struct cvy_dense {
  cvy_pool *pool;
  cvy_model *model;
  cvy_dataset *data;
  cvy_yaml *description;
  scale *scales;
  int64_t scale_count;
  bool mirrors;
  cvy_normaliser normaliser;
  cvy_read_buffer buffer;
  cvy_canvas canvas;
  float *image; /* the normalised picture */
  size_t image_bytes;
  cvy_view_sums views; /* of one picture */
};

/* ---- nets ---- */

static void drop_net(scale *s) {
  cvy_net_destroy(s->net);
  cvy_pool_destroy(s->pool);
  s->net = NULL;
  s->pool = NULL;
}

/* Plans the net for pictures of h x w, unless it is that already. */
static cvy_err take_net(scale *s, const cvy_dense *d, int64_t h, int64_t w) {
  if (s->net && cvy_net_describe(s->net)->input.h == h && cvy_net_describe(s->net)->input.w == w)
    return CVY_OK;
  drop_net(s);
  s->pool = cvy_pool_create();
  s->passes = 0;
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION,
                                 .convolution = cvy_model_spec_of(d->model)->convolution,
                                 .params_of = cvy_model_net(d->model)};
  CVY_TRY_IN(cvy_net_create(&s->net, cvy_net_resized(s->pool, d->description, h, w), 1, &wishes),
             "the network cannot see pictures of %" PRId64 "x%" PRId64, h, w);
  return CVY_OK;
}

/* ---- making one ready ---- */

/* The smallest picture of a scale is a square. If that can be planned, larger ones can. */
static cvy_err open_scale(scale *s, const cvy_dense *d, const cvy_yaml *chain) {
  cvy_yaml *list;
  int64_t h, w, out_h, out_w;
  cvy_dataset_common_size(&h, &w, d->data);
  CVY_TRY(cvy_augment_uncropped(&list, d->pool, chain, s->shorter));
  CVY_TRY(cvy_augment_create(&s->augment, list, h, w, &out_h, &out_w));
  CVY_TRY(cvy_augment_check_channels(s->augment, cvy_net_describe(cvy_model_net(d->model))->input.c));
  if (out_h == 0) CVY_TRY(cvy_augment_least(&out_h, &out_w, s->augment, s->shorter, s->shorter, false));
  CVY_TRY_IN(take_net(s, d, out_h, out_w), "scale %" PRId64, s->shorter);
  return CVY_OK;
}

static cvy_err open_all(cvy_dense *d, const char *path, const cvy_yaml *chain) {
  const cvy_model_spec *spec = cvy_model_spec_of(d->model);
  const cvy_net_info *net = cvy_net_describe(cvy_model_net(d->model));
  CVY_TRY(cvy_sizes_fit(net->input.h, net->input.w, cvy_dataset_describe(d->data)->c, path, net));
  CVY_TRY_IN(cvy_net_make_dense(&d->description, d->pool, spec->network, cvy_model_net(d->model)),
             "a dense evaluation");
  for (int64_t i = 0; i < d->scale_count; i++) CVY_TRY(open_scale(&d->scales[i], d, chain));
  return cvy_read_buffer_create(&d->buffer, d->data);
}

cvy_err cvy_dense_create(cvy_dense **out, cvy_model *model, cvy_dataset *data, const char *path,
                         const cvy_yaml *chain, const cvy_evaluate_options *asked) {
  const cvy_model_spec *spec = cvy_model_spec_of(model);
  cvy_dense *d = cvy_new(sizeof *d);
  *out = NULL;
  *d = (cvy_dense){.pool = cvy_pool_create(),
                   .model = model,
                   .data = data,
                   .scale_count = asked->scale_count,
                   .mirrors = !asked->no_mirror};
  d->scales = cvy_pool_new(d->pool, sizeof *d->scales * (size_t)d->scale_count);
  for (int64_t i = 0; i < d->scale_count; i++) d->scales[i].shorter = asked->scales[i];
  d->views.sums = cvy_pool_new(d->pool, sizeof *d->views.sums *
                                            (size_t)cvy_net_describe(cvy_model_net(model))->score_count);
  cvy_normaliser_set(&d->normaliser, spec->data->mean, spec->data->deviation, spec->data->c);
  const cvy_err err = open_all(d, path, chain);
  if (err)
    cvy_dense_destroy(d);
  else
    *out = d;
  return err;
}

void cvy_dense_destroy(cvy_dense *d) {
  if (!d) return;
  for (int64_t i = 0; i < d->scale_count; i++) {
    cvy_augment_destroy(d->scales[i].augment);
    drop_net(&d->scales[i]);
  }
  cvy_read_buffer_free(&d->buffer);
  cvy_canvas_free(&d->canvas);
  cvy_buffer_destroy(d->image);
  cvy_pool_destroy(d->pool);
  free(d);
}

int64_t cvy_dense_views(const cvy_dense *dense) {
  return dense->mirrors ? 2 * dense->scale_count : dense->scale_count;
}

/* ---- one picture ---- */

static cvy_err make_room(cvy_dense *d, const cvy_picture *p) {
  const size_t bytes = sizeof *d->image * (size_t)(p->h * p->w * p->c);
  void *image;
  if (bytes <= d->image_bytes) return CVY_OK;
  cvy_buffer_destroy(d->image);
  d->image = NULL;
  d->image_bytes = 0;
  CVY_TRY(cvy_buffer_create(&image, bytes, "a picture"));
  d->image = image;
  d->image_bytes = bytes;
  return CVY_OK;
}

static void mirror(float *image, int64_t h, int64_t w, int64_t c) {
  for (int64_t y = 0; y < h; y++)
    for (int64_t left = 0, right = w - 1; left < right; left++, right--)
      for (int64_t k = 0; k < c; k++) {
        float *a = image + (y * w + left) * c + k, *b = image + (y * w + right) * c + k, kept = *a;
        *a = *b;
        *b = kept;
      }
}

static void look(cvy_dense *d, scale *s, const int32_t *label) {
  const cvy_targets targets = {.labels = label};
  const cvy_pass pass = {.training = false, .params = s->passes++ == 0 ? CVY_PARAMS_KEEP : CVY_PARAMS_KEPT};
  cvy_net_forward(s->net, d->image, &targets, &pass);
  cvy_view_sums_add(&d->views, s->net);
}

static cvy_err see_at(cvy_dense *d, scale *s, int32_t *label, int64_t record) {
  const int64_t c = cvy_net_describe(cvy_model_net(d->model))->input.c;
  cvy_picture picture;
  cvy_augment_call call = {.random = {.sample = (uint32_t)record},
                           .mean = d->normaliser.mean,
                           .source = cvy_dataset_source(d->data),
                           .canvas = &d->canvas};
  CVY_TRY(cvy_dataset_read(&picture, label, d->data, &d->buffer, record, c)); /* its errors name the record */
  cvy_err err = cvy_augment_apply(&picture, s->augment, &call);
  if (!err) err = make_room(d, &picture);
  if (!err) err = take_net(s, d, picture.h, picture.w);
  if (!err) err = cvy_picture_normalise(d->image, &picture, &d->canvas, &d->normaliser);
  if (err) return cvy_dataset_error_in(err, d->data, record);
  look(d, s, label);
  if (!d->mirrors) return CVY_OK;
  mirror(d->image, picture.h, picture.w, picture.c);
  look(d, s, label);
  return CVY_OK;
}

/* Sums the views of a record; on an error none is left. */
static cvy_err see(cvy_dense *d, int32_t *label, int64_t record) {
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < d->scale_count && !err; i++) err = see_at(d, &d->scales[i], label, record);
  if (!err) return CVY_OK;
  memset(d->views.sums, 0,
         sizeof *d->views.sums * (size_t)cvy_net_describe(cvy_model_net(d->model))->score_count);
  d->views.views = 0;
  return err;
}

/* ---- all of a rank's pictures ---- */

/* Where a bad record may be replaced, the next one that is good takes its place, as in the loader. */
static cvy_err see_good(cvy_dense *d, int32_t *label, int64_t *record, int64_t *skipped, bool skips_bad) {
  const int64_t count = cvy_dataset_describe(d->data)->count;
  for (int64_t before = 0;; before++) {
    const cvy_err err = see(d, label, *record);
    if (!err) return CVY_OK;
    CVY_TRY(cvy_loader_replace(err, skips_bad, before, count));
    *record = (*record + 1) % count;
    ++*skipped;
  }
}

static cvy_err score_own(cvy_tally *tally, cvy_verdicts *verdicts, cvy_dense *d, int64_t first, int64_t end,
                         bool skips_bad, const char *of_whom) {
  for (int64_t i = first; i < end; i++) {
    int32_t label;
    int64_t record = i;
    CVY_TRY(see_good(d, &label, &record, &tally->skipped, skips_bad));
    const cvy_net *net = d->scales[0].net;
    cvy_verdicts_add_views(verdicts, &d->views, net, &label, &record);
    cvy_tally_add_views(tally, &d->views, net, &label);
    cvy_progress("evaluating: %" PRId64 " of %" PRId64 " pictures%s", i - first + 1, end - first, of_whom);
  }
  return CVY_OK;
}

cvy_err cvy_dense_score(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_dense *d,
                        const cvy_intake *intake) {
  const int rank = cvy_comm_rank(comm), ranks = cvy_comm_size(comm);
  const int64_t count = cvy_dataset_describe(d->data)->count;
  const int64_t first = count * rank / ranks, end = count * (rank + 1) / ranks;
  cvy_tally tally = {0};
  CVY_TRY(cvy_comm_agree(comm, cvy_verdicts_create(verdicts, end - first)));
  cvy_doing("evaluating");
  const cvy_err err = score_own(&tally, verdicts, d, first, end, intake->skips_bad,
                                ranks > 1 ? " of this rank" : "");
  CVY_TRY(cvy_score_together(out, verdicts, comm, &tally, err));
  out->classes = cvy_net_describe(cvy_model_net(d->model))->class_count;
  return CVY_OK;
}
