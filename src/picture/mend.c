/* Makes whole files of files that end early, as a camera or a download leaves them behind.
 *
 * libjpeg shows what there is of a JPEG that ends early, and grey for the rest. Its entropy coding is read to
 * the end here. If nothing more was asked for than there was, and every coefficient of every component has
 * come, then only the end marker is missing, and two bytes mend the file. Else the coefficients that have
 * come are written anew, without loss, and the others as zeros. So everybody decodes the mended file, in
 * whole or in part, as libjpeg decodes the broken one. A PNG is mended only if none of its pixels is
 * missing. */
#include "picture/image.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

const char *const cvy_tolerance_words[] = {[CVY_TOLERATE_NOTHING] = "nothing",
                                           [CVY_TOLERATE_END_MARKER] = "end-marker",
                                           [CVY_TOLERATE_TRUNCATED] = "truncated",
                                           NULL};

/* ---- what has come of a JPEG ---- */

enum { MOST_SCANS = 500, NO_ROW = -1 };

typedef struct jpeg_rest {
  struct jpeg_decompress_struct in;
  struct jpeg_compress_struct out;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  bool ends_early;               /* the file has no end marker */
  bool is_short;                 /* its last scan wants more than there is, too */
  int64_t first_row;             /* the row of blocks at which the first scan ended early, or NO_ROW */
  bool has_come[MAX_COMPONENTS]; /* components that some scan had */
  unsigned char *bytes;          /* the file written anew */
  unsigned long byte_count;
} jpeg_rest;

static void give_up(j_common_ptr info) {
  jpeg_rest *rest = info->client_data;
  longjmp(rest->failed, 1);
}

/* Takes note of a file that ends early. Any other fault is damage, which is not mended. */
static void hear_message(j_common_ptr info, int level) {
  jpeg_rest *rest = info->client_data;
  if (level >= 0) return;
  switch (info->err->msg_code) {
  case JWRN_JPEG_EOF:
    rest->ends_early = true;
    return;
  case JWRN_EXTRANEOUS_DATA:
  case JWRN_ADOBE_XFORM:
  case JWRN_JFIF_MAJOR:
  case JWRN_TOO_MUCH_DATA:
  case JWRN_BOGUS_ICC:
    return;
  }
  if (!rest->ends_early) give_up(info);
  rest->is_short = true;
  if (rest->in.input_scan_number == 1 && rest->first_row == NO_ROW) rest->first_row = rest->in.input_iMCU_row;
}

static void watch_scans(j_common_ptr info) {
  jpeg_rest *rest = info->client_data;
  if (rest->in.input_scan_number > MOST_SCANS) give_up(info);
  for (int i = 0; i < rest->in.comps_in_scan; i++)
    rest->has_come[rest->in.cur_comp_info[i]->component_index] = true;
}

static bool has_all_details(const jpeg_rest *rest) {
  for (int i = 0; i < rest->in.num_components; i++) {
    if (!rest->has_come[i]) return false;
    for (int k = 0; rest->in.coef_bits && k < DCTSIZE2; k++)
      if (rest->in.coef_bits[i][k] != 0) return false;
  }
  return true;
}

/* ---- a JPEG written anew ---- */

static void write_anew(jpeg_rest *rest, jvirt_barray_ptr *coefficients) {
  struct jpeg_compress_struct *out = &rest->out;
  jpeg_mem_dest(out, &rest->bytes, &rest->byte_count);
  jpeg_copy_critical_parameters(&rest->in, out);
  out->write_JFIF_header = rest->in.saw_JFIF_marker; /* the colours are told by the same markers as before */
  out->write_Adobe_marker = rest->in.saw_Adobe_marker;
  out->optimize_coding = TRUE;
  jpeg_write_coefficients(out, coefficients);
  jpeg_finish_compress(out);
}

static void describe_rest(char note[CVY_MEND_NOTE], const jpeg_rest *rest) {
  const int64_t block_h = (int64_t)DCTSIZE * rest->in.max_v_samp_factor, h = rest->in.image_height;
  if (rest->first_row == NO_ROW)
    snprintf(note, CVY_MEND_NOTE, "truncated: some of its details are missing");
  else
    snprintf(note, CVY_MEND_NOTE, "truncated: %" PRId64 " to %" PRId64 " of its %" PRId64 " rows are missing",
             h - (rest->first_row + 1) * block_h < 0 ? 0 : h - (rest->first_row + 1) * block_h,
             h - rest->first_row * block_h, h);
}

/* Returns whether the file can be mended. If a part is missing, rest->bytes is the whole file; if only the
 * end marker is, it stays NULL. */
static bool read_rest(jpeg_rest *rest, const void *bytes, size_t byte_count, cvy_tolerance tolerance,
                      char note[CVY_MEND_NOTE]) {
  if (setjmp(rest->failed)) return false;
  jpeg_create_decompress(&rest->in);
  jpeg_create_compress(&rest->out);
  rest->in.progress = &rest->progress;
  jpeg_mem_src(&rest->in, bytes, (unsigned long)byte_count);
  jpeg_read_header(&rest->in, TRUE);
  jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&rest->in);
  if (!rest->ends_early) return false;
  if (!rest->is_short && has_all_details(rest)) {
    snprintf(note, CVY_MEND_NOTE, "its end marker is missing");
    return true;
  }
  if (tolerance != CVY_TOLERATE_TRUNCATED) return false;
  if (rest->first_row == 0 && rest->in.total_iMCU_rows > 1) {
    snprintf(note, CVY_MEND_NOTE, "not even its first %d rows are whole",
             rest->in.max_v_samp_factor * DCTSIZE);
    return false;
  }
  describe_rest(note, rest);
  write_anew(rest, coefficients);
  return true;
}

static void copy_and_add(void **out, size_t *out_count, const void *bytes, size_t byte_count, const void *end,
                         size_t end_count) {
  *out_count = byte_count + end_count;
  *out = cvy_new(*out_count);
  memcpy(*out, bytes, byte_count);
  memcpy((char *)*out + byte_count, end, end_count);
}

static bool mend_jpeg(void **out, size_t *out_count, char note[CVY_MEND_NOTE], const void *bytes,
                      size_t byte_count, cvy_tolerance tolerance) {
  static const uint8_t end[] = {0xff, JPEG_EOI};
  jpeg_rest *rest = cvy_new(sizeof *rest);
  rest->first_row = NO_ROW;
  rest->in.err = rest->out.err = jpeg_std_error(&rest->errors);
  rest->errors.error_exit = give_up;
  rest->errors.emit_message = hear_message;
  rest->progress.progress_monitor = watch_scans;
  rest->in.client_data = rest->out.client_data = rest;
  const bool good = read_rest(rest, bytes, byte_count, tolerance, note);
  if (good && rest->bytes) {
    *out = rest->bytes;
    *out_count = rest->byte_count;
    rest->bytes = NULL;
  } else if (good) {
    copy_and_add(out, out_count, bytes, byte_count, end, sizeof end);
  }
  jpeg_destroy_compress(&rest->out);
  jpeg_destroy_decompress(&rest->in);
  free(rest->bytes);
  free(rest);
  return good;
}

/* ---- PNG ---- */

/* Keeps the whole chunks, and adds the last one. A chunk is a length, a name of four letters, that many bytes
 * and a CRC-32. */
static bool mend_png(void **out, size_t *out_count, char note[CVY_MEND_NOTE], const uint8_t *bytes,
                     size_t byte_count) {
  static const uint8_t end[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  enum { SIGNATURE = 8, FRAME = 12 };
  size_t at = SIGNATURE;
  while (byte_count - at >= FRAME) {
    const size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                          (size_t)bytes[at + 3];
    if (memcmp(bytes + at + 4, "IEND", 4) == 0) return false;
    if (length > byte_count - at - FRAME) break;
    at += FRAME + length;
  }
  copy_and_add(out, out_count, bytes, at, end, sizeof end);
  snprintf(note, CVY_MEND_NOTE, "its end marker is missing");
  return true;
}

/* ---- any file ---- */

bool cvy_image_mend(void **out, size_t *out_count, char note[CVY_MEND_NOTE], const void *bytes,
                    size_t byte_count, cvy_tolerance tolerance) {
  const uint8_t *first = bytes;
  int64_t h, w, channels = 0;
  *out = NULL;
  note[0] = '\0';
  if (tolerance == CVY_TOLERATE_NOTHING || cvy_image_size(&h, &w, &channels, bytes, byte_count)) return false;
  const bool is_jpeg = first[0] == 0xff;
  if (is_jpeg ? !mend_jpeg(out, out_count, note, bytes, byte_count, tolerance)
              : !mend_png(out, out_count, note, bytes, byte_count))
    return false;
  cvy_image whole = {0};
  const bool good = !cvy_image_decode(&whole, *out, *out_count, 0);
  cvy_image_free(&whole);
  if (good) return true;
  free(*out);
  *out = NULL;
  const bool may_lack_parts = tolerance == CVY_TOLERATE_TRUNCATED && !is_jpeg;
  snprintf(note, CVY_MEND_NOTE, "%s", may_lack_parts ? "only of JPEG files a part may be missing" : "");
  return false;
}
