/* Tells whether a dataset's labels mean what those of another do, as far as the names of the classes say it.
 *
 * Where a file of another maker names no classes, they are called 0, 1, 2 and so on. So are those of a set
 * whose classes really are these numbers, and the two cannot be told apart. A set of numbers agrees with
 * another of the same numbers. Against classes with names, its numbers may mean anything. */
#include "base/classes.h"
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

typedef cvy_dataset_info info;

static bool has_names(const info *data) {
  for (int64_t k = 0; k < data->class_count; k++) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, k);
    if (strcmp(data->class_names[k], number) != 0) return true;
  }
  return false;
}

/* Returns the first class whose name differs; -1 if those that both have are the same. */
static int64_t first_different(const info *data, const info *known) {
  for (int64_t k = 0; k < data->class_count && k < known->class_count; k++)
    if (!cvy_same_class(data->class_names[k], known->class_names[k])) return k;
  return -1;
}

/* Returns the first class of `data` that the other lacks, in whatever order; NULL if it has all of them. */
static const char *first_missing(const info *data, const info *other) {
  int64_t *where = cvy_new(sizeof *where * (size_t)(data->class_count + 1));
  const char *missing = NULL;
  cvy_classes_match(where, data->class_names, data->class_count, other->class_names, other->class_count);
  for (int64_t k = 0; k < data->class_count && !missing; k++)
    if (where[k] < 0) missing = data->class_names[k];
  free(where);
  return missing;
}

static bool are_numbers(const info *data) {
  int64_t value;
  for (int64_t k = 0; k < data->class_count; k++)
    if (!cvy_whole_number(&value, data->class_names[k])) return false;
  return true;
}

static cvy_err another_order(const char *path, const info *data, const info *known, int64_t k, bool advise) {
  const char *advice = are_numbers(data)
                           ? " (older versions took folders that are numbers by their bytes, 1, 10, 2, "
                             "and this one takes them by value: prepare all sets anew)"
                           : " (prepare both together)";
  return cvy_error(CVY_E_INPUT,
                   "%s: has the network's classes in another order: class %" PRId64
                   " is '%s'; where the network learns it is '%s'%s",
                   path, k, data->class_names[k], known->class_names[k], advise ? advice : "");
}

static cvy_err another_count(const char *path, const info *data, const info *known, const char *advice) {
  const bool fewer = data->class_count < known->class_count;
  const info *larger = fewer ? known : data, *smaller = fewer ? data : known;
  const char *missing = first_missing(larger, smaller);
  return cvy_error(
      CVY_E_INPUT,
      "%s: has %" PRId64 " classes, and the network learns %" PRId64 " ('%s' is among the %s only)%s", path,
      data->class_count, known->class_count, missing ? missing : larger->class_names[smaller->class_count],
      fewer ? "network's" : "former", advice);
}

static cvy_err names_differ(const char *path, const info *data, const info *known, int64_t k, bool advise) {
  return cvy_error(CVY_E_INPUT, "%s: class %" PRId64 " is '%s'; where the network learns it is '%s'%s", path,
                   k, data->class_names[k], known->class_names[k], advise ? " (prepare both together)" : "");
}

static cvy_err only_one_has_names(const char *path, const info *data, const info *known, bool advise) {
  const int64_t last = data->class_count - 1;
  return cvy_error(CVY_E_INPUT,
                   "%s: its classes are called '%s' to '%s', and the network's '%s' to '%s'; numbers from 0 "
                   "on do not tell whether they are the same%s%s%s",
                   path, data->class_names[0], data->class_names[last], known->class_names[0],
                   known->class_names[last], advise ? ": --assume-classes takes its label 0 for '" : "",
                   advise ? known->class_names[0] : "", advise ? "', and so on" : "");
}

cvy_err cvy_dataset_check_classes(const char *path, const info *data, const info *known,
                                  cvy_assuming assuming) {
  const bool advise = assuming != CVY_ASSUMES_NEVER, may_assume = !has_names(data) || !has_names(known);
  const bool same_count = data->class_count == known->class_count;
  const int64_t different = first_different(data, known);
  if (same_count && different < 0) return CVY_OK;
  if (same_count && !first_missing(data, known)) return another_order(path, data, known, different, advise);
  if (data->class_count > known->class_count)
    return another_count(path, data, known, advise ? "; prepare both together" : "");
  if (may_assume && assuming == CVY_ASSUMES) {
    cvy_warn("%s: as --assume-classes says, its labels 0 to %" PRId64
             " are taken for the network's '%s' to '%s'",
             path, data->class_count - 1, known->class_names[0], known->class_names[data->class_count - 1]);
    return CVY_OK;
  }
  if (!same_count)
    return another_count(path, data, known,
                         !advise ? ""
                         : may_assume
                             ? "; --assume-classes takes its label 0 for the network's first, and so on"
                             : "; prepare both together");
  return may_assume ? only_one_has_names(path, data, known, advise)
                    : names_differ(path, data, known, different, advise);
}
