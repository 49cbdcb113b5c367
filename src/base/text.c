/* Texts that grow in a buffer of fixed size, and sorting by texts. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- a growing text ---- */

cvy_text cvy_text_in(char *buffer, size_t bytes) {
  CVY_CHECK(bytes > 0);
  buffer[0] = '\0';
  return (cvy_text){.chars = buffer, .bytes = bytes};
}

static void append(cvy_text *text, const char *format, va_list va) {
  const size_t room = text->bytes - text->length;
  const size_t length = (size_t)vsnprintf(text->chars + text->length, room, format, va);
  text->length += length < room ? length : room - 1;
}

void cvy_text_add(cvy_text *text, const char *format, ...) {
  va_list va;
  va_start(va, format);
  append(text, format, va);
  va_end(va);
}

/* ---- a list ---- */

/* Counts one more item as left out, and writes their number behind the last whole item. */
static void count_left_out(cvy_text *list) {
  const size_t whole = list->length;
  list->left_out++;
  cvy_text_add(list, " and %" PRId64 " more", list->left_out);
  list->length = whole;
}

void cvy_text_item(cvy_text *list, const char *separator, const char *format, ...) {
  enum { ROOM_FOR_MORE = sizeof " and 9999999 more" };
  if (list->left_out) {
    count_left_out(list);
    return;
  }
  const size_t before = list->length;
  va_list va;
  if (before) cvy_text_add(list, "%s", separator);
  va_start(va, format);
  append(list, format, va);
  va_end(va);
  if (list->length + ROOM_FOR_MORE <= list->bytes) return;
  list->length = before;
  list->chars[before] = '\0';
  count_left_out(list);
}

void cvy_text_list(char *buffer, size_t bytes, const char *separator, const char *const *words,
                   int64_t count) {
  cvy_text text = cvy_text_in(buffer, bytes);
  for (int64_t i = 0; i < count; i++) cvy_text_item(&text, separator, "%s", words[i]);
}

void cvy_text_dims(char *buffer, size_t bytes, const int64_t *dims, int64_t dim_count) {
  cvy_text text = cvy_text_in(buffer, bytes);
  for (int64_t i = 0; i < dim_count; i++) cvy_text_item(&text, "x", "%" PRId64, dims[i]);
}

/* ---- sorting ---- */

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void cvy_sort_by_text(void *items, int64_t count, size_t bytes) {
  if (count > 0) qsort(items, (size_t)count, bytes, by_text);
}

int64_t cvy_find_by_text(const void *items, int64_t count, size_t bytes, const char *text) {
  const char *found = count > 0 ? bsearch(&text, items, (size_t)count, bytes, by_text) : NULL;
  return found ? (found - (const char *)items) / (int64_t)bytes : -1;
}

int64_t cvy_drop_repeats(const char **texts, int64_t count) {
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++)
    if (kept == 0 || strcmp(texts[i], texts[kept - 1]) != 0) texts[kept++] = texts[i];
  return kept;
}

/* ---- words ---- */

const char *cvy_article(const char *word) {
  return word[0] && strchr("aeiou", word[0]) ? "an" : "a";
}
