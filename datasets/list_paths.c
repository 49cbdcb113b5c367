/* Finds the files of a list. Lists come from Windows, from programs that put a root in front of "/a.jpg",
 * and from tables that leave the ending away. */
#include "datasets/list_paths.h"

#include "archive/encoding.h"
#include "datasets/pictures.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct search {
  const cvy_list_paths *paths;
  const char *file, *name;
} search;

/* ---- one spelling ---- */

static bool is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool try_place(search *s, const char *path) {
  if (is_file(path)) {
    s->file = s->name = path;
    return true;
  }
  const char *encoding = s->paths->encoding;
  if (!encoding || !encoding[0] || strcmp(encoding, "UTF-8") == 0) encoding = "ISO-8859-1"; /* of old disks */
  const char *bytes = cvy_text_from_utf8(s->paths->pool, path, encoding);
  if (!bytes || strcmp(bytes, path) == 0 || !is_file(bytes)) return false;
  s->file = bytes;
  s->name = path;
  return true;
}

static bool try_spelling(search *s, const char *field) {
  const char *below = cvy_pool_format(s->paths->pool, "%s%s%s", s->paths->root, field[0] == '/' ? "" : "/",
                                      field);
  if (field[0] != '/') return try_place(s, below);
  if (s->paths->root_is_said) return try_place(s, below) || try_place(s, field);
  return try_place(s, field) || try_place(s, below);
}

/* ---- all spellings ---- */

bool cvy_list_has_ending(const cvy_list_paths *paths, const char *field) {
  (void)paths;
  static const char *const others[] = {".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"};
  const char *dot = strrchr(field, '.');
  for (int64_t i = 0; dot && i < CVY_COUNT(others); i++)
    if (strcasecmp(dot, others[i]) == 0) return true;
  return cvy_looks_like_picture(field);
}

/* Adds endings to a name without one. If there are two files then, the error names both. */
static cvy_err try_endings(search *s, const char *field) {
  static const char *const endings[] = {"jpg", "JPG", "jpeg", "JPEG", "png", "PNG"};
  search first = {.paths = s->paths};
  for (int64_t i = 0; i < CVY_COUNT(endings); i++) {
    if (!try_spelling(s, cvy_pool_format(s->paths->pool, "%s.%s", field, endings[i]))) continue;
    if (first.file && strcasecmp(first.file, s->file) != 0)
      return cvy_error(CVY_E_INPUT, "'%s' may be %s or %s; the list should name one", field, first.name,
                       s->name);
    if (!first.file) first = *s;
  }
  *s = first;
  return CVY_OK;
}

static const char *with_slashes(cvy_pool *pool, const char *field) {
  char *out = cvy_pool_format(pool, "%s", field);
  for (char *p = strchr(out, '\\'); p; p = strchr(p, '\\')) *p = '/';
  return out;
}

static cvy_err try_all(search *s, const char *field) {
  if (!field[0]) return CVY_OK;
  const char *slashed = strchr(field, '\\') ? with_slashes(s->paths->pool, field) : NULL;
  if (try_spelling(s, field) || (slashed && try_spelling(s, slashed))) return CVY_OK;
  if (cvy_list_has_ending(s->paths, field)) return CVY_OK;
  return try_endings(s, slashed ? slashed : field);
}

/* ---- for the reader ---- */

/* Returns the part of a field before its last blank if there is such a file, else NULL. */
static const char *before_last_blank(const cvy_list_paths *paths, const char *field) {
  const char *blank = strrchr(field, ' ');
  search s = {.paths = paths};
  if (!blank) return NULL;
  const char *cut = cvy_pool_format(paths->pool, "%.*s", (int)(blank - field), field);
  return try_spelling(&s, cut) ? cut : NULL;
}

static cvy_err not_found(const cvy_list_paths *paths, const char *field) {
  struct stat info;
  const bool absolute = field[0] == '/';
  const char *path = absolute && !paths->root_is_said
                         ? field
                         : cvy_pool_format(paths->pool, "%s%s%s", paths->root, absolute ? "" : "/", field);
  if (stat(path, &info) == 0) return cvy_error(CVY_E_INPUT, "%s: not a file", path);
  if (!absolute && is_file(field))
    return cvy_error(CVY_E_INPUT, "%s: No such file; it is there below the current folder: --root .", path);
  const char *cut = before_last_blank(paths, field);
  if (cut)
    return cvy_error(
        CVY_E_INPUT,
        "%s: No such file, but '%s' is one; where paths hold blanks and rows several labels, tabs "
        "or commas must divide them (--separator)",
        path, cut);
  return cvy_error(CVY_E_INPUT, "%s: No such file%s", path,
                   paths->root_is_said ? "" : "; --root says to which folder paths are relative");
}

cvy_err cvy_list_find(const char **file, const char **name, const cvy_list_paths *paths, const char *field) {
  search s = {.paths = paths};
  *file = *name = NULL;
  CVY_TRY(try_all(&s, field));
  *file = s.file;
  *name = s.name;
  return s.file ? CVY_OK : not_found(paths, field);
}

bool cvy_list_names_picture(const cvy_list_paths *paths, const char *field) {
  search s = {.paths = paths};
  return cvy_list_has_ending(paths, field) || try_all(&s, field) ||
         s.file; /* an error: there are two such files */
}
