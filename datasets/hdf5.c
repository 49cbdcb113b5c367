/* Reads HDF5 files of other makers. archive/arrays.h finds which dataset holds what, in which order an image
 * lies, and what its labels mean. Shards hold bytes, so samples must be bytes, or numbers that stand for
 * bytes: whole ones from 0 to 255, or 255ths of 1. */
#include "archive/arrays.h"
#include "datasets/pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 20 };

/* A sample may be so far off a 255th, in 255ths. Half floats are off by up to 0.06. */
static const double most_off = 0.07;

typedef struct config {
  cvy_arrays_said said;
} config;

typedef struct state {
  cvy_arrays *arrays;
  bool borrows; /* `arrays` belongs to the source that this one came of */
  float scale;  /* a byte is the sample times this, rounded */
  int64_t h, w; /* delivered */
  void *row;    /* a record as it is stored */
  cvy_image stored, scaled;
  char name[4352];
} state;

/* ---- what the samples stand for ---- */

typedef struct range {
  double lowest, highest;
  bool whole, parts; /* whether all are whole numbers; whether all are 255ths */
} range;

static void widen(range *r, const float *samples, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const double x = (double)samples[i], level = x * 255;
    if (!(x >= r->lowest)) r->lowest = x;
    if (!(x <= r->highest)) r->highest = x;
    r->whole = r->whole && x == floor(x);
    r->parts = r->parts && fabs(level - floor(level + 0.5)) <= most_off;
  }
}

static const range nothing_yet = {.lowest = INFINITY, .highest = -INFINITY, .whole = true, .parts = true};

static void join(range *r, const range *more) {
  r->lowest = fmin(r->lowest, more->lowest);
  r->highest = fmax(r->highest, more->highest);
  r->whole = r->whole && more->whole;
  r->parts = r->parts && more->parts;
}

static bool is_unit(const range *r) {
  return r->lowest >= 0 && r->highest <= 1 && r->parts && !r->whole;
}

static bool is_bytes(const range *r) {
  return r->lowest >= 0 && r->highest <= 255 && r->whole;
}

static cvy_err find_range(range *r, const cvy_arrays *a, const cvy_arrays_part *part) {
  const int64_t samples = a->h * a->w * a->c, row_bytes = samples * (int64_t)sizeof(float);
  const int64_t rows = row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1;
  float *block;
  CVY_TRY(cvy_buffer_create((void **)&block, (size_t)(rows * row_bytes), "a block of images"));
  *r = nothing_yet;
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < part->count && !err; i += rows) {
    const int64_t left = part->count - i, count = left < rows ? left : rows;
    err = cvy_arrays_read(a, block, part->first + i, count);
    if (!err) widen(r, block, count * samples);
  }
  cvy_buffer_destroy(block);
  return err;
}

static cvy_err no_bytes(const cvy_arrays_part *part, const range *r) {
  return cvy_error(
      CVY_E_INPUT,
      "%s: samples in '%s' run from %g to %g%s; shards hold bytes, so they should be whole numbers from "
      "0 to 255, or these divided by 255. As data.train of a recipe the file itself can be used, "
      "which keeps its floats",
      part->path, part->name, r->lowest, r->highest, r->whole ? "" : ", and are not all whole");
}

/* Tells which file's samples differ from those of the others, where each by itself would do. */
static cvy_err two_kinds(const cvy_arrays *a, const range *ranges) {
  int64_t unit = 0, bytes = 0;
  while (unit < a->part_count - 1 && !is_unit(&ranges[unit])) unit++;
  while (bytes < a->part_count - 1 && ranges[bytes].highest <= 1) bytes++;
  return cvy_error(
      CVY_E_INPUT,
      "%s: samples in '%s' are 255ths from %g to %g, but those of %s whole numbers from %g to %g; "
      "files that are joined should have one kind",
      a->parts[unit].path, a->parts[unit].name, ranges[unit].lowest, ranges[unit].highest,
      a->parts[bytes].path, ranges[bytes].lowest, ranges[bytes].highest);
}

static cvy_err find_scale(state *s) {
  const cvy_arrays *a = s->arrays;
  range all = nothing_yet, *ranges = cvy_pool_new(a->pool, sizeof *ranges * (size_t)a->part_count);
  s->scale = 1;
  if (!a->is_float) return CVY_OK;
  for (int64_t i = 0; i < a->part_count; i++) {
    CVY_TRY(find_range(&ranges[i], a, &a->parts[i]));
    if (!is_unit(&ranges[i]) && !is_bytes(&ranges[i])) return no_bytes(&a->parts[i], &ranges[i]);
    join(&all, &ranges[i]);
  }
  if (is_bytes(&all)) return CVY_OK;
  if (!is_unit(&all)) return two_kinds(a, ranges);
  s->scale = 255;
  cvy_log("%s: '%s' holds 255ths from %g to %g, which become bytes", a->parts[0].path, a->parts[0].name,
          all.lowest, all.highest);
  return CVY_OK;
}

/* ---- the reader ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  const char **names;
  int64_t n;
  *count = 0;
  /* Errors are left to `open`, which knows what the user said about the file. */
  if (cvy_arrays_splits(&names, &n, pool, path, &CVY_NOTHING_SAID)) return CVY_OK;
  if (n == 0 || strcmp(names[0], "train") != 0) return CVY_OK;
  cvy_prepare_input *found = cvy_pool_new(pool, sizeof *found * (size_t)n);
  for (int64_t i = 0; i < n; i++)
    found[i] = (cvy_prepare_input){names[i], cvy_pool_format(pool, "%s:%s", path, names[i])};
  cvy_splits_in_order(out, count, pool, found, n);
  return CVY_OK;
}

static const char *part_for(cvy_pool *pool, const void *config_, const char *input, const char *split) {
  const char **names;
  int64_t count;
  const config *c = config_;
  const char *part = NULL;
  /* Errors are left to `open` here, too. */
  if (cvy_arrays_splits(&names, &count, pool, input, c ? &c->said : &CVY_NOTHING_SAID)) return input;
  for (int64_t i = 0; i < count; i++)
    if (strcmp(names[i], split) == 0 || (!part && strcmp(split, "val") == 0 && strcmp(names[i], "test") == 0))
      part = names[i];
  return part ? cvy_pool_format(pool, "%s:%s", input, part) : input;
}

static void close_hdf5(cvy_source *source) {
  state *s = source->state;
  if (!s->borrows) cvy_arrays_close(s->arrays);
  cvy_image_free(&s->stored);
  cvy_image_free(&s->scaled);
  free(s->row);
  free(s);
}

static size_t row_bytes(const cvy_arrays *a) {
  return (size_t)(a->h * a->w * a->c) * (a->is_float ? sizeof(float) : 1);
}

static cvy_err open_state(state *s, const config *c, const char *const *inputs, int64_t input_count) {
  if (input_count < 1)
    return cvy_error(CVY_E_USAGE, "hdf5: expected HDF5 files, or a text that lists them, one a line");
  CVY_TRY(cvy_arrays_open(&s->arrays, inputs, input_count, NULL, &c->said, true));
  s->row = malloc(row_bytes(s->arrays));
  if (!s->row) return cvy_error(CVY_E_SYSTEM, "%s: out of memory for an image", s->arrays->parts[0].path);
  return find_scale(s);
}

static cvy_err open_hdf5(cvy_source *out, const void *config_, const char *const *inputs, int64_t input_count,
                         int64_t h, int64_t w, uint64_t seed) {
  (void)seed;
  state *s = cvy_new(sizeof *s);
  *out = (cvy_source){.state = s};
  const cvy_err err = open_state(s, config_, inputs, input_count);
  if (err) {
    close_hdf5(out);
    *out = (cvy_source){0};
    return err;
  }
  const cvy_arrays *a = s->arrays;
  s->h = h > 0 ? h : a->h;
  s->w = w > 0 ? w : a->w;
  out->count = a->count;
  out->class_count = a->class_count;
  out->class_names = a->class_names;
  out->class_sizes = a->class_sizes;
  out->is_numbered = a->is_numbered;
  out->encoding = ((const config *)config_)->said.encoding;
  out->assumes_classes = ((const config *)config_)->said.assume_classes;
  out->h = s->h;
  out->w = s->w;
  out->c = a->c;
  return CVY_OK;
}

static void hdf5_again(cvy_source *out, const cvy_source *first) {
  const state *from = first->state;
  state *s = cvy_new(sizeof *s);
  *out = *first;
  out->state = s;
  *s = (state){.arrays = from->arrays, .borrows = true, .scale = from->scale, .h = from->h, .w = from->w};
  s->row = cvy_new(row_bytes(s->arrays));
}

/* Puts the samples in the order of pictures, as bytes. */
static void arrange(state *s) {
  const cvy_arrays *a = s->arrays;
  const float *floats = s->row;
  const uint8_t *bytes = s->row;
  cvy_image_resize_buffer(&s->stored, a->h, a->w, a->c);
  uint8_t *out = s->stored.px;
  for (int64_t y = 0; y < a->h; y++)
    for (int64_t x = 0; x < a->w; x++)
      for (int64_t k = 0; k < a->c; k++) {
        const int64_t at = y * a->row_step + x * a->column_step + k * a->channel_step;
        *out++ = a->is_float ? (uint8_t)(floats[at] * s->scale + 0.5f) : bytes[at];
      }
}

static cvy_err read_hdf5(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const cvy_arrays_part *part = cvy_arrays_part_of(s->arrays, index);
  const int64_t row = index - part->first;
  snprintf(s->name, sizeof s->name, "%s: record %" PRId64, part->path, row);
  *out = (cvy_record){.label = part->labels[row], .name = s->name};
  CVY_TRY(cvy_arrays_read(s->arrays, s->row, index, 1));
  arrange(s);
  const bool scales = s->h != s->arrays->h || s->w != s->arrays->w;
  if (scales) cvy_image_scale(&s->scaled, &s->stored, s->h, s->w);
  out->image = scales ? s->scaled : s->stored;
  return CVY_OK;
}

/* Tells whether Convoy itself has made the file, which then is a shard or a checkpoint. */
static bool is_ours(cvy_h5 *file) {
  char *format = NULL;
  cvy_pool *pool = cvy_pool_create();
  const bool is = cvy_h5_has_attr(file, "", "format") &&
                  !cvy_h5_read_attr_text(file, "", "format", &format, pool) &&
                  strncmp(format, "convoy-", 7) == 0;
  cvy_pool_destroy(pool);
  return is;
}

/* Tells whether an HDF5 file is of another maker. */
static bool fits(const cvy_glimpse *g) {
  static const char signature[] = "\x89HDF\r\n\x1a\n";
  cvy_h5 *file;
  if (g->head_bytes < sizeof signature - 1 || memcmp(g->head, signature, sizeof signature - 1) != 0)
    return false;
  if (cvy_h5_open(&file, g->path)) return false;
  const bool is = !is_ours(file);
  cvy_h5_discard(file);
  return is;
}

static const cvy_option options[] = {
    {"images", CVY_STRING, offsetof(config, said.images), "",
     .help = "the dataset that holds the images (group/name); none: found by the usual names"},
    {"labels", CVY_STRING, offsetof(config, said.labels), "", .help = "the same of the labels"},
    {"first-label", CVY_INT, offsetof(config, said.first_label), "-1", -1, 1 << 20,
     .help = "the label of the first class; -1: it is 0, or else that is an error"},
    {"axes", CVY_CHOICE, offsetof(config, said.axes), "auto", .words = cvy_axes_words,
     .help = "the order in which an image's height, width and channels lie"},
    {"outside-links", CVY_BOOL, offsetof(config, said.outside_links), "false",
     .help = "whether external links may lead out of the file's folder"},
    {"assume-classes", CVY_BOOL, offsetof(config, said.assume_classes), "false",
     .help = "where only some files name their classes: the first label of the others is the first class"},
    CVY_ENCODING_OPTION(config, said.encoding),
    {0},
};

const cvy_reader cvy_reader_hdf5 = {
    .kind = &(const cvy_kind){"hdf5",
                              "HDF5 files of images and labels (h5py, MATLAB 7.3, Caffe), or a list of them",
                              options, sizeof(config)},
    .find_splits = find_splits,
    .part_for = part_for,
    .open = open_hdf5,
    .read = read_hdf5,
    .close = close_hdf5,
    .again = hdf5_again,
    .fits = fits,
};
