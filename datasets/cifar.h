/* What CIFAR-10 and CIFAR-100 have in common. */
#ifndef CVY_DATASETS_CIFAR_H
#define CVY_DATASETS_CIFAR_H

#include "datasets/reader.h"

/* One of the two sets, in either version. A record of the binary one is `label_bytes` labels, of which the
 * one at `label` counts, and 3,072 samples: the red plane, the green, the blue, each 32 rows of 32. A file of
 * the Python version is a pickled dict: the same samples as an array [records][3072], a list of labels. */
typedef struct cvy_cifar {
  const char *reader; /* the reader's name, for errors */
  int64_t label_bytes, label, class_count;
  const char *const *class_names;
  const char *const *files[2];   /* files of train and of test; NULL-terminated */
  const char *const *pickles[2]; /* the same of the Python version */
  const char *pickled_labels;    /* their key in its dicts */
} cvy_cifar;

cvy_err cvy_cifar_find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path,
                              const cvy_cifar *set) CVY_MUST_CHECK;
/* `set` outlives the source. */
cvy_err cvy_cifar_open(cvy_source *out, const cvy_cifar *set, const char *const *inputs, int64_t input_count,
                       int64_t h, int64_t w) CVY_MUST_CHECK;
cvy_err cvy_cifar_read(cvy_record *out, cvy_source *source, int64_t index) CVY_MUST_CHECK;
void cvy_cifar_again(cvy_source *out, const cvy_source *first);
void cvy_cifar_close(cvy_source *source);

#endif
