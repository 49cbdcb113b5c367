/* Fuzzes pictures: whole, their header, parts of them, at smaller sizes, mended, and turned by what their
 * EXIF data says. The last bytes of the input choose the part. */
#include "fuzz.h"

#include "picture/image.h"

enum { CHOICES = 8, MOST_PIXELS = 1 << 20 };

/* ---- mutation that keeps the checksums of PNGs ---- */

static uint32_t u32_at(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static uint32_t crc_of(const uint8_t *p, size_t count) {
  uint32_t crc = 0xffffffff;
  for (; count > 0; count--, p++) {
    crc ^= *p;
    for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static void mend_png(uint8_t *data, size_t size) {
  for (size_t at = 8; at + 12 <= size;) {
    const uint32_t length = u32_at(data + at);
    if (length > size - at - 12) return;
    const uint32_t crc = crc_of(data + at + 4, length + 4);
    for (int i = 0; i < 4; i++) data[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size > 8 && data[0] == 0x89 && seed % 16 != 1) mend_png(data, size);
  return size;
}

/* ---- one input ---- */

/* Checks that the part that was asked for shows the same pixels as the whole. At the border of what came they
 * are blended with too little. */
static void compare(const cvy_image *whole, const cvy_image *part, const cvy_image_part *came,
                    const cvy_image_part *asked) {
  FUZZ_CHECK(part->c == whole->c && part->h == came->h && part->w == came->w);
  for (int64_t y = asked->top; y < asked->top + asked->h; y++)
    FUZZ_CHECK(memcmp(part->px + ((y - came->top) * part->w + asked->left - came->left) * part->c,
                      whole->px + (y * whole->w + asked->left) * whole->c,
                      (size_t)(asked->w * part->c)) == 0);
}

static void take_part(const cvy_image *whole, bool whole_is_good, const uint8_t *file, size_t size, int64_t h,
                      int64_t w, int64_t channels, fuzz_bytes choices) {
  static const double shrinks[] = {1, 1, 2, 3.5, 4, 8, 100, 1};
  cvy_image image = {0};
  cvy_image_part part = {.top = fuzz_below(&choices, h), .left = fuzz_below(&choices, w)};
  part.h = 1 + fuzz_below(&choices, h - part.top);
  part.w = 1 + fuzz_below(&choices, w - part.left);
  part.shrink = shrinks[fuzz_byte(&choices) % 8];
  const cvy_image_part asked = part;
  if (!cvy_image_decode_part(&image, &part, file, size, channels)) {
    FUZZ_CHECK(part.top <= asked.top && part.left <= asked.left);
    FUZZ_CHECK(part.top + part.h >= asked.top + asked.h && part.left + part.w >= asked.left + asked.w);
    if (whole_is_good && asked.shrink < 2) compare(whole, &image, &part, &asked);
  }
  cvy_image_free(&image);
}

/* Checks that a mended file is whole, and of the same size, and that a whole JPEG is not mended. */
static void mend(const uint8_t *file, size_t size, int64_t h, int64_t w, bool is_whole,
                 cvy_tolerance tolerance) {
  cvy_image image = {0};
  char note[CVY_MEND_NOTE] = "";
  void *mended;
  size_t count;
  if (cvy_image_mend(&mended, &count, note, file, size, tolerance)) {
    FUZZ_CHECK(tolerance != CVY_TOLERATE_NOTHING && note[0]);
    FUZZ_CHECK(!is_whole || file[0] != 0xff);
    FUZZ_CHECK(!cvy_image_decode(&image, mended, count, 0) && image.h == h && image.w == w);
  }
  free(mended);
  cvy_image_free(&image);
}

static void decode(const uint8_t *file, size_t size, int64_t channels, fuzz_bytes choices) {
  cvy_image whole = {0}, turned = {0};
  int64_t h = 0, w = 0, full[2], found = channels;
  if (cvy_image_size(&h, &w, &found, file, size) || h * w > MOST_PIXELS) return;
  const bool good = !cvy_image_decode(&whole, file, size, channels);
  if (good) FUZZ_CHECK(whole.h == h && whole.w == w && whole.c == found);
  mend(file, size, h, w, good, (cvy_tolerance)(choices.left ? choices.p[choices.left - 1] % 3 : 0));
  take_part(&whole, good, file, size, h, w, channels, choices);
  if (good) cvy_image_turn(&turned, &whole, cvy_image_orientation(file, size));
  if (!cvy_image_decode_at_least(&turned, full, file, size, channels, 1 + h / 3, 1 + w / 5))
    FUZZ_CHECK(full[0] == h && full[1] == w && turned.h >= 1 + h / 3 && turned.w >= 1 + w / 5);
  cvy_image_free(&whole);
  cvy_image_free(&turned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int64_t channels[] = {0, 1, 3, 3};
  if (size < CHOICES) return 0;
  fuzz_bytes choices = {data + size - CHOICES, CHOICES};
  const int64_t c = channels[fuzz_byte(&choices) % 4];
  /* The block has exactly that size, so that reading behind it is seen. */
  uint8_t *file = malloc(size - CHOICES + 1);
  memcpy(file, data, size - CHOICES);
  file = realloc(file, size - CHOICES ? size - CHOICES : 1);
  const int orientation = cvy_image_orientation(file, size - CHOICES);
  FUZZ_CHECK(orientation >= 1 && orientation <= 8);
  decode(file, size - CHOICES, c, choices);
  free(file);
  return 0;
}
