/* Collecting labels, and numbering their classes. */
#include "datasets/labels.h"

#include "base/classes.h"
#include "base/text.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

cvy_label *cvy_labels_find(const cvy_labels *labels, const char *text) {
  const int64_t at = cvy_find_by_text(labels->items, labels->count, sizeof *labels->items, text);
  return at < 0 ? NULL : &labels->items[at];
}

cvy_err cvy_labels_add(cvy_labels *l, cvy_pool *pool, const char *text, const char *name) {
  if (l->count == CVY_LABELS_MOST)
    return cvy_error(CVY_E_INPUT, "more than %d different labels ('%.40s' is one); they are no classes",
                     CVY_LABELS_MOST, text);
  if (l->count == l->capacity) {
    l->capacity = 2 * l->capacity + 64;
    cvy_label *more = cvy_pool_new(pool, sizeof *more * (size_t)l->capacity);
    if (l->count > 0) memcpy(more, l->items, sizeof *more * (size_t)l->count);
    l->items = more;
  }
  int64_t at = l->count;
  for (; at > 0 && strcmp(l->items[at - 1].text, text) > 0; at--) l->items[at] = l->items[at - 1];
  l->items[at] = (cvy_label){.text = cvy_pool_format(pool, "%s", text),
                             .name = name ? cvy_pool_format(pool, "%s", name) : NULL,
                             .id = (int32_t)l->count++};
  return CVY_OK;
}

static bool all_named(const cvy_labels *l) {
  for (int64_t i = 0; i < l->count; i++)
    if (!l->items[i].name) return false;
  return l->count > 0;
}

static bool repeat(const char *const *names, int64_t count) {
  const char **sorted = cvy_new(sizeof *sorted * (size_t)(count + 1));
  memcpy(sorted, names, sizeof *sorted * (size_t)count);
  cvy_sort_by_text(sorted, count, sizeof *sorted);
  const bool any = cvy_drop_repeats(sorted, count) < count;
  free(sorted);
  return any;
}

static void take_names(cvy_label_classes *out, cvy_pool *pool, const cvy_labels *l, const char *encoding) {
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(out->count + 1));
  for (int64_t i = 0; i < l->count; i++)
    names[out->class_of[l->items[i].id]] = cvy_utf8_name(pool, l->items[i].name, encoding);
  if (repeat(names, out->count))
    for (int64_t k = 0; k < out->count; k++)
      names[k] = cvy_pool_format(pool, "%s %s", out->names[k], names[k]);
  out->names = names;
}

cvy_label_classes cvy_labels_classes(cvy_pool *pool, const cvy_labels *l, const char *encoding) {
  const char **texts = cvy_pool_new(pool, sizeof *texts * (size_t)(l->count + 1));
  for (int64_t i = 0; i < l->count; i++) texts[i] = l->items[i].text;
  const cvy_classes classes = cvy_classes_in(pool, texts, l->count, encoding);
  cvy_label_classes out = {classes.names, classes.count,
                           cvy_pool_new(pool, sizeof *out.class_of * (size_t)(l->count + 1))};
  for (int64_t i = 0; i < l->count; i++)
    out.class_of[l->items[i].id] = (int32_t)cvy_classes_find(&classes, l->items[i].text);
  if (all_named(l)) take_names(&out, pool, l, encoding);
  return out;
}
