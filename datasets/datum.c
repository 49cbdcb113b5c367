/* Looks at Caffe's Datum, which is a protocol buffer (src/caffe/proto/caffe.proto):
 *
 *     1 channels, 2 height, 3 width: whole numbers        5 label: a whole number
 *     4 data: bytes                                       6 float_data: repeated float, in place of data
 *     7 encoded: whether data is a JPEG or PNG file, not samples
 *
 * Samples lie channel by channel, and as OpenCV has them, blue first. Numbers in float_data must be whole and
 * from 0 to 255. */
#include "datasets/datum.h"

#include "archive/protobuf.h"

#include <string.h>

typedef struct datum {
  int64_t channels, height, width, label, encoded;
  const uint8_t *data;
  size_t data_bytes;
  int64_t float_count;
  unsigned seen; /* bit k: field k is there */
} datum;

static cvy_err take_field(datum *d, const cvy_protobuf_field *f) {
  int64_t *const numbers[] = {NULL, &d->channels, &d->height, &d->width, NULL, &d->label, NULL, &d->encoded};
  int64_t count;
  if (f->number > 7) return CVY_OK;
  d->seen |= 1u << f->number;
  if (numbers[f->number]) return cvy_protobuf_integer(numbers[f->number], f);
  if (f->number == 6) {
    CVY_TRY(cvy_protobuf_count(&count, f, CVY_NUMBER_FLOAT));
    d->float_count += count;
    return CVY_OK;
  }
  CVY_TRY(cvy_protobuf_bytes(f));
  d->data = f->bytes;
  d->data_bytes = f->count;
  return CVY_OK;
}

static cvy_err read_fields(datum *d, const uint8_t *value, size_t bytes) {
  cvy_protobuf message = cvy_protobuf_of(value, bytes);
  cvy_protobuf_field field;
  while (cvy_protobuf_next(&field, &message)) CVY_TRY(take_field(d, &field));
  return cvy_protobuf_end(&message);
}

/* Refuses a value that is no Datum, and says why, and what it is. */
static cvy_err no_datum(const uint8_t *value, size_t bytes, const char *why) {
  char what[80], reason[200];
  snprintf(reason, sizeof reason, "%s", why);
  cvy_held_describe(what, value, bytes);
  return cvy_error(CVY_E_INPUT, "no Datum (%s), but %s", reason, what);
}

/* ---- float_data ---- */

static cvy_err take_floats(uint8_t *to, const cvy_protobuf_field *f, float *room) {
  int64_t count;
  CVY_TRY(cvy_protobuf_count(&count, f, CVY_NUMBER_FLOAT));
  cvy_protobuf_floats(room, f);
  for (int64_t i = 0; i < count; i++) {
    if (!(room[i] >= 0 && room[i] <= 255) || room[i] != (float)(int)room[i])
      return cvy_error(CVY_E_INPUT,
                       "float_data has %g; pictures are whole numbers from 0 to 255 (convoy train reads "
                       "others from an HDF5 file)",
                       (double)room[i]);
    to[i] = (uint8_t)room[i];
  }
  return CVY_OK;
}

/* Makes samples of the floats, in db->samples: room for the floats, then the samples. */
static cvy_err make_samples(datum *d, cvy_database *db, const uint8_t *value, size_t bytes) {
  const size_t count = (size_t)d->float_count;
  CVY_TRY(cvy_bytes_reserve(&db->samples, count * (sizeof(float) + 1), "float_data"));
  uint8_t *samples = db->samples.data + count * sizeof(float);
  cvy_protobuf message = cvy_protobuf_of(value, bytes);
  cvy_protobuf_field field;
  int64_t done = 0, part;
  while (cvy_protobuf_next(&field, &message)) {
    if (field.number != 6) continue;
    CVY_TRY(cvy_protobuf_count(&part, &field, CVY_NUMBER_FLOAT));
    CVY_TRY(take_floats(samples + done, &field, (float *)(void *)db->samples.data));
    done += part;
  }
  d->data = samples;
  d->data_bytes = count;
  return CVY_OK;
}

/* ---- the value ---- */

cvy_err cvy_datum_look(cvy_value *out, cvy_database *db, const uint8_t *value, size_t bytes) {
  enum { SHAPE = 1u << 1 | 1u << 2 | 1u << 3, DATA = 1u << 4, FLOATS = 1u << 6 };
  static const char size_missing[] = "it has no channels, height and width";
  datum d = {0};
  if (cvy_held_is_file(value, bytes)) return no_datum(value, bytes, "it has no label");
  if (read_fields(&d, value, bytes)) return no_datum(value, bytes, cvy_err_message());
  if (!(d.seen & (DATA | FLOATS))) return no_datum(value, bytes, "it has neither data nor float_data");
  const bool is_file = d.encoded || ((d.seen & SHAPE) == 0 && cvy_held_is_file(d.data, d.data_bytes));
  if (!is_file && (d.seen & SHAPE) != SHAPE) return no_datum(value, bytes, size_missing);
  if (!is_file && d.data_bytes == 0 && d.float_count > 0) CVY_TRY(make_samples(&d, db, value, bytes));
  CVY_TRY(cvy_bytes_reserve(&db->texts, 32, "a label"));
  snprintf((char *)db->texts.data, 32, "%" PRId64, d.label);
  out->label = (const char *)db->texts.data;
  out->picture = (cvy_held){.bytes = d.data, .count = d.data_bytes};
  if (is_file) return cvy_held_check_file(&out->picture);
  out->picture.h = d.height;
  out->picture.w = d.width;
  out->picture.c = d.channels;
  out->picture.planes = true;
  out->picture.bgr = db->config->order == CVY_DATABASE_BGR;
  return cvy_held_check_samples(&out->picture);
}

const cvy_option cvy_datum_options[] = {
    {"colour", CVY_CHOICE, offsetof(cvy_database_config, colour), "auto", .words = cvy_database_colours,
     .help = "channels of the pictures; auto: of samples as they are, of JPEG and PNG files rgb"},
    {"channel-order", CVY_CHOICE, offsetof(cvy_database_config, order), "bgr", .words = cvy_database_orders,
     .help = "of samples of three channels: as OpenCV and convert_imageset have them, or as in Caffe's "
             "CIFAR-10"},
    {0},
};
