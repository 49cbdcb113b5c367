/* Fuzzes HDF5 files of other makers, made as made.h says: names, groups, links, splits, shapes and types of
 * all kinds; and texts that list them. Whatever they are, they are refused, or every image and label can be
 * read. */
#include "made.h"

#include "archive/arrays.h"
#include "base/text.h"

enum { IMAGES = 4, SIDE = 3, MOST_NAMES = 6, MOST_READ = 8 };

/* These are the names of datasets; the usual file has the first two. */
static const char *const names[] = {"images",      "labels",       "X_train", "y_train",      "x_test",
                                    "y_test",      "train/images", "train/y", "val/data",     "val/label",
                                    "train_set_x", "train_set_y",  "a/b/x",   "a/b/y",        "class_names",
                                    "x/value",     "images/train", "y/dev",   "list_classes", "other"};

static const char *name_of(maker *m, int index) {
  const uint8_t choice = fuzz_byte(&m->in);
  return names[choice == 0 ? index : choice % CVY_COUNT(names)];
}

static void put_images(maker *m, const char *name) {
  static const uint8_t samples[IMAGES * SIDE * SIDE] = {1, 2, 3};
  put_array(m, (array){name, H5T_NATIVE_UINT8, 3, {IMAGES, SIDE, SIDE}, samples, sizeof samples});
}

static void put_labels(maker *m, const char *name, uint8_t kind) {
  static const int64_t whole[IMAGES] = {0, 1, 1, 0};
  static const double real[IMAGES * 2] = {0, 1, 1, 0, 0, 1, 1, 0};
  if (kind == 0) put_array(m, (array){name, H5T_NATIVE_INT64, 1, {IMAGES}, whole, sizeof whole});
  if (kind == 1) put_array(m, (array){name, H5T_NATIVE_DOUBLE, 2, {IMAGES, 2}, real, sizeof real});
  if (kind == 2) put_texts(m, name, IMAGES, "cat\0dog\0dog\0cat", 4);
  if (kind == 3) put_array(m, (array){name, H5T_NATIVE_DOUBLE, 2, {1, IMAGES}, real, sizeof real / 2});
}

static void put_enumeration(maker *m, const char *name) {
  const hid_t type = H5Tenum_create(H5T_NATIVE_INT32);
  static const int32_t values[IMAGES] = {3, 5, 5, 3};
  for (int32_t i = 0; i < 2; i++) H5Tenum_insert(type, i ? "dog" : "cat", &values[i]);
  put_array(m, (array){name, type, 1, {IMAGES}, values, sizeof values});
  H5Tclose(type);
}

static void put_link(maker *m, const char *name) {
  const hid_t links = make_groups();
  const char *target = name_of(m, 0);
  if (fuzz_byte(&m->in) % 2)
    H5Lcreate_external(fuzz_byte(&m->in) % 2 ? "foreign.h5" : "../gone.h5", target, m->file, name, links,
                       H5P_DEFAULT);
  else
    H5Lcreate_soft(target, m->file, name, links, H5P_DEFAULT);
  H5Pclose(links);
}

static void put_matlab(maker *m, const char *name) {
  const hid_t dataset = H5Oopen(m->file, name, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, 6);
  if (dataset >= 0) put_attribute(dataset, "MATLAB_class", type, "double");
  H5Tclose(type);
  if (dataset >= 0) H5Oclose(dataset);
}

static void put_something(maker *m, int index) {
  const uint8_t kind = fuzz_byte(&m->in);
  const char *name = name_of(m, index);
  switch (kind == 0 ? (index ? 1 : 0) : kind % 9) {
  case 0:
    put_images(m, name);
    break;
  case 5:
    put_enumeration(m, name);
    break;
  case 6:
    put_link(m, name);
    break;
  case 7:
    put_texts(m, name, 2, "eel\0fox", 4);
    break;
  case 8:
    put_matlab(m, name);
    break;
  default:
    put_labels(m, name, (uint8_t)(kind == 0 ? 0 : kind % 9 - 1));
  }
}

static void go_through(const char *path, const char *split, const cvy_arrays_said *said, bool is_good) {
  cvy_arrays *a;
  const cvy_err err = cvy_arrays_open(&a, &path, 1, split, said, false);
  FUZZ_CHECK(!err || !is_good);
  if (err) return;
  FUZZ_CHECK(a->count > 0 && a->class_count > 0 && a->h > 0 && a->w > 0 && a->c > 0);
  const size_t bytes = (size_t)(a->h * a->w * a->c) * (a->is_float ? sizeof(float) : 1);
  void *row = bytes < 1 << 24 ? malloc(bytes) : NULL;
  for (int64_t i = 0; i < a->count && i < MOST_READ && row; i++) {
    const int64_t index = i % 2 ? a->count - 1 - i / 2 : i / 2;
    const cvy_arrays_part *part = cvy_arrays_part_of(a, index);
    FUZZ_CHECK(part->labels[index - part->first] >= 0 && part->labels[index - part->first] < a->class_count);
    if (cvy_arrays_read(a, row, index, 1)) break;
  }
  for (int64_t k = 0; k < a->class_count && k < 1000; k++) FUZZ_CHECK(a->class_names[k]);
  free(row);
  cvy_arrays_close(a);
}

/* Takes the rest of the input for a list of files, one of which may be the file. */
static void go_through_list(const uint8_t *data, size_t size, const cvy_arrays_said *said) {
  const char *list = fuzz_path("list.txt");
  scratch_write(list, data, size);
  if (cvy_may_be_arrays(list)) go_through(list, "train", said, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  maker m = {.in = {data, size}};
  (void)cvy_h5_version(); /* Convoy sets HDF5 up, which must come before any other use */
  static const char *const splits[] = {"train", "val", "test", NULL};
  const uint8_t flags = fuzz_byte(&m.in), count = fuzz_byte(&m.in);
  const cvy_arrays_said said = {.first_label = flags & 4 ? flags / 64 : -1,
                                .axes = flags & 8 ? flags / 32 % 5 : CVY_AXES_FOUND,
                                .images = flags & 16 ? name_of(&m, 0) : NULL,
                                .labels = flags & 16 ? name_of(&m, 1) : NULL};
  const char *path = fuzz_path("foreign.h5");
  begin_file(path, &m);
  for (int i = 0; i < 2 + count % (MOST_NAMES - 1); i++) put_something(&m, i);
  H5Fclose(m.file);
  if (flags & 32) go_through_list(data + 1, size - 1, &said);
  go_through(path, splits[flags % 4], &said, size <= 2 && flags == 0 && count == 0);
  const char **found;
  int64_t found_count;
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = cvy_arrays_splits(&found, &found_count, pool, path, &said);
  FUZZ_CHECK(err || found_count <= 4);
  cvy_pool_destroy(pool);
  return 0;
}
