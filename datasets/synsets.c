/* Lists of WordNet synsets, the classes of ImageNet. */
#include "datasets/synsets.h"

#include "base/text.h"

#include <string.h>

void cvy_lines_read(cvy_lines *out, cvy_pool *pool, const void *bytes, size_t count) {
  char *text = cvy_pool_new(pool, count + 1);
  int64_t line_count = 1, number = 1;
  if (count > 0) memcpy(text, bytes, count);
  text[count] = 0;
  for (const char *p = text; (p = strchr(p, '\n')); p++) line_count++;
  *out = (cvy_lines){.items = cvy_pool_new(pool, sizeof *out->items * (size_t)line_count)};
  for (char *p = text, *next; p; p = next, number++) {
    next = strchr(p, '\n');
    if (next) *next++ = 0;
    p[strcspn(p, "\r")] = 0;
    p += strspn(p, " \t");
    if (!*p) continue;
    char *rest = p + strcspn(p, " \t,");
    if (*rest) *rest++ = 0;
    out->items[out->count++] = (cvy_line){number, p, rest + strspn(rest, " \t")};
  }
}

bool cvy_is_synset(const char *text) {
  return text[0] == 'n' && strspn(text + 1, "0123456789") == 8 && !text[9];
}

cvy_synset cvy_synset_of(cvy_pool *pool, const char *id, const char *words) {
  const int length = (int)strcspn(words, ",");
  return (cvy_synset){cvy_pool_format(pool, "%s", id),
                      cvy_pool_format(pool, "%s%s%.*s", id, length > 0 ? " " : "", length, words)};
}

bool cvy_synsets_sort(cvy_synsets *s) {
  cvy_sort_by_text(s->items, s->count, sizeof *s->items);
  for (int64_t i = 1; i < s->count; i++)
    if (strcmp(s->items[i - 1].id, s->items[i].id) == 0) return false;
  return true;
}

static cvy_err say_twice(const cvy_synsets *s, const cvy_lines *lines, const char *path) {
  int64_t again = 0;
  for (int64_t i = 1; i < s->count; i++)
    if (strcmp(s->items[i - 1].id, s->items[i].id) == 0) again = i;
  const char *id = s->items[again].id;
  int64_t last = lines->count - 1;
  while (strcmp(lines->items[last].first, id) != 0) last--;
  return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%s' for the second time", path, lines->items[last].number,
                   id);
}

cvy_err cvy_synsets_read(cvy_synsets *out, cvy_pool *pool, const cvy_lines *lines, const char *path) {
  *out = (cvy_synsets){.items = cvy_pool_new(pool, sizeof *out->items * (size_t)(lines->count + 1))};
  for (int64_t i = 0; i < lines->count; i++) {
    const cvy_line *line = &lines->items[i];
    if (!cvy_is_synset(line->first))
      return cvy_error(CVY_E_INPUT, "%s:%" PRId64 ": '%s'; expected a synset such as n01440764", path,
                       line->number, line->first);
    out->items[out->count++] = cvy_synset_of(pool, line->first, line->rest);
  }
  if (out->count == 0) return cvy_error(CVY_E_INPUT, "%s: no synset in it", path);
  return cvy_synsets_sort(out) ? CVY_OK : say_twice(out, lines, path);
}

int64_t cvy_synsets_find(const cvy_synsets *s, const char *id) {
  return cvy_find_by_text(s->items, s->count, sizeof *s->items, id);
}

const char **cvy_synsets_names(cvy_pool *pool, const cvy_synsets *s) {
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(s->count + 1));
  for (int64_t i = 0; i < s->count; i++) names[i] = s->items[i].name;
  return names;
}
