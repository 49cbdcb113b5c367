/* Pictures: JPEG through libjpeg-turbo, PNG through libspng, and scaling.
 *
 * A picture is decoded whole or refused: a file that ends early or whose entropy-coded data is damaged is
 * an error, not a grey half. Warnings that leave every sample as it was meant (stray bytes before a
 * marker, an odd version number) are let through, for photographs found in the wild have them. Decoding
 * uses the accurate integer DCT, whose SIMD forms give the same bits as its C form.
 *
 * A part of a JPEG may be decoded. The entropy coding is read down to the part's last row, as there is no
 * other way to it. The transform and the colours of all else are left out, and what is beyond that row is not
 * read. */
#include "picture/image.h"
#include "picture/loops.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>
#include <spng.h>

enum {
  MAX_PIXELS = 100 * 1000 * 1000,
  MAX_SCANS = 500,           /* scans of a progressive JPEG; else a few kilobytes can ask for hours of work */
  MAX_CHUNK_BYTES = 64 << 20 /* bytes of a PNG's chunk: colour profiles, texts */
};

/* ---- the buffer ---- */

static void reserve(cvy_image *image, size_t bytes) {
  if (bytes <= image->capacity_bytes) return;
  free(image->px);
  image->px = malloc(bytes);
  if (!image->px) cvy_fatal("out of memory (a picture of %zu bytes)", bytes);
  image->capacity_bytes = bytes;
}

static size_t sample_count(const cvy_image *image) {
  return (size_t)(image->h * image->w * image->c);
}

void cvy_image_resize_buffer(cvy_image *image, int64_t h, int64_t w, int64_t c) {
  CVY_CHECK(h > 0 && w > 0 && c > 0 && c <= CVY_MAX_CHANNELS);
  image->h = h;
  image->w = w;
  image->c = c;
  reserve(image, sample_count(image));
}

void cvy_image_free(cvy_image *image) {
  free(image->px);
  *image = (cvy_image){0};
}

static cvy_err check_size(uint64_t w, uint64_t h) {
  if (w == 0 || h == 0 || w > MAX_PIXELS / h)
    return cvy_error(CVY_E_INPUT,
                     "%" PRIu64 " x %" PRIu64 " pixels; expected at least one and at most %d million", w, h,
                     MAX_PIXELS / 1000000);
  return CVY_OK;
}

/* ---- colour ---- */

/* Returns ITU-R BT.601's luma, as JPEG's own grey is. */
static uint8_t luma(const uint8_t rgb[3]) {
  return (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

static void put_pixel(uint8_t *to, const uint8_t rgb[3], int64_t channels) {
  if (channels == 1)
    to[0] = luma(rgb);
  else
    memcpy(to, rgb, 3);
}

static uint8_t scaled_255(int a, int b) {
  return (uint8_t)((a * b + 127) / 255);
}

/* ---- JPEG ---- */

typedef struct jpeg_job {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  cvy_err err;
} jpeg_job;

static const char *prefix_of(const struct jpeg_error_mgr *errors) {
  switch (errors->msg_code) {
  case JWRN_JPEG_EOF:
  case JWRN_HIT_MARKER:
  case JERR_INPUT_EOF:
  case JERR_INPUT_EMPTY:
    return "truncated: ";
  case JERR_OUT_OF_MEMORY:
    return "";
  }
  return "JPEG: ";
}

static void give_up(j_common_ptr info) {
  jpeg_job *job = info->client_data;
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  const bool memory = info->err->msg_code == JERR_OUT_OF_MEMORY;
  job->err = cvy_error(memory ? CVY_E_SYSTEM : CVY_E_INPUT, "%s%s", prefix_of(info->err), text);
  longjmp(job->failed, 1);
}

static void hear_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
  case JWRN_EXTRANEOUS_DATA:
  case JWRN_ADOBE_XFORM:
  case JWRN_JFIF_MAJOR:
  case JWRN_TOO_MUCH_DATA:
  case JWRN_BOGUS_ICC:
    return;
  }
  give_up(info);
}

static void count_scans(j_common_ptr info) {
  jpeg_job *job = info->client_data;
  if (job->info.input_scan_number <= MAX_SCANS) return;
  job->err = cvy_error(CVY_E_INPUT, "JPEG: more than %d scans", MAX_SCANS);
  longjmp(job->failed, 1);
}

/* Adobe's programs write ink as 255 - ink, and say so by their marker. */
static void ink_to_pixels(uint8_t *to, const uint8_t *cmyk, int64_t w, int64_t channels, bool inverted) {
  const int flip = inverted ? 0 : 255;
  for (int64_t x = 0; x < w; x++, cmyk += 4, to += channels) {
    uint8_t rgb[3];
    for (int i = 0; i < 3; i++) rgb[i] = scaled_255(cmyk[i] ^ flip, cmyk[3] ^ flip);
    put_pixel(to, rgb, channels);
  }
}

/* Chooses what libjpeg is to deliver; `channels` may be 0. */
static cvy_err choose_output(jpeg_job *job, int64_t *channels) {
  struct jpeg_decompress_struct *info = &job->info;
  switch (info->jpeg_color_space) {
  case JCS_GRAYSCALE:
    if (*channels == 0) *channels = 1;
    break;
  case JCS_YCbCr:
  case JCS_RGB:
    if (*channels == 0) *channels = 3;
    break;
  case JCS_CMYK:
  case JCS_YCCK:
    if (*channels == 0) *channels = 3;
    info->out_color_space = JCS_CMYK;
    return CVY_OK;
  default:
    return cvy_error(CVY_E_INPUT, "JPEG of %d components in no known colour space; expected 1, 3 or 4",
                     info->num_components);
  }
  info->out_color_space = *channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return CVY_OK;
}

static void read_rows(jpeg_job *job, cvy_image *out) {
  struct jpeg_decompress_struct *info = &job->info;
  const int64_t row_samples = out->w * out->c;
  JSAMPARRAY ink = NULL;
  if (info->out_color_space == JCS_CMYK)
    ink = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, (JDIMENSION)(out->w * 4), 1);
  for (int64_t y = 0; y < out->h; y++) {
    uint8_t *row = out->px + y * row_samples;
    jpeg_read_scanlines(info, ink ? ink : &row, 1);
    if (ink) ink_to_pixels(row, ink[0], out->w, out->c, info->saw_Adobe_marker);
  }
}

/* libjpeg has fast transforms to 8, 4, 2 and 1 pixels a block. */
static unsigned coarsest(double shrink) {
  return shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
}

/* Pixels first ... end-1 of `size` are MARGIN more, at each end, than are asked for, as libjpeg blends
 * colours with their neighbours. */
enum { MARGIN = 2 };

static void widen(int64_t *first, int64_t *end, int64_t from, int64_t length, int64_t scale, int64_t size) {
  *first = from / scale - MARGIN;
  *end = (from + length + scale - 1) / scale + MARGIN;
  if (*first < 0) *first = 0;
  if (*end > size) *end = size;
}

/* The rows top ... bottom-1 and columns left ... right-1 that are decoded for a part of a picture of h x
 * w. */
typedef struct extent {
  int64_t top, bottom, left, right;
} extent;

/* libjpeg begins with a block's first column (jpeg_crop_scanline). */
static extent extent_of(const cvy_image_part *part, int64_t h, int64_t w, int64_t step, int64_t scale) {
  extent e;
  widen(&e.top, &e.bottom, part->top, part->h, scale, h);
  widen(&e.left, &e.right, part->left, part->w, scale, w);
  if (e.right - e.left < w) e.left -= e.left % step;
  return e;
}

static void show_extent(cvy_image_part *part, const extent *e, int64_t scale) {
  part->top = e->top * scale, part->h = (e->bottom - e->top) * scale;
  part->left = e->left * scale, part->w = (e->right - e->left) * scale;
}

static int64_t step_of(const struct jpeg_decompress_struct *info) {
#if JPEG_LIB_VERSION >= 70
  const int64_t block = info->min_DCT_h_scaled_size;
#else
  const int64_t block = info->min_DCT_scaled_size;
#endif
  return info->num_components == 1 ? block : block * info->max_h_samp_factor;
}

static bool is_all(const cvy_image_part *part, const struct jpeg_decompress_struct *info) {
  return part->top <= 0 && part->left <= 0 && part->top + part->h >= info->image_height &&
         part->left + part->w >= info->image_width && info->scale_denom == 1;
}

static void read_part(jpeg_job *job, cvy_image *out, cvy_image_part *part, int64_t channels) {
  struct jpeg_decompress_struct *info = &job->info;
  const int64_t scale = info->scale_denom;
  extent e = extent_of(part, info->output_height, info->output_width, part->step, scale);
  JDIMENSION from = (JDIMENSION)e.left, width = (JDIMENSION)(e.right - e.left);
  if (width < info->output_width) jpeg_crop_scanline(info, &from, &width);
  e.left = from, e.right = from + width; /* they are as they were, or as another libjpeg likes them */
  if (e.top > 0) jpeg_skip_scanlines(info, (JDIMENSION)e.top);
  cvy_image_resize_buffer(out, e.bottom - e.top, width, channels);
  read_rows(job, out);
  show_extent(part, &e, scale);
  if (e.bottom == info->output_height)
    jpeg_finish_decompress(info);
  else
    jpeg_abort_decompress(info);
}

static cvy_err run_jpeg(jpeg_job *job, cvy_image *out, cvy_image_part *part, int64_t channels) {
  struct jpeg_decompress_struct *info = &job->info;
  jpeg_read_header(info, TRUE);
  CVY_TRY(check_size(info->image_width, info->image_height));
  CVY_TRY(choose_output(job, &channels));
  info->dct_method = JDCT_ISLOW;
  info->scale_num = 1;
  info->scale_denom = part ? coarsest(part->shrink) : 1;
  jpeg_start_decompress(info);
  if (part) part->step = step_of(info);
  if (part && !is_all(part, info)) {
    read_part(job, out, part, channels);
    return CVY_OK;
  }
  if (part)
    *part = (cvy_image_part){
        .h = info->image_height, .w = info->image_width, .shrink = 1, .step = part->step};
  cvy_image_resize_buffer(out, info->output_height, info->output_width, channels);
  read_rows(job, out);
  jpeg_finish_decompress(info);
  return CVY_OK;
}

/* Reads only the header if `out` is NULL; then `part` receives the size, and *channels their number. */
static cvy_err read_jpeg(jpeg_job *job, cvy_image *out, cvy_image_part *part, int64_t *channels) {
  if (out) return run_jpeg(job, out, part, *channels);
  jpeg_read_header(&job->info, TRUE);
  part->h = job->info.image_height;
  part->w = job->info.image_width;
  CVY_TRY(check_size(job->info.image_width, job->info.image_height));
  return choose_output(job, channels);
}

/* longjmp comes back here; all that it must find again is in *job, beyond this function's own variables. */
static cvy_err guarded_jpeg(jpeg_job *job, cvy_image *out, cvy_image_part *part, const void *bytes,
                            size_t byte_count, int64_t *channels) {
  if (setjmp(job->failed)) return job->err;
  jpeg_create_decompress(&job->info);
  job->info.client_data = job;
  job->info.progress = &job->progress;
  jpeg_mem_src(&job->info, bytes, (unsigned long)byte_count);
  return read_jpeg(job, out, part, channels);
}

static cvy_err decode_jpeg(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                           int64_t *channels) {
  jpeg_job job;
  memset(&job, 0, sizeof job);
  job.info.err = jpeg_std_error(&job.errors);
  job.info.client_data = &job;
  job.errors.error_exit = give_up;
  job.errors.emit_message = hear_message;
  job.progress.progress_monitor = count_scans;
  const cvy_err err = guarded_jpeg(&job, out, part, bytes, byte_count, channels);
  jpeg_destroy_decompress(&job.info);
  return err;
}

/* ---- PNG ---- */

static cvy_err png_error(int code) {
  if (code == SPNG_EMEM) return cvy_error(CVY_E_SYSTEM, "out of memory while decoding a PNG");
  const bool ends_early = code == SPNG_IO_EOF || code == SPNG_EIDAT_TOO_SHORT;
  return cvy_error(CVY_E_INPUT, "%s%s", ends_early ? "truncated: PNG: " : "PNG: ", spng_strerror(code));
}

/* Transparent pixels show white paper. */
static void flatten(cvy_image *out, const uint8_t *rgba) {
  const int64_t pixels = out->h * out->w;
  for (int64_t i = 0; i < pixels; i++, rgba += 4) {
    uint8_t rgb[3];
    for (int k = 0; k < 3; k++)
      rgb[k] = (uint8_t)(scaled_255(rgba[k], rgba[3]) + scaled_255(255, 255 - rgba[3]));
    put_pixel(out->px + i * out->c, rgb, out->c);
  }
}

static int decode_rgba(spng_ctx *png, uint8_t *rgba, size_t bytes) {
  const int code = spng_decode_image(png, rgba, bytes, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
  return code ? code : spng_decode_chunks(png); /* this notices a missing end */
}

static cvy_err read_png(cvy_image *out, spng_ctx *png, const struct spng_ihdr *header, int64_t channels) {
  size_t rgba_bytes;
  int code = spng_decoded_image_size(png, SPNG_FMT_RGBA8, &rgba_bytes);
  if (code) return png_error(code);
  void *rgba;
  CVY_TRY(cvy_buffer_create(&rgba, rgba_bytes, "decoding a PNG"));
  code = decode_rgba(png, rgba, rgba_bytes);
  if (!code) {
    cvy_image_resize_buffer(out, header->height, header->width, channels);
    flatten(out, rgba);
  }
  cvy_buffer_destroy(rgba);
  return code ? png_error(code) : CVY_OK;
}

/* A PNG has no parts: `part` receives the whole. */
static cvy_err run_png(cvy_image *out, cvy_image_part *part, spng_ctx *png, const void *bytes,
                       size_t byte_count, int64_t *channels) {
  struct spng_ihdr header;
  int code = spng_set_chunk_limits(png, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES);
  if (!code) code = spng_set_png_buffer(png, bytes, byte_count);
  if (!code) code = spng_get_ihdr(png, &header);
  if (code) return png_error(code);
  CVY_TRY(check_size(header.width, header.height));
  const bool grey = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                    header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
  if (*channels == 0) *channels = grey ? 1 : 3;
  if (part) *part = (cvy_image_part){.h = header.height, .w = header.width, .shrink = 1};
  return out ? read_png(out, png, &header, *channels) : CVY_OK;
}

static cvy_err decode_png(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                          int64_t *channels) {
  spng_ctx *png = spng_ctx_new(0);
  if (!png) return png_error(SPNG_EMEM);
  const cvy_err err = run_png(out, part, png, bytes, byte_count, channels);
  spng_ctx_free(png);
  return err;
}

/* ---- which of the two ---- */

static cvy_err neither(const uint8_t *bytes, size_t byte_count) {
  char hex[32] = "", text[12] = "";
  for (size_t i = 0; i < byte_count && i < 8; i++) {
    snprintf(hex + 3 * i, sizeof hex - 3 * i, " %02x", bytes[i]);
    text[i] = (char)(isprint(bytes[i]) ? bytes[i] : '.');
  }
  return cvy_error(CVY_E_INPUT, "neither JPEG nor PNG: starts with%s (\"%s\")", hex, text);
}

static cvy_err decode_any(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                          int64_t *channels) {
  CVY_CHECK(*channels == 0 || *channels == 1 || *channels == 3);
  static const uint8_t jpeg[] = {0xff, 0xd8, 0xff}, png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (byte_count == 0) return cvy_error(CVY_E_INPUT, "empty (0 bytes)");
  if (byte_count >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0)
    return decode_jpeg(out, part, bytes, byte_count, channels);
  if (byte_count >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
    return decode_png(out, part, bytes, byte_count, channels);
  return neither(bytes, byte_count);
}

cvy_err cvy_image_decode(cvy_image *out, const void *bytes, size_t byte_count, int64_t channels) {
  return decode_any(out, NULL, bytes, byte_count, &channels);
}

cvy_err cvy_image_decode_at_least(cvy_image *out, int64_t full[2], const void *bytes, size_t byte_count,
                                  int64_t channels, int64_t h, int64_t w) {
  int64_t found = channels;
  CVY_TRY(cvy_image_size(&full[0], &full[1], &found, bytes, byte_count));
  cvy_image_part whole = {.h = full[0], .w = full[1], .shrink = 1};
  for (int64_t scale = 2; h > 0 && w > 0 && scale <= 8; scale *= 2)
    if ((full[0] + scale - 1) / scale >= h && (full[1] + scale - 1) / scale >= w)
      whole.shrink = (double)scale;
  return cvy_image_decode_part(out, &whole, bytes, byte_count, channels);
}

cvy_err cvy_image_decode_part(cvy_image *out, cvy_image_part *part, const void *bytes, size_t byte_count,
                              int64_t channels) {
  return decode_any(out, part, bytes, byte_count, &channels);
}

int64_t cvy_image_scale_for(double shrink) {
  return coarsest(shrink);
}

void cvy_image_cut(cvy_image *out, cvy_image_part *part, const cvy_image *whole, int64_t step,
                   int64_t scale) {
  extent e = {.bottom = whole->h, .right = whole->w};
  if (step > 0) e = extent_of(part, whole->h, whole->w, step, scale);
  cvy_image_resize_buffer(out, e.bottom - e.top, e.right - e.left, whole->c);
  const int64_t row = out->w * out->c;
  for (int64_t y = 0; y < out->h; y++)
    memcpy(out->px + y * row, whole->px + ((e.top + y) * whole->w + e.left) * whole->c, (size_t)row);
  show_extent(part, &e, step > 0 ? scale : 1);
}

cvy_err cvy_image_size(int64_t *h, int64_t *w, int64_t *channels, const void *bytes, size_t byte_count) {
  cvy_image_part part = {0};
  CVY_TRY(decode_any(NULL, &part, bytes, byte_count, channels));
  *h = part.h;
  *w = part.w;
  return CVY_OK;
}

/* ---- scaling ---- */

/* One axis: output i is the sum of weights[i*stride + k] * input[first[i] + k] over k < count[i]; the
 * weights behind those are 0. */
typedef struct axis {
  int64_t stride;
  int32_t *first, *count;
  float *weights;
} axis;

static int64_t axis_stride(int64_t in, int64_t out) {
  return in > out ? (in + out - 1) / out + 1 : 2;
}

static size_t axis_bytes(int64_t in, int64_t out) {
  return cvy_aligned((size_t)out * (2 * sizeof(int32_t) + (size_t)axis_stride(in, out) * sizeof(float)));
}

/* Overlaps are counted in 1/out of an input pixel, where all borders are whole numbers. */
static void plan_shrinking(const axis *a, int64_t i, int64_t in, int64_t out) {
  const int64_t start = i * in, end = start + in;
  const int64_t first = start / out, last = (end - 1) / out;
  a->first[i] = (int32_t)first;
  a->count[i] = (int32_t)(last - first + 1);
  for (int64_t k = 0; k < a->count[i]; k++) {
    const int64_t from = (first + k) * out, to = from + out;
    const int64_t overlap = (to < end ? to : end) - (from > start ? from : start);
    a->weights[i * a->stride + k] = (float)((double)overlap / (double)in);
  }
}

/* Pixels are squares: the centre of output i lies at (i + 1/2) in/out - 1/2 among the inputs' centres. */
static void plan_growing(const axis *a, int64_t i, int64_t in, int64_t out) {
  const int64_t position = (2 * i + 1) * in - out; /* in 1/(2 out) of an input pixel */
  const int64_t first = position < 0 ? 0 : position / (2 * out);
  const double fraction = position < 0 ? 0 : (double)(position - first * 2 * out) / (double)(2 * out);
  const bool has_next = first + 1 < in;
  a->first[i] = (int32_t)first;
  a->count[i] = has_next ? 2 : 1;
  a->weights[i * a->stride] = has_next ? (float)(1 - fraction) : 1;
  if (has_next) a->weights[i * a->stride + 1] = (float)fraction;
}

static axis axis_plan(void *memory, int64_t in, int64_t out) {
  axis a = {.stride = axis_stride(in, out), .first = memory};
  a.count = a.first + out;
  a.weights = (float *)(a.count + out);
  memset(a.weights, 0, sizeof *a.weights * (size_t)(out * a.stride));
  for (int64_t i = 0; i < out; i++) {
    if (in > out)
      plan_shrinking(&a, i, in, out);
    else
      plan_growing(&a, i, in, out);
  }
  return a;
}

/* `c`, `lanes` and mostly `taps` are constants where this is called: three channels are summed as four,
 * one vector, of which the last belongs to the next pixel and is written over by it. All of the stride is
 * summed, for a loop of changing length is mispredicted at every other pixel. */
static inline void scale_line(float *line, const float *samples, const axis *x, int64_t w, int64_t c,
                              int64_t lanes, int64_t taps) {
  for (int64_t i = 0; i < w; i++, line += c) {
    const float *from = samples + x->first[i] * c, *weights = x->weights + i * taps;
    float sum[CVY_MAX_CHANNELS] = {0};
    for (int64_t k = 0; k < taps; k++, from += c)
      for (int64_t ch = 0; ch < lanes; ch++) sum[ch] += weights[k] * from[ch];
    for (int64_t ch = 0; ch < lanes; ch++) line[ch] = sum[ch];
  }
}

/* `samples` has room for a row of the input, and zeros for a stride and a lane behind it; `line` too is
 * longer by that. */
static void scale_row(float *line, float *samples, const uint8_t *px, const axis *x, const cvy_image *in,
                      int64_t w) {
  for (int64_t j = 0; j < in->w * in->c; j++) samples[j] = (float)px[j];
  if (in->c == 3 && x->stride == 2)
    scale_line(line, samples, x, w, 3, 4, 2);
  else if (in->c == 3 && x->stride == 3)
    scale_line(line, samples, x, w, 3, 4, 3);
  else if (in->c == 3)
    scale_line(line, samples, x, w, 3, 4, x->stride);
  else if (in->c == 1)
    scale_line(line, samples, x, w, 1, 1, x->stride);
  else
    scale_line(line, samples, x, w, in->c, in->c, x->stride);
}

/* Neighbouring output rows share input rows, so the last two that were scaled along x are kept. */
CVY_FOR_EACH_MACHINE static void scale_rows(cvy_image *out, const cvy_image *in, const axis *y, const axis *x,
                                            float *memory) {
  const int64_t n = out->w * out->c;
  float *sum = memory, *lines[2] = {memory + n, memory + 2 * n + 1}, *samples = memory + 3 * n + 2;
  int64_t held[2] = {-1, -1};
  uint8_t *to = out->px; /* a pointer of its own, for a byte might else be part of `out` */
  memset(samples + in->w * in->c, 0, sizeof *samples * (size_t)(x->stride * in->c + 1));
  for (int64_t i = 0; i < out->h; i++) {
    for (int64_t j = 0; j < n; j++) sum[j] = 0.5f;
    for (int64_t k = 0; k < y->count[i]; k++) {
      const int64_t row = y->first[i] + k;
      float *line = lines[row & 1];
      if (held[row & 1] != row) scale_row(line, samples, in->px + row * in->w * in->c, x, in, out->w);
      held[row & 1] = row;
      const float weight = y->weights[i * y->stride + k];
      for (int64_t j = 0; j < n; j++) sum[j] += weight * line[j];
    }
    for (int64_t j = 0; j < n; j++) to[j] = (uint8_t)sum[j];
    to += n;
  }
}

void cvy_image_scale(cvy_image *out, const cvy_image *in, int64_t h, int64_t w) {
  CVY_CHECK(out != in);
  cvy_image_resize_buffer(out, h, w, in->c);
  if (h == in->h && w == in->w) {
    memcpy(out->px, in->px, sample_count(in));
    return;
  }
  /* Scratch lives behind the samples, in the buffer that is reused, so nothing is allocated from the second
   * call on. */
  const size_t samples = cvy_aligned(sample_count(out));
  const size_t y_bytes = axis_bytes(in->h, h), x_bytes = axis_bytes(in->w, w);
  const size_t line_bytes = sizeof(float) * (size_t)((3 * w + in->w + axis_stride(in->w, w)) * in->c + 3);
  reserve(out, samples + y_bytes + x_bytes + line_bytes);
  uint8_t *scratch = out->px + samples;
  const axis y = axis_plan(scratch, in->h, h), x = axis_plan(scratch + y_bytes, in->w, w);
  scale_rows(out, in, &y, &x, (float *)(void *)(scratch + y_bytes + x_bytes));
}
