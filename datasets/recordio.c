/* MXNet's RecordIO (.rec), as im2rec writes it.
 *
 * A record is one part or several, each: u32 magic 0xced7230a; u32, whose upper three bits say whether the
 * part is a whole record (0) or a record's first (1), middle (2) or last (3), and whose other bits are the
 * part's length; the bytes; zeros up to a multiple of four. A record is cut where its own bytes hold the
 * magic, which is left out there. All numbers are little endian.
 *
 * A record begins with u32 flag, f32 label, u64 id, u64 id2. A flag above 0 is the number of f32 labels that
 * follow, in place of the one. The rest is the picture: a JPEG or PNG file, or samples as --raw says. */
#include "datasets/database.h"
#include "file/mapped.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PART_HEAD = 8, RECORD_HEAD = 24 };
enum { WHOLE, FIRST, MIDDLE, LAST };
static const uint32_t magic = 0xced7230a;

/* ---- parts ---- */

static float f32_at(const uint8_t *p) {
  const uint32_t bits = cvy_u32_little(p);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

typedef struct part {
  const uint8_t *bytes;
  size_t count;
  int kind;
} part;

/* Finds the part that begins at `p`. Returns how many bytes it takes in the file. */
static size_t part_at(part *out, const uint8_t *p) {
  const uint32_t word = cvy_u32_little(p + 4);
  *out = (part){p + PART_HEAD, word & 0x1fffffff, (int)(word >> 29)};
  return PART_HEAD + (out->count + 3) / 4 * 4;
}

static bool is_one(cvy_pool *pool, const char *path) {
  uint8_t head[PART_HEAD];
  (void)pool;
  return cvy_database_head(head, sizeof head, path) && cvy_u32_little(head) == magic;
}

/* ---- listing ---- */

static cvy_err check_part(part *out, size_t *taken, const cvy_mapped *file, size_t at, const char *path) {
  if (file->count - at < PART_HEAD)
    return cvy_error(CVY_E_INPUT, "%s: truncated: the record at byte %zu has no end", path, at);
  if (cvy_u32_little(file->data + at) != magic)
    return cvy_error(CVY_E_INPUT, "%s: no record begins at byte %zu: 0x%08" PRIx32 "; expected 0x%08" PRIx32,
                     path, at, cvy_u32_little(file->data + at), magic);
  *taken = part_at(out, file->data + at);
  /* The zeros behind the last record may be missing. */
  if (out->count > file->count - at - PART_HEAD)
    return cvy_error(CVY_E_INPUT,
                     "%s: truncated: the record at byte %zu takes %zu bytes, of which %zu are there", path,
                     at, out->count, file->count - at - PART_HEAD);
  if (*taken > file->count - at) *taken = file->count - at;
  return CVY_OK;
}

/* Finds where the record at `at` ends, and how many bytes it has once its parts are together. */
static cvy_err measure(size_t *end, size_t *bytes, const cvy_mapped *file, size_t at, const char *path) {
  part p = {0};
  size_t taken = 0;
  *bytes = 0;
  *end = at;
  for (int before = WHOLE;; before = p.kind) {
    CVY_TRY(check_part(&p, &taken, file, *end, path));
    const bool begins = p.kind == WHOLE || p.kind == FIRST;
    if (p.kind > LAST || begins != (*end == at))
      return cvy_error(CVY_E_INPUT, "%s: byte %zu: a part of kind %d behind one of kind %d", path, *end,
                       p.kind, before);
    *bytes += p.count + (begins ? 0 : sizeof magic);
    *end += taken;
    if (p.kind == WHOLE || p.kind == LAST) return CVY_OK;
  }
}

/* Brings the parts of a record together. They were checked when the record was listed. */
static cvy_err fetch(const uint8_t **value, size_t *bytes, cvy_database *db, const cvy_database_entry *e) {
  part p = {0};
  const uint8_t *at = e->value;
  size_t taken = part_at(&p, at);
  *value = p.bytes;
  *bytes = e->value_bytes;
  if (p.kind == WHOLE) return CVY_OK;
  CVY_TRY(cvy_bytes_reserve(&db->value, e->value_bytes + 1, "a record"));
  uint8_t *to = db->value.data;
  for (;; taken = part_at(&p, at)) {
    if (at != e->value) {
      static const uint8_t left_out[] = {0x0a, 0x23, 0xd7, 0xce};
      memcpy(to, left_out, sizeof left_out);
      to += sizeof left_out;
    }
    memcpy(to, p.bytes, p.count);
    to += p.count;
    if (p.kind == LAST) break;
    at += taken;
  }
  *value = db->value.data;
  return CVY_OK;
}

static void close_file(void *opened) {
  cvy_mapped_close(opened);
  free(opened);
}

static cvy_err list(cvy_database *db, int32_t input) {
  const char *path = db->paths[input];
  cvy_mapped *file = cvy_new(sizeof *file);
  db->opened[input] = file;
  CVY_TRY(cvy_mapped_open(file, path));
  size_t end;
  for (size_t at = 0; at < file->count; at = end) {
    cvy_database_entry e = {.value = file->data + at};
    const uint8_t *value;
    size_t bytes;
    CVY_TRY(measure(&end, &e.value_bytes, file, at, path));
    CVY_TRY(fetch(&value, &bytes, db, &e));
    CVY_TRY(cvy_database_add(db, input, e, value, bytes));
  }
  return CVY_OK;
}

/* ---- values ---- */

static cvy_err no_room(size_t bytes, uint32_t flag) {
  return cvy_error(CVY_E_INPUT,
                   "%zu bytes, too few for a head with %" PRIu32 " labels; expected flag, label, "
                   "two ids, and a picture",
                   bytes, flag);
}

/* Tells whether the labels are zeros with a single 1, and which of them it is. */
static bool are_one_hot(float *out, const uint8_t *labels, uint32_t count) {
  uint32_t ones = 0;
  for (uint32_t i = 0; i < count; i++) {
    const float label = f32_at(labels + 4 * (size_t)i);
    if (label != 0 && label != 1) return false;
    if (label == 1) *out = (float)i;
    ones += label == 1;
  }
  return ones == 1;
}

/* Finds the label that counts. The value has room for as many labels as the flag says. */
static cvy_err choose_label(float *out, cvy_database *db, const uint8_t *value, uint32_t flag) {
  const int64_t chosen = db->config->label;
  if (flag <= 1 && chosen <= 1) {
    *out = f32_at(value + (flag == 1 ? RECORD_HEAD : 4));
    return CVY_OK;
  }
  if (chosen == 0 && are_one_hot(out, value + RECORD_HEAD, flag)) return CVY_OK;
  if (chosen == 0)
    return cvy_database_refuse(db, "%" PRIu32 " labels (%g, %g, ...); --label 1 takes the first of them",
                               flag, (double)f32_at(value + RECORD_HEAD),
                               (double)f32_at(value + RECORD_HEAD + 4));
  if (chosen > flag)
    return cvy_database_refuse(db, "--label %" PRId64 ": it has %" PRIu32 " label%s", chosen,
                               flag < 1 ? 1 : flag, flag <= 1 ? "" : "s");
  *out = f32_at(value + RECORD_HEAD + 4 * (chosen - 1));
  return CVY_OK;
}

static cvy_err look(cvy_value *out, cvy_database *db, const uint8_t *value, size_t bytes) {
  float label = 0;
  const uint32_t flag = bytes >= RECORD_HEAD ? cvy_u32_little(value) : 0;
  if (bytes < RECORD_HEAD || flag > (bytes - RECORD_HEAD) / 4) return no_room(bytes, flag);
  CVY_TRY(choose_label(&label, db, value, flag));
  if (!(fabsf(label) < 0x1p24f) || label != floorf(label))
    return cvy_database_refuse(db, "label %g; a class is a whole number below 2^24", (double)label);
  CVY_TRY(cvy_bytes_reserve(&db->texts, 32, "a label"));
  snprintf((char *)db->texts.data, 32, "%.0f", (double)(label == 0 ? 0 : label));
  out->label = (const char *)db->texts.data;
  const size_t head = RECORD_HEAD + 4 * (size_t)flag;
  out->picture = (cvy_held){.bytes = value + head, .count = bytes - head};
  if (db->raw[0] > 0) {
    out->picture.h = db->raw[0];
    out->picture.w = db->raw[1];
    out->picture.c = db->raw[2];
    out->picture.bgr = db->config->order == CVY_DATABASE_BGR;
    return cvy_held_check_samples(&out->picture);
  }
  if (!cvy_held_check_file(&out->picture)) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s (--raw tells the size of samples)", cvy_err_message());
}

static const cvy_database_kind kind = {
    .name = "recordio",
    .what = "an MXNet .rec file",
    .is_one = is_one,
    .list = list,
    .look = look,
    .fetch = fetch,
    .close = close_file,
};

/* ---- the reader ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_database_find_splits(out, count, pool, path, &kind);
}

static cvy_err open_recordio(cvy_source *out, const void *config, const char *const *inputs,
                             int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  (void)seed;
  return cvy_database_open(out, &kind, config, inputs, input_count, h, w);
}

static bool fits(const cvy_glimpse *g) {
  return g->head_bytes > PART_HEAD && cvy_u32_little(g->head) == magic;
}

static const cvy_option options[] = {
    {"colour", CVY_CHOICE, offsetof(cvy_database_config, colour), "auto", .words = cvy_database_colours,
     .help = "channels of the pictures; auto: of samples as they are, of JPEG and PNG files rgb"},
    {"label", CVY_INT, offsetof(cvy_database_config, label), "0", 0, 1000000,
     .help = "which label counts where a record has several, from 1; 0: a record has one, or zeros with a "
             "single 1"},
    {"raw", CVY_STRING, offsetof(cvy_database_config, raw), "",
     .help = "WIDTHxHEIGHTxCHANNELS of records that hold samples, no JPEG or PNG files; none: files"},
    {"channel-order", CVY_CHOICE, offsetof(cvy_database_config, order), "bgr", .words = cvy_database_orders,
     .help = "of samples of three channels"},
    {0},
};

const cvy_reader cvy_reader_recordio = {
    .kind = &(const cvy_kind){"recordio", "MXNet's .rec files, as im2rec writes them", options,
                              sizeof(cvy_database_config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_recordio,
    .read = cvy_database_read,
    .close = cvy_database_close,
    .again = cvy_database_again,
    .fits = fits,
};
