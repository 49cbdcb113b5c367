/* MNIST and the sets that took over its format (Fashion-MNIST, KMNIST): IDX files (LeCun, Cortes & Burges).
 *
 * Big endian: u32 magic (0x0803 images, 0x0801 labels: type u8, three dimensions or one), then a u32 a
 * dimension, then the bytes. One split is one file of images and one of labels, told apart by their magic. */
#include "datasets/idx_folder.h"
#include "datasets/pictures.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS = 10, MOST_LABELS = 256, NUMBERS = 2 /* the third of the words for --names */ };

typedef struct config {
  bool pad;
  int names;
} config;

/* An IDX file in memory. */
typedef struct idx_file {
  const char *path;
  cvy_bytes bytes;
  uint32_t magic;
  int64_t count, h, w; /* labels: h = w = 1 */
  const uint8_t *items;
} idx_file;

typedef struct state {
  cvy_pool *pool;
  idx_file files[2], *images, *labels;
  bool pad;
  int32_t class_of[MOST_LABELS];
  int64_t h, w; /* delivered */
  cvy_image stored, delivered;
  char *name;
} state;

/* ---- files ---- */

static cvy_err check_length(const idx_file *file, size_t head) {
  const uint64_t item = (uint64_t)file->h * (uint64_t)file->w, held = file->bytes.count - head;
  if (item == 0 || item > UINT32_MAX)
    return cvy_error(CVY_E_INPUT, "%s: images of %" PRId64 "x%" PRId64 " pixels", file->path, file->w,
                     file->h);
  if (file->count == 0) return cvy_error(CVY_E_INPUT, "%s: no records", file->path);
  const uint64_t promised = (uint64_t)file->count * item;
  if (held < promised)
    return cvy_error(CVY_E_INPUT,
                     "%s: truncated: the header promises %" PRId64 " records of %" PRIu64
                     " bytes, the file ends in record %" PRIu64,
                     file->path, file->count, item, held / item);
  if (held > promised)
    return cvy_error(CVY_E_INPUT,
                     "%s: %" PRIu64 " bytes follow the %" PRId64 " records that the header counts",
                     file->path, held - promised, file->count);
  return CVY_OK;
}

static cvy_err open_idx(idx_file *file, const char *path) {
  file->path = path;
  CVY_TRY(cvy_bytes_read(&file->bytes, path));
  const uint8_t *p = file->bytes.data;
  file->magic = file->bytes.count >= 4 ? cvy_u32_big(p) : 0;
  if (file->magic != CVY_IDX_IMAGES && file->magic != CVY_IDX_LABELS)
    return cvy_error(
        CVY_E_INPUT,
        "%s: no IDX file: starts with 0x%08x (%zu bytes in all); expected 0x%08x (images) or 0x%08x (labels)",
        path, file->magic, file->bytes.count, CVY_IDX_IMAGES, CVY_IDX_LABELS);
  const size_t head = file->magic == CVY_IDX_IMAGES ? 16 : 8;
  if (file->bytes.count < head)
    return cvy_error(CVY_E_INPUT, "%s: truncated: %zu bytes; the header has %zu", path, file->bytes.count,
                     head);
  file->count = cvy_u32_big(p + 4);
  file->h = file->magic == CVY_IDX_IMAGES ? cvy_u32_big(p + 8) : 1;
  file->w = file->magic == CVY_IDX_IMAGES ? cvy_u32_big(p + 12) : 1;
  file->items = p + head;
  return check_length(file, head);
}

static cvy_err pair_up(state *s) {
  idx_file *a = &s->files[0], *b = &s->files[1];
  if (a->magic == b->magic)
    return cvy_error(CVY_E_INPUT, "%s and %s both hold %s; a split is one file of images and one of labels",
                     a->path, b->path, a->magic == CVY_IDX_IMAGES ? "images" : "labels");
  s->images = a->magic == CVY_IDX_IMAGES ? a : b;
  s->labels = a->magic == CVY_IDX_IMAGES ? b : a;
  if (s->images->count != s->labels->count)
    return cvy_error(CVY_E_INPUT, "%s holds %" PRId64 " images, %s %" PRId64 " labels", s->images->path,
                     s->images->count, s->labels->path, s->labels->count);
  return CVY_OK;
}

/* ---- labels ---- */

static cvy_err number_digits(state *s) {
  for (int64_t i = 0; i < s->labels->count; i++)
    if (s->labels->items[i] >= DIGITS)
      return cvy_error(CVY_E_INPUT,
                       "%s: record %" PRId64
                       ": label %d; expected 0 to %d (--names numbers takes them as they "
                       "are, as EMNIST needs it)",
                       s->labels->path, i, s->labels->items[i], DIGITS - 1);
  for (int k = 0; k < DIGITS; k++) s->class_of[k] = k;
  return CVY_OK;
}

/* Makes a class of each label that occurs, in the order of the labels, and calls it by its number. */
static cvy_err number_all(state *s, cvy_source *out) {
  bool occurs[MOST_LABELS] = {false};
  const char **names = cvy_pool_new(s->pool, sizeof *names * MOST_LABELS);
  int32_t count = 0;
  for (int64_t i = 0; i < s->labels->count; i++) occurs[s->labels->items[i]] = true;
  for (int k = 0; k < MOST_LABELS; k++) {
    if (!occurs[k]) continue;
    s->class_of[k] = count;
    names[count++] = cvy_pool_format(s->pool, "%d", k);
  }
  out->class_count = count;
  out->class_names = names;
  return CVY_OK;
}

/* ---- folders ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  cvy_idx_pair *pairs;
  int64_t pair_count, n = 0;
  *count = 0;
  if (!cvy_is_folder(path)) return CVY_OK;
  CVY_TRY(cvy_idx_folder(&pairs, &pair_count, pool, path));
  if (pair_count < 2) return CVY_OK;
  cvy_prepare_input *found = cvy_pool_new(pool, 2 * (size_t)pair_count * sizeof *found);
  for (int64_t i = 0; i < pair_count; i++) {
    found[n++] = (cvy_prepare_input){pairs[i].split, pairs[i].images};
    found[n++] = (cvy_prepare_input){pairs[i].split, pairs[i].labels};
  }
  cvy_splits_in_order(out, count, pool, found, n);
  return CVY_OK;
}

static cvy_err files_of_folder(const char *paths[2], cvy_pool *pool, const char *dir) {
  cvy_idx_pair *pairs;
  int64_t count;
  CVY_TRY(cvy_idx_folder(&pairs, &count, pool, dir));
  if (count > 1)
    return cvy_error(CVY_E_INPUT,
                     "%s: holds %s and %s; give the folder alone and both become splits, or give the two "
                     "files of one",
                     dir, pairs[0].split, pairs[1].split);
  if (count == 0)
    return cvy_error(CVY_E_INPUT,
                     "%s: neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte nor another IDX file, "
                     "plain or .gz, in this folder",
                     dir);
  paths[0] = pairs[0].images;
  paths[1] = pairs[0].labels;
  return CVY_OK;
}

static cvy_err choose_files(const char *paths[2], cvy_pool *pool, const char *const *inputs,
                            int64_t input_count) {
  if (input_count == 1 && cvy_is_folder(inputs[0])) return files_of_folder(paths, pool, inputs[0]);
  if (input_count != 2)
    return cvy_error(
        input_count == 1 ? CVY_E_INPUT : CVY_E_USAGE,
        "mnist%s%s: a split is one file of images and one of labels, or a folder of them, not %" PRId64
        " inputs",
        input_count == 1 ? ": " : "", input_count == 1 ? inputs[0] : "", input_count);
  for (int i = 0; i < 2; i++) paths[i] = cvy_pool_format(pool, "%s", inputs[i]);
  return CVY_OK;
}

/* ---- the reader ---- */

static void close_mnist(cvy_source *source) {
  state *s = source->state;
  for (int i = 0; i < 2; i++) cvy_bytes_free(&s->files[i].bytes);
  cvy_image_free(&s->stored);
  cvy_image_free(&s->delivered);
  cvy_pool_destroy(s->pool);
  free(s);
}

static cvy_err choose_size(state *s, int64_t h, int64_t w) {
  s->h = h > 0 ? h : s->images->h;
  s->w = w > 0 ? w : s->images->w;
  if (s->pad && (s->h < s->images->h || s->w < s->images->w))
    return cvy_error(CVY_E_USAGE,
                     "--pad: images of %" PRId64 "x%" PRId64 " do not fit into %" PRId64 "x%" PRId64,
                     s->images->w, s->images->h, s->w, s->h);
  return CVY_OK;
}

static cvy_err open_state(cvy_source *out, const config *c, const char *const *inputs, int64_t input_count,
                          int64_t h, int64_t w) {
  state *s = out->state;
  const char *paths[2];
  CVY_TRY(choose_files(paths, s->pool, inputs, input_count));
  for (int i = 0; i < 2; i++) CVY_TRY(open_idx(&s->files[i], paths[i]));
  CVY_TRY(pair_up(s));
  CVY_TRY(c->names == NUMBERS ? number_all(s, out) : number_digits(s));
  s->name = cvy_pool_new(s->pool, 4200);
  return choose_size(s, h, w);
}

static cvy_err open_mnist(cvy_source *out, const void *config_, const char *const *inputs,
                          int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  static const char *const names[2][DIGITS] = {{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                                               {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                                                "sandal", "shirt", "sneaker", "bag", "ankle boot"}};
  const config *c = config_;
  (void)seed;
  state *s = cvy_new(sizeof *s);
  s->pool = cvy_pool_create();
  s->pad = c->pad;
  *out = (cvy_source){.state = s, .class_count = DIGITS, .class_names = names[c->names % NUMBERS], .c = 1};
  const cvy_err err = open_state(out, c, inputs, input_count, h, w);
  if (err) {
    close_mnist(out);
    *out = (cvy_source){0};
    return err;
  }
  out->count = s->images->count;
  out->h = s->h;
  out->w = s->w;
  return CVY_OK;
}

static void pad(cvy_image *out, const cvy_image *in, int64_t h, int64_t w) {
  cvy_image_resize_buffer(out, h, w, 1);
  memset(out->px, 0, (size_t)(h * w));
  const int64_t top = (h - in->h) / 2, left = (w - in->w) / 2;
  for (int64_t y = 0; y < in->h; y++)
    memcpy(out->px + (top + y) * w + left, in->px + y * in->w, (size_t)in->w);
}

static cvy_err read_mnist(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const int64_t item = s->images->h * s->images->w;
  cvy_image_resize_buffer(&s->stored, s->images->h, s->images->w, 1);
  memcpy(s->stored.px, s->images->items + index * item, (size_t)item);
  (s->pad ? pad : cvy_image_scale)(&s->delivered, &s->stored, s->h, s->w);
  snprintf(s->name, 4200, "%s: record %" PRId64, s->images->path, index);
  *out = (cvy_record){.label = s->class_of[s->labels->items[index]], .name = s->name, .image = s->delivered};
  return CVY_OK;
}

static bool fits(const cvy_glimpse *g) {
  static const char *const endings[] = {"idx3-ubyte", "idx3-ubyte.gz"};
  for (int64_t i = 0; i < CVY_COUNT(endings); i++)
    if (g->folder && cvy_glimpse_has(g, endings[i])) return true;
  if (g->head_bytes < 8) return false;
  return cvy_u32_big(g->head) == CVY_IDX_IMAGES || cvy_u32_big(g->head) == CVY_IDX_LABELS;
}

static const char *const name_words[] = {"digits", "fashion", "numbers", NULL};
static const cvy_option options[] = {
    {"pad", CVY_BOOL, offsetof(config, pad), "false",
     .help = "surround with zeros to --size (LeNet-5: 28 to 32), do not scale"},
    {"names", CVY_CHOICE, offsetof(config, names), "digits", .words = name_words,
     .help = "the classes' names; numbers: the labels themselves, of any number of classes"},
    {0},
};

const cvy_reader cvy_reader_mnist = {
    .kind =
        &(const cvy_kind){
            "mnist",
            "MNIST, Fashion-MNIST, EMNIST: IDX files, a split's images and labels, or the folder of all four",
            options, sizeof(config)},
    .find_splits = find_splits,
    .open = open_mnist,
    .read = read_mnist,
    .close = close_mnist,
    .fits = fits,
};
