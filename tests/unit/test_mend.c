/* Tests files that end early: which are mended, and that the mended ones show what libjpeg makes of the
 * broken ones. */
#include "suite.h"
#include "pictures.h"

#include <jerror.h>

static cvy_image image, whole, other;
static void *mended;
static size_t mended_count;
static char note[CVY_MEND_NOTE];

/* ---- what libjpeg shows of a file, come what may ---- */

static void pass_over(j_common_ptr info, int level) {
  (void)info, (void)level;
}

static void show(cvy_image *out, const void *bytes, size_t count) {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  errors.emit_message = pass_over;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, (unsigned long)count);
  jpeg_read_header(&info, TRUE);
  info.dct_method = JDCT_ISLOW;
  info.do_block_smoothing = FALSE;
  jpeg_start_decompress(&info);
  cvy_image_resize_buffer(out, info.output_height, info.output_width, info.output_components);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out->px + info.output_scanline * (JDIMENSION)(out->w * out->c);
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

/* ---- files ---- */

/* Draws a picture with many details, so that most of its file is data. */
static void draw(int64_t c) {
  paint(&image, 90, 70, c);
  for (int64_t i = 0; i < 90 * 70 * c; i++) image.px[i] = (uint8_t)(image.px[i] / 2 + i * i * 31 % 97);
}

typedef enum kind { SEQUENTIAL, SUBSAMPLED, PROGRESSIVE, SEPARATE, RESTARTS, KINDS } kind;

/* Makes a JPEG of `image`. The separate kind has a scan for each component. */
static file_bytes make(kind how) {
  static jpeg_scan_info scans[3];
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  file_bytes out = {0};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &out.bytes, &out.count);
  info.image_width = (JDIMENSION)image.w;
  info.image_height = (JDIMENSION)image.h;
  info.input_components = (int)image.c;
  info.in_color_space = image.c == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  if (how != SUBSAMPLED) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (how == PROGRESSIVE) jpeg_simple_progression(&info);
  if (how == RESTARTS) info.restart_in_rows = 1;
  if (how == SEPARATE) {
    for (int i = 0; i < 3; i++)
      scans[i] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {i}, .Se = DCTSIZE2 - 1};
    info.scan_info = scans;
    info.num_scans = info.num_components;
  }
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = image.px + info.next_scanline * image.w * image.c;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return out;
}

static bool mend(const void *bytes, size_t count, cvy_tolerance tolerance) {
  free(mended);
  const bool good = cvy_image_mend(&mended, &mended_count, note, bytes, count, tolerance);
  CU_ASSERT(good == (mended != NULL));
  return good;
}

static bool is_same(const cvy_image *a, const cvy_image *b) {
  return a->h == b->h && a->w == b->w && a->c == b->c &&
         memcmp(a->px, b->px, (size_t)(a->h * a->w * a->c)) == 0;
}

/* ---- tests ---- */

static void an_end_marker_is_added(void) {
  for (kind how = 0; how < KINDS; how++)
    for (int64_t c = 1; c <= 3; c += 2) {
      draw(c);
      const file_bytes file = make(how);
      CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count - 2, 0), CVY_E_INPUT);
      CU_ASSERT_FALSE(mend(file.bytes, file.count, CVY_TOLERATE_TRUNCATED)); /* nothing is wrong with it */
      CU_ASSERT_FALSE(mend(file.bytes, file.count - 2, CVY_TOLERATE_NOTHING));
      CU_ASSERT_TRUE_FATAL(mend(file.bytes, file.count - 2, CVY_TOLERATE_END_MARKER));
      CU_ASSERT_STRING_EQUAL(note, "its end marker is missing");
      CU_ASSERT(mended_count == file.count && memcmp(mended, file.bytes, file.count) == 0);
      CU_ASSERT_TRUE(mend(file.bytes, file.count - 1, CVY_TOLERATE_TRUNCATED)); /* half of it */
      CU_ASSERT_EQUAL(cvy_image_decode(&whole, file.bytes, file.count, 0), CVY_OK);
      CU_ASSERT_EQUAL(cvy_image_decode(&other, mended, mended_count, 0), CVY_OK);
      CU_ASSERT(is_same(&whole, &other));
      free(file.bytes);
    }
}

/* Cut anywhere, a file is refused or shows what libjpeg shows of it; the rows before the cut are whole. */
static void what_is_missing_is_grey(void) {
  for (kind how = 0; how < KINDS; how++) {
    int64_t taken = 0;
    draw(3);
    const file_bytes file = make(how);
    CU_ASSERT_EQUAL(cvy_image_decode(&whole, file.bytes, file.count, 0), CVY_OK);
    for (size_t count = 0; count < file.count - 3; count += 1 + count / 500) {
      CU_ASSERT_FALSE(mend(file.bytes, count, CVY_TOLERATE_END_MARKER));
      if (!mend(file.bytes, count, CVY_TOLERATE_TRUNCATED)) continue;
      taken++;
      CU_ASSERT_EQUAL(strncmp(note, "truncated: ", 11), 0);
      CU_ASSERT_EQUAL_FATAL(cvy_image_decode(&other, mended, mended_count, 0), CVY_OK);
      show(&image, file.bytes, count);
      CU_ASSERT(is_same(&image, &other));
    }
    CU_ASSERT(taken > 200);
    free(file.bytes);
  }
  draw(3);
  const file_bytes file = make(SEQUENTIAL);
  CU_ASSERT_EQUAL(cvy_image_decode(&whole, file.bytes, file.count, 0), CVY_OK);
  CU_ASSERT_TRUE_FATAL(mend(file.bytes, file.count * 3 / 4, CVY_TOLERATE_TRUNCATED));
  CU_ASSERT_EQUAL(cvy_image_decode(&other, mended, mended_count, 0), CVY_OK);
  CU_ASSERT_EQUAL(memcmp(whole.px, other.px, (size_t)(48 * 70 * 3)), 0);
  CU_ASSERT(other.px[(89 * 70 + 35) * 3] == 128);
  free(file.bytes);
}

/* Some rows of blocks are enough, or as much as there is of a low picture. */
static void next_to_nothing_is_refused(void) {
  draw(3);
  const file_bytes file = make(SEQUENTIAL);
  size_t scan = 0;
  while (file.bytes[scan] != 0xff || file.bytes[scan + 1] != 0xda) scan++;
  CU_ASSERT_FALSE(mend(file.bytes, scan + 20, CVY_TOLERATE_TRUNCATED));
  CU_ASSERT(strstr(note, "not even its first ") && strstr(note, " rows are whole"));
  CU_ASSERT_FALSE(mend(file.bytes, scan + 20, CVY_TOLERATE_END_MARKER));
  CU_ASSERT_STRING_EQUAL(note, "");
  CU_ASSERT_FALSE(mend(file.bytes, scan - 5, CVY_TOLERATE_TRUNCATED));
  free(file.bytes);
}

/* What is wrong before the end is no missing end. */
static void damage_is_not_mended(void) {
  draw(3);
  const file_bytes file = make(RESTARTS);
  size_t scan = 0;
  while (file.bytes[scan] != 0xff || file.bytes[scan + 1] != 0xda) scan++;
  for (size_t at = scan + 20; at < file.count - 60; at += 7) {
    const uint8_t was[2] = {file.bytes[at], file.bytes[at + 1]};
    file.bytes[at] = 0xff, file.bytes[at + 1] = 0xd9; /* an end too early */
    CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, file.count, 0), CVY_E_INPUT);
    CU_ASSERT_FALSE(mend(file.bytes, file.count, CVY_TOLERATE_TRUNCATED));
    file.bytes[at] = was[0], file.bytes[at + 1] = was[1];
  }
  CU_ASSERT_FALSE(mend("no picture", 10, CVY_TOLERATE_TRUNCATED));
  CU_ASSERT_FALSE(mend("", 0, CVY_TOLERATE_TRUNCATED));
  free(file.bytes);
}

static void png_without_an_end(void) {
  paint(&image, 30, 20, 3);
  const file_bytes file = make_png(image.px, 30 * 20 * 3, 30, 20, SPNG_COLOR_TYPE_TRUECOLOR, 8, NULL);
  CU_ASSERT_FALSE(mend(file.bytes, file.count, CVY_TOLERATE_TRUNCATED));
  for (size_t lacks = 1; lacks <= file.count; lacks++) {
    const size_t count = file.count - lacks;
    if (lacks > 4) CU_ASSERT_EQUAL(cvy_image_decode(&other, file.bytes, count, 0), CVY_E_INPUT);
    const bool good = mend(file.bytes, count, CVY_TOLERATE_END_MARKER);
    CU_ASSERT_EQUAL(good, lacks <= 12);
    if (good) CU_ASSERT(mended_count == file.count && memcmp(mended, file.bytes, file.count) == 0);
    CU_ASSERT_EQUAL(mend(file.bytes, count, CVY_TOLERATE_TRUNCATED), good); /* pixels are not made up */
    if (lacks == 14) CU_ASSERT_STRING_EQUAL(note, "only of JPEG files a part may be missing");
  }
  free(file.bytes);
}

static void end(void) {
  free(mended);
  cvy_image_free(&image);
  cvy_image_free(&whole);
  cvy_image_free(&other);
}

SUITE("mend", TEST(an_end_marker_is_added), TEST(what_is_missing_is_grey), TEST(next_to_nothing_is_refused),
      TEST(damage_is_not_mended), TEST(png_without_an_end), TEST(end))
