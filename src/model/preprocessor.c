/* Finds out how pictures were prepared, and does the same. */
#include "model/preprocessor.h"

#include "augment/chain.h"
#include "base/count.h"

#include <math.h>
#include <stdlib.h>

struct cvy_preprocessor {
  cvy_pool *pool;
  const cvy_model *model;
  int64_t h, w;    /* files are scaled to this size; 0: they are not */
  int64_t shorter; /* larger files are scaled to this shorter side; 0: they are not */
  cvy_augment *augment;
  cvy_normaliser normaliser;
  const cvy_augment_source *source;
};

/* ---- making ready ---- */

static cvy_err check_numbers(const cvy_model *model) {
  const cvy_model_info *info = cvy_model_describe(model);
  for (int64_t c = 0; c < info->c; c++)
    if (!isfinite(info->mean[c]) || !isfinite(info->deviation[c]) || !(info->deviation[c] > 0))
      return cvy_error(CVY_E_INPUT,
                       "%s: channel %" PRId64 ": mean %g, deviation %g; expected a deviation above 0",
                       info->path, c, (double)info->mean[c], (double)info->deviation[c]);
  return CVY_OK;
}

/* Makes the chain for pictures of h x w (0 x 0: of any size), and tells whether what leaves it is what the
 * network takes. */
static cvy_err try_chain(bool *fits, cvy_preprocessor *p, const struct cvy_yaml *chain, int64_t h,
                         int64_t w) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  int64_t out_h, out_w;
  *fits = false;
  cvy_augment_destroy(p->augment);
  CVY_TRY_IN(cvy_augment_create(&p->augment, chain, h, w, &out_h, &out_w), "%s", info->path);
  *fits = out_h == info->h && out_w == info->w;
  return CVY_OK;
}

static cvy_err does_not_fit(const cvy_preprocessor *p, int64_t h, int64_t w) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  int64_t out_h, out_w;
  char from[CVY_SIZE_WORDS], to[CVY_SIZE_WORDS];
  CVY_TRY(cvy_augment_size(&out_h, &out_w, p->augment, h, w));
  cvy_augment_size_words(from, h, w);
  cvy_augment_size_words(to, out_h, out_w);
  return cvy_error(CVY_E_INPUT,
                   "%s: its chain makes pictures %s of those that are %s; the network takes %" PRId64
                   "x%" PRId64 " (height x width)",
                   info->path, to, from, info->h, info->w);
}

/* An older checkpoint does not say what size the images had that it learnt from. If its chain does not make
 * all sizes the network's, and keeps that size, they can only have had it. */
static cvy_err choose_size(cvy_preprocessor *p, const struct cvy_yaml *chain,
                           const cvy_preprocessor_options *options) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  const cvy_dataset_info *learnt = cvy_model_spec_of(p->model)->data;
  const bool said = options->h > 0 || options->shorter > 0;
  bool fits;
  p->h = said ? options->h : learnt->h;
  p->w = said ? options->w : learnt->w;
  p->shorter = said ? options->shorter : learnt->shorter;
  CVY_TRY(try_chain(&fits, p, chain, p->h, p->w));
  if (fits) return CVY_OK;
  if (p->h > 0 || p->shorter > 0) return does_not_fit(p, p->h, p->w);
  p->h = info->h;
  p->w = info->w;
  CVY_TRY(try_chain(&fits, p, chain, p->h, p->w));
  if (fits) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s does not say to which size the pictures were scaled that it learnt from; say it with "
                   "--size WIDTHxHEIGHT, as to convoy prepare",
                   info->path);
}

static cvy_err choose_chain(const struct cvy_yaml **out, cvy_preprocessor *p,
                            const cvy_preprocessor_options *options) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  struct cvy_yaml *changed;
  *out = options->chain ? options->chain : cvy_model_spec_of(p->model)->evaluation;
  if (options->crops == 0) return CVY_OK;
  CVY_TRY(cvy_augment_recrop(&changed, p->pool, *out, options->crops, info->h, info->w));
  *out = changed;
  return CVY_OK;
}

static cvy_err make_ready(cvy_preprocessor *p, const cvy_preprocessor_options *options) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  const struct cvy_yaml *chain;
  int64_t h, w;
  bool fits;
  CVY_TRY(check_numbers(p->model));
  CVY_TRY(choose_chain(&chain, p, options));
  if (!options->dataset) {
    if (info->c != 1 && info->c != 3)
      return cvy_error(CVY_E_INPUT,
                       "%s: takes %" PRId64 " channels; JPEG and PNG pictures are grey (1) or colour (3)",
                       info->path, info->c);
    CVY_TRY(choose_size(p, chain, options));
    return cvy_augment_check_channels(p->augment, info->c);
  }
  p->source = cvy_dataset_source(options->dataset);
  cvy_dataset_common_size(&h, &w, options->dataset);
  CVY_TRY(try_chain(&fits, p, chain, h, w));
  if (!fits) return does_not_fit(p, h, w);
  if (cvy_dataset_encoding(options->dataset) == CVY_RAW &&
      cvy_dataset_describe(options->dataset)->c != info->c)
    return cvy_error(CVY_E_INPUT, "%s: takes images of %" PRId64 " channels; those of %s have %" PRId64,
                     info->path, info->c, p->source->name, cvy_dataset_describe(options->dataset)->c);
  return cvy_augment_check_channels(p->augment, info->c);
}

cvy_err cvy_preprocessor_create(cvy_preprocessor **out, const cvy_model *model,
                                const cvy_preprocessor_options *options) {
  const cvy_dataset_info *learnt = cvy_model_spec_of(model)->data;
  cvy_preprocessor *p = cvy_new(sizeof *p);
  *out = NULL;
  *p = (cvy_preprocessor){.pool = cvy_pool_create(), .model = model};
  const cvy_err err = make_ready(p, options);
  if (err) {
    cvy_preprocessor_destroy(p);
    return err;
  }
  cvy_normaliser_set(&p->normaliser, learnt->mean, learnt->deviation, learnt->c);
  *out = p;
  return CVY_OK;
}

void cvy_preprocessor_destroy(cvy_preprocessor *p) {
  if (!p) return;
  cvy_augment_destroy(p->augment);
  cvy_pool_destroy(p->pool);
  free(p);
}

int64_t cvy_preprocessor_views(const cvy_preprocessor *p) {
  return cvy_augment_views(p->augment);
}

int64_t cvy_preprocessor_channels(const cvy_preprocessor *p) {
  return cvy_model_describe(p->model)->c;
}

void cvy_preprocessor_scratch_free(cvy_preprocessor_scratch *s) {
  cvy_canvas_free(&s->canvas);
  cvy_image_free(&s->decoded);
  cvy_image_free(&s->scaled);
  cvy_image_free(&s->upright);
}

/* ---- one picture ---- */

/* Finds the size to which a picture of full[0] x full[1] is scaled. */
static void prepared_size(int64_t out[2], const cvy_preprocessor *p, const int64_t full[2], bool lies) {
  const int64_t smaller = cvy_smaller(full[0], full[1]);
  out[0] = full[0];
  out[1] = full[1];
  if (p->h > 0) {
    out[0] = lies ? p->w : p->h;
    out[1] = lies ? p->h : p->w;
  } else if (p->shorter > 0 && smaller > p->shorter) {
    for (int i = 0; i < 2; i++) out[i] = (2 * full[i] * p->shorter + smaller) / (2 * smaller);
  }
}

static cvy_picture scale_and_turn(const cvy_preprocessor *p, cvy_preprocessor_scratch *s,
                                  const cvy_image *image, const int64_t full[2], int turn) {
  int64_t size[2];
  prepared_size(size, p, full, turn >= 5);
  if (image->h != size[0] || image->w != size[1]) {
    cvy_image_scale(&s->scaled, image, size[0], size[1]);
    image = &s->scaled;
  }
  if (turn != 1) {
    cvy_image_turn(&s->upright, image, turn);
    image = &s->upright;
  }
  return cvy_picture_of(image->px, false, image->h, image->w, image->c);
}

cvy_err cvy_preprocessor_file(cvy_picture *out, const cvy_preprocessor *p, cvy_preprocessor_scratch *s,
                              const void *bytes, size_t byte_count) {
  int64_t full[2], size[2], channels = cvy_model_describe(p->model)->c;
  const int turn = cvy_image_orientation(bytes, byte_count);
  const bool lies = turn >= 5;
  CVY_TRY(cvy_image_size(&full[0], &full[1], &channels, bytes, byte_count));
  prepared_size(size, p, full, lies);
  if (p->h == 0 && turn == 1 && size[0] == full[0] && size[1] == full[1])
    return cvy_picture_of_encoded(
        out, &(cvy_encoded){.bytes = bytes, .byte_count = byte_count, .image = &s->decoded}, channels);
  const int64_t least_h = p->h > 0 ? size[0] : p->shorter, least_w = p->h > 0 ? size[1] : p->shorter;
  CVY_TRY(cvy_image_decode_at_least(&s->decoded, full, bytes, byte_count, channels, least_h, least_w));
  *out = scale_and_turn(p, s, &s->decoded, full, turn);
  return CVY_OK;
}

/* Makes grey of colour as decoding does (ITU-R BT.601's luma), or colour of grey. */
static void convert(cvy_image *out, const uint8_t *samples, int64_t h, int64_t w, int64_t c,
                    int64_t channels) {
  cvy_image_resize_buffer(out, h, w, channels);
  for (int64_t i = 0; i < h * w; i++) {
    const uint8_t *from = samples + i * c;
    const int luma = c == 1 ? from[0] : (299 * from[0] + 587 * from[1] + 114 * from[2] + 500) / 1000;
    for (int64_t k = 0; k < channels; k++)
      out->px[i * channels + k] = c == channels ? from[k] : (uint8_t)luma;
  }
}

cvy_err cvy_preprocessor_samples(cvy_picture *out, const cvy_preprocessor *p, cvy_preprocessor_scratch *s,
                                 const uint8_t *samples, int64_t h, int64_t w, int64_t c) {
  enum { LONGEST_SIDE = 65536, MOST_PIXELS = 100000000 };
  if (h < 1 || w < 1 || h > LONGEST_SIDE || w > LONGEST_SIDE || h * w > MOST_PIXELS || (c != 1 && c != 3))
    return cvy_error(CVY_E_INPUT,
                     "samples of %" PRId64 "x%" PRId64 "x%" PRId64
                     "; expected height, width, and 1 channel (grey) or 3 (red, green, blue)",
                     h, w, c);
  convert(&s->decoded, samples, h, w, c, cvy_model_describe(p->model)->c);
  *out = scale_and_turn(p, s, &s->decoded, (const int64_t[]){h, w}, 1);
  return CVY_OK;
}

cvy_err cvy_preprocessor_finish(float *image, cvy_picture *picture, const cvy_preprocessor *p,
                                cvy_preprocessor_scratch *s, int64_t index, int64_t view) {
  const cvy_model_info *info = cvy_model_describe(p->model);
  cvy_augment_call call = {.random = {.sample = (uint32_t)index},
                           .mean = p->normaliser.mean,
                           .source = p->source,
                           .view = view,
                           .canvas = &s->canvas};
  CVY_TRY(cvy_augment_apply(picture, p->augment, &call));
  if (picture->h != info->h || picture->w != info->w || picture->c != info->c)
    return cvy_error(CVY_E_INPUT,
                     "a picture that ends as %" PRId64 "x%" PRId64 "x%" PRId64 "; the network takes %" PRId64
                     "x%" PRId64 "x%" PRId64,
                     picture->h, picture->w, picture->c, info->h, info->w, info->c);
  return cvy_picture_normalise(image, picture, &s->canvas, &p->normaliser);
}
