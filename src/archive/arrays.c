/* Opening the images and labels of one split: inputs become files, files become parts, and their shapes must
 * agree. */
#include "archive/arrays.h"

#include "archive/arrays_find.h"
#include "archive/arrays_labels.h"
#include "archive/arrays_unpack.h"
#include "archive/encoding.h"
#include "archive/file_tree.h"
#include "file/bytes.h"
#include "file/descriptors.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LIST_BYTES = 1 << 24 };

const char *const cvy_axes_words[] = {
    [CVY_AXES_FOUND] = "auto", [CVY_AXES_HWC] = "hwc", [CVY_AXES_CHW] = "chw",
    [CVY_AXES_WHC] = "whc",    [CVY_AXES_CWH] = "cwh", NULL};

/* This is one file that an input names, and what was chosen in it. */
typedef struct source {
  const char *path, *part; /* part: of FILE:PART, or NULL */
  cvy_arrays_pair pair;
  const char *labels_path;     /* the named file that has the labels: `path`, or another */
  const cvy_h5_entry *entries; /* all that it has */
  int64_t entry_count;
} source;

typedef struct opening {
  cvy_arrays *arrays;
  const cvy_arrays_said *said;
  const char *split;
  source *sources;
  int64_t count, room;
  cvy_axes axes;
  bool spools;
} opening;

/* ---- inputs ---- */

static bool is_text(const char *path) {
  unsigned char bytes[512];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t count = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  const bool has_mark = count > 0 && cvy_text_has_mark(bytes, (size_t)count);
  bool is = count > 0;
  for (ssize_t i = 0; i < count && is && !has_mark; i++)
    is = bytes[i] >= ' ' || bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';
  if (fd >= 0) close(fd);
  return is;
}

bool cvy_may_be_arrays(const char *input) {
  const char *path, *part;
  cvy_pool *pool = cvy_pool_create();
  cvy_split_input(&path, &part, pool, input);
  const bool may_be = cvy_is_hdf5(path) || (!part && is_text(path));
  cvy_pool_destroy(pool);
  return may_be;
}

static void add_source(opening *o, const char *path, const char *part) {
  if (o->count == o->room) {
    o->room = 2 * o->room + 16;
    source *more = cvy_pool_new(o->arrays->pool, sizeof *more * (size_t)o->room);
    if (o->count) memcpy(more, o->sources, sizeof *more * (size_t)o->count);
    o->sources = more;
  }
  o->sources[o->count++] = (source){.path = path, .part = part, .labels_path = path};
}

/* Returns what a line names, relative to the list. */
static const char *beside(cvy_pool *pool, const char *list, const char *line) {
  const char *slash = strrchr(list, '/');
  if (line[0] == '/' || !slash) return line;
  return cvy_pool_format(pool, "%.*s/%s", (int)(slash - list), list, line);
}

/* Finds the file, and the part of it, that a line names: beside the list or, if it is not there, as Caffe
 * does from the current folder. Where it is in neither, *path is beside the list. */
static void find_listed(const char **path, const char **part, cvy_pool *pool, const char *list,
                        const char *line) {
  const char *here, *here_part;
  cvy_split_input(path, part, pool, beside(pool, list, line));
  if (access(*path, F_OK) == 0) return;
  cvy_split_input(&here, &here_part, pool, line);
  if (access(here, F_OK) != 0) return;
  *path = here;
  *part = here_part;
}

static cvy_err add_line(opening *o, const char *list, int64_t number, const char *line) {
  cvy_pool *pool = o->arrays->pool;
  const char *path, *part;
  find_listed(&path, &part, pool, list, line);
  if (access(path, F_OK) != 0)
    return cvy_error(CVY_E_INPUT,
                     "%s:%" PRId64 ": %.200s: %s (this is no HDF5 file, so its lines should name some)", list,
                     number, beside(pool, list, line), strerror(errno));
  if (!cvy_is_hdf5(path))
    return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": %s: not an HDF5 file", list, number, path);
  add_source(o, path, part);
  return CVY_OK;
}

static cvy_err add_list(opening *o, const char *list, const cvy_bytes *bytes) {
  const char *text = (const char *)bytes->data, *end = text + bytes->count;
  const int64_t before = o->count;
  for (int64_t number = 1; text < end; number++) {
    const char *stop = memchr(text, '\n', (size_t)(end - text));
    if (!stop) stop = end;
    const char *first = text, *last = stop;
    while (first < last && isspace((unsigned char)*first)) first++;
    while (last > first && isspace((unsigned char)last[-1])) last--;
    if (first < last && *first != '#')
      CVY_TRY(
          add_line(o, list, number, cvy_pool_format(o->arrays->pool, "%.*s", (int)(last - first), first)));
    text = stop + 1;
  }
  return o->count > before ? CVY_OK : cvy_error(CVY_E_INPUT, "%s: names no HDF5 file", list);
}

/* Refuses texts that come where an HDF5 file should have come. */
static cvy_err check_list(const char *list, const cvy_bytes *bytes) {
  static const char lfs[] = "version https://git-lfs";
  const char *what = NULL;
  if (bytes->count > 0 && bytes->data[0] == '<')
    what = "a web page or another text in angle brackets, not an HDF5 file: was it downloaded rightly?";
  if (bytes->count >= strlen(lfs) && memcmp(bytes->data, lfs, strlen(lfs)) == 0)
    what = "a pointer of Git LFS, not the HDF5 file itself, which 'git lfs pull' fetches";
  return what ? cvy_error(CVY_E_INPUT, "%s: %s", list, what) : CVY_OK;
}

static cvy_err read_list(opening *o, const char *list) {
  const char *encoding = "";
  struct stat info;
  cvy_bytes bytes = {0};
  if (stat(list, &info) == 0 && info.st_size > MOST_LIST_BYTES)
    return cvy_error(CVY_E_INPUT, "%s: not an HDF5 file, and too long for a list of such", list);
  cvy_err err = cvy_bytes_read(&bytes, list);
  if (!err && cvy_text_has_mark(bytes.data, bytes.count)) err = cvy_text_to_utf8(&bytes, &encoding, list);
  if (!err) err = check_list(list, &bytes);
  if (!err) err = add_list(o, list, &bytes);
  cvy_bytes_free(&bytes);
  return err;
}

static cvy_err add_input(opening *o, const char *input) {
  const char *path, *part;
  cvy_split_input(&path, &part, o->arrays->pool, input);
  path = cvy_pool_format(o->arrays->pool, "%s", path);
  if (part) part = cvy_pool_format(o->arrays->pool, "%s", part);
  if (is_text(path) && !cvy_is_hdf5(path)) return read_list(o, path);
  add_source(o, path, part);
  return CVY_OK;
}

/* ---- choosing ---- */

/* Tells people which datasets were taken, where the file has others that might have been meant. */
static void tell_choice(const source *s) {
  const cvy_arrays_pair *p = &s->pair;
  if (p->images && p->worse_images)
    cvy_log(
        "%s: the images are '%s', and not '%s' (--images NAME, or in a recipe data.images, takes another)",
        s->path, p->images->name, p->worse_images->name);
  if (p->labels && p->worse_labels)
    cvy_log(
        "%s: the labels are '%s', and not '%s' (--labels NAME, or in a recipe data.labels, takes another)",
        s->path, p->labels->name, p->worse_labels->name);
}

static cvy_err choose(opening *o, source *s) {
  cvy_h5 *h5;
  cvy_h5_entry *entries;
  int64_t count;
  cvy_pool *pool = o->arrays->pool;
  CVY_TRY(cvy_h5_open(&h5, s->path));
  cvy_err err = cvy_h5_list(&entries, &count, h5, o->said->outside_links, pool);
  if (!err) err = cvy_arrays_choose(&s->pair, entries, count, o->said, o->split, s->part, s->path, pool);
  cvy_h5_discard(h5);
  if (err) return err;
  s->entries = entries;
  s->entry_count = count;
  tell_choice(s);
  if (o->split && !s->part && s->pair.split[0] && strcmp(s->pair.split, o->split) != 0)
    cvy_log("%s: '%s' is taken for %s", s->path, s->pair.images ? s->pair.images->name : s->pair.labels->name,
            o->split);
  return CVY_OK;
}

/* Refuses files whose names tell different splits, for they do not belong together. */
static cvy_err check_splits(const opening *o) {
  for (int64_t i = 1; i < o->count; i++)
    if (!o->sources[i].part && !o->sources[0].part &&
        strcmp(o->sources[i].pair.split, o->sources[0].pair.split))
      return cvy_error(
          CVY_E_INPUT, "%s holds the split '%s', %s the split '%s': name them, as train=FILE val=FILE",
          o->sources[0].path, o->sources[0].pair.split, o->sources[i].path, o->sources[i].pair.split);
  return CVY_OK;
}

static bool is_half(const source *s, bool images) {
  return images ? s->pair.images && !s->pair.labels : s->pair.labels && !s->pair.images;
}

/* Returns the next file from *at on that has only images, or only labels; NULL if there is none. */
static const source *next_half(const opening *o, int64_t *at, bool images) {
  while (*at < o->count && !is_half(&o->sources[*at], images)) ++*at;
  return *at < o->count ? &o->sources[(*at)++] : NULL;
}

static cvy_err lonely(const opening *o, const source *s) {
  char all[1500];
  const bool images = s->pair.images != NULL;
  const char *lacks = images ? "labels" : "images";
  cvy_arrays_list(all, sizeof all, s->entries, s->entry_count);
  const char *said = images ? o->said->labels : o->said->images;
  if (said && said[0])
    return cvy_error(CVY_E_INPUT, "%s: no dataset named '%s' (it has: %s)", s->path, said, all);
  return cvy_error(
      CVY_E_INPUT,
      "%s: %s in '%s', but no dataset named %s or the like: --%s NAME (in a recipe, data.%s) says "
      "which, or a further file has them (it has: %s)",
      s->path, images ? "images" : "labels", (images ? s->pair.images : s->pair.labels)->name,
      images ? "labels, label, y" : "images, data, X", lacks, lacks, all);
}

/* Puts images of one file and labels of another together: the first with the first, and so on. */
static cvy_err pair_up(opening *o) {
  int64_t made = 0, at = 0;
  source *whole = cvy_pool_new(o->arrays->pool, sizeof *whole * (size_t)(o->count + 1));
  for (int64_t i = 0; i < o->count; i++) {
    if (!o->sources[i].pair.images) continue;
    whole[made] = o->sources[i];
    if (is_half(&o->sources[i], true)) {
      const source *labels = next_half(o, &at, false);
      if (!labels) return lonely(o, &o->sources[i]);
      whole[made].pair.labels = labels->pair.labels;
      whole[made].labels_path = labels->path;
      if (!whole[made].pair.classes) whole[made].pair.classes = labels->pair.classes;
    }
    made++;
  }
  const source *left = next_half(o, &at, false);
  if (left) return lonely(o, left);
  o->sources = whole;
  o->count = made;
  return CVY_OK;
}

/* ---- shapes ---- */

static bool is_channel_count(int64_t n) {
  return n == 1 || n == 3 || n == 4;
}

/* Returns the program that wrote the dataset, if that writes the first dimension last; else NULL. */
static const char *column_major(cvy_h5 *h5, const cvy_h5_entry *e) {
  char group[512];
  const char *slash = strrchr(e->place, '/');
  if (cvy_h5_has_attr(h5, e->place, "MATLAB_class")) return "MATLAB";
  if (!slash || strcmp(slash, "/value") != 0) return NULL;
  snprintf(group, sizeof group, "%.*s", (int)(slash - e->place), e->place);
  return cvy_h5_has_attr(h5, group, "OCTAVE_NEW_FORMAT") ? "Octave" : NULL;
}

static cvy_axes find_axes(const cvy_h5_entry *e, bool reversed) {
  const int64_t *d = e->dims;
  const int dim_count = e->dim_count;
  const bool first = dim_count == 4 && is_channel_count(d[1]),
             last = dim_count == 3 || is_channel_count(d[3]);
  if (reversed) return dim_count == 4 && (first || !last) ? CVY_AXES_CWH : CVY_AXES_WHC;
  return first && !last ? CVY_AXES_CHW : CVY_AXES_HWC;
}

static bool is_by_planes(cvy_axes axes) {
  return axes == CVY_AXES_CHW || axes == CVY_AXES_CWH;
}

static bool is_by_columns(cvy_axes axes) {
  return axes == CVY_AXES_WHC || axes == CVY_AXES_CWH;
}

static void set_steps(cvy_arrays *a, cvy_axes axes) {
  const int64_t h = a->h, w = a->w, c = a->c;
  const bool planes = is_by_planes(axes), columns = is_by_columns(axes);
  a->channel_step = planes ? h * w : 1;
  a->column_step = (columns ? h : 1) * (planes ? 1 : c);
  a->row_step = (columns ? 1 : w) * (planes ? 1 : c);
}

/* Reads the shape of one part's images as a->h, w and c. */
static cvy_err read_shape(cvy_arrays *a, cvy_arrays_part *part, const cvy_h5_entry *e, cvy_axes axes) {
  int64_t d[CVY_H5_MAX_DIMS] = {0}, samples;
  int dim_count;
  CVY_TRY(cvy_h5_shape(part->h5, part->name, d, &dim_count));
  const bool planes = is_by_planes(axes), columns = is_by_columns(axes);
  const int64_t c = dim_count == 3 ? 1 : d[planes ? 1 : 3];
  if ((dim_count != 3 && dim_count != 4) || c < 1 || c > CVY_MAX_CHANNELS)
    return cvy_error(CVY_E_INPUT,
                     "%s: dataset '%s' is not [count][height][width], [count][height][width][channels] or "
                     "[count][channels][height][width] with 1 to %d channels",
                     part->path, e->name, CVY_MAX_CHANNELS);
  const int64_t *size = d + (dim_count == 4 && planes ? 2 : 1);
  a->h = size[columns ? 1 : 0];
  a->w = size[columns ? 0 : 1];
  a->c = c;
  part->count = d[0];
  if (part->count < 1 || a->h < 1 || a->w < 1)
    return cvy_error(CVY_E_INPUT, "%s: dataset '%s' holds no images", part->path, e->name);
  if (__builtin_mul_overflow(a->h, a->w, &samples) || samples > INT32_MAX)
    return cvy_error(CVY_E_INPUT, "%s: images of %" PRId64 "x%" PRId64 " are too large", part->path, a->h,
                     a->w);
  return CVY_OK;
}

/* Tells people how images are read if their samples are not in the plain order, for no file says that. */
static void tell_axes(const opening *o, const source *s, const char *writer) {
  const cvy_arrays *a = o->arrays;
  if (writer)
    cvy_log("%s: '%s' is %s's, whose dimensions lie in reverse; it is read as %" PRId64
            " images of height %" PRId64 ", width %" PRId64 ", %" PRId64 " channel%s",
            s->path, s->pair.images->name, writer, a->parts[0].count, a->h, a->w, a->c, a->c == 1 ? "" : "s");
  else if (o->axes == CVY_AXES_CHW && o->said->axes == CVY_AXES_FOUND)
    cvy_log("%s: '%s' is read as [count %" PRId64 "][channels %" PRId64 "][height %" PRId64 "][width %" PRId64
            "]",
            s->path, s->pair.images->name, a->parts[0].count, a->c, a->h, a->w);
}

static cvy_err other_axes(const opening *o, const source *s, cvy_axes axes) {
  return cvy_error(
      CVY_E_INPUT,
      "%s: images in '%s' seem to lie as [count]%s, but those of %s as [count]%s (h, w and c are "
      "height, width and channels): bring them into one order, or prepare a set of each",
      s->path, s->pair.images->name, cvy_axes_words[axes], o->sources[0].path, cvy_axes_words[o->axes]);
}

/* Finds the order and the shape of one part's images. All parts have the order of the first, but where there
 * is one channel it does not matter where it stands. */
static cvy_err choose_axes(opening *o, int64_t index) {
  cvy_arrays *a = o->arrays;
  const source *s = &o->sources[index];
  const bool is_said = o->said->axes != CVY_AXES_FOUND;
  const char *writer = column_major(a->parts[index].h5, s->pair.images);
  const cvy_axes axes = is_said ? (cvy_axes)o->said->axes : find_axes(s->pair.images, writer != NULL);
  const int64_t h = a->h, w = a->w, c = a->c;
  CVY_TRY(read_shape(a, &a->parts[index], s->pair.images, axes));
  if (index == 0) {
    o->axes = axes;
    set_steps(a, axes);
    a->writer = writer;
    tell_axes(o, s, is_said ? NULL : writer);
    return CVY_OK;
  }
  if (h != a->h || w != a->w || c != a->c)
    return cvy_error(CVY_E_INPUT,
                     "%s: images of %" PRId64 "x%" PRId64 "x%" PRId64 ", but those of %s are %" PRId64
                     "x%" PRId64 "x%" PRId64,
                     s->path, a->h, a->w, a->c, o->sources[0].path, h, w, c);
  const bool same = axes == o->axes || (c == 1 && is_by_columns(axes) == is_by_columns(o->axes));
  return same ? CVY_OK : other_axes(o, s, axes);
}

/* ---- parts ---- */

static cvy_err open_part(opening *o, int64_t index) {
  cvy_arrays *a = o->arrays;
  const source *s = &o->sources[index];
  const cvy_h5_entry *e = s->pair.images;
  cvy_arrays_part *part = &a->parts[index];
  cvy_h5_type element;
  if (e->trouble) return cvy_error(CVY_E_INPUT, "%s: '%s' is %s", s->path, e->name, e->trouble);
  part->path = e->file;
  part->name = e->place;
  CVY_TRY(cvy_h5_open(&part->h5, e->file));
  CVY_TRY(cvy_h5_element(part->h5, part->name, &element));
  CVY_TRY(choose_axes(o, index));
  a->is_float |= element != CVY_H5_U8;
  part->first = a->count;
  a->count += part->count;
  return CVY_OK;
}

static cvy_err open_labels(opening *o) {
  const cvy_arrays *a = o->arrays;
  cvy_arrays_labels *from = cvy_pool_new(a->pool, sizeof *from * (size_t)o->count);
  for (int64_t i = 0; i < o->count; i++)
    from[i] = (cvy_arrays_labels){o->sources[i].pair.labels, o->sources[i].pair.classes,
                                  o->sources[i].labels_path};
  return cvy_arrays_read_labels(o->arrays, from, o->said);
}

static cvy_err open_all(opening *o, const char *const *inputs, int64_t input_count) {
  cvy_arrays *a = o->arrays;
  for (int64_t i = 0; i < input_count; i++) CVY_TRY(add_input(o, inputs[i]));
  for (int64_t i = 0; i < o->count; i++) CVY_TRY(choose(o, &o->sources[i]));
  if (!o->split) CVY_TRY(check_splits(o));
  CVY_TRY(pair_up(o));
  cvy_descriptors_reserve(o->count); /* each part stays open */
  a->parts = cvy_pool_new(a->pool, sizeof *a->parts * (size_t)(o->count + 1));
  for (; a->part_count < o->count; a->part_count++) {
    const cvy_err err = open_part(o, a->part_count);
    if (err) {
      a->part_count++; /* to be closed */
      return err;
    }
  }
  CVY_TRY(open_labels(o));
  for (int64_t i = 0; i < a->part_count; i++) CVY_TRY(cvy_arrays_unpack(a, &a->parts[i], o->spools));
  return CVY_OK;
}

cvy_err cvy_arrays_open(cvy_arrays **out, const char *const *inputs, int64_t input_count, const char *split,
                        const cvy_arrays_said *said, bool spools) {
  cvy_arrays *a = cvy_new(sizeof *a);
  a->pool = cvy_pool_create();
  opening o = {.arrays = a, .said = said, .split = split, .spools = spools};
  const cvy_err err = open_all(&o, inputs, input_count);
  *out = err ? NULL : a;
  if (err) cvy_arrays_close(a);
  return err;
}

void cvy_arrays_close(cvy_arrays *arrays) {
  if (!arrays) return;
  for (int64_t i = 0; i < arrays->part_count; i++) {
    cvy_h5_discard(arrays->parts[i].h5);
    if (arrays->parts[i].fd > 0) close(arrays->parts[i].fd);
    cvy_buffer_destroy(arrays->parts[i].labels);
  }
  cvy_pool_destroy(arrays->pool);
  free(arrays);
}

/* ---- splits ---- */

static cvy_err find_splits(const char ***out, int64_t *count, cvy_pool *pool, cvy_h5 *h5, const char *path,
                           const cvy_arrays_said *said) {
  cvy_arrays_pair pairs[CVY_ARRAYS_SPLITS];
  cvy_h5_entry *entries;
  int64_t entry_count, pair_count;
  CVY_TRY(cvy_h5_list(&entries, &entry_count, h5, said->outside_links, pool));
  CVY_TRY(cvy_arrays_pairs(pairs, &pair_count, entries, entry_count, said, path, pool));
  const char **names = cvy_pool_new(pool, sizeof *names * CVY_ARRAYS_SPLITS);
  for (int64_t i = 0; i < pair_count; i++)
    if (pairs[i].split[0]) names[(*count)++] = pairs[i].split;
  *out = names;
  if (*count < 2) *count = 0;
  return CVY_OK;
}

cvy_err cvy_arrays_splits(const char ***out, int64_t *count, cvy_pool *pool, const char *path,
                          const cvy_arrays_said *said) {
  cvy_h5 *h5;
  *count = 0;
  if (!cvy_is_hdf5(path)) return CVY_OK;
  CVY_TRY(cvy_h5_open(&h5, path));
  const cvy_err err = find_splits(out, count, pool, h5, path, said);
  cvy_h5_discard(h5);
  return err;
}
