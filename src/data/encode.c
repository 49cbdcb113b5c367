/* Writing JPEG through libjpeg-turbo: baseline, colour at half the resolution (4:2:0), the accurate integer DCT, whose SIMD
 * forms give the same bits as its C form. */
#include <convoy/data.h>

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

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
