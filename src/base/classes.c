/* Numbering the classes of a set. */
#include "base/classes.h"

#include "base/text.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const double too_large = 9007199254740992.0; /* 2^53: beyond it not every whole number has a double */

/* ---- whole numbers ---- */

/* Tells whether a letter is a blank, as tables and programs put some around numbers: those of Unicode, those
 * without a width, and the mark U+FEFF. */
static bool is_blank(uint32_t letter) {
  return letter == ' ' || letter == '\t' || letter == 0xa0 || (letter >= 0x2000 && letter <= 0x200d) ||
         letter == 0x202f || letter == 0x205f || letter == 0x2060 || letter == 0x3000 || letter == 0xfeff;
}

static const char *behind_blanks(const char *text) {
  uint32_t letter;
  for (size_t bytes; (bytes = cvy_utf8_next(&letter, text)) > 0 && is_blank(letter);) text += bytes;
  return text;
}

/* Reads digits, with a point and zeros behind them or not, to the last digit. *value is unchanged if there is
 * anything else, or if the number is beyond 64 bits. */
static bool read_digits(int64_t *value, const char *first, size_t length, bool negative) {
  int64_t whole = 0;
  size_t i = 0;
  for (; i < length && first[i] != '.'; i++) {
    const int64_t digit = first[i] - '0';
    if (digit < 0 || digit > 9 || whole > (INT64_MAX - digit) / 10) return false;
    whole = whole * 10 + digit;
  }
  if (i == 0) return false;
  for (i++; i < length; i++)
    if (first[i] != '0') return false;
  *value = negative ? -whole : whole;
  return true;
}

/* Reads what strtod takes, such as "1e3" and "2.50e1", if it is a whole number. */
static bool read_float(int64_t *out, const char *first, size_t length) {
  char *end;
  const double value = strtod(first, &end);
  if (end != first + length || !(fabs(value) < too_large) || value != floor(value)) return false;
  *out = (int64_t)value;
  return true;
}

bool cvy_whole_number(int64_t *out, const char *text) {
  const char *first = behind_blanks(text);
  const size_t length = strspn(first, "+-.0123456789eE"), sign = first[0] == '+' || first[0] == '-';
  if (length == sign || behind_blanks(first + length)[0]) return false;
  return read_digits(out, first + sign, length - sign, first[0] == '-') || read_float(out, first, length);
}

/* ---- the order of classes ---- */

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

/* Compares names of classes that are not all numbers: the numbers among them come first, by value. */
static int by_name(const void *a, const void *b) {
  const char *x = *(const char *const *)a, *y = *(const char *const *)b;
  int64_t m = 0, n = 0;
  const bool x_is = cvy_whole_number(&m, x), y_is = cvy_whole_number(&n, y);
  if (x_is != y_is) return x_is ? -1 : 1;
  return m != n ? (m > n) - (m < n) : strcmp(x, y);
}

static void name_texts(cvy_classes *classes, cvy_pool *pool, const char *const *labels, int64_t count) {
  for (int64_t i = 0; i < count; i++) classes->names[i] = cvy_utf8_name(pool, labels[i], classes->encoding);
  qsort(classes->names, (size_t)count, sizeof *classes->names, by_name);
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
  const char **found = classes->count ? bsearch(&name, classes->names, (size_t)classes->count,
                                                sizeof *classes->names, by_name)
                                      : NULL;
  cvy_pool_destroy(pool);
  return found ? found - classes->names : -1;
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

/* ---- labels that are hardly classes ---- */

static bool is_missing_value(const char *text) {
  static const char *const words[] = {"na", "n/a", "#n/a", "<na>", "nan", "none", "null"};
  for (int64_t i = 0; i < CVY_COUNT(words); i++)
    if (strcasecmp(text, words[i]) == 0) return true;
  return false;
}

/* Tells whether a text is a number that is not whole, or beyond all doubles. A comma counts as a point. */
static bool is_fraction(const char *text) {
  char copy[64], *end;
  const size_t length = strlen(text);
  if (length == 0 || length >= sizeof copy || strspn(text, "+-.,0123456789eE") < length) return false;
  for (size_t i = 0; i <= length; i++) copy[i] = (char)(text[i] == ',' ? '.' : text[i]);
  const double value = strtod(copy, &end);
  return end > copy && !*end && (strchr(text, ',') || !(fabs(value) < INFINITY) || value != floor(value));
}

/* Returns what keeps a text from being a class among numbers; NULL if nothing does. */
static const char *doubt_of(const char *text) {
  if (is_missing_value(text)) return "stands for a missing value; give it a class, or leave the picture out";
  if (!is_fraction(text)) return NULL;
  return strchr(text, ',') ? "has a decimal comma; classes are whole numbers, without one, or names"
                           : "is no whole number; classes are whole numbers or names";
}

const char *cvy_classes_doubt(int64_t *which, const char *const *labels, int64_t count) {
  int64_t numbers = 0, first = -1, value;
  for (int64_t i = 0; i < count; i++) {
    const bool whole = cvy_whole_number(&value, labels[i]);
    numbers += whole || is_fraction(labels[i]);
    if (first < 0 && !whole && doubt_of(labels[i])) first = i;
  }
  if (first < 0 || 2 * numbers < count) return NULL;
  *which = first;
  return doubt_of(labels[first]);
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
