/* Hoda: Persian handwritten digits (Khosravi & Kabir 2007, "Introducing a very large dataset of handwritten
 * Farsi digits and a study on their varieties", Pattern Recognition Letters 28).
 *
 * A .cdb file, little endian:
 *
 *   0     u16 year, u8 month, u8 day
 *   4     u8 height, u8 width of every image; 0: each record has its own
 *   6     u32 records
 *   10    u32[128] records of each label
 *   522   u8 type, 0: black and white
 *   523   a comment, up to byte 1024
 *   1024  the records: 0xff, u8 label, [u8 width, u8 height], u16 bytes that follow, then the rows from the
 *         top: lengths of background and ink by turns, background first, until the width is reached
 *
 * Images are delivered centred in the target, ink white on black as in MNIST. One that is larger than the
 * target less a border of BORDER pixels is shrunk into that room, and keeps its aspect. Smaller ones are not
 * enlarged to fill it, because size tells the ring of a zero from a five: LeNet-5 reads 98.8 % of the test
 * digits so, 98.6 % if all fill the room. Targets with a room above NATURAL pixels enlarge all digits alike,
 * by room / NATURAL. The whole file is checked when it is opened. */
#include "datasets/reader.h"
#include "file/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 1024, CLASSES = 10, BORDER = 2, NATURAL = 28 };

typedef struct cdb_file {
  const char *path;
  cvy_bytes bytes;
  int64_t h, w; /* 0: in the records */
  int64_t count;
  size_t *records; /* byte offsets */
} cdb_file;

typedef struct state {
  cvy_pool *pool;
  int64_t file_count;
  cdb_file *files;
  int64_t h, w; /* delivered */
  cvy_image stored, scaled, framed;
  char *name;
} state;

/* A record's place in its file, taken apart. */
typedef struct cdb_record {
  int32_t label;
  int64_t h, w;
  const uint8_t *runs;
  size_t run_bytes, end;
} cdb_record;

/* ---- one file ---- */

static cvy_err truncated(const cdb_file *file, int64_t index, size_t at, size_t needed) {
  return cvy_error(CVY_E_INPUT,
                   "%s: record %" PRId64 " at byte %zu: truncated: needs %zu bytes, %zu are left", file->path,
                   index, at, needed, file->bytes.count - at);
}

static cvy_err parse_record(cdb_record *out, const cdb_file *file, int64_t index, size_t at) {
  const uint8_t *p = file->bytes.data + at;
  const size_t left = file->bytes.count - at;
  const bool has_size = file->h == 0 || file->w == 0;
  const size_t head = has_size ? 6 : 4;
  if (left < head) return truncated(file, index, at, head);
  if (p[0] != 0xff)
    return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 " at byte %zu: starts with 0x%02x; expected 0xff",
                     file->path, index, at, p[0]);
  if (p[1] >= CLASSES)
    return cvy_error(CVY_E_INPUT, "%s: record %" PRId64 " at byte %zu: label %d; expected 0 to 9", file->path,
                     index, at, p[1]);
  out->label = p[1];
  out->w = has_size ? p[2] : file->w;
  out->h = has_size ? p[3] : file->h;
  if (out->w == 0 || out->h == 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: record %" PRId64 " at byte %zu: an image of %" PRId64 "x%" PRId64 " pixels",
                     file->path, index, at, out->w, out->h);
  out->run_bytes = (size_t)p[head - 2] | (size_t)p[head - 1] << 8;
  out->runs = p + head;
  out->end = at + head + out->run_bytes;
  return left < head + out->run_bytes ? truncated(file, index, at, head + out->run_bytes) : CVY_OK;
}

/* Draws the record's runs into `to`, or only checks them if that is NULL. */
static bool draw_runs(uint8_t *to, const cdb_record *record) {
  size_t used = 0;
  for (int64_t y = 0; y < record->h; y++) {
    uint8_t ink = 0;
    for (int64_t x = 0; x < record->w; ink ^= 255) {
      if (used == record->run_bytes || record->runs[used] > record->w - x) return false;
      const size_t run = record->runs[used++];
      if (to) memset(to + y * record->w + x, ink, run);
      x += (int64_t)run;
    }
  }
  return used == record->run_bytes;
}

static cvy_err index_records(cdb_file *file) {
  int64_t found[CLASSES] = {0};
  size_t at = HEADER_BYTES;
  for (int64_t i = 0; i < file->count; i++) {
    cdb_record record;
    CVY_TRY(parse_record(&record, file, i, at));
    if (!draw_runs(NULL, &record))
      return cvy_error(CVY_E_INPUT,
                       "%s: record %" PRId64 " at byte %zu: its %zu bytes of run lengths do not fill %" PRId64
                       "x%" PRId64 " pixels",
                       file->path, i, at, record.run_bytes, record.w, record.h);
    found[record.label]++;
    file->records[i] = at;
    at = record.end;
  }
  if (at != file->bytes.count)
    return cvy_error(CVY_E_INPUT,
                     "%s: %zu bytes follow the %" PRId64 " records that the header counts, at byte %zu",
                     file->path, file->bytes.count - at, file->count, at);
  for (int64_t k = 0; k < CLASSES; k++) {
    const uint32_t promised = cvy_u32_little(file->bytes.data + 10 + 4 * k);
    if (promised != found[k])
      return cvy_error(CVY_E_INPUT,
                       "%s: the header counts %u records of label %" PRId64 ", the file holds %" PRId64,
                       file->path, promised, k, found[k]);
  }
  return CVY_OK;
}

static cvy_err open_file(cdb_file *file, const char *path) {
  file->path = path;
  CVY_TRY(cvy_bytes_read(&file->bytes, path));
  const uint8_t *p = file->bytes.data;
  if (file->bytes.count < HEADER_BYTES)
    return cvy_error(CVY_E_INPUT, "%s: %zu bytes; a .cdb file has a header of %d", path, file->bytes.count,
                     HEADER_BYTES);
  file->h = p[4];
  file->w = p[5];
  const uint32_t count = cvy_u32_little(p + 6);
  if (p[522] != 0)
    return cvy_error(CVY_E_INPUT, "%s: byte 522: image type %d; expected 0, black and white", path, p[522]);
  /* A record takes five bytes or more, so a count that lies is seen before memory is taken for it. */
  if (count == 0 || count > (file->bytes.count - HEADER_BYTES) / 5)
    return cvy_error(CVY_E_INPUT, "%s: byte 6: a count of %u records, but %zu bytes follow the header", path,
                     count, file->bytes.count - HEADER_BYTES);
  file->count = count;
  file->records = cvy_new(sizeof *file->records * count);
  return index_records(file);
}

/* ---- the reader ---- */

static void close_hoda(cvy_source *source) {
  state *s = source->state;
  for (int64_t i = 0; i < s->file_count; i++) {
    cvy_bytes_free(&s->files[i].bytes);
    free(s->files[i].records);
  }
  cvy_image_free(&s->stored);
  cvy_image_free(&s->scaled);
  cvy_image_free(&s->framed);
  cvy_pool_destroy(s->pool);
  free(s);
}

static cvy_err open_hoda(cvy_source *out, const void *config, const char *const *inputs, int64_t input_count,
                         int64_t h, int64_t w, uint64_t seed) {
  static const char *const class_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  (void)config;
  (void)seed;
  *out = (cvy_source){0};
  if (input_count == 0)
    return cvy_error(CVY_E_USAGE, "hoda needs a .cdb file, or the folder of the official two");
  if (h <= 2 * BORDER || w <= 2 * BORDER)
    return cvy_error(CVY_E_USAGE, "hoda: %" PRId64 "x%" PRId64 " is too small: there is a border of %d", w, h,
                     BORDER);
  state *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  s->h = h;
  s->w = w;
  s->files = cvy_pool_new(s->pool, sizeof *s->files * (size_t)input_count);
  *out = (cvy_source){.state = s, .class_count = CLASSES, .class_names = class_names, .h = h, .w = w, .c = 1};
  for (int64_t i = 0; i < input_count; i++) {
    s->file_count = i + 1;
    const cvy_err err = open_file(&s->files[i], cvy_pool_format(s->pool, "%s", inputs[i]));
    if (err) {
      close_hoda(out);
      *out = (cvy_source){0};
      return err;
    }
    out->count += s->files[i].count;
  }
  s->name = cvy_pool_new(s->pool, 4200);
  return CVY_OK;
}

/* Returns round(size * up / down), from 1 to the room there is. */
static int64_t scaled(int64_t size, int64_t up, int64_t down, int64_t room) {
  const int64_t out = (2 * size * up + down) / (2 * down);
  return out < 1 ? 1 : out > room ? room : out;
}

static void frame(state *s) {
  const int64_t room_h = s->h - 2 * BORDER, room_w = s->w - 2 * BORDER;
  const int64_t h = s->stored.h, w = s->stored.w, room = room_h < room_w ? room_h : room_w;
  int64_t up = room > NATURAL ? room : NATURAL, down = NATURAL;
  if (room_h * down < up * h) {
    up = room_h;
    down = h;
  }
  if (room_w * down < up * w) {
    up = room_w;
    down = w;
  }
  const int64_t to_h = scaled(h, up, down, room_h), to_w = scaled(w, up, down, room_w);
  cvy_image_scale(&s->scaled, &s->stored, to_h, to_w);
  cvy_image_resize_buffer(&s->framed, s->h, s->w, 1);
  memset(s->framed.px, 0, (size_t)(s->h * s->w));
  const int64_t top = (s->h - to_h) / 2, left = (s->w - to_w) / 2;
  for (int64_t y = 0; y < to_h; y++)
    memcpy(s->framed.px + (top + y) * s->w + left, s->scaled.px + y * to_w, (size_t)to_w);
}

static cvy_err read_hoda(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const cdb_file *file = s->files;
  for (; index >= file->count; file++) index -= file->count;
  cdb_record record;
  CVY_TRY(parse_record(&record, file, index, file->records[index]));
  cvy_image_resize_buffer(&s->stored, record.h, record.w, 1);
  draw_runs(s->stored.px, &record);
  frame(s);
  snprintf(s->name, 4200, "%s: record %" PRId64, file->path, index);
  *out = (cvy_record){.label = record.label, .name = s->name, .image = s->framed};
  return CVY_OK;
}

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  *count = 0;
  if (!cvy_is_folder(path)) return CVY_OK;
  const char *train = cvy_find_file(pool, path, "Train 60000.cdb");
  const char *test = cvy_find_file(pool, path, "Test 20000.cdb");
  if (!train || !test)
    return cvy_error(CVY_E_INPUT, "%s: no '%s' (or .gz) in this folder", path,
                     train ? "Test 20000.cdb" : "Train 60000.cdb");
  *out = cvy_pool_new(pool, 2 * sizeof **out);
  (*out)[0] = (cvy_prepare_input){"train", train};
  (*out)[1] = (cvy_prepare_input){"val", test};
  *count = 2;
  return CVY_OK;
}

static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, ".cdb") || cvy_glimpse_has(g, ".cdb.gz");
}

const cvy_reader cvy_reader_hoda = {
    .kind = &(const cvy_kind){"hoda",
                              "Persian handwritten digits: .cdb files, or the folder of the official two",
                              NULL, 0},
    .find_splits = find_splits,
    .default_h = 32,
    .default_w = 32,
    .open = open_hoda,
    .read = read_hoda,
    .close = close_hoda,
    .fits = fits,
};
