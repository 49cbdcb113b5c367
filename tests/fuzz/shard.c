/* Fuzzes shards, and HDF5 files of others, made as made.h says. */
#include "made.h"

#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "file/checked.h"

enum { RECORDS = 3, SIDE = 4, CLASSES = 2, MOST_READ = 8, MOST_PIXELS = 1 << 16 };

typedef struct shard_maker {
  maker made;
  bool encoded;
  int64_t c;
} shard_maker;

/* ---- one file ---- */

static const uint8_t picture[] = {/* a JPEG of 1x1, begun; enough to reach the decoder */
                                  0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xd9};

static void put_records(shard_maker *s) {
  maker *m = &s->made;
  static uint8_t bytes[RECORDS * SIDE * SIDE * 4];
  static const int32_t labels[RECORDS] = {0, 1, 0};
  uint64_t offsets[RECORDS + 1] = {0};
  uint32_t checksums[RECORDS];
  const size_t record = s->encoded ? sizeof picture : (size_t)(SIDE * SIDE * s->c);
  for (size_t i = 0; i < RECORDS; i++) {
    if (s->encoded) memcpy(bytes + i * record, picture, record);
    offsets[i + 1] = (i + 1) * record;
    checksums[i] = cvy_checked_sum(bytes + i * record, record);
  }
  const char *name = s->encoded ? "bytes" : "images";
  const int64_t total = (int64_t)(record * RECORDS);
  if (s->encoded)
    put_array(m, (array){name, H5T_NATIVE_UINT8, 1, {total}, bytes, (size_t)total});
  else
    put_array(m, (array){name, H5T_NATIVE_UINT8, 4, {RECORDS, SIDE, SIDE, s->c}, bytes, (size_t)total});
  if (s->encoded)
    put_array(m, (array){"offsets", H5T_NATIVE_UINT64, 1, {RECORDS + 1}, offsets, sizeof offsets});
  put_array(m, (array){"labels", H5T_NATIVE_INT32, 1, {RECORDS}, labels, sizeof labels});
  put_array(m, (array){"checksums", H5T_NATIVE_UINT32, 1, {RECORDS}, checksums, sizeof checksums});
}

static void put_description(shard_maker *s, int64_t shard, int64_t shards) {
  maker *m = &s->made;
  static const float numbers[CVY_MAX_CHANNELS * CVY_MAX_CHANNELS] = {1, 2, 3, 4};
  put_text(m, "format", CVY_SHARD_FORMAT);
  put_number(m, m->file, "version", CVY_SHARD_VERSION);
  put_text(m, "encoding", s->encoded ? "encoded" : "raw");
  put_text(m, "split", "train");
  put_number(m, m->file, "shard", shard);
  put_number(m, m->file, "shards", shards);
  put_number(m, m->file, "first_record", shard * RECORDS);
  put_number(m, m->file, "channels", s->c);
  put_texts(m, "class_names", CLASSES, "cat\0dog", 4);
  put_texts(m, "names", RECORDS, "a\0b\0c", 2);
  put_array(m, (array){"mean", H5T_NATIVE_FLOAT, 1, {s->c}, numbers, sizeof(float) * (size_t)s->c});
  put_array(m, (array){"deviation", H5T_NATIVE_FLOAT, 1, {s->c}, numbers, sizeof(float) * (size_t)s->c});
  put_array(
      m, (array){"colour_eigenvalues", H5T_NATIVE_FLOAT, 1, {s->c}, numbers, sizeof(float) * (size_t)s->c});
  put_array(m, (array){"colour_eigenvectors",
                       H5T_NATIVE_FLOAT,
                       2,
                       {s->c, s->c},
                       numbers,
                       sizeof(float) * (size_t)(s->c * s->c)});
}

static void make_file(const char *path, shard_maker *s, int64_t shard, int64_t shards) {
  begin_file(path, &s->made);
  put_description(s, shard, shards);
  put_records(s);
  H5Fclose(s->made.file);
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
  shard_maker s = {.made.in = {data, size}};
  (void)cvy_h5_version(); /* Convoy sets HDF5 up, which must come before any other use */
  const uint8_t flags = fuzz_byte(&s.made.in);
  s.encoded = flags & 1;
  s.c = flags & 2 ? 1 : 3;
  const char *first = fuzz_path("train-00000-of-00002.h5"), *second = fuzz_path("train-00001-of-00002.h5");
  const char *single = fuzz_path("single.h5");
  if (flags & 4) {
    make_file(first, &s, 0, 2);
    make_file(second, &s, 1, 2);
    go_through(fuzz_folder, size <= 1);
  } else {
    make_file(single, &s, 0, 1);
    go_through(single, size <= 1);
  }
  return 0;
}
