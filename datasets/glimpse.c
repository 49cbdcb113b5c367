/* Finds which reader an input is for, after another has refused it. It looks at no more than a glance takes:
 * a file's first bytes, and some of the names in a folder or an archive. */
#include "archive/file_tree.h"
#include "archive/unpack.h"
#include "datasets/pictures.h"
#include "file/h5.h"

#include <dirent.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_NAMES = 256, MOST_A_FOLDER = 24, MOST_DEPTH = 3 };

typedef struct look {
  cvy_pool *pool;
  const char *names[MOST_NAMES];
  int64_t count;
} look;

static void look_into(look *l, const char *path, const char *before, int depth) {
  DIR *dir = opendir(path);
  int64_t seen = 0;
  if (!dir) return;
  for (const struct dirent *entry; l->count < MOST_NAMES && seen < MOST_A_FOLDER && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    const char *below = cvy_pool_format(l->pool, "%s/%s", path, entry->d_name);
    const char *name = cvy_pool_format(l->pool, "%s%s", before, entry->d_name);
    seen++;
    if (!cvy_is_folder(below))
      l->names[l->count++] = name;
    else if (depth < MOST_DEPTH)
      look_into(l, below, cvy_pool_format(l->pool, "%s/", name), depth + 1);
  }
  closedir(dir);
}

bool cvy_glimpse_has(const cvy_glimpse *g, const char *ending) {
  for (int64_t i = 0; i < g->count; i++) {
    const size_t length = strlen(g->names[i]), own = strlen(ending);
    if (length >= own && strcasecmp(g->names[i] + length - own, ending) == 0) return true;
  }
  return false;
}

bool cvy_glimpse_is_text(const cvy_glimpse *g) {
  for (size_t i = 0; i < g->head_bytes; i++)
    if (g->head[i] < ' ' && (g->head[i] == 0 || !strchr("\t\r\n", g->head[i]))) return false;
  return g->head_bytes > 0;
}

/* ---- by the first bytes ---- */

static uint32_t u32_at(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Tells whether it is an HDF5 file that somebody else has made. */
static bool is_hdf5_of_others(const cvy_glimpse *g) {
  cvy_h5 *file;
  char *format = NULL;
  cvy_pool *pool = cvy_pool_create();
  bool is = g->head_bytes > 8 && memcmp(g->head, "\211HDF\r\n\032\n", 8) == 0 && !cvy_h5_open(&file, g->path);
  if (is) {
    const bool told = cvy_h5_has_attr(file, "", "format") &&
                      !cvy_h5_read_attr_text(file, "", "format", &format, pool);
    is = !told || strncmp(format, "convoy-", 7) != 0;
    cvy_h5_discard(file);
  }
  cvy_pool_destroy(pool);
  return is;
}

static bool is_recordio(const cvy_glimpse *g) {
  return g->head_bytes > 8 && u32_at(g->head) == 0xced7230a;
}

/* A record begins with its length, and the length's checksum behind a mask. */
static bool is_tfrecord(const cvy_glimpse *g) {
  uint8_t length[8];
  if (g->head_bytes < 12) return false;
  memcpy(length, g->head, sizeof length);
  const uint32_t crc = ~crc32_iscsi(length, sizeof length, UINT32_MAX);
  return u32_at(g->head + 8) == ((crc >> 15 | crc << 17) + 0xa282ead8);
}

static const struct {
  const char *reader;
  bool (*is)(const cvy_glimpse *glimpse);
} by_bytes[] = {{"hdf5", is_hdf5_of_others}, {"recordio", is_recordio}, {"tfrecord", is_tfrecord}};

static bool fits(const cvy_reader *reader, const cvy_glimpse *g) {
  for (int64_t i = 0; i < CVY_COUNT(by_bytes); i++)
    if (strcmp(by_bytes[i].reader, reader->kind->name) == 0 && by_bytes[i].is(g)) return true;
  return reader->fits && reader->fits(g);
}

/* ---- all together ---- */

const cvy_reader *cvy_reader_that_fits(const char *input) {
  look *l = cvy_new(sizeof *l);
  const cvy_reader *found = NULL;
  const char *path, *part;
  l->pool = cvy_pool_create();
  cvy_split_input(&path, &part, l->pool, input);
  cvy_glimpse g = {.path = path, .folder = cvy_is_folder(path), .names = l->names};
  if (g.folder)
    look_into(l, path, "", 0);
  else
    l->count = cvy_archive_peek(l->names, MOST_NAMES, l->pool, path);
  if (!g.folder) g.head_bytes = cvy_read_head(g.head, sizeof g.head, path);
  if (g.head_bytes > 0 && l->count == 0 && !cvy_looks_like_picture(path))
    l->names[l->count++] = path; /* a file's own name may tell, too */
  g.count = l->count;
  for (int64_t i = cvy_reader_count() - 1; i >= 0 && !found; i--)
    if (fits(cvy_reader_at(i), &g)) found = cvy_reader_at(i);
  cvy_pool_destroy(l->pool);
  free(l);
  return found;
}
