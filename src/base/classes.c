/* Numbering the classes of a set. */
#include "base/classes.h"

#include "base/text.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double too_large = 9007199254740992.0; /* 2^53: beyond it not every whole number has a double */

bool cvy_whole_number(int64_t *out, const char *text) {
  const char *first = text + strspn(text, " \t");
  const size_t length = strspn(first, "+-.0123456789eE");
  char *end;
  if (length == 0 || first[length + strspn(first + length, " \t")]) return false;
  const double value = strtod(first, &end);
  if (end != first + length || !(fabs(value) < too_large) || value != floor(value)) return false;
  *out = (int64_t)value;
  return true;
}

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Reads the labels as whole numbers, and tells whether all are. */
static bool number_all(int64_t *values, const char *const *labels, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!cvy_whole_number(&values[i], labels[i])) return false;
  return true;
}

static void name_numbers(cvy_classes *classes, cvy_pool *pool, int64_t *values, int64_t count) {
  qsort(values, (size_t)count, sizeof *values, by_value);
  classes->are_numbers = true;
  for (int64_t i = 0; i < count; i++)
    if (i == 0 || values[i] != values[i - 1])
      classes->names[classes->count++] = cvy_pool_format(pool, "%" PRId64, values[i]);
}

static void name_texts(cvy_classes *classes, cvy_pool *pool, const char *const *labels, int64_t count) {
  for (int64_t i = 0; i < count; i++) classes->names[i] = cvy_utf8_name(pool, labels[i], classes->encoding);
  cvy_sort_by_text(classes->names, count, sizeof *classes->names);
  classes->count = cvy_drop_repeats(classes->names, count);
}

cvy_classes cvy_classes_in(cvy_pool *pool, const char *const *labels, int64_t count, const char *encoding) {
  cvy_classes classes = {.names = cvy_pool_new(pool, sizeof *classes.names * (size_t)(count + 1)),
                         .encoding = encoding};
  int64_t *values = cvy_new(sizeof *values * (size_t)(count + 1));
  if (count > 0 && number_all(values, labels, count))
    name_numbers(&classes, pool, values, count);
  else if (count > 0)
    name_texts(&classes, pool, labels, count);
  free(values);
  return classes;
}

cvy_classes cvy_classes_of(cvy_pool *pool, const char *const *labels, int64_t count) {
  return cvy_classes_in(pool, labels, count, NULL);
}

static int64_t find_text(const cvy_classes *classes, const char *label) {
  cvy_pool *pool = cvy_pool_create();
  const char *name = cvy_utf8_name(pool, label, classes->encoding);
  const int64_t found = cvy_find_by_text(classes->names, classes->count, sizeof *classes->names, name);
  cvy_pool_destroy(pool);
  return found;
}

static int value_to_name(const void *value, const void *name) {
  int64_t named = 0;
  CVY_CHECK(cvy_whole_number(&named, *(const char *const *)name));
  return by_value(value, &named);
}

int64_t cvy_classes_find(const cvy_classes *classes, const char *label) {
  int64_t value;
  if (!classes->are_numbers) return find_text(classes, label);
  if (!cvy_whole_number(&value, label)) return -1;
  const char **found = bsearch(&value, classes->names, (size_t)classes->count, sizeof *classes->names,
                               value_to_name);
  return found ? found - classes->names : -1;
}

/* ---- classes of two sets ---- */

bool cvy_same_class(const char *name, const char *other) {
  int64_t a, b;
  return strcmp(name, other) == 0 || (cvy_whole_number(&a, name) && cvy_whole_number(&b, other) && a == b);
}

typedef struct entry {
  const char *key; /* what is the same for all names of a class */
  int64_t index;
} entry;

static const char *key_of(cvy_pool *pool, const char *name) {
  int64_t value;
  return cvy_whole_number(&value, name) ? cvy_pool_format(pool, "%" PRId64, value) : name;
}

void cvy_classes_match(int64_t *out, const char *const *names, int64_t count, const char *const *among,
                       int64_t among_count) {
  cvy_pool *pool = cvy_pool_create();
  entry *entries = cvy_pool_new(pool, sizeof *entries * (size_t)(among_count + 1));
  for (int64_t i = 0; i < among_count; i++) entries[i] = (entry){key_of(pool, among[i]), i};
  cvy_sort_by_text(entries, among_count, sizeof *entries);
  for (int64_t k = 0; k < count; k++) {
    const int64_t i = cvy_find_by_text(entries, among_count, sizeof *entries, key_of(pool, names[k]));
    out[k] = i < 0 ? -1 : entries[i].index;
  }
  cvy_pool_destroy(pool);
}
