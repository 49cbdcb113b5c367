/* Finds what is missing of sets whose files say in their names how many there are. */
#include "file/numbered.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = 6 };

typedef struct name {
  const char *path, *base; /* the base is the name without its folder */
  const char *digits, *of; /* where "00003" and "-of-00128.tar" begin, in the path */
  int64_t number, count;
} name;

/* Reads a number of at most MOST_DIGITS digits; returns -1 if there is none. */
static int64_t read_digits(const char *text) {
  size_t length = 0;
  while (isdigit((unsigned char)text[length])) length++;
  return length > 0 && length <= MOST_DIGITS ? strtol(text, NULL, 10) : -1;
}

/* Returns where "-of-00128.tar" begins in a name, behind a number; NULL if it is not there. */
static const char *find_of(const char *base) {
  for (const char *of = base; (of = strstr(of, "of")); of++)
    if (of - base >= 2 && isdigit((unsigned char)of[-2]) && strchr("-_.", of[-1]) && of[2] &&
        strchr("-_.", of[2]))
      return of - 1;
  return NULL;
}

static bool read_name(name *out, const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *of = find_of(base);
  if (!of) return false;
  const char *digits = of;
  while (digits > base && isdigit((unsigned char)digits[-1])) digits--;
  *out = (name){path, base, digits, of, read_digits(digits), read_digits(of + 4)};
  return out->number >= 0 && out->number <= out->count;
}

static bool same_set(const name *a, const name *b) {
  const size_t before = (size_t)(a->digits - a->path);
  return before == (size_t)(b->digits - b->path) && memcmp(a->path, b->path, before) == 0 &&
         strcmp(a->of, b->of) == 0;
}

/* Notes which numbers of the set of `first` are there, and returns how many are. */
static int64_t mark(bool *there, const name *first, const name *names, int64_t count) {
  int64_t marked = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!same_set(first, &names[i])) continue;
    marked += !there[names[i].number];
    there[names[i].number] = true;
  }
  return marked;
}

static cvy_err check_set(const name *first, const name *names, int64_t count) {
  bool *there = cvy_new(sizeof *there * (size_t)(first->count + 1));
  char text[300];
  cvy_text list = cvy_text_in(text, sizeof text);
  const int64_t marked = mark(there, first, names, count);
  const int64_t from = !there[0] && there[first->count];
  for (int64_t k = from; k < from + first->count && marked < first->count; k++)
    if (!there[k])
      cvy_text_item(&list, ", ", "%.*s%0*" PRId64 "%s", (int)(first->digits - first->base), first->base,
                    (int)(first->of - first->digits), k, first->of);
  free(there);
  if (marked >= first->count) return CVY_OK;
  return cvy_error(
      CVY_E_INPUT, "%s: by its name it is one of %" PRId64 " files, of which %" PRId64 " %s missing: %s",
      first->path, first->count, first->count - marked, first->count - marked > 1 ? "are" : "is", text);
}

cvy_err cvy_check_numbered(const char *const *paths, int64_t count) {
  name *names = cvy_new(sizeof *names * (size_t)(count + 1));
  int64_t named = 0;
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count; i++) named += read_name(&names[named], paths[i]);
  for (int64_t i = 0; i < named && !err; i++) {
    bool first = true;
    for (int64_t k = 0; k < i && first; k++) first = !same_set(&names[k], &names[i]);
    if (first) err = check_set(&names[i], names, named);
  }
  free(names);
  return err;
}
