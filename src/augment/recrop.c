/* Makes another chain of a recipe's: one of more views, or of whole pictures. */
#include "augment/chain.h"

#include "base/count.h"

#include <string.h>

static const cvy_augmentation *type_of(const cvy_yaml *item) {
  for (int64_t i = 0; i < cvy_augmentation_count(); i++)
    if (strcmp(cvy_augmentation_at(i)->kind.name, item->keys[0]->text) == 0) return cvy_augmentation_at(i);
  CVY_CHECK(false, "no augmentation '%s'", item->keys[0]->text);
}

/* Returns which of the list cuts last; -1 if none does. */
static int64_t find_cut(const cvy_yaml *list) {
  for (int64_t i = list->count - 1; i >= 0; i--)
    if (type_of(list->items[i])->cuts) return i;
  return -1;
}

static cvy_err check_cut(const cvy_yaml *list, int64_t cut, int64_t crops, int64_t shorter,
                         const char *view) {
  if (cut >= 0 && !type_of(list->items[cut])->scales) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "--crops %" PRId64 ": %s%s; say all that pictures go through instead: data.evaluation='[{resize: "
      "{shorter: %" PRId64 "}}, %s]'",
      crops,
      cut < 0 ? "nothing that pictures go through cuts out a part of them" : list->items[cut]->keys[0]->text,
      cut < 0 ? "" : " cuts and scales at once", shorter, view);
}

cvy_err cvy_augment_recrop(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list, int64_t crops, int64_t h,
                           int64_t w) {
  const char *view = cvy_pool_format(pool, "{%s: {size: [%" PRId64 ", %" PRId64 "]}}",
                                     crops == 1 ? "centre_crop" : "ten_crops", h, w);
  cvy_yaml *resolved, *item, *changed = cvy_yaml_new_sequence(pool, "options");
  *out = NULL;
  CVY_TRY(cvy_augment_resolve(&resolved, pool, list));
  const int64_t cut = find_cut(resolved);
  CVY_TRY(check_cut(resolved, cut, crops, cvy_larger(h, w) * 8 / 7, view));
  CVY_TRY(cvy_yaml_parse(&item, pool, view, "options"));
  for (int64_t i = 0; i < resolved->count; i++)
    cvy_yaml_add(pool, changed, NULL, i == cut ? item : resolved->items[i]);
  *out = changed;
  return CVY_OK;
}

cvy_err cvy_augment_uncropped(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list, int64_t shorter) {
  cvy_yaml *resolved, *item, *changed = cvy_yaml_new_sequence(pool, "options");
  *out = NULL;
  CVY_TRY(cvy_augment_resolve(&resolved, pool, list));
  CVY_TRY(cvy_yaml_parse(&item, pool, cvy_pool_format(pool, "{resize: {shorter: %" PRId64 "}}", shorter),
                         "options"));
  cvy_yaml_add(pool, changed, NULL, item);
  for (int64_t i = 0; i < resolved->count; i++) {
    const cvy_augmentation *type = type_of(resolved->items[i]);
    if (!type->cuts && !type->scales) cvy_yaml_add(pool, changed, NULL, resolved->items[i]);
  }
  *out = changed;
  return CVY_OK;
}
