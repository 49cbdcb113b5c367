/* Finds which reader an input is for, after another has refused it. It looks at no more than a glance takes:
 * a file's first bytes, and some of the names in a folder or an archive. */
#include "archive/file_tree.h"
#include "archive/unpack.h"
#include "datasets/pictures.h"

#include <dirent.h>
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
    if (cvy_reader_at(i)->fits && cvy_reader_at(i)->fits(&g)) found = cvy_reader_at(i);
  cvy_pool_destroy(l->pool);
  free(l);
  return found;
}
