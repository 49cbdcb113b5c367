/* What images are like before a network sees them: what a file says, what people call by a name, or what they
 * say in numbers. */
#include "convert/preprocess.h"

#include <string.h>

const char *const cvy_preprocess_words[] = {
    [CVY_PREPROCESS_FILE] = "file", [CVY_PREPROCESS_TORCH] = "torch", [CVY_PREPROCESS_CAFFE] = "caffe",
    [CVY_PREPROCESS_TF] = "tf",     [CVY_PREPROCESS_UNIT] = "unit",   [CVY_PREPROCESS_RAW] = "raw",
    [CVY_PREPROCESS_COUNT] = NULL};

const char *const cvy_channel_order_words[] = {
    [CVY_ORDER_AUTO] = "auto", [CVY_ORDER_RGB] = "rgb", [CVY_ORDER_BGR] = "bgr", NULL};

enum { COLOURS = 3 };

static const struct {
  bool colours_only;
  cvy_stored_input input; /* of one channel the first number holds */
} known[] = {
    [CVY_PREPROCESS_TORCH] = {true,
                              {.mean = {255 * 0.485, 255 * 0.456, 255 * 0.406},
                               .deviation = {255 * 0.229, 255 * 0.224, 255 * 0.225}}},
    [CVY_PREPROCESS_CAFFE] = {true, {.bgr = true, .mean = {104, 117, 123}, .deviation = {1, 1, 1}}},
    [CVY_PREPROCESS_TF] = {false, {.mean = {127.5, 127.5, 127.5}, .deviation = {127.5, 127.5, 127.5}}},
    [CVY_PREPROCESS_UNIT] = {false, {.mean = {0, 0, 0}, .deviation = {255, 255, 255}}},
    [CVY_PREPROCESS_RAW] = {false, {.mean = {0, 0, 0}, .deviation = {1, 1, 1}}},
};

static cvy_err not_known(const cvy_import_wishes *w) {
  return cvy_error(
      CVY_E_USAGE,
      "%s does not say what images its network takes, and it would answer others wrongly without a word: say "
      "--preprocess torch (torchvision's mean and deviation), caffe (blue first, minus 104,117,123), tf (-1 "
      "to 1), unit (0 to 1) or raw (0 to 255), or --mean and --deviation; --try PICTURES tries all of them "
      "on labelled ones",
      w->file);
}

/* Takes from the file what is the same whatever is said of samples: which scaling and chain come first. */
static void take_scaling(cvy_stored_input *out, const cvy_stored_input *own) {
  out->chain = own->chain;
  out->h = own->h;
  out->w = own->w;
  out->shorter = own->shorter;
}

static cvy_err choose(cvy_stored_input *out, const cvy_import_wishes *w, const cvy_stored_input *own,
                      int64_t channels) {
  const bool said = w->mean.count > 0 || w->deviation.count > 0;
  if (w->preprocess == CVY_PREPROCESS_FILE) {
    if (!own->known && !said) return not_known(w);
    *out = own->known ? *own : known[CVY_PREPROCESS_RAW].input;
    out->bgr = own->bgr;
    take_scaling(out, own);
    return CVY_OK;
  }
  if (known[w->preprocess].colours_only && channels != COLOURS)
    return cvy_error(CVY_E_USAGE, "--preprocess %s is about 3 channels; the network takes %" PRId64,
                     cvy_preprocess_words[w->preprocess], channels);
  *out = known[w->preprocess].input;
  take_scaling(out, own);
  return CVY_OK;
}

static cvy_err set(double out[], const cvy_floats *said, int64_t channels, const char *option) {
  if (said->count == 0) return CVY_OK;
  if (said->count != channels && said->count != 1)
    return cvy_error(CVY_E_USAGE,
                     "%s has %" PRId64 " numbers; expected one, or one for each of %" PRId64 " channels",
                     option, said->count, channels);
  for (int64_t c = 0; c < channels; c++) out[c] = said->values[said->count == 1 ? 0 : c];
  return CVY_OK;
}

static void swap_ends(double values[], int64_t channels) {
  const double first = values[0];
  values[0] = values[channels - 1];
  values[channels - 1] = first;
}

static void turn(cvy_stored_input *input, int64_t channels) {
  swap_ends(input->mean, channels);
  swap_ends(input->deviation, channels);
  input->bgr = !input->bgr;
}

cvy_err cvy_preprocess_find(cvy_stored_input *out, const cvy_import_wishes *w, const cvy_stored_input *own,
                            int64_t channels) {
  CVY_TRY(choose(out, w, own, channels));
  if (w->channels != CVY_ORDER_AUTO && channels != COLOURS)
    return cvy_error(CVY_E_USAGE, "--channels %s is about 3 channels; the network takes %" PRId64,
                     cvy_channel_order_words[w->channels], channels);
  if (w->channels != CVY_ORDER_AUTO && (w->channels == CVY_ORDER_BGR) != out->bgr) turn(out, channels);
  CVY_TRY(set(out->mean, &w->mean, channels, "--mean"));
  CVY_TRY(set(out->deviation, &w->deviation, channels, "--deviation"));
  out->known = true;
  for (int64_t c = 0; c < channels; c++)
    if (!(out->deviation[c] > 0))
      return cvy_error(CVY_E_INPUT, "%s: deviation %g of channel %" PRId64 "; expected a number above 0",
                       w->file, out->deviation[c], c);
  return CVY_OK;
}

cvy_stored_input cvy_preprocess_turned(const cvy_stored_input *input, int64_t channels) {
  cvy_stored_input out = *input;
  if (out.bgr) turn(&out, channels);
  return out;
}

bool cvy_preprocess_wants_colours(int preprocess) {
  return known[preprocess].colours_only;
}

/* ---- the chain ---- */

static cvy_yaml *scalar(cvy_pool *pool, const char *text) {
  return cvy_yaml_new_scalar(pool, "import", text);
}

static void add_step(cvy_pool *pool, cvy_yaml *chain, const char *name, const char *key, cvy_yaml *value) {
  cvy_yaml *step = cvy_yaml_new_mapping(pool, "import"), *options = cvy_yaml_new_mapping(pool, "import");
  cvy_yaml_add(pool, options, key, value);
  cvy_yaml_add(pool, step, name, options);
  cvy_yaml_add(pool, chain, NULL, step);
}

static cvy_yaml *size_of(cvy_pool *pool, int64_t h, int64_t w) {
  cvy_yaml *size = cvy_yaml_new_sequence(pool, "import");
  cvy_yaml_add(pool, size, NULL, scalar(pool, cvy_pool_format(pool, "%" PRId64, h)));
  cvy_yaml_add(pool, size, NULL, scalar(pool, cvy_pool_format(pool, "%" PRId64, w)));
  return size;
}

const cvy_yaml *cvy_preprocess_chain(cvy_pool *pool, int64_t h, int64_t w) {
  enum { LEAST_CROPPED = 96, IMAGENET_LEAST = 224, IMAGENET_MOST = 227, IMAGENET_SHORTER = 256 };
  cvy_yaml *chain = cvy_yaml_new_sequence(pool, "import");
  if (h == w && h >= LEAST_CROPPED) {
    const bool is_imagenets = h >= IMAGENET_LEAST && h <= IMAGENET_MOST;
    const char *shorter = cvy_pool_format(pool, "%" PRId64,
                                          is_imagenets ? IMAGENET_SHORTER : (h * 8 + 6) / 7);
    add_step(pool, chain, "resize", "shorter", scalar(pool, shorter));
    add_step(pool, chain, "centre_crop", "size", size_of(pool, h, w));
  } else {
    add_step(pool, chain, "resize", "size", size_of(pool, h, w));
  }
  return chain;
}
