/* Fuzzes lists of augmentations, and pictures that go through them. The first bytes choose the picture. */
#include "fuzz.h"

#include "base/yaml.h"
#include "augment/augmentation.h"
#include "augment/chain.h"

enum { MOST_PIXELS = 1 << 16 };

static void send_picture(const cvy_augment *augment, const uint8_t *samples, int64_t h, int64_t w, int64_t c,
                         bool training, uint64_t seed) {
  static const float mean[CVY_MAX_CHANNELS] = {120, 110, 100, 90},
                     deviation[CVY_MAX_CHANNELS] = {60, 60, 60, 60};
  cvy_normaliser normaliser;
  cvy_canvas canvas = {0};
  cvy_augment_call call = {.training = training, .random = {.seed = seed}, .mean = mean, .canvas = &canvas};
  cvy_picture picture = cvy_picture_of(samples, false, h, w, c);
  cvy_normaliser_set(&normaliser, mean, deviation, c);
  cvy_err err = cvy_augment_apply(&picture, augment, &call);
  if (!err && picture.h * picture.w <= MOST_PIXELS) {
    float *out = malloc(sizeof *out * (size_t)(picture.h * picture.w * c));
    err = cvy_picture_normalise(out, &picture, &canvas, &normaliser);
    free(out);
  }
  cvy_canvas_free(&canvas);
}

static void try_list(const cvy_yaml *list, fuzz_bytes choices) {
  const int64_t h = 1 + fuzz_below(&choices, 40), w = 1 + fuzz_below(&choices, 40);
  const int64_t c = fuzz_byte(&choices) % 2 ? 1 : 3;
  const uint8_t flags = fuzz_byte(&choices);
  int64_t out_h, out_w, resolved_h, resolved_w;
  cvy_augment *augment, *again;
  cvy_yaml *resolved;
  cvy_pool *pool = cvy_pool_create();
  const bool varies = flags & 1;
  if (!cvy_augment_create(&augment, list, varies ? 0 : h, varies ? 0 : w, &out_h, &out_w)) {
    FUZZ_CHECK(!cvy_augment_resolve(&resolved, pool, list));
    FUZZ_CHECK(
        !cvy_augment_create(&again, resolved, varies ? 0 : h, varies ? 0 : w, &resolved_h, &resolved_w));
    FUZZ_CHECK(out_h == resolved_h && out_w == resolved_w && out_h >= 0 && out_w >= 0);
    cvy_augment_destroy(again);
    uint8_t *samples = calloc(1, (size_t)(h * w * c));
    if (!cvy_augment_check_channels(augment, c) && out_h * out_w <= MOST_PIXELS)
      for (int training = 0; training < 2; training++)
        send_picture(augment, samples, h, w, c, training, flags >> 1);
    free(samples);
    cvy_augment_destroy(augment);
  }
  cvy_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 4) return 0;
  const fuzz_bytes choices = {data, 4};
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *list;
  char *text = fuzz_text(data + 4, size - 4);
  if (!cvy_yaml_parse(&list, pool, text, "fuzz")) try_list(list, choices);
  free(text);
  cvy_pool_destroy(pool);
  return 0;
}
