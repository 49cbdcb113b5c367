/* Compares what models tell apart. */
#include "model/members.h"

#include "base/classes.h"

static cvy_err check_names(const cvy_model_info *a, const cvy_model_info *b) {
  for (int64_t k = 0; k < a->name_count && k < b->name_count; k++) {
    if (cvy_same_class(a->class_names[k], b->class_names[k])) continue;
    bool elsewhere = false;
    for (int64_t i = 0; i < a->name_count; i++)
      elsewhere = elsewhere || cvy_same_class(a->class_names[i], b->class_names[k]);
    return cvy_error(CVY_E_INPUT, "%s: class %" PRId64 " is '%s', and of %s it is '%s'; %s", b->path, k,
                     b->class_names[k], a->path, a->class_names[k],
                     elsewhere ? "members need their classes in the same order: prepare their data together"
                               : "members must tell apart the same classes");
  }
  return CVY_OK;
}

cvy_err cvy_members_check(cvy_model *const *models, int64_t count) {
  const cvy_model_info *a = cvy_model_describe(models[0]);
  for (int64_t i = 1; i < count; i++) {
    const cvy_model_info *b = cvy_model_describe(models[i]);
    if (a->class_count != b->class_count)
      return cvy_error(CVY_E_INPUT,
                       "%s: tells apart %" PRId64 " classes, and %s %" PRId64
                       "; members must tell apart the same ones",
                       b->path, b->class_count, a->path, a->class_count);
    if (a->c != b->c)
      return cvy_error(CVY_E_INPUT,
                       "%s: takes %" PRId64 " channels, and %s %" PRId64
                       "; members must take the same number",
                       b->path, b->c, a->path, a->c);
    CVY_TRY(check_names(a, b));
  }
  return CVY_OK;
}
