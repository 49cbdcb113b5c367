/* Pictures that records hold, on their way to a reader's caller. */
#include "datasets/held.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const int64_t longest_side = 65536;

/* ---- what bytes are ---- */

static const struct {
  const char *begin, *name;
  size_t count;
} kinds[] = {
    {"\xff\xd8\xff", "a JPEG file", 3},
    {"\x89PNG\r\n", "a PNG file", 6},
    {"GIF8", "a GIF file", 4},
    {"BM", "a BMP file", 2},
    {"RIFF", "a WebP file", 4},
    {"II*", "a TIFF file", 3},
    {"MM\0*", "a TIFF file", 4},
    {"\x93NUMPY", "a numpy array", 6},
    {"\x1f\x8b", "gzip's compressed data", 2},
    {"\x89HDF", "an HDF5 file", 4},
    {"\x80\x02", "a pickled Python object", 2},
    {"\x80\x03", "a pickled Python object", 2},
    {"\x80\x04", "a pickled Python object", 2},
    {"\x80\x05", "a pickled Python object", 2},
};

bool cvy_held_is_file(const void *bytes, size_t count) {
  for (int i = 0; i < 2; i++)
    if (count >= kinds[i].count && memcmp(bytes, kinds[i].begin, kinds[i].count) == 0) return true;
  return false;
}

static bool is_plain_text(const uint8_t *p, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isprint(p[i])) return false;
  return count > 0;
}

void cvy_held_describe(char out[80], const void *bytes, size_t count) {
  enum { SHOWN = 8, TEXT = 40 };
  const uint8_t *p = bytes;
  for (int64_t i = 0; i < CVY_COUNT(kinds); i++)
    if (count >= kinds[i].count && memcmp(p, kinds[i].begin, kinds[i].count) == 0) {
      snprintf(out, 80, "%s", kinds[i].name);
      return;
    }
  cvy_text text = cvy_text_in(out, 80);
  if (is_plain_text(p, count < TEXT ? count : TEXT)) {
    cvy_text_add(&text, "the text '%.*s'%s", (int)(count < TEXT ? count : TEXT), (const char *)bytes,
                 count > TEXT ? "..." : "");
    return;
  }
  cvy_text_add(&text, "%zu bytes%s", count, count > SHOWN ? " that begin" : count > 0 ? "," : "");
  for (size_t i = 0; i < count && i < SHOWN; i++) cvy_text_add(&text, " %02x", p[i]);
}

cvy_err cvy_held_check_file(const cvy_held *held) {
  char what[80];
  if (held->count == 0) return cvy_error(CVY_E_INPUT, "the picture is empty (0 bytes)");
  if (cvy_held_is_file(held->bytes, held->count)) return CVY_OK;
  cvy_held_describe(what, held->bytes, held->count);
  return cvy_error(CVY_E_INPUT, "the picture is %s; expected a JPEG or PNG file", what);
}

cvy_err cvy_held_check_samples(const cvy_held *held) {
  const int64_t h = held->h, w = held->w, c = held->c;
  if (h < 1 || w < 1 || c < 1 || h > longest_side || w > longest_side || c > 4)
    return cvy_error(CVY_E_INPUT,
                     "a picture of %" PRId64 "x%" PRId64 " pixels with %" PRId64
                     " channels; expected 1 to %" PRId64 " pixels each way, and 1 to 4 channels",
                     w, h, c, longest_side);
  if ((uint64_t)(h * w * c) == held->count) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%zu bytes of samples; a picture of %" PRId64 "x%" PRId64 " pixels with %" PRId64
                   " channels has %" PRId64,
                   held->count, w, h, c, h * w * c);
}

/* ---- delivering ---- */

void cvy_held_work_free(cvy_held_work *work) {
  cvy_image_free(&work->samples);
  cvy_image_free(&work->scaled);
}

static cvy_err take_file(cvy_pictures *p, const void *bytes, size_t count) {
  CVY_TRY(cvy_pictures_reserve(p, (int64_t)count));
  memcpy(p->file.data, bytes, count);
  return CVY_OK;
}

static void take_samples(cvy_image *out, const cvy_held *held) {
  const int64_t pixels = held->h * held->w, c = held->c;
  const int64_t pixel_step = held->planes ? 1 : c, channel_step = held->planes ? pixels : 1;
  cvy_image_resize_buffer(out, held->h, held->w, c);
  for (int64_t k = 0; k < c; k++) {
    const bool turned = held->bgr && c >= 3 && k < 3;
    const uint8_t *from = held->bytes + (turned ? 2 - k : k) * channel_step;
    for (int64_t i = 0; i < pixels; i++) out->px[i * c + k] = from[i * pixel_step];
  }
}

/* Samples go through a PNG file where a file is wanted, and where grey becomes colour or colour grey, so that
 * they become what a file of the same picture does. */
static cvy_err deliver_as_file(cvy_record *out, cvy_pictures *p, const cvy_source *source,
                               const cvy_image *samples) {
  void *bytes = NULL;
  size_t count = 0;
  CVY_TRY_IN(cvy_image_encode_png(&bytes, &count, samples), "%s", p->name);
  const cvy_err err = take_file(p, bytes, count);
  free(bytes);
  CVY_TRY(err);
  return cvy_pictures_deliver(out, p, source);
}

cvy_err cvy_held_deliver(cvy_record *out, cvy_pictures *p, cvy_held_work *work, const cvy_source *source,
                         const cvy_held *held) {
  if (held->h == 0) {
    CVY_TRY(take_file(p, held->bytes, held->count));
    return cvy_pictures_deliver(out, p, source);
  }
  take_samples(&work->samples, held);
  if (source->h == 0 || source->c != held->c) return deliver_as_file(out, p, source, &work->samples);
  out->image = work->samples;
  if (source->h == held->h && source->w == held->w) return CVY_OK;
  cvy_image_scale(&work->scaled, &work->samples, source->h, source->w);
  out->image = work->scaled;
  return CVY_OK;
}
