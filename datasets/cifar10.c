/* CIFAR-10: 60,000 pictures of 32x32 in ten classes, 50,000 of them for training. cifar.h has the layout. */
#include "datasets/cifar.h"

static const char *const class_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

static const cvy_cifar set = {
    .reader = "cifar10",
    .label_bytes = 1,
    .label = 0,
    .class_count = CVY_COUNT(class_names),
    .class_names = class_names,
    .files = {(const char *const[]){"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin", NULL},
              (const char *const[]){"test_batch.bin", NULL}},
    .pickles = {(const char *const[]){"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                                      "data_batch_5", NULL},
                (const char *const[]){"test_batch", NULL}},
    .pickled_labels = "labels",
};

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_cifar_find_splits(out, count, pool, path, &set);
}

static cvy_err open_cifar10(cvy_source *out, const void *config, const char *const *inputs,
                            int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  (void)config;
  (void)seed;
  return cvy_cifar_open(out, &set, inputs, input_count, h, w);
}

static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, "data_batch_1.bin") || cvy_glimpse_has(g, "data_batch_1");
}

static const cvy_option options[] = {{0}};

const cvy_reader cvy_reader_cifar10 = {
    .kind = &(const cvy_kind){"cifar10", "CIFAR-10, binary or Python version: its .tar.gz, folder or files",
                              options, 0},
    .find_splits = find_splits,
    .open = open_cifar10,
    .read = cvy_cifar_read,
    .close = cvy_cifar_close,
    .again = cvy_cifar_again,
    .fits = fits,
};
