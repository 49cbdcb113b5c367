/* Shards, and HDF5 files of others, whose structure is sound and whose contents are anything. The structure is HDF5's to
 * check, and HDF5 1.10 is known to leak and crash on a damaged one; so a file is made anew for every input, through
 * HDF5 itself. A zero stands for what a good shard has, so that the empty input is one; every other byte departs from
 * it: in what is there, types, shapes (also huge ones, without storage), contents, checksums. */
#include "fuzz.h"

#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "file/checked.h"

#include <hdf5.h>

enum { RECORDS = 3, SIDE = 4, CLASSES = 2, MOST_READ = 8, MOST_CONTENT = 4096, MOST_PIXELS = 1 << 16 };

typedef struct maker {
  hid_t file;
  fuzz_bytes in;
  bool encoded;
  int64_t c;
} maker;

typedef struct array {
  const char *name;
  hid_t type;
  int rank;
  int64_t dims[4];
  const void *content;
  size_t bytes;
} array;

/* ---- attributes ---- */

static void put_attribute(hid_t on, const char *name, hid_t type, const void *value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(on, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) H5Awrite(attribute, type, value);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
}

static void put_text(maker *m, const char *name, const char *usual) {
  char text[16] = {0};
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

static void put_number(maker *m, hid_t on, const char *name, int64_t usual) {
  const uint8_t choice = fuzz_byte(&m->in);
  if (choice == 1) return;
  int64_t value = choice == 0 ? usual : choice < 16 ? choice - 4 : (int64_t)fuzz_u64(&m->in, 8);
  put_attribute(on, name, H5T_NATIVE_INT64, &value);
}

/* ---- datasets ---- */

static hid_t type_of(uint8_t choice, hid_t usual) {
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

static int64_t length_of(uint8_t choice, int64_t usual) {
  if (choice == 0) return usual;
  if (choice < 32) return choice - 1;
  return (int64_t)((uint64_t)1 << choice % 63) + choice / 63 - 1;
}

static void choose_shape(array *a, maker *m) {
  const uint8_t rank = fuzz_byte(&m->in);
  if (rank > 0) a->rank = (rank - 1) % 5;
  if (a->rank > 4) a->rank = 4;
  for (int i = 0; i < a->rank; i++) a->dims[i] = length_of(fuzz_byte(&m->in), a->dims[i]);
}

static double elements_of(const array *a) {
  double count = 1;
  for (int i = 0; i < a->rank; i++) count *= (double)a->dims[i];
  return count;
}

/* Large ones without storage, which read as zeros; small ones in one piece, or compressed. */
static hid_t create(const array *a, maker *m, bool packed) {
  hsize_t dims[4], chunk[4];
  for (int i = 0; i < a->rank; i++) {
    dims[i] = (hsize_t)a->dims[i];
    chunk[i] = dims[i] < 1 ? 1 : dims[i] > 4 ? 4 : dims[i];
  }
  const hid_t space = a->rank ? H5Screate_simple(a->rank, dims, NULL) : H5Screate(H5S_SCALAR);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  if (a->rank > 0 && (packed || elements_of(a) > MOST_CONTENT)) H5Pset_chunk(layout, a->rank, chunk);
  if (a->rank > 0 && packed) H5Pset_deflate(layout, 1);
  const hid_t dataset = space >= 0
                            ? H5Dcreate2(m->file, a->name, a->type, space, H5P_DEFAULT, layout, H5P_DEFAULT)
                            : H5I_INVALID_HID;
  H5Pclose(layout);
  if (space >= 0) H5Sclose(space);
  return dataset;
}

/* As usual as far as that goes, with some bytes changed. */
static void fill(uint8_t content[8 * MOST_CONTENT], const array *a, maker *m) {
  const size_t usual = a->bytes < 8 * MOST_CONTENT ? a->bytes : 8 * MOST_CONTENT;
  memset(content, 0, 8 * MOST_CONTENT);
  memcpy(content, a->content, usual);
  for (uint8_t changes = fuzz_byte(&m->in) % 64; changes > 0; changes--) {
    const int64_t at = fuzz_below(&m->in, usual > 1 ? (int64_t)usual : 8);
    content[at] = fuzz_byte(&m->in);
  }
}

/* Strings are checked as texts with a zero behind each, numbers as their bytes. */
static uint32_t checksum_of(const array *a, const uint8_t *content, size_t bytes) {
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

static void put_array(maker *m, array a) {
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

/* ---- one file ---- */

static const uint8_t picture[] = {/* a JPEG of 1x1, begun; enough to reach the decoder */
                                  0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xd9};

static void put_records(maker *m) {
  static uint8_t bytes[RECORDS * SIDE * SIDE * 4];
  static const int32_t labels[RECORDS] = {0, 1, 0};
  uint64_t offsets[RECORDS + 1] = {0};
  uint32_t checksums[RECORDS];
  const size_t record = m->encoded ? sizeof picture : (size_t)(SIDE * SIDE * m->c);
  for (size_t i = 0; i < RECORDS; i++) {
    if (m->encoded) memcpy(bytes + i * record, picture, record);
    offsets[i + 1] = (i + 1) * record;
    checksums[i] = cvy_checked_sum(bytes + i * record, record);
  }
  const char *name = m->encoded ? "bytes" : "images";
  const int64_t total = (int64_t)(record * RECORDS);
  if (m->encoded)
    put_array(m, (array){name, H5T_NATIVE_UINT8, 1, {total}, bytes, (size_t)total});
  else
    put_array(m, (array){name, H5T_NATIVE_UINT8, 4, {RECORDS, SIDE, SIDE, m->c}, bytes, (size_t)total});
  if (m->encoded)
    put_array(m, (array){"offsets", H5T_NATIVE_UINT64, 1, {RECORDS + 1}, offsets, sizeof offsets});
  put_array(m, (array){"labels", H5T_NATIVE_INT32, 1, {RECORDS}, labels, sizeof labels});
  put_array(m, (array){"checksums", H5T_NATIVE_UINT32, 1, {RECORDS}, checksums, sizeof checksums});
}

static void put_texts(maker *m, const char *name, int64_t count, const char *texts, size_t width) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, width);
  put_array(m, (array){name, type, 1, {count}, texts, width * (size_t)count});
  H5Tclose(type);
}

static void put_description(maker *m, int64_t shard, int64_t shards) {
  static const float numbers[CVY_MAX_CHANNELS * CVY_MAX_CHANNELS] = {1, 2, 3, 4};
  put_text(m, "format", CVY_SHARD_FORMAT);
  put_number(m, m->file, "version", CVY_SHARD_VERSION);
  put_text(m, "encoding", m->encoded ? "encoded" : "raw");
  put_text(m, "split", "train");
  put_number(m, m->file, "shard", shard);
  put_number(m, m->file, "shards", shards);
  put_number(m, m->file, "first_record", shard * RECORDS);
  put_number(m, m->file, "channels", m->c);
  put_texts(m, "class_names", CLASSES, "cat\0dog", 4);
  put_texts(m, "names", RECORDS, "a\0b\0c", 2);
  put_array(m, (array){"mean", H5T_NATIVE_FLOAT, 1, {m->c}, numbers, sizeof(float) * (size_t)m->c});
  put_array(m, (array){"deviation", H5T_NATIVE_FLOAT, 1, {m->c}, numbers, sizeof(float) * (size_t)m->c});
  put_array(
      m, (array){"colour_eigenvalues", H5T_NATIVE_FLOAT, 1, {m->c}, numbers, sizeof(float) * (size_t)m->c});
  put_array(m, (array){"colour_eigenvectors",
                       H5T_NATIVE_FLOAT,
                       2,
                       {m->c, m->c},
                       numbers,
                       sizeof(float) * (size_t)(m->c * m->c)});
}

static void make_file(const char *path, maker *m, int64_t shard, int64_t shards) {
  const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  m->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
  FUZZ_CHECK(m->file >= 0);
  put_description(m, shard, shards);
  put_records(m);
  H5Fclose(m->file);
  H5Pclose(fapl);
}

/* ---- reading ---- */

static void draw(cvy_picture *p, int64_t channels) {
  static const float zero[CVY_MAX_CHANNELS] = {0}, one[CVY_MAX_CHANNELS] = {1, 1, 1, 1};
  if (p->h * p->w > MOST_PIXELS) return;
  cvy_canvas canvas = {0};
  cvy_normaliser normaliser;
  cvy_normaliser_set(&normaliser, zero, one, channels);
  float *out = malloc(sizeof *out * (size_t)(p->h * p->w * p->c));
  const cvy_err err = cvy_picture_normalise(out, p, &canvas, &normaliser);
  (void)err;
  free(out);
  cvy_canvas_free(&canvas);
}

static void read_records(const cvy_dataset *dataset, const cvy_dataset_info *info) {
  cvy_read_buffer buffer;
  if (cvy_read_buffer_create(&buffer, dataset)) return;
  for (int64_t i = 0; i < info->count && i < MOST_READ; i++) {
    const int64_t channels = dataset->encoding == CVY_RAW ? info->c : info->c == 1 ? 1 : 3;
    const int64_t index = i % 2 ? info->count - 1 - i / 2 : i / 2;
    cvy_picture p;
    int32_t label;
    if (cvy_dataset_read(&p, &label, dataset, &buffer, index, channels)) continue;
    FUZZ_CHECK(label >= 0 && label < info->class_count && p.h > 0 && p.w > 0);
    draw(&p, channels);
  }
  cvy_read_buffer_free(&buffer);
}

static void go_through(const char *path, bool is_good) {
  cvy_dataset *dataset;
  const cvy_err err = cvy_dataset_open(&dataset, path, "train");
  FUZZ_CHECK(!err || !is_good);
  if (err) return;
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  FUZZ_CHECK(info->count > 0 && info->c >= 1 && info->c <= CVY_MAX_CHANNELS);
  cvy_pool *pool = cvy_pool_create();
  (void)cvy_dataset_name(pool, dataset, info->count - 1);
  cvy_pool_destroy(pool);
  read_records(dataset, info);
  cvy_dataset_close(dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  maker m = {.in = {data, size}};
  (void)cvy_h5_version(); /* Convoy sets HDF5 up, which must come before any other use */
  const uint8_t flags = fuzz_byte(&m.in);
  m.encoded = flags & 1;
  m.c = flags & 2 ? 1 : 3;
  const char *first = fuzz_path("train-00000-of-00002.h5"), *second = fuzz_path("train-00001-of-00002.h5");
  const char *single = fuzz_path("single.h5");
  if (flags & 4) {
    make_file(first, &m, 0, 2);
    make_file(second, &m, 1, 2);
    go_through(fuzz_folder, size <= 1);
  } else {
    make_file(single, &m, 0, 1);
    go_through(single, size <= 1);
  }
  return 0;
}
