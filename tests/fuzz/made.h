/* Makes HDF5 files whose structure is sound and whose contents are anything. The structure is HDF5's to
 * check, and HDF5 1.10 is known to leak and crash on a damaged one. So a file is made anew for every input,
 * through HDF5 itself. A zero stands for what a good file has, so that the empty input is one; every other
 * byte departs from it: in what is there, types, shapes (also huge ones, without storage), contents,
 * checksums. */
#ifndef CVY_TESTS_FUZZ_MADE_H
#define CVY_TESTS_FUZZ_MADE_H

#include "fuzz.h"

#include "file/checked.h"

#include <hdf5.h>

enum { MOST_CONTENT = 4096 };

typedef struct maker {
  hid_t file;
  fuzz_bytes in;
} maker;

typedef struct array {
  const char *name;
  hid_t type;
  int rank;
  int64_t dims[4];
  const void *content;
  size_t bytes;
} array;

/* Makes the property by which HDF5 makes groups on the way to a dataset. */
static inline hid_t make_groups(void) {
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  return links;
}

/* ---- attributes ---- */

static inline void put_attribute(hid_t on, const char *name, hid_t type, const void *value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(on, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) H5Awrite(attribute, type, value);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
}

static inline void put_text(maker *m, const char *name, const char *usual) {
  char text[40] = {0};
  const uint8_t choice = fuzz_byte(&m->in);
  if (choice == 1) return;
  snprintf(text, sizeof text, "%s", usual);
  for (int i = 0; choice > 1 && i < choice % 12; i++) text[i] = (char)fuzz_byte(&m->in);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, choice == 2 ? 1 : sizeof text);
  if (choice == 3) H5Tset_strpad(type, H5T_STR_SPACEPAD);
  put_attribute(m->file, name, type, text);
  H5Tclose(type);
}

static inline void put_number(maker *m, hid_t on, const char *name, int64_t usual) {
  const uint8_t choice = fuzz_byte(&m->in);
  if (choice == 1) return;
  int64_t value = choice == 0 ? usual : choice < 16 ? choice - 4 : (int64_t)fuzz_u64(&m->in, 8);
  put_attribute(on, name, H5T_NATIVE_INT64, &value);
}

/* ---- datasets ---- */

static inline hid_t type_of(uint8_t choice, hid_t usual) {
  const hid_t types[] = {usual,
                         H5T_NATIVE_UINT8,
                         H5T_NATIVE_INT32,
                         H5T_NATIVE_UINT32,
                         H5T_NATIVE_INT64,
                         H5T_NATIVE_UINT64,
                         H5T_NATIVE_FLOAT,
                         H5T_NATIVE_DOUBLE,
                         H5T_C_S1,
                         H5T_NATIVE_INT8};
  return choice < 10 ? types[choice] : usual;
}

static inline int64_t length_of(uint8_t choice, int64_t usual) {
  if (choice == 0) return usual;
  if (choice < 32) return choice - 1;
  return (int64_t)((uint64_t)1 << choice % 63) + choice / 63 - 1;
}

static inline void choose_shape(array *a, maker *m) {
  const uint8_t rank = fuzz_byte(&m->in);
  if (rank > 0) a->rank = (rank - 1) % 5;
  if (a->rank > 4) a->rank = 4;
  for (int i = 0; i < a->rank; i++) a->dims[i] = length_of(fuzz_byte(&m->in), a->dims[i]);
}

static inline double elements_of(const array *a) {
  double count = 1;
  for (int i = 0; i < a->rank; i++) count *= (double)a->dims[i];
  return count;
}

/* Creates a dataset. A large one has no storage and reads as zeros; a small one is in one piece, or
 * compressed. */
static inline hid_t create(const array *a, maker *m, bool packed) {
  hsize_t dims[4], chunk[4];
  for (int i = 0; i < a->rank; i++) {
    dims[i] = (hsize_t)a->dims[i];
    chunk[i] = dims[i] < 1 ? 1 : dims[i] > 4 ? 4 : dims[i];
  }
  const hid_t space = a->rank ? H5Screate_simple(a->rank, dims, NULL) : H5Screate(H5S_SCALAR);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  if (a->rank > 0 && (packed || elements_of(a) > MOST_CONTENT)) H5Pset_chunk(layout, a->rank, chunk);
  if (a->rank > 0 && packed) H5Pset_deflate(layout, 1);
  const hid_t links = make_groups();
  const hid_t dataset = space >= 0 ? H5Dcreate2(m->file, a->name, a->type, space, links, layout, H5P_DEFAULT)
                                   : H5I_INVALID_HID;
  H5Pclose(links);
  H5Pclose(layout);
  if (space >= 0) H5Sclose(space);
  return dataset;
}

/* Fills in what is usual as far as that goes, with some bytes changed. */
static inline void fill(uint8_t content[8 * MOST_CONTENT], const array *a, maker *m) {
  const size_t usual = a->bytes < 8 * MOST_CONTENT ? a->bytes : 8 * MOST_CONTENT;
  memset(content, 0, 8 * MOST_CONTENT);
  memcpy(content, a->content, usual);
  for (uint8_t changes = fuzz_byte(&m->in) % 64; changes > 0; changes--) {
    const int64_t at = fuzz_below(&m->in, usual > 1 ? (int64_t)usual : 8);
    content[at] = fuzz_byte(&m->in);
  }
}

/* Computes the checksum: strings are checked as texts with a zero behind each, numbers as their bytes. */
static inline uint32_t checksum_of(const array *a, const uint8_t *content, size_t bytes) {
  if (H5Tget_class(a->type) != H5T_STRING) return cvy_checked_sum(content, bytes);
  const size_t width = H5Tget_size(a->type), count = width ? bytes / width : 0;
  char **texts = calloc(count + 1, sizeof *texts);
  for (size_t i = 0; i < count; i++) {
    const size_t length = strnlen((const char *)content + i * width, width);
    texts[i] = calloc(1, length + 1);
    memcpy(texts[i], content + i * width, length);
  }
  const uint32_t checksum = cvy_checked_sum_of_texts((const char *const *)texts, (int64_t)count);
  for (size_t i = 0; i < count; i++) free(texts[i]);
  free(texts);
  return checksum;
}

static inline void put_array(maker *m, array a) {
  static uint8_t content[8 * MOST_CONTENT];
  const uint8_t choice = fuzz_byte(&m->in);
  if (choice == 1) return;
  if (choice > 1) a.type = type_of(fuzz_byte(&m->in), a.type);
  if (choice > 1) choose_shape(&a, m);
  const hid_t dataset = create(&a, m, choice % 4 == 3);
  if (dataset < 0) return;
  fill(content, &a, m);
  const double bytes = elements_of(&a) * (double)H5Tget_size(a.type);
  const size_t held = bytes <= 8 * MOST_CONTENT ? (size_t)bytes : 0;
  if (held > 0) H5Dwrite(dataset, a.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, content);
  put_number(m, dataset, "checksum", checksum_of(&a, content, held));
  H5Dclose(dataset);
}

static inline void put_texts(maker *m, const char *name, int64_t count, const char *texts, size_t width) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, width);
  put_array(m, (array){name, type, 1, {count}, texts, width * (size_t)count});
  H5Tclose(type);
}

/* ---- the file ---- */

static inline void begin_file(const char *path, maker *m) {
  const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  m->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
  H5Pclose(fapl);
  FUZZ_CHECK(m->file >= 0);
}

#endif
