/* The readers cifar10 and cifar100 share this. */
#ifndef CVY_DATASETS_CIFAR_H
#define CVY_DATASETS_CIFAR_H

#include "datasets/reader.h"

/* This describes one of the two sets. In the binary version a record is `label_bytes` labels, of which the
 * one at `label` counts, and 3,072 samples: the red plane, the green, the blue, each 32 rows of 32. In the
 * Python version a file is a pickled dict with the same samples as an array [records][3072] and a list of
 * labels; those who save it again make them [records][3][32][32] and an array. */
typedef struct cvy_cifar {
  const char *reader; /* the reader's name, for errors */
  int64_t label_bytes, label, class_count;
  const char *const *class_names;
  const char *const *files[2];   /* files of train and of test; NULL-terminated */
  const char *const *pickles[2]; /* files of the Python version, train and test; NULL-terminated */
  const char *pickled_labels;    /* key of the labels in the dicts */
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
