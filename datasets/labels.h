/* The labels of records as they come, one by one, and the classes that they turn out to be. */
#ifndef CVY_DATASETS_LABELS_H
#define CVY_DATASETS_LABELS_H

#include "base/base.h"

/* A label that was met. */
typedef struct cvy_label {
  const char *text;
  const char *name; /* what its class is called; NULL: as the label */
  int32_t id;       /* labels are numbered as they are first met */
} cvy_label;

typedef struct cvy_labels {
  cvy_label *items; /* in byte order of their texts */
  int64_t count, capacity;
} cvy_labels;

/* More labels than this are none of classes. */
enum { CVY_LABELS_MOST = 1 << 16 };

/* Finds a label; NULL if it has not been met. */
cvy_label *cvy_labels_find(const cvy_labels *labels, const char *text);
/* Adds a label that has not been met; copies of the texts are in `pool`. CVY_E_INPUT: too many. */
cvy_err cvy_labels_add(cvy_labels *labels, cvy_pool *pool, const char *text, const char *name) CVY_MUST_CHECK;

/* The classes that the labels are, in the order of base/classes.h. A class is called as its name says, where
 * every label has one and all differ; by label and name, where names repeat; else by its label. */
typedef struct cvy_label_classes {
  const char **names;
  int64_t count;
  int32_t *class_of; /* [labels->count]: the class of each id */
} cvy_label_classes;
cvy_label_classes cvy_labels_classes(cvy_pool *pool, const cvy_labels *labels);

#endif
