/* TensorFlow's TFRecord files of tf.train.Example, laid out as ImageNet's and those of TFDS are.
 *
 * A record is u64 length; u32 checksum of these eight bytes; so many bytes; u32 checksum of them. A checksum
 * is a CRC-32C, turned right by 15 bits, plus 0xa282ead8. All numbers are little endian.
 *
 * The bytes are a protocol buffer: Example {1: Features {1: entries {1: name, 2: Feature}}}, and a Feature is
 * {1: {1: bytes ...}} or {2: {1: floats ...}} or {3: {1: whole numbers ...}}. */
#include "archive/protobuf.h"
#include "base/text.h"
#include "datasets/database.h"
#include "file/mapped.h"

#include <isa-l/crc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 12, FOOT = 4, MOST_TEXT = 1000 };

/* ---- records ---- */

static uint32_t checksum(const uint8_t *bytes, size_t count) {
  enum { PART = 1 << 30 };
  uint32_t crc = UINT32_MAX;
  for (size_t at = 0; at < count; at += PART) {
    const size_t part = count - at < PART ? count - at : PART;
    crc = crc32_iscsi((unsigned char *)bytes + at, (int)part, crc);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static bool has_head(const uint8_t head[HEAD]) {
  return checksum(head, 8) == cvy_u32_little(head + 8);
}

static bool is_one(cvy_pool *pool, const char *path) {
  uint8_t head[HEAD];
  (void)pool;
  return cvy_database_head(head, sizeof head, path) && has_head(head);
}

static cvy_err verify(const cvy_database_entry *e) {
  if (checksum(e->value, e->value_bytes) == cvy_u32_little(e->value + e->value_bytes)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "damaged: its bytes do not match their checksum");
}

static cvy_err no_record(const cvy_mapped *file, size_t at, const char *path) {
  char what[80];
  if (at > 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: damaged: the length of the record at byte %zu does not match its checksum", path,
                     at);
  cvy_held_describe(what, file->data, file->count);
  return cvy_error(CVY_E_INPUT,
                   "%s: no TFRecord file (its first length does not match its checksum), but %s%s", path,
                   what, file->data[0] == 0x1f ? "; gunzip it first" : "");
}

static cvy_err find_record(cvy_database_entry *e, const cvy_mapped *file, size_t at, const char *path) {
  const size_t left = file->count - at;
  if (left < HEAD)
    return cvy_error(CVY_E_INPUT, "%s: truncated: the record at byte %zu ends after %zu bytes, in its length",
                     path, at, left);
  if (!has_head(file->data + at)) return no_record(file, at, path);
  const uint64_t bytes = cvy_u32_little(file->data + at) | (uint64_t)cvy_u32_little(file->data + at + 4)
                                                               << 32;
  if (left < HEAD + FOOT || bytes > left - HEAD - FOOT)
    return cvy_error(CVY_E_INPUT,
                     "%s: truncated: the record at byte %zu holds %" PRIu64
                     " bytes beside its length and checksums, and %zu are left in all",
                     path, at, bytes, left);
  e->value = file->data + at + HEAD;
  e->value_bytes = (size_t)bytes;
  return CVY_OK;
}

static void close_file(void *opened) {
  cvy_mapped_close(opened);
  free(opened);
}

static cvy_err list(cvy_database *db, int32_t input) {
  cvy_mapped *file = cvy_new(sizeof *file);
  db->opened[input] = file;
  CVY_TRY(cvy_mapped_open(file, db->paths[input]));
  cvy_database_entry e = {0};
  for (size_t at = 0; at < file->count; at += HEAD + e.value_bytes + FOOT) {
    CVY_TRY(find_record(&e, file, at, db->paths[input]));
    CVY_TRY(cvy_database_add(db, input, e, e.value, e.value_bytes));
  }
  return CVY_OK;
}

/* ---- features ---- */

enum { PICTURE, LABEL, TEXT, SYNSET, FILE_NAME, HEIGHT, WIDTH, CHANNELS, WANTED };

/* These are the names that features go by. A thing may have several; the first that an example has counts. */
static const struct {
  int what;
  const char *name;
} names[] = {
    {PICTURE, "image/encoded"},
    {PICTURE, "image"},
    {PICTURE, "image_raw"},
    {PICTURE, "image/raw"},
    {PICTURE, "jpeg"},
    {PICTURE, "png"},
    {PICTURE, "img"},
    {LABEL, "image/class/label"},
    {LABEL, "label"},
    {LABEL, "image/label"},
    {LABEL, "class/label"},
    {LABEL, "class"},
    {LABEL, "target"},
    {LABEL, "labels"},
    {LABEL, "cls"},
    {TEXT, "image/class/text"},
    {TEXT, "class/text"},
    {SYNSET, "image/class/synset"},
    {FILE_NAME, "image/filename"},
    {FILE_NAME, "file_name"},
    {FILE_NAME, "filename"},
    {HEIGHT, "image/height"},
    {HEIGHT, "height"},
    {WIDTH, "image/width"},
    {WIDTH, "width"},
    {CHANNELS, "image/channels"},
    {CHANNELS, "depth"},
    {CHANNELS, "channels"},
};

typedef enum feature_kind { NOTHING, BYTES, FLOATS, INTEGERS } feature_kind;

typedef struct feature {
  feature_kind kind;
  int rank;             /* place of its name in the list above */
  int64_t count;        /* values */
  int64_t ones, where;  /* of numbers: how many are 1, and which is the last of them */
  bool one_hot;         /* of numbers: each is 0 or 1 */
  double number;        /* of numbers: the first */
  int64_t whole;        /* of whole numbers: the first */
  const uint8_t *bytes; /* of texts: the first */
  size_t byte_count;
} feature;

typedef struct example {
  feature found[WANTED];
  cvy_text all; /* names of all features, for errors; written into the room */
  char room[300];
} example;

static void take_number(feature *f, double value) {
  if (f->count == 0) f->number = value;
  if (f->count == 0) f->one_hot = true;
  f->one_hot &= value == 0 || value == 1;
  if (value == 1) {
    f->ones++;
    f->where = f->count;
  }
  f->count++;
}

static cvy_err take_numbers(feature *f, cvy_database *db, const cvy_protobuf_field *field) {
  int64_t count;
  const bool floats = f->kind == FLOATS;
  CVY_TRY(cvy_protobuf_count(&count, field, floats ? CVY_NUMBER_FLOAT : CVY_NUMBER_INTEGER));
  CVY_TRY(cvy_bytes_reserve(&db->samples, 8 * (size_t)count + 8, "numbers"));
  void *room = db->samples.data;
  if (floats)
    cvy_protobuf_floats(room, field);
  else
    cvy_protobuf_integers(room, field);
  if (!floats && f->count == 0 && count > 0) f->whole = *(int64_t *)room;
  for (int64_t i = 0; i < count; i++)
    take_number(f, floats ? (double)((float *)room)[i] : (double)((int64_t *)room)[i]);
  return CVY_OK;
}

static cvy_err read_list(feature *f, cvy_database *db, cvy_protobuf list) {
  cvy_protobuf_field field;
  while (cvy_protobuf_next(&field, &list)) {
    if (field.number != 1) continue;
    if (f->kind != BYTES) {
      CVY_TRY(take_numbers(f, db, &field));
      continue;
    }
    CVY_TRY(cvy_protobuf_bytes(&field));
    if (f->count++ > 0) continue;
    f->bytes = field.bytes;
    f->byte_count = field.count;
  }
  return cvy_protobuf_end(&list);
}

static cvy_err read_feature(feature *f, cvy_database *db, cvy_protobuf message) {
  cvy_protobuf_field field;
  while (cvy_protobuf_next(&field, &message)) {
    cvy_protobuf list;
    if (field.number > INTEGERS) continue;
    f->kind = (feature_kind)field.number;
    CVY_TRY(cvy_protobuf_message(&list, &field));
    CVY_TRY(read_list(f, db, list));
  }
  return cvy_protobuf_end(&message);
}

/* Tells whether a feature of this name is wanted: *what it is, and its name's *rank among the names for that.
 * What the user named goes by no other name. */
static bool is_wanted(int *what, int *rank, const cvy_database_config *c, const cvy_protobuf_field *name) {
  const char *const said[] = {c->picture_key, c->label_key};
  for (int i = 0; i < 2; i++) {
    *what = i;
    *rank = 0;
    if (said[i] && said[i][0] && strlen(said[i]) == name->count &&
        memcmp(said[i], name->bytes, name->count) == 0)
      return true;
  }
  for (int i = 0; i < CVY_COUNT(names); i++) {
    *what = names[i].what;
    *rank = i;
    if (strlen(names[i].name) == name->count && memcmp(names[i].name, name->bytes, name->count) == 0)
      return *what > LABEL || !said[*what] || !said[*what][0];
  }
  return false;
}

static cvy_err read_entry(example *x, cvy_database *db, cvy_protobuf entry) {
  cvy_protobuf_field field, name = {0}, value = {0};
  cvy_protobuf message;
  int what, rank;
  while (cvy_protobuf_next(&field, &entry)) {
    if (field.number == 1) name = field;
    if (field.number == 2) value = field;
  }
  CVY_TRY(cvy_protobuf_end(&entry));
  if (name.number == 0 || value.number == 0) return CVY_OK;
  CVY_TRY(cvy_protobuf_bytes(&name));
  CVY_TRY(cvy_protobuf_message(&message, &value));
  cvy_text_item(&x->all, ", ", "%.*s", (int)(name.count < 40 ? name.count : 40), (const char *)name.bytes);
  if (!is_wanted(&what, &rank, db->config, &name)) return CVY_OK;
  feature *f = &x->found[what];
  if (f->kind != NOTHING && f->rank <= rank) return CVY_OK;
  *f = (feature){.rank = rank};
  return read_feature(f, db, message);
}

static cvy_err read_features(example *x, cvy_database *db, cvy_protobuf features) {
  cvy_protobuf_field field;
  while (cvy_protobuf_next(&field, &features)) {
    cvy_protobuf entry;
    if (field.number != 1) continue;
    CVY_TRY(cvy_protobuf_message(&entry, &field));
    CVY_TRY(read_entry(x, db, entry));
  }
  return cvy_protobuf_end(&features);
}

static cvy_err read_example(example *x, cvy_database *db, const uint8_t *value, size_t bytes) {
  cvy_protobuf message = cvy_protobuf_of(value, bytes);
  cvy_protobuf_field field;
  x->all = cvy_text_in(x->room, sizeof x->room);
  while (cvy_protobuf_next(&field, &message)) {
    cvy_protobuf features;
    if (field.number != 1) continue;
    CVY_TRY(cvy_protobuf_message(&features, &field));
    CVY_TRY(read_features(x, db, features));
  }
  return cvy_protobuf_end(&message);
}

/* ---- labels and names ---- */

/* Appends a text to db->texts, which has room for all of them, for a text that was added must not move. */
static char *add_text(cvy_database *db, const uint8_t *bytes, size_t count) {
  char *to = (char *)db->texts.data + db->texts.count;
  memcpy(to, bytes, count);
  to[count] = '\0';
  db->texts.count += count + 1;
  return to;
}

static bool is_text(const feature *f) {
  if (f->kind != BYTES || f->count != 1 || f->byte_count == 0 || f->byte_count > MOST_TEXT) return false;
  return !memchr(f->bytes, '\0', f->byte_count);
}

static cvy_err label_number(cvy_value *out, cvy_database *db, const feature *f) {
  const bool is_float = f->kind == FLOATS;
  char text[32];
  if (f->count > 1 && (!f->one_hot || f->ones != 1))
    return cvy_database_refuse(db, "%" PRId64 " labels; expected one, or zeros with a single 1", f->count);
  if (is_float && (!(fabs(f->number) < 0x1p53) || f->number != floor(f->number)))
    return cvy_database_refuse(db, "label %g; a class is a whole number or a text", f->number);
  const int64_t class = f->count > 1 ? f->where : is_float ? (int64_t)f->number : f->whole;
  snprintf(text, sizeof text, "%" PRId64, class);
  out->label = add_text(db, (const uint8_t *)text, strlen(text));
  return CVY_OK;
}

/* Names the class as the reader imagenet does: by the synset, and the text up to its first comma. Without a
 * synset the whole text is the name; without both the class has none. */
static void name_class(cvy_value *out, cvy_database *db, const example *x) {
  const feature *text = &x->found[TEXT], *synset = &x->found[SYNSET];
  char both[2 * MOST_TEXT + 2];
  if (!is_text(text) && !is_text(synset)) return;
  if (!is_text(synset)) {
    out->class_name = add_text(db, text->bytes, text->byte_count);
    return;
  }
  const uint8_t *comma = is_text(text) ? memchr(text->bytes, ',', text->byte_count) : NULL;
  const size_t length = comma ? (size_t)(comma - text->bytes) : is_text(text) ? text->byte_count : 0;
  snprintf(both, sizeof both, "%.*s%s%.*s", (int)synset->byte_count, (const char *)synset->bytes,
           length > 0 ? " " : "", (int)length, length > 0 ? (const char *)text->bytes : "");
  out->class_name = add_text(db, (const uint8_t *)both, strlen(both));
}

/* Takes the label, a number or a text. An example without a label is labelled by its class's name. */
static cvy_err take_label(cvy_value *out, cvy_database *db, const example *x) {
  const feature *label = &x->found[LABEL];
  const bool numbers = (label->kind == INTEGERS || label->kind == FLOATS) && label->count > 0;
  db->texts.count = 0;
  CVY_TRY(cvy_bytes_reserve(&db->texts, 4 * (MOST_TEXT + 1), "texts"));
  name_class(out, db, x);
  if (is_text(&x->found[FILE_NAME]))
    out->file_name = add_text(db, x->found[FILE_NAME].bytes, x->found[FILE_NAME].byte_count);
  if (numbers) return label_number(out, db, label);
  if (label->kind == BYTES && label->count > 0 && !is_text(label))
    return cvy_database_refuse(db,
                               "a label of %" PRId64
                               " text%s, %zu bytes in the first; expected one, of 1 to %d "
                               "bytes that are not zero",
                               label->count, label->count > 1 ? "s" : "", label->byte_count, MOST_TEXT);
  if (is_text(label))
    out->label = add_text(db, label->bytes, label->byte_count);
  else
    out->label = out->class_name;
  if (out->label) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "no label in it (--label-key names its feature); it has %s",
                   x->room[0] ? x->room : "no features");
}

/* ---- pictures ---- */

static bool has_number(const feature *f) {
  return (f->kind == INTEGERS || f->kind == FLOATS) && f->count == 1 && f->number >= 1 && f->number <= 65536;
}

/* Tells whether the picture's bytes are samples: whether their number fits the features height and width, and
 * that of channels if there is one. If so, the picture gets its size. */
static bool are_samples(cvy_held *picture, const example *x) {
  const feature *h = &x->found[HEIGHT], *w = &x->found[WIDTH], *c = &x->found[CHANNELS];
  if (!has_number(h) || !has_number(w)) return false;
  cvy_held samples = *picture;
  samples.h = (int64_t)h->number;
  samples.w = (int64_t)w->number;
  samples.c = has_number(c) ? (int64_t)c->number : (int64_t)picture->count / (samples.h * samples.w);
  if (cvy_held_check_samples(&samples)) return false;
  *picture = samples;
  return true;
}

static cvy_err take_picture(cvy_value *out, const example *x) {
  const feature *picture = &x->found[PICTURE];
  if (picture->count > 0 && (picture->kind != BYTES || picture->count > 1))
    return cvy_error(
        CVY_E_INPUT, "its picture is %" PRId64 " %s%s; expected one text, a JPEG or PNG file or samples",
        picture->count, picture->kind == BYTES ? "text" : "number", picture->count > 1 ? "s" : "");
  if (picture->count == 0)
    return cvy_error(CVY_E_INPUT, "no picture in it (--picture-key names its feature); it has %s",
                     x->room[0] ? x->room : "no features");
  out->picture = (cvy_held){.bytes = picture->bytes, .count = picture->byte_count};
  if (!cvy_held_check_file(&out->picture) || are_samples(&out->picture, x)) return CVY_OK;
  const cvy_err err = cvy_held_check_file(&out->picture);
  return cvy_error(err, "%s, or samples that fit the features height and width", cvy_err_message());
}

static cvy_err look(cvy_value *out, cvy_database *db, const uint8_t *value, size_t bytes) {
  example x = {0};
  char what[80], why[200];
  if (read_example(&x, db, value, bytes)) {
    snprintf(why, sizeof why, "%s", cvy_err_message());
    cvy_held_describe(what, value, bytes);
    return cvy_error(CVY_E_INPUT, "no tf.train.Example (%s), but %s", why, what);
  }
  CVY_TRY(take_label(out, db, &x));
  return take_picture(out, &x);
}

static const cvy_database_kind kind = {
    .name = "tfrecord",
    .what = "TFRecord files of tf.train.Example, with a picture and a label each",
    .is_one = is_one,
    .list = list,
    .look = look,
    .verify = verify,
    .close = close_file,
};

/* ---- the reader ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_database_find_splits(out, count, pool, path, &kind);
}

static cvy_err open_tfrecord(cvy_source *out, const void *config, const char *const *inputs,
                             int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  (void)seed;
  return cvy_database_open(out, &kind, config, inputs, input_count, h, w);
}

static bool fits(const cvy_glimpse *g) {
  return g->head_bytes >= HEAD && has_head(g->head);
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(cvy_database_config, colour), "auto", .words = cvy_database_colours,
     .help = "channels of the pictures; auto: of samples as they are, of JPEG and PNG files rgb"},
    {"picture-key", CVY_STRING, offsetof(cvy_database_config, picture_key), "",
     .help = "the feature with the picture; none: image/encoded, image, image_raw and their like"},
    {"label-key", CVY_STRING, offsetof(cvy_database_config, label_key), "",
     .help = "the feature with the label; none: image/class/label, label and their like"},
    {"encoding", CVY_STRING, offsetof(cvy_database_config, encoding), "",
     .help =
         "of texts that are not UTF-8: latin-1, cp1252, or what else iconv knows; none: they are escaped"},
    {0},
};

const cvy_reader cvy_reader_tfrecord = {
    .kind = &(const cvy_kind){"tfrecord",
                              "TFRecord files of pictures, as ImageNet's and TFDS's: files or folder",
                              options, sizeof(cvy_database_config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_tfrecord,
    .read = cvy_database_read,
    .close = cvy_database_close,
    .again = cvy_database_again,
    .fits = fits,
};
