/* What PyTorch's torch.save writes: state dicts, checkpoints that hold some, and whole modules.
 *
 * Since version 1.6 it is a zip: NAME/data.pkl is a pickle, and NAME/data/KEY has the numbers of a storage.
 * Before, it is pickles behind each other (a magic number, a version, the system, the value, the storages'
 * keys), and then each storage: eight bytes with its length in elements, and the elements.
 *
 * A tensor stands in the pickle as a call of torch._utils._rebuild_tensor_v2 with a storage, which is kept
 * outside, the place of the first element in it, shape and strides. A tensor's name is the way to it through
 * dicts and lists, with dots between; in a module it is that of its state dict. */
#include "archive/pickle.h"
#include "archive/unpack.h"
#include "base/text.h"
#include "file/bytes.h"
#include "file/mapped.h"
#include "formats/formats.h"

#include <string.h>
#include <unistd.h>

enum { MOST_DEPTH = 32, MOST_VALUES = 1000000, MOST_KEY_BYTES = 200, LENGTH_BYTES = 8 };

/* Where a storage lies. */
typedef struct storage {
  const char *key;
  int64_t offset, bytes;
} storage;

/* A tensor whose storage is yet to be found. Its `offset` is in elements. */
typedef struct pending {
  cvy_stored_tensor tensor;
  const char *key;
  int64_t elements; /* of its storage, as the pickle says */
} pending;

typedef struct reader {
  cvy_weights_file *file;
  pending *found;
  int64_t found_count, found_room;
  int64_t values; /* looked at so far; they may refer to each other in circles */
} reader;

/* ---- values ---- */

/* Returns a key as text; NULL if it is nothing that a tensor is called by. */
static const char *text_of(cvy_pool *pool, const cvy_pickle *value) {
  if (value->type == CVY_PICKLE_INT) return cvy_pool_format(pool, "%" PRId64, value->whole);
  const bool is_text = value->type == CVY_PICKLE_TEXT || value->type == CVY_PICKLE_BYTES;
  if (!is_text || value->byte_count > MOST_KEY_BYTES || memchr(value->bytes, '\0', value->byte_count))
    return NULL;
  return cvy_pool_format(pool, "%.*s", (int)value->byte_count, (const char *)value->bytes);
}

static bool is_call(const cvy_pickle *value, const char *name) {
  return value->type == CVY_PICKLE_CALL && cvy_pickle_is(value->called, name);
}

static cvy_err wrong(const reader *r, const char *name, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: tensor '%s': %s", r->file->path, name, what);
}

/* ---- tensors ---- */

static bool read_element(cvy_element *out, const cvy_pickle *type) {
  static const struct {
    const char *name;
    cvy_element element;
  } types[] = {{"FloatStorage", CVY_ELEMENT_F32}, {"DoubleStorage", CVY_ELEMENT_F64},
               {"HalfStorage", CVY_ELEMENT_F16},  {"BFloat16Storage", CVY_ELEMENT_BF16},
               {"CharStorage", CVY_ELEMENT_I8},   {"ByteStorage", CVY_ELEMENT_U8},
               {"ShortStorage", CVY_ELEMENT_I16}, {"IntStorage", CVY_ELEMENT_I32},
               {"LongStorage", CVY_ELEMENT_I64},  {"BoolStorage", CVY_ELEMENT_BOOL}};
  static const char *const modules[] = {"torch ", "torch.cuda "};
  char name[64];
  for (int64_t i = 0; i < CVY_COUNT(types); i++)
    for (int64_t k = 0; k < CVY_COUNT(modules); k++) {
      snprintf(name, sizeof name, "%s%s", modules[k], types[i].name);
      if (!cvy_pickle_is(type, name)) continue;
      *out = types[i].element;
      return true;
    }
  return false;
}

static bool read_numbers(int64_t *out, const cvy_pickle *from, int64_t count) {
  if (from->type != CVY_PICKLE_TUPLE || from->count != count) return false;
  for (int64_t i = 0; i < count; i++) {
    if (from->items[i]->type != CVY_PICKLE_INT || from->items[i]->whole < 0) return false;
    out[i] = from->items[i]->whole;
  }
  return true;
}

/* Reads the identifier of a storage: ("storage", type, key, device, elements), and in older files the part
 * of it that is meant, (key, first, elements). */
static cvy_err read_storage(pending *p, const reader *r, const cvy_pickle *outside) {
  const cvy_pickle *id = outside->type == CVY_PICKLE_OUTSIDE ? outside->arguments : NULL;
  if (!id || id->type != CVY_PICKLE_TUPLE || id->count < 5 || !cvy_pickle_is(id->items[0], "storage") ||
      id->items[4]->type != CVY_PICKLE_INT)
    return wrong(r, p->tensor.name, "it has no storage that is known");
  if (!read_element(&p->tensor.element, id->items[1]))
    return wrong(r, p->tensor.name, "numbers of its type are not read");
  p->key = text_of(r->file->pool, id->items[2]);
  p->elements = id->items[4]->whole;
  if (!p->key || p->elements < 0) return wrong(r, p->tensor.name, "its storage has no key or length");
  if (id->count < 6 || id->items[5]->type != CVY_PICKLE_TUPLE) return CVY_OK;
  const cvy_pickle *part = id->items[5];
  if (part->count != 3 || part->items[1]->type != CVY_PICKLE_INT || part->items[1]->whole < 0 ||
      __builtin_add_overflow(p->tensor.offset, part->items[1]->whole, &p->tensor.offset))
    return wrong(r, p->tensor.name, "it lies in no part of its storage");
  return CVY_OK;
}

static void keep(reader *r, const pending *p) {
  if (r->found_count == r->found_room) {
    r->found_room = 2 * r->found_room + 64;
    pending *more = cvy_pool_new(r->file->pool, sizeof *more * (size_t)r->found_room);
    if (r->found_count) memcpy(more, r->found, sizeof *more * (size_t)r->found_count);
    r->found = more;
  }
  r->found[r->found_count++] = *p;
}

/* Reads the arguments of _rebuild_tensor: storage, place, shape, strides, and what does not matter here. */
static cvy_err find_tensor(reader *r, const cvy_pickle *call, const char *name) {
  const cvy_pickle *a = call->arguments;
  pending p = {.tensor = {.name = name}};
  cvy_stored_tensor *t = &p.tensor;
  if (a->type != CVY_PICKLE_TUPLE || a->count < 4 || a->items[1]->type != CVY_PICKLE_INT ||
      a->items[1]->whole < 0 || a->items[2]->type != CVY_PICKLE_TUPLE)
    return wrong(r, name, "it is not made as PyTorch makes tensors");
  if (a->items[2]->count > CVY_TENSOR_DIMS) return wrong(r, name, "it has more than 8 dimensions");
  t->dim_count = (int)a->items[2]->count;
  t->offset = a->items[1]->whole;
  int64_t strides[CVY_TENSOR_DIMS];
  if (!read_numbers(t->dims, a->items[2], t->dim_count) || !read_numbers(strides, a->items[3], t->dim_count))
    return wrong(r, name, "its shape and strides are no whole numbers");
  CVY_TRY(cvy_tensor_in_rows(t, r->file));
  memcpy(t->strides, strides, sizeof strides);
  CVY_TRY(read_storage(&p, r, a->items[0]));
  keep(r, &p);
  return CVY_OK;
}

/* ---- the way to them ---- */

static cvy_err find_in(reader *r, const cvy_pickle *value, const char *way, int depth);

/* The names under which a module keeps its parts are no part of a tensor's name. */
static bool is_modules_own(const char *word) {
  return strcmp(word, "_parameters") == 0 || strcmp(word, "_buffers") == 0 || strcmp(word, "_modules") == 0;
}

static const char *join(cvy_pool *pool, const char *way, const char *word) {
  if (is_modules_own(word)) return way;
  return way[0] ? cvy_pool_format(pool, "%s.%s", way, word) : word;
}

static cvy_err find_in_dict(reader *r, const cvy_pickle *dict, const char *way, int depth) {
  for (int64_t i = 0; i + 1 < dict->count; i += 2) {
    const char *word = text_of(r->file->pool, dict->items[i]);
    if (word) CVY_TRY(find_in(r, dict->items[i + 1], join(r->file->pool, way, word), depth));
  }
  return CVY_OK;
}

static cvy_err find_in_list(reader *r, const cvy_pickle *list, const char *way, int depth) {
  for (int64_t i = 0; i < list->count; i++)
    CVY_TRY(find_in(r, list->items[i],
                    join(r->file->pool, way, cvy_pool_format(r->file->pool, "%" PRId64, i)), depth));
  return CVY_OK;
}

static cvy_err find_in_call(reader *r, const cvy_pickle *call, const char *way, int depth) {
  if (is_call(call, "torch._utils _rebuild_tensor_v2") || is_call(call, "torch._utils _rebuild_tensor"))
    return find_tensor(r, call, way);
  const bool is_parameter = is_call(call, "torch._utils _rebuild_parameter") ||
                            is_call(call, "torch.nn.parameter Parameter");
  if (is_parameter && call->arguments->count > 0) return find_in(r, call->arguments->items[0], way, depth);
  if (is_call(call, "collections OrderedDict")) return find_in_dict(r, call, way, depth);
  return call->state ? find_in(r, call->state, way, depth) : CVY_OK;
}

static cvy_err find_in(reader *r, const cvy_pickle *value, const char *way, int depth) {
  if (++r->values > MOST_VALUES || depth == MOST_DEPTH)
    return cvy_error(CVY_E_INPUT, "%s: its values are nested too deep, or in circles", r->file->path);
  switch (value->type) {
  case CVY_PICKLE_DICT:
    return find_in_dict(r, value, way, depth + 1);
  case CVY_PICKLE_LIST:
  case CVY_PICKLE_TUPLE:
    return find_in_list(r, value, way, depth + 1);
  case CVY_PICKLE_CALL:
    return find_in_call(r, value, way, depth + 1);
  default:
    return CVY_OK;
  }
}

/* ---- storages ---- */

static cvy_err settle(reader *r, storage *storages, int64_t count) {
  cvy_sort_by_text(storages, count, sizeof *storages);
  for (int64_t i = 0; i < r->found_count; i++) {
    cvy_stored_tensor t = r->found[i].tensor;
    const int64_t which = cvy_find_by_text(storages, count, sizeof *storages, r->found[i].key);
    if (which < 0) return wrong(r, t.name, "its storage is not in the file");
    const storage *s = &storages[which];
    const int64_t each = cvy_element_bytes(t.element);
    if (r->found[i].elements > s->bytes / each) return wrong(r, t.name, "its storage is cut short");
    if (__builtin_mul_overflow(t.offset, each, &t.offset) ||
        __builtin_add_overflow(t.offset, s->offset, &t.offset))
      return wrong(r, t.name, "it does not lie in its storage");
    CVY_TRY(cvy_weights_add(r->file, &t, s->offset, r->found[i].elements * each));
  }
  return CVY_OK;
}

/* ---- the zip ---- */

static bool ends_in(const char *name, const char *ending) {
  const size_t length = strlen(name), letters = strlen(ending);
  return length >= letters && strcmp(name + length - letters, ending) == 0;
}

static cvy_err read_member(void **out, cvy_weights_file *file, const cvy_member *member) {
  *out = cvy_pool_new(file->pool, (size_t)member->size + 1);
  return cvy_read_at(*out, file->fd, member->offset, (size_t)member->size, file->path);
}

static cvy_err read_zip(reader *r) {
  static const char pickle_name[] = "data.pkl";
  cvy_weights_file *file = r->file;
  cvy_members members = {0};
  int fd;
  CVY_TRY(cvy_archive_open(&fd, &members, file->pool, file->path));
  close(file->fd);
  file->fd = fd;
  const cvy_member *main = NULL;
  for (int64_t i = 0; i < members.count && !main; i++)
    if (ends_in(members.items[i].name, pickle_name)) main = &members.items[i];
  if (!main) return cvy_error(CVY_E_INPUT, "%s: a zip without data.pkl is none of PyTorch's", file->path);
  const int stem = (int)(strlen(main->name) - (sizeof pickle_name - 1));
  const char *folder = cvy_pool_format(file->pool, "%.*sdata/", stem, main->name),
             *order = cvy_pool_format(file->pool, "%.*sbyteorder", stem, main->name);
  storage *storages = cvy_pool_new(file->pool, sizeof *storages * (size_t)(members.count + 1));
  int64_t count = 0;
  void *bytes;
  for (int64_t i = 0; i < members.count; i++) {
    const cvy_member *m = &members.items[i];
    if (strncmp(m->name, folder, strlen(folder)) == 0)
      storages[count++] = (storage){m->name + strlen(folder), m->offset, m->size};
    if (strcmp(m->name, order) != 0) continue;
    CVY_TRY(read_member(&bytes, file, m));
    file->big_endian = m->size == 3 && memcmp(bytes, "big", 3) == 0;
  }
  cvy_pickle *value;
  size_t used;
  CVY_TRY(read_member(&bytes, file, main));
  CVY_TRY(cvy_pickle_read(&value, &used, file->pool, bytes, (size_t)main->size, file->path));
  CVY_TRY(find_in(r, value, "", 0));
  return settle(r, storages, count);
}

/* ---- pickles behind each other ---- */

static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

typedef struct rest {
  const uint8_t *data;
  size_t count, at;
} rest;

static cvy_err next_pickle(cvy_pickle **out, const reader *r, rest *left) {
  size_t used;
  CVY_TRY(cvy_pickle_read(out, &used, r->file->pool, left->data + left->at, left->count - left->at,
                          r->file->path));
  left->at += used;
  return CVY_OK;
}

/* What an element of a storage takes, by the tensors that lie in it. */
typedef struct width {
  const char *key;
  int64_t bytes;
} width;

static const width *widths_of(const reader *r) {
  width *all = cvy_pool_new(r->file->pool, sizeof *all * (size_t)(r->found_count + 1));
  for (int64_t i = 0; i < r->found_count; i++)
    all[i] = (width){r->found[i].key, cvy_element_bytes(r->found[i].tensor.element)};
  cvy_sort_by_text(all, r->found_count, sizeof *all);
  return all;
}

static cvy_err find_storages(storage *out, const reader *r, const cvy_pickle *keys, const rest *left) {
  const width *widths = widths_of(r);
  size_t at = left->at;
  for (int64_t i = 0; i < keys->count; i++) {
    const char *key = text_of(r->file->pool, keys->items[i]);
    const int64_t which = key ? cvy_find_by_text(widths, r->found_count, sizeof *widths, key) : -1;
    if (which < 0)
      return cvy_error(CVY_E_INPUT, "%s: a storage that no tensor uses, so its length is not known",
                       r->file->path);
    const int64_t each = widths[which].bytes;
    if (left->count - at < LENGTH_BYTES) return cvy_error(CVY_E_INPUT, "%s: truncated", r->file->path);
    uint64_t elements = 0;
    for (int k = 0; k < LENGTH_BYTES; k++)
      elements |= (uint64_t)left->data[at + (size_t)(r->file->big_endian ? LENGTH_BYTES - 1 - k : k)]
                  << (8 * k);
    at += LENGTH_BYTES;
    if (elements > (left->count - at) / (uint64_t)each)
      return cvy_error(CVY_E_INPUT,
                       "%s: storage '%s' would have %" PRIu64 " numbers: the file is truncated or damaged",
                       r->file->path, key, elements);
    out[i] = (storage){key, (int64_t)at, (int64_t)elements * each};
    at += (size_t)out[i].bytes;
  }
  return CVY_OK;
}

static cvy_err read_pickles(reader *r, rest *left) {
  cvy_pickle *value, *system, *keys;
  CVY_TRY(next_pickle(&value, r, left)); /* the magic number */
  CVY_TRY(next_pickle(&value, r, left));
  if (value->type != CVY_PICKLE_INT || value->whole != 1001)
    return cvy_error(CVY_E_INPUT, "%s: another version of PyTorch's files than 1001", r->file->path);
  CVY_TRY(next_pickle(&system, r, left));
  const cvy_pickle *little = cvy_pickle_get(system, "little_endian");
  r->file->big_endian = little && little->whole == 0;
  CVY_TRY(next_pickle(&value, r, left));
  CVY_TRY(find_in(r, value, "", 0));
  CVY_TRY(next_pickle(&keys, r, left));
  if (keys->type != CVY_PICKLE_LIST)
    return cvy_error(CVY_E_INPUT, "%s: no list of its storages' keys", r->file->path);
  storage *storages = cvy_pool_new(r->file->pool, sizeof *storages * (size_t)(keys->count + 1));
  CVY_TRY(find_storages(storages, r, keys, left));
  return settle(r, storages, keys->count);
}

/* ---- either ---- */

static bool is_zip(const uint8_t *head, size_t count) {
  return count > 4 && memcmp(head, "PK\3\4", 4) == 0;
}

/* The magic number stands behind PROTO 2 and LONG1 10. */
static bool is_pickles(const uint8_t *head, size_t count) {
  enum { BEFORE = 4 };
  return count > BEFORE + sizeof magic && head[0] == 0x80 && memcmp(head + BEFORE, magic, sizeof magic) == 0;
}

/* Another zip, such as Keras', has no data.pkl. */
static bool fits(const uint8_t *head, size_t count, const char *path) {
  enum { LOOK = 64 };
  if (is_pickles(head, count)) return true;
  if (!is_zip(head, count)) return false;
  cvy_pool *pool = cvy_pool_create();
  const char *names[LOOK];
  const int64_t found = cvy_archive_peek(names, LOOK, pool, path);
  bool is = false;
  for (int64_t i = 0; i < found; i++) is = is || ends_in(names[i], "data.pkl");
  cvy_pool_destroy(pool);
  return is;
}

static cvy_err open_file(cvy_weights_file *file) {
  reader r = {.file = file};
  cvy_mapped mapped;
  CVY_TRY(cvy_mapped_open(&mapped, file->path));
  rest left = {.data = mapped.data, .count = mapped.count};
  const cvy_err err = is_zip(left.data, left.count) ? read_zip(&r) : read_pickles(&r, &left);
  cvy_mapped_close(&mapped);
  return err;
}

const cvy_weights_format cvy_weights_format_torch = {
    .name = "torch", .about = "PyTorch's torch.save", .in_order = true, .fits = fits, .open = open_file};
