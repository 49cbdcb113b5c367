/* Makes samples of a file's bytes, for the part that is in sight. The way goes by the whole picture if
 * somebody keeps it. */
#include "picture/raster.h"

#include "picture/sight.h"

static void show_image(cvy_picture *p, const cvy_image *image, const cvy_image_part *part) {
  p->raster = (cvy_raster){.samples = image->px,
                           .h = image->h,
                           .w = image->w,
                           .row_step = image->w * image->c,
                           .column_step = image->c,
                           .channel_step = 1,
                           .top = (double)part->top,
                           .left = (double)part->left,
                           .pixels_down = (double)part->h / (double)image->h,
                           .pixels_across = (double)part->w / (double)image->w};
}

static cvy_err get_bytes(cvy_encoded *e) {
  return e->bytes ? CVY_OK : e->keeper->fetch(&e->bytes, &e->byte_count, e->keeper_context);
}

/* ---- whole pictures that are kept ---- */

/* From this shrink on a raster is halved, and pixels come into sight that libjpeg makes differently at the
 * border of a part. Only libjpeg itself can say what they are. */
static const double most_shrink = 16;

/* Finds the whole at 1/2^index or, if the file has no scales, at index 0. */
static const uint8_t *find_whole(cvy_whole_picture *whole, const cvy_picture *p, int index) {
  const cvy_encoded *e = &p->encoded;
  const uint8_t *samples = e->keeper->find(whole, e->keeper_context, 0);
  if (!samples || whole->step != 0) samples = e->keeper->find(whole, e->keeper_context, index);
  return samples && whole->c == p->c ? samples : NULL;
}

/* Decodes all of it at 1/2^index, into the image, and has it kept. If it is damaged, nothing is kept, as
 * the part that is wanted may still be whole. */
static void keep_whole(cvy_picture *p, int index) {
  const cvy_encoded *e = &p->encoded;
  cvy_image *image = e->image;
  cvy_image_part all = {.h = p->whole_h, .w = p->whole_w, .shrink = 1 << index};
  const size_t bytes = (size_t)((p->whole_h >> index) * (p->whole_w >> index) * p->c);
  if (!e->keeper->has_room(e->keeper_context, bytes)) return;
  if (cvy_image_decode_part(image, &all, e->bytes, e->byte_count, p->c)) return;
  const cvy_whole_picture whole = {.h = image->h,
                                   .w = image->w,
                                   .c = image->c,
                                   .file_h = p->whole_h,
                                   .file_w = p->whole_w,
                                   .step = all.step};
  e->keeper->keep(e->keeper_context, all.step > 0 ? index : 0, &whole, image->px);
}

/* *samples is NULL if the whole is not there and there is no room for it, or if it cannot be decoded. */
static cvy_err get_whole(const uint8_t **samples, cvy_whole_picture *whole, cvy_picture *p, int index) {
  *samples = find_whole(whole, p, index);
  if (*samples) return CVY_OK;
  CVY_TRY(get_bytes(&p->encoded));
  keep_whole(p, index);
  *samples = find_whole(whole, p, index);
  return CVY_OK;
}

/* ---- decoding ---- */

static cvy_err decode_part(cvy_picture *p, cvy_image_part *part) {
  cvy_encoded *e = &p->encoded;
  const int64_t scale = cvy_image_scale_for(part->shrink);
  const uint8_t *samples = NULL;
  cvy_whole_picture whole;
  if (e->keeper && part->shrink < most_shrink)
    CVY_TRY(get_whole(&samples, &whole, p, scale == 1 ? 0 : scale == 2 ? 1 : scale == 4 ? 2 : 3));
  if (samples) {
    const cvy_image image = {.h = whole.h, .w = whole.w, .c = whole.c, .px = (uint8_t *)(uintptr_t)samples};
    cvy_image_cut(e->image, part, &image, whole.step, scale);
    return CVY_OK;
  }
  CVY_TRY(get_bytes(e));
  return cvy_image_decode_part(e->image, part, e->bytes, e->byte_count, p->c);
}

cvy_err cvy_raster_decode(cvy_picture *p) {
  cvy_image_part part = cvy_sight_part(p);
  CVY_TRY(decode_part(p, &part));
  show_image(p, p->encoded.image, &part);
  return CVY_OK;
}

cvy_err cvy_picture_decode(cvy_picture *p) {
  if (p->raster.samples) return CVY_OK;
  const cvy_image_part whole = {.h = p->whole_h, .w = p->whole_w};
  CVY_TRY(get_bytes(&p->encoded));
  CVY_TRY(cvy_image_decode(p->encoded.image, p->encoded.bytes, p->encoded.byte_count, p->c));
  show_image(p, p->encoded.image, &whole);
  return CVY_OK;
}
