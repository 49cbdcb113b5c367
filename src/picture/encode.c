/* Writing JPEG through libjpeg-turbo and PNG through libspng. JPEGs are baseline, with colour at half the
 * resolution (4:2:0), by the accurate integer DCT, whose SIMD forms give the same bits as its C form. */
#include "picture/image.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <spng.h>

typedef struct encoding {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  jmp_buf failed;
  cvy_err err;
  unsigned char *bytes;
  unsigned long count;
} encoding;

static void give_up(j_common_ptr info) {
  encoding *e = info->client_data;
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  e->err = cvy_error(CVY_E_SYSTEM, "cannot encode a JPEG: %s", text);
  longjmp(e->failed, 1);
}

static void write_rows(struct jpeg_compress_struct *info, const cvy_image *image, int64_t quality) {
  info->image_width = (JDIMENSION)image->w;
  info->image_height = (JDIMENSION)image->h;
  info->input_components = (int)image->c;
  info->in_color_space = image->c == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, (int)quality, TRUE);
  info->dct_method = JDCT_ISLOW;
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    JSAMPROW row = image->px + info->next_scanline * image->w * image->c;
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
}

/* longjmp comes back here; all that it must find again is in *e, beyond this function's own variables. */
static cvy_err guarded(encoding *e, const cvy_image *image, int64_t quality) {
  if (setjmp(e->failed)) return e->err;
  jpeg_create_compress(&e->info);
  e->info.client_data = e;
  jpeg_mem_dest(&e->info, &e->bytes, &e->count);
  write_rows(&e->info, image, quality);
  return CVY_OK;
}

cvy_err cvy_image_encode(void **bytes, size_t *byte_count, const cvy_image *image, int64_t quality) {
  CVY_CHECK((image->c == 1 || image->c == 3) && quality >= 1 && quality <= 100);
  if (image->h > JPEG_MAX_DIMENSION || image->w > JPEG_MAX_DIMENSION)
    return cvy_error(CVY_E_INPUT,
                     "%" PRId64 "x%" PRId64 " pixels (height x width); a JPEG file has at most %ld a side",
                     image->h, image->w, JPEG_MAX_DIMENSION);
  encoding e;
  memset(&e, 0, sizeof e);
  e.info.err = jpeg_std_error(&e.errors);
  e.info.client_data = &e;
  e.errors.error_exit = give_up;
  const cvy_err err = guarded(&e, image, quality);
  jpeg_destroy_compress(&e.info);
  if (err) free(e.bytes);
  *bytes = err ? NULL : e.bytes;
  *byte_count = err ? 0 : e.count;
  return err;
}

/* ---- PNG ---- */

static int run_png(spng_ctx *png, void **bytes, size_t *byte_count, const cvy_image *image) {
  struct spng_ihdr header = {.width = (uint32_t)image->w,
                             .height = (uint32_t)image->h,
                             .bit_depth = 8,
                             .color_type = image->c == 1 ? SPNG_COLOR_TYPE_GRAYSCALE
                                                         : SPNG_COLOR_TYPE_TRUECOLOR};
  const size_t samples = (size_t)(image->h * image->w * image->c);
  int code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
  if (!code) code = spng_set_option(png, SPNG_IMG_COMPRESSION_LEVEL, 9);
  if (!code) code = spng_set_ihdr(png, &header);
  if (!code) code = spng_encode_image(png, image->px, samples, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
  if (!code) *bytes = spng_get_png_buffer(png, byte_count, &code);
  return code;
}

cvy_err cvy_image_encode_png(void **bytes, size_t *byte_count, const cvy_image *image) {
  CVY_CHECK(image->c == 1 || image->c == 3);
  spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
  int code = SPNG_EMEM;
  *bytes = NULL;
  *byte_count = 0;
  if (png) code = run_png(png, bytes, byte_count, image);
  spng_ctx_free(png);
  return code ? cvy_error(CVY_E_SYSTEM, "cannot encode a PNG: %s", spng_strerror(code)) : CVY_OK;
}
