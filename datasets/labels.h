/* Labels are collected here as records come, one by one, and then become classes. */
#ifndef CVY_DATASETS_LABELS_H
#define CVY_DATASETS_LABELS_H

#include "base/base.h"

typedef struct cvy_label {
  const char *text;
  const char *name; /* of its class; NULL: the class is called as the label is */
  int32_t id;       /* labels are numbered as they are first met */
} cvy_label;

typedef struct cvy_labels {
  cvy_label *items; /* in byte order of their texts */
  int64_t count, capacity;
} cvy_labels;

/* A set has no more classes than this; if it has more labels, they are no classes. */
enum { CVY_LABELS_MOST = 1 << 16 };

/* Finds a label; returns NULL if it was not added. */
cvy_label *cvy_labels_find(const cvy_labels *labels, const char *text);
/* Adds a label that is not there yet; copies of the texts are in `pool`. It fails with CVY_E_INPUT if there
 * are CVY_LABELS_MOST. */
cvy_err cvy_labels_add(cvy_labels *labels, cvy_pool *pool, const char *text, const char *name) CVY_MUST_CHECK;

/* These are the classes of labels, in the order of base/classes.h. If each label has a name, classes are
 * called by these names, with the label in front if two names are equal; else they are called by their
 * labels. */
typedef struct cvy_label_classes {
  const char **names;
  int64_t count;
  int32_t *class_of; /* [labels->count]: the class of each id */
} cvy_label_classes;
/* Finds the classes; the result is in `pool`. Texts that are not UTF-8 are in `encoding`; NULL or "" if that
 * is not known. */
cvy_label_classes cvy_labels_classes(cvy_pool *pool, const cvy_labels *labels, const char *encoding);

#endif
