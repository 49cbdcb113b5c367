/* Agreement of the splits on their classes.
 *
 * A reader numbers the classes of each split by itself, so where a split lacks a class, all behind it have
 * other numbers than in train. Names tell which classes are the same, and labels become those of train. */
#include "prepare/agree.h"

#include "base/classes.h"
#include "base/text.h"
#include "base/utf8.h"
#include "prepare/names.h"

#include <string.h>

typedef cvy_prepare_group group;
typedef cvy_prepare_job job;

/* Returns what errors call a group: its split, or its first input where it is yet to be cut into splits. */
static const char *title(const group *g) {
  return g->split ? g->split : g->input_count > 0 ? g->inputs[0] : "the source";
}

static cvy_err check_own_classes(job *j, const group *g) {
  const cvy_source *s = &g->source;
  if (s->count == 0) return cvy_error(CVY_E_INPUT, "'%s' has no picture", title(g));
  int64_t *same = cvy_pool_new(j->pool, sizeof *same * (size_t)(s->class_count + 1));
  const char **first = cvy_pool_new(j->pool, sizeof *first * (size_t)(s->class_count + 1));
  cvy_classes_match(same, s->class_names, s->class_count, s->class_names, s->class_count);
  for (int64_t k = 0; k < s->class_count; k++) {
    const char *name = s->class_names[k], **other = &first[same[k]];
    if (*other && strcmp(name, *other) == 0)
      return cvy_error(CVY_E_INPUT, "'%s': two classes are called '%s'", title(g), name);
    if (*other)
      return cvy_error(CVY_E_INPUT, "'%s': the classes '%s' and '%s' are the same number", title(g), *other,
                       name);
    *other = name;
  }
  return CVY_OK;
}

/* Lists the names for which missing[k] is true, as "'bee', 'cow' and 3 more". Returns their number. */
static int64_t list_missing(char *buffer, size_t bytes, const char *const *names, const bool *missing,
                            int64_t count) {
  cvy_text list = cvy_text_in(buffer, bytes);
  int64_t found = 0;
  for (int64_t k = 0; k < count; k++) {
    if (!missing[k]) continue;
    cvy_text_item(&list, ", ", "'%s'", names[k]);
    found++;
  }
  return found;
}

/* Tells whether one of the classes for which unknown[k] is true has bytes that were not UTF-8. */
static bool any_escaped(const group *g, const bool *unknown) {
  for (int64_t k = 0; k < g->source.class_count; k++)
    if (unknown[k] && cvy_utf8_was_other(g->source.class_names[k])) return true;
  return false;
}

static cvy_err refuse_unknown(const job *j, const group *g, const bool *unknown) {
  char names[300];
  const int64_t count = list_missing(names, sizeof names, g->source.class_names, unknown,
                                     g->source.class_count);
  if (count == 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "'%s' has %" PRId64 " class%s that '%s' lacks: %s ('%s' has %" PRId64
                   " classes, '%s' %" PRId64 "); a network could not learn %s%s",
                   title(g), count, count == 1 ? "" : "es", title(j->leader), names, title(j->leader),
                   j->leader->source.class_count, title(g), g->source.class_count, count == 1 ? "it" : "them",
                   cvy_prepare_encoding(j->config) && any_escaped(g, unknown)
                       ? "; --encoding says in which encoding the escaped names are"
                       : "");
}

static cvy_err refuse_missing(const job *j, const group *g, const bool *missing) {
  char names[300];
  const int64_t count = list_missing(names, sizeof names, j->class_names, missing, j->class_count);
  if (count == 0 || j->config->allow_missing_classes) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "'%s' has no picture of %" PRId64 " of the %" PRId64
                   " classes: %s; --missing-classes allow takes it so, with the numbers of all classes",
                   title(g), count, j->class_count, names);
}

/* Settles which classes are the same where only the leader or only this group names its classes. Numbers that
 * nothing names are no names, although they may look like some. */
static cvy_err match_numbers(int64_t *where, const job *j, const group *g) {
  const cvy_source *s = &g->source, *leader = &j->leader->source;
  int64_t same = 0;
  while (same < s->class_count && where[same] == same) same++;
  if (same == s->class_count || s->is_numbered == leader->is_numbered) return CVY_OK;
  const group *numbered = s->is_numbered ? g : j->leader, *named = s->is_numbered ? j->leader : g;
  const char *const *names = named->source.class_names, *last = names[named->source.class_count - 1];
  if (!s->assumes_classes)
    return cvy_error(
        CVY_E_INPUT,
        "'%s' has labels that are numbers, which nothing names, and the classes of '%s' are called "
        "'%s' to '%s'; whether they are the same is not told: --assume-classes takes the first "
        "label for '%s', and so on",
        title(numbered), title(named), names[0], last, names[0]);
  cvy_warn("as --assume-classes says, the first label of '%s' is taken for '%s', and so on", title(numbered),
           names[0]);
  for (int64_t k = 0; k < s->class_count; k++) where[k] = k < j->class_count ? k : -1;
  return CVY_OK;
}

static cvy_err map_labels(job *j, group *g) {
  const cvy_source *s = &g->source;
  int64_t *where = cvy_pool_new(j->pool, sizeof *where * (size_t)(s->class_count + 1));
  bool *unknown = cvy_pool_new(j->pool, (size_t)s->class_count + 1);
  bool *missing = cvy_pool_new(j->pool, (size_t)j->class_count + 1);
  bool differs = s->class_count != j->class_count;
  cvy_classes_match(where, s->class_names, s->class_count, j->class_names, j->class_count);
  CVY_TRY(match_numbers(where, j, g));
  memset(missing, true, (size_t)j->class_count);
  for (int64_t k = 0; k < s->class_count; k++) {
    const bool has_some = !s->class_sizes || s->class_sizes[k] > 0;
    unknown[k] = where[k] < 0 && has_some;
    if (where[k] >= 0) missing[where[k]] = !has_some;
    differs |= where[k] != k;
  }
  CVY_TRY(refuse_unknown(j, g, unknown));
  CVY_TRY(refuse_missing(j, g, missing));
  if (!differs) return CVY_OK;
  g->labels = cvy_pool_new(j->pool, sizeof *g->labels * (size_t)(s->class_count + 1));
  for (int64_t k = 0; k < s->class_count; k++) g->labels[k] = (int32_t)where[k];
  return CVY_OK;
}

cvy_err cvy_prepare_agree_classes(job *j) {
  j->leader = &j->groups[0];
  for (int64_t i = 0; i < j->group_count; i++)
    if (j->groups[i].split && strcmp(j->groups[i].split, "train") == 0) j->leader = &j->groups[i];
  j->class_names = j->leader->source.class_names;
  j->class_count = j->leader->source.class_count;
  for (int64_t i = 0; i < j->group_count; i++) CVY_TRY(check_own_classes(j, &j->groups[i]));
  if (j->class_count < 1) return cvy_error(CVY_E_INPUT, "'%s' has no record with a label", title(j->leader));
  if (j->class_count < 2)
    return cvy_error(CVY_E_INPUT, "'%s' has one class alone, '%s'; a set has two or more", title(j->leader),
                     j->class_names[0]);
  for (int64_t i = 0; i < j->group_count; i++) CVY_TRY(map_labels(j, &j->groups[i]));
  return CVY_OK;
}
