/* `convoy inspect`: walks through an HDF5 file and tells what it finds. */
#include "report/inspect.h"

#include "base/count.h"
#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "file/h5.h"
#include "formats/formats.h"
#include "report/inspect_weights.h"

#include <string.h>

enum { ROWS_BYTES = 1 << 22, MOST_CLASSES_SHOWN = 32 };

/* What Convoy's files say about themselves, in the order to print it. */
typedef enum attribute_type { TEXT, WHOLE, NUMBER } attribute_type;
static const struct {
  const char *name;
  attribute_type type;
} attributes[] = {
    {"format", TEXT},         {"version", WHOLE},      {"split", TEXT},         {"shard", WHOLE},
    {"shards", WHOLE},        {"first_record", WHOLE}, {"encoding", TEXT},      {"channels", WHOLE},
    {"image_h", WHOLE},       {"image_w", WHOLE},      {"shorter_side", WHOLE}, {"step", WHOLE},
    {"train_loss", NUMBER},   {"best_top1", NUMBER},   {"best_step", WHOLE},    {"roll_backs", WHOLE},
    {"stopped_early", WHOLE}, {"ema_weights", TEXT},   {"data", TEXT},          {"weights", TEXT},
    {"history", TEXT},        {"origin", TEXT},
};

typedef struct inspection {
  cvy_h5 *file;
  cvy_pool *pool;
  FILE *out; /* NULL: JSON */
  cvy_json json;
  cvy_hasher *hasher;
  cvy_saved_error failed; /* the first error, kept while visiting */
} inspection;

/* ---- attributes ---- */

static cvy_err show_attribute(inspection *in, const char *name, attribute_type type) {
  char *text;
  int64_t whole;
  double number;
  if (type == TEXT) {
    CVY_TRY(cvy_h5_read_attr_text(in->file, "", name, &text, in->pool));
    if (in->out)
      fprintf(in->out, "  %-14s %s\n", name, cvy_utf8_shown(in->pool, text));
    else
      cvy_json_text(&in->json, name, text);
  } else if (type == WHOLE) {
    CVY_TRY(cvy_h5_read_attr_i64(in->file, "", name, &whole));
    if (in->out)
      fprintf(in->out, "  %-14s %" PRId64 "\n", name, whole);
    else
      cvy_json_int(&in->json, name, whole);
  } else {
    CVY_TRY(cvy_h5_read_attr_f64(in->file, "", name, &number));
    if (in->out)
      fprintf(in->out, "  %-14s %.9g\n", name, number);
    else
      cvy_json_number(&in->json, name, number, 9);
  }
  return CVY_OK;
}

static cvy_err show_attributes(inspection *in) {
  for (int64_t i = 0; i < CVY_COUNT(attributes); i++)
    if (cvy_h5_has_attr(in->file, "", attributes[i].name))
      CVY_TRY(show_attribute(in, attributes[i].name, attributes[i].type));
  return CVY_OK;
}

/* ---- datasets ---- */

static cvy_err hash_numbers(inspection *in, const char *name, cvy_h5_type type, const int64_t *dims,
                            int dim_count) {
  int64_t per_row = 1;
  for (int i = 1; i < dim_count; i++) per_row *= dims[i];
  const size_t row_bytes = cvy_h5_type_bytes(type) * (size_t)per_row;
  if (dim_count == 0) {
    double scalar = 0; /* room for any of the types */
    CVY_TRY(cvy_h5_read(in->file, name, type, &scalar, 1));
    cvy_hasher_add(in->hasher, &scalar, cvy_h5_type_bytes(type));
    return CVY_OK;
  }
  if (row_bytes == 0) return CVY_OK;
  const int64_t rows_at_once = row_bytes < ROWS_BYTES ? (int64_t)(ROWS_BYTES / row_bytes) : 1;
  void *rows;
  CVY_TRY(cvy_buffer_create(&rows, row_bytes * (size_t)rows_at_once, name));
  cvy_err err = CVY_OK;
  for (int64_t first = 0; !err && first < dims[0]; first += rows_at_once) {
    const int64_t count = dims[0] - first < rows_at_once ? dims[0] - first : rows_at_once;
    err = cvy_h5_read_rows(in->file, name, type, rows, first, count);
    if (!err) cvy_hasher_add(in->hasher, rows, row_bytes * (size_t)count);
  }
  cvy_buffer_destroy(rows);
  return err;
}

/* Hashes texts in lists. What else there may be (single texts, structs) counts with its name and shape
 * only. */
static cvy_err hash_texts(inspection *in, const char *name, int64_t *count) {
  char **texts;
  CVY_TRY(cvy_h5_read_texts(in->file, name, &texts, count, in->pool));
  for (int64_t i = 0; i < *count; i++) cvy_hasher_add(in->hasher, texts[i], strlen(texts[i]) + 1);
  return CVY_OK;
}

/* Returns the CRC-32 that the file has for a dataset, or -1 if it has none. */
static int64_t stored_checksum(inspection *in, const char *name) {
  int64_t value;
  if (!cvy_h5_has_attr(in->file, name, "checksum")) return -1;
  return cvy_h5_read_attr_i64(in->file, name, "checksum", &value) ? -1 : value;
}

static void show_dataset(inspection *in, const char *name, const char *type, const int64_t *dims,
                         int dim_count) {
  const int64_t checksum = stored_checksum(in, name);
  char shape[160];
  cvy_text_dims(shape, sizeof shape, dims, dim_count);
  if (in->out) {
    const char *shown = cvy_utf8_shown(in->pool, name);
    fprintf(in->out, "  %-*s %-8s ", cvy_utf8_pad(shown, 32), shown, type);
    if (checksum < 0)
      fprintf(in->out, "%s\n", shape);
    else
      fprintf(in->out, "%-14s CRC-32 %08" PRIx64 "\n", shape, (uint64_t)checksum);
    return;
  }
  cvy_json_open(&in->json, NULL, '{');
  cvy_json_text(&in->json, "name", name);
  cvy_json_text(&in->json, "type", type);
  cvy_json_open(&in->json, "shape", '[');
  for (int i = 0; i < dim_count; i++) cvy_json_int(&in->json, NULL, dims[i]);
  cvy_json_close(&in->json, ']');
  if (checksum >= 0) cvy_json_int(&in->json, "crc32", checksum);
  cvy_json_close(&in->json, '}');
}

static cvy_err visit(inspection *in, const char *name) {
  static const char *const type_names[] = {
      [CVY_H5_U8] = "uint8",   [CVY_H5_I32] = "int32",   [CVY_H5_U32] = "uint32", [CVY_H5_I64] = "int64",
      [CVY_H5_U64] = "uint64", [CVY_H5_F32] = "float32", [CVY_H5_F64] = "float64"};
  cvy_h5_type type;
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(in->file, name, dims, &dim_count));
  cvy_hasher_add(in->hasher, name, strlen(name) + 1);
  cvy_hasher_add(in->hasher, dims, sizeof *dims * (size_t)dim_count);
  if (cvy_h5_element(in->file, name, &type)) {
    const bool is_list = dim_count == 1 && hash_texts(in, name, &dims[0]) == CVY_OK;
    show_dataset(in, name, is_list ? "text" : "other", dims, dim_count);
    return CVY_OK;
  }
  CVY_TRY(hash_numbers(in, name, type, dims, dim_count));
  show_dataset(in, name, type_names[type], dims, dim_count);
  return CVY_OK;
}

static void visit_unless_failed(void *context, const char *name) {
  inspection *in = context;
  if (!in->failed.code) cvy_error_save(&in->failed, visit(in, name));
}

/* ---- what a shard's small datasets say ---- */

enum { MOST_VALUES = 16 };

/* Shows a few floats, such as a mean for each channel; rows are told apart by a semicolon. */
static cvy_err show_values(inspection *in, const char *name) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  float values[MOST_VALUES];
  if (!cvy_h5_has(in->file, name)) return CVY_OK;
  CVY_TRY(cvy_h5_shape(in->file, name, dims, &dim_count));
  const int64_t rows = dim_count == 2 ? dims[0] : 1, columns = dim_count > 0 ? dims[dim_count - 1] : 1;
  if (dim_count > 2 || rows * columns > MOST_VALUES) return CVY_OK;
  CVY_TRY(cvy_h5_read(in->file, name, CVY_H5_F32, values, rows * columns));
  if (in->out)
    fprintf(in->out, "  %-19s", name + 1);
  else
    cvy_json_open(&in->json, name + 1, '[');
  for (int64_t i = 0; i < rows * columns; i++) {
    if (in->out)
      fprintf(in->out, "%s %.6g", i > 0 && i % columns == 0 ? ";" : "", (double)values[i]);
    else
      cvy_json_number(&in->json, NULL, (double)values[i], 9);
  }
  if (in->out)
    fputc('\n', in->out);
  else
    cvy_json_close(&in->json, ']');
  return CVY_OK;
}

/* Shows how long the files in an encoded shard are. */
static cvy_err show_lengths(inspection *in) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  if (!cvy_h5_has(in->file, "/offsets")) return CVY_OK;
  CVY_TRY(cvy_h5_shape(in->file, "/offsets", dims, &dim_count));
  if (dim_count != 1 || dims[0] < 2) return CVY_OK;
  uint64_t *offsets = cvy_pool_new(in->pool, sizeof *offsets * (size_t)dims[0]);
  CVY_TRY(cvy_h5_read(in->file, "/offsets", CVY_H5_U64, offsets, dims[0]));
  uint64_t least = UINT64_MAX, most = 0;
  for (int64_t i = 0; i + 1 < dims[0]; i++) {
    const uint64_t length = offsets[i + 1] - offsets[i];
    if (length < least) least = length;
    if (length > most) most = length;
  }
  const uint64_t mean = (offsets[dims[0] - 1] - offsets[0]) / (uint64_t)(dims[0] - 1);
  if (in->out) {
    fprintf(in->out, "  %-19s %" PRIu64 " to %" PRIu64 " bytes, %" PRIu64 " on average\n", "a record", least,
            most, mean);
    return CVY_OK;
  }
  cvy_json_open(&in->json, "record_bytes", '{');
  cvy_json_int(&in->json, "least", (int64_t)least);
  cvy_json_int(&in->json, "most", (int64_t)most);
  cvy_json_int(&in->json, "mean", (int64_t)mean);
  cvy_json_close(&in->json, '}');
  return CVY_OK;
}

/* Shows the least and the largest height and width of encoded pictures. A size that is not known is 0 in the
 * file, and is passed over. */
static cvy_err show_sizes(inspection *in) {
  int64_t dims[CVY_H5_MAX_DIMS], least[2] = {INT64_MAX, INT64_MAX}, most[2] = {0};
  int dim_count;
  if (!cvy_h5_has(in->file, "/sizes")) return CVY_OK;
  CVY_TRY(cvy_h5_shape(in->file, "/sizes", dims, &dim_count));
  if (dim_count != 2 || dims[1] != 2) return CVY_OK;
  int32_t *sizes = cvy_pool_new(in->pool, sizeof *sizes * (size_t)(2 * dims[0]));
  CVY_TRY(cvy_h5_read(in->file, "/sizes", CVY_H5_I32, sizes, 2 * dims[0]));
  for (int64_t i = 0; i < 2 * dims[0]; i++) {
    if (sizes[i] <= 0) continue;
    least[i % 2] = cvy_smaller(least[i % 2], sizes[i]);
    most[i % 2] = cvy_larger(most[i % 2], sizes[i]);
  }
  if (most[0] == 0 || most[1] == 0) return CVY_OK;
  if (in->out) {
    fprintf(in->out,
            "  %-19s heights from %" PRId64 " to %" PRId64 ", widths from %" PRId64 " to %" PRId64 "\n",
            "sizes", least[0], most[0], least[1], most[1]);
    return CVY_OK;
  }
  cvy_json_open(&in->json, "sizes", '{');
  cvy_json_int(&in->json, "least_height", least[0]);
  cvy_json_int(&in->json, "most_height", most[0]);
  cvy_json_int(&in->json, "least_width", least[1]);
  cvy_json_int(&in->json, "most_width", most[1]);
  cvy_json_close(&in->json, '}');
  return CVY_OK;
}

/* Shows "names from cats/7.jpg to dogs/2.jpg". */
static cvy_err show_names(inspection *in) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  char *first, *last;
  if (!cvy_h5_has(in->file, "/names")) return CVY_OK;
  CVY_TRY(cvy_h5_shape(in->file, "/names", dims, &dim_count));
  if (dim_count != 1 || dims[0] == 0) return CVY_OK;
  CVY_TRY(cvy_h5_read_text(in->file, "/names", 0, &first, in->pool));
  CVY_TRY(cvy_h5_read_text(in->file, "/names", dims[0] - 1, &last, in->pool));
  if (in->out) {
    fprintf(in->out, "  %-19s from %s to %s\n", "names", cvy_utf8_shown(in->pool, first),
            cvy_utf8_shown(in->pool, last));
    return CVY_OK;
  }
  cvy_json_text(&in->json, "first_name", first);
  cvy_json_text(&in->json, "last_name", last);
  return CVY_OK;
}

static cvy_err show_shard(inspection *in) {
  static const char *const values[] = {"/mean", "/deviation", "/colour_eigenvalues", "/colour_eigenvectors"};
  const bool is_ours = cvy_h5_has_attr(in->file, "", "format");
  if (!is_ours || !cvy_h5_has(in->file, "/labels") || !cvy_h5_has(in->file, "/class_names")) return CVY_OK;
  for (int64_t i = 0; i < CVY_COUNT(values); i++) CVY_TRY(show_values(in, values[i]));
  CVY_TRY(show_lengths(in));
  CVY_TRY(show_sizes(in));
  return show_names(in);
}

/* ---- classes ---- */

static cvy_err count_labels(int64_t *counts, inspection *in, int64_t class_count) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(in->file, "/labels", dims, &dim_count));
  if (dim_count != 1) return CVY_OK;
  int32_t *labels = cvy_pool_new(in->pool, sizeof *labels * (size_t)dims[0]);
  CVY_TRY(cvy_h5_read(in->file, "/labels", CVY_H5_I32, labels, dims[0]));
  for (int64_t i = 0; i < dims[0]; i++)
    if (labels[i] >= 0 && labels[i] < class_count) counts[labels[i]]++;
  return CVY_OK;
}

static void show_class(const inspection *in, const char *raw_name, int64_t images) {
  const char *name = cvy_utf8_shown(in->pool, raw_name);
  fprintf(in->out, "  class %-*s %" PRId64 " images\n", cvy_utf8_pad(name, 26), name, images);
}

static cvy_err show_classes(inspection *in) {
  if (!cvy_h5_has(in->file, "/labels") || !cvy_h5_has(in->file, "/class_names")) return CVY_OK;
  char **names;
  int64_t class_count;
  CVY_TRY(cvy_h5_read_texts(in->file, "/class_names", &names, &class_count, in->pool));
  int64_t *counts = cvy_pool_new(in->pool, sizeof *counts * (size_t)class_count);
  CVY_TRY(count_labels(counts, in, class_count));
  if (!in->out) cvy_json_open(&in->json, "classes", '{');
  for (int64_t k = 0; k < class_count; k++) {
    if (!in->out)
      cvy_json_int(&in->json, names[k], counts[k]);
    else if (k < MOST_CLASSES_SHOWN)
      show_class(in, names[k], counts[k]);
  }
  if (!in->out) cvy_json_close(&in->json, '}');
  if (in->out && class_count > MOST_CLASSES_SHOWN)
    fprintf(in->out, "  and %" PRId64 " classes more\n", class_count - MOST_CLASSES_SHOWN);
  return CVY_OK;
}

/* ---- all of it ---- */

static cvy_err inspect(inspection *in, const char *path) {
  if (in->out)
    fprintf(in->out, "%s\n", cvy_utf8_shown(in->pool, path));
  else
    cvy_json_open(&in->json, NULL, '{');
  CVY_TRY(show_attributes(in));
  if (!in->out) cvy_json_open(&in->json, "datasets", '[');
  CVY_TRY(cvy_h5_visit(in->file, visit_unless_failed, in));
  CVY_TRY(cvy_error_restore(&in->failed));
  if (!in->out) cvy_json_close(&in->json, ']');
  CVY_TRY(show_shard(in));
  CVY_TRY(show_classes(in));
  const cvy_hash hash = cvy_hasher_result(in->hasher);
  if (in->out) {
    fprintf(in->out, "  %-14s %s\n", "contents", hash.hex);
    return CVY_OK;
  }
  cvy_json_text(&in->json, "contents", hash.hex);
  cvy_json_close(&in->json, '}');
  fputc('\n', in->json.out);
  return CVY_OK;
}

cvy_err cvy_inspect(FILE *out, const char *path, bool json) {
  inspection in = {.out = json ? NULL : out, .json = {.out = out}};
  const cvy_weights_format *format = cvy_weights_format_of(path);
  if (format && strcmp(format->name, "convoy") != 0) return cvy_inspect_weights(out, path, json);
  CVY_TRY(cvy_h5_open(&in.file, path));
  in.pool = cvy_pool_create();
  in.hasher = cvy_hasher_create();
  const cvy_err err = inspect(&in, path);
  cvy_hasher_destroy(in.hasher);
  cvy_pool_destroy(in.pool);
  cvy_h5_discard(in.file);
  return err;
}
