/* Makes the list of places where networks and recipes may stand, and tells it. */
#define _GNU_SOURCE /* for dladdr */
#include "train/places.h"

#include "base/text.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MOST_PLACES = 64, TOLD_BYTES = 2048 };

static void add(cvy_places *places, const char *folder) {
  for (int64_t i = 0; i < places->count; i++)
    if (strcmp(places->folders[i], folder) == 0) return;
  if (places->count < MOST_PLACES) places->folders[places->count++] = folder;
}

/* Adds the folder `below` another one, if it is there, by its path without "..". */
static void add_below(cvy_places *places, cvy_pool *pool, const char *folder, const char *below) {
  const char *path = cvy_pool_format(pool, "%s/%s", folder, below);
  char *resolved = realpath(path, NULL);
  if (resolved) add(places, cvy_pool_format(pool, "%s", resolved));
  free(resolved);
}

static void add_listed(cvy_places *places, cvy_pool *pool, const char *list) {
  for (const char *at = list; *at;) {
    const size_t length = strcspn(at, ":");
    if (length > 0) {
      const char *folder = cvy_pool_format(pool, "%.*s", (int)length, at);
      add(places, folder);
      add_below(places, pool, folder, "launch");
      add_below(places, pool, folder, "share/convoy");
    }
    at += length + (at[length] == ':');
  }
}

static const char *folder_of(cvy_pool *pool, const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? cvy_pool_format(pool, "%.*s", (int)(slash - file), file) : NULL;
}

static const char *program_folder(cvy_pool *pool) {
  char path[PATH_BYTES];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return NULL;
  path[length] = '\0';
  return folder_of(pool, path);
}

/* Returns the folder of the shared library, or of the program that this is linked into. */
static const char *library_folder(cvy_pool *pool) {
  static const char here = 0;
  Dl_info info;
  return dladdr(&here, &info) && info.dli_fname ? folder_of(pool, info.dli_fname) : NULL;
}

cvy_places cvy_places_list(cvy_pool *pool) {
  cvy_places places = {.folders = cvy_pool_new(pool, sizeof *places.folders * MOST_PLACES)};
  const char *list = getenv("CONVOY_PATH"), *program = program_folder(pool), *library = library_folder(pool);
  if (list) add_listed(&places, pool, list);
  if (program) add_below(&places, pool, program, "../share/convoy");
  if (library) add_below(&places, pool, library, "../share/convoy");
  if (library) add_below(&places, pool, library, "../../share/convoy"); /* of lib/x86_64-linux-gnu */
  add(&places, CVY_SOURCE_PLACE);
  if (program) add_below(&places, pool, program, "../../launch");
  add(&places, CVY_INSTALLED_PLACE);
  return places;
}

const char *cvy_places_tell(cvy_pool *pool, const char *folder) {
  const cvy_places places = cvy_places_list(pool);
  cvy_text told = cvy_text_in(cvy_pool_new(pool, TOLD_BYTES), TOLD_BYTES);
  for (int64_t i = 0; i < places.count; i++) {
    const char *path = cvy_pool_format(pool, "%s/%s", places.folders[i], folder);
    cvy_text_item(&told, ", ", "%s%s", path, access(path, F_OK) ? " (not there)" : "");
  }
  return told.chars;
}
