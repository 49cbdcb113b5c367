/* Makes pictures and files for the tests. */
#ifndef CVY_TESTS_PICTURES_H
#define CVY_TESTS_PICTURES_H

#include "picture/image.h"
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <spng.h>

typedef struct file_bytes {
  unsigned char *bytes; /* the caller frees them */
  unsigned long count;
} file_bytes;

static inline file_bytes read_whole(const char *path) {
  file_bytes out = {0};
  FILE *file = fopen(path, "rb");
  if (!file) return out;
  fseek(file, 0, SEEK_END);
  out.count = (unsigned long)ftell(file);
  rewind(file);
  out.bytes = malloc(out.count + 1);
  if (fread(out.bytes, 1, out.count, file) != out.count) out.count = 0;
  fclose(file);
  return out;
}

/* Makes a JPEG of an image of 1, 3 or 4 channels (4: CMYK as it is, with Adobe's marker or without any). */
static inline file_bytes make_jpeg(const cvy_image *image, int quality, bool adobe_marker) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  file_bytes out = {0};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &out.bytes, &out.count);
  info.image_width = (JDIMENSION)image->w;
  info.image_height = (JDIMENSION)image->h;
  info.input_components = (int)image->c;
  info.in_color_space = image->c == 1 ? JCS_GRAYSCALE : image->c == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  for (int i = 0; i < info.num_components; i++)
    info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
  if (image->c == 4) info.write_Adobe_marker = adobe_marker;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = image->px + info.next_scanline * image->w * image->c;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return out;
}

/* Makes a PNG of `samples`, which are as the colour type and depth say (16-bit: big-endian). `palette` may be
 * NULL. */
static inline file_bytes make_png(const void *samples, size_t bytes, int64_t h, int64_t w, int color_type,
                                  int depth, struct spng_plte *palette) {
  spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
  struct spng_ihdr header = {.width = (uint32_t)w,
                             .height = (uint32_t)h,
                             .bit_depth = (uint8_t)depth,
                             .color_type = (uint8_t)color_type};
  file_bytes out = {0};
  size_t count = 0;
  int code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
  if (!code) code = spng_set_ihdr(png, &header);
  if (!code && palette) code = spng_set_plte(png, palette);
  if (!code) code = spng_encode_image(png, samples, bytes, SPNG_FMT_RAW, SPNG_ENCODE_FINALIZE);
  if (!code) out.bytes = spng_get_png_buffer(png, &count, &code);
  out.count = count;
  spng_ctx_free(png);
  return out;
}

/* Paints a smooth picture that JPEG keeps nearly as it is. */
static inline void paint(cvy_image *out, int64_t h, int64_t w, int64_t c) {
  cvy_image_resize_buffer(out, h, w, c);
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++)
      for (int64_t k = 0; k < c; k++)
        out->px[(y * w + x) * c + k] = (uint8_t)(40 + (3 * x + 2 * y + 50 * k) % 400 / 2);
}

#endif
