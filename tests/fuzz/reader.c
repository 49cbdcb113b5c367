/* Whatever the files of a dataset hold, its reader refuses them or reads every record. READER is the reader's
 * name. */
#include "fuzz.h"

#include "prepare/prepare.h"
#include "archive/unpack.h"
#include "unit/protobufs.h"

enum { MOST_FILES = 4, MOST_RECORDS = 64, BLOCK = 512 };

/* ---- mutation that keeps checksums ---- */

static void mend_header(uint8_t header[BLOCK]) {
  unsigned sum = 0;
  memset(header + 148, ' ', 8);
  for (int i = 0; i < BLOCK; i++) sum += header[i];
  snprintf((char *)header + 148, 8, "%06o", sum);
}

/* Mends a tar as far as its sizes make sense. */
static void mend_tar(uint8_t *data, size_t size) {
  size_t at = 0;
  while (at + BLOCK <= size) {
    uint8_t *header = data + at;
    bool zero = true;
    for (int i = 0; i < BLOCK && zero; i++) zero = header[i] == 0;
    if (zero) return;
    mend_header(header);
    char digits[13] = {0};
    memcpy(digits, header + 124, 12);
    const unsigned long content = strtoul(digits, NULL, 8);
    if (content > size) return;
    at += BLOCK + (content + BLOCK - 1) / BLOCK * BLOCK;
  }
}

static void put_checksum(uint8_t *to, const uint8_t *bytes, size_t count) {
  static maker checksum;
  checksum.count = 0;
  put_masked(&checksum, bytes, count);
  memcpy(to, checksum.bytes, 4);
}

/* Mends TFRecord's records; the last one ends with the file. */
static void mend_records(uint8_t *data, size_t size) {
  for (size_t at = 0; at + 16 <= size;) {
    uint64_t count;
    memcpy(&count, data + at, 8);
    if (count > size - at - 16) count = size - at - 16;
    memcpy(data + at, &count, 8);
    put_checksum(data + at + 8, data + at, 8);
    put_checksum(data + at + 12 + count, data + at + 12, count);
    at += 16 + count;
  }
}

/* Mends each part that is a tar, or a file of records. */
static void mend_parts(const uint8_t *data, size_t size) {
  fuzz_bytes left = {data, size};
  while (left.left > 0) {
    const fuzz_bytes part = fuzz_part(&left);
    if (strcmp(READER, "tfrecord") == 0) mend_records((uint8_t *)part.p, part.left);
    if (part.left >= BLOCK && memcmp(part.p + 257, "ustar", 5) == 0) mend_tar((uint8_t *)part.p, part.left);
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 != 1) mend_parts(data, size);
  return size;
}

/* ---- one input ---- */

static int64_t write_files(const char *paths[MOST_FILES], fuzz_bytes *left) {
  int64_t count = 0;
  do {
    char name[32];
    const fuzz_bytes part = fuzz_part(left);
    snprintf(name, sizeof name, "input%ld", (long)count);
    const char *path = fuzz_path(name);
    scratch_write(path, part.p, part.left);
    /* The imagenet reader knows the development kit by its name. */
    if (count > 0 && cvy_is_archive(path)) {
      const char *kit = fuzz_path("devkit");
      FUZZ_CHECK(rename(path, kit) == 0);
      path = kit;
    }
    paths[count++] = path;
  } while (left->left > 0 && count < MOST_FILES);
  return count;
}

static void go_through(const cvy_reader *reader, cvy_source *source) {
  cvy_record record;
  cvy_source second = {0};
  FUZZ_CHECK(source->count >= 0 && source->class_count > 0);
  for (int64_t k = 0; k < source->class_count && k < 1000; k++)
    FUZZ_CHECK(strlen(source->class_names[k]) > 0);
  if (source->count == 0) return; /* an archive may have empty classes alone */
  const int64_t count = source->count < MOST_RECORDS ? source->count : MOST_RECORDS;
  for (int64_t i = 0; i < count; i++) {
    const int64_t index = i % 2 ? source->count - 1 - i / 2 : i / 2;
    if (reader->read(&record, source, index)) continue;
    FUZZ_CHECK(record.label >= 0 && record.label < source->class_count);
    FUZZ_CHECK(record.name && strlen(record.name) > 0);
    FUZZ_CHECK(record.image.h > 0 && record.image.w > 0 && record.image.c == source->c);
  }
  if (!reader->again) return;
  reader->again(&second, source);
  second.bytes_only = true;
  if (!reader->read(&record, &second, 0))
    FUZZ_CHECK(record.encoded || record.encoded_bytes == 0 || record.image.px);
  reader->close(&second);
}

static void make_pictures(void) {
  static const uint8_t red[3] = {220, 20, 30};
  write_picture(fuzz_path("a.jpg"), true, 9, 14, red);
  write_picture(fuzz_path("b.png"), false, 6, 5, red);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool ready;
  if (!ready) make_pictures();
  ready = true;
  const cvy_reader *reader = reader_named(READER);
  const char *inputs[MOST_FILES];
  fuzz_bytes left = {data, size};
  cvy_pool *pool = cvy_pool_create();
  cvy_source source = {0};
  const int64_t count = write_files(inputs, &left);
  const int64_t h = reader->default_h, w = reader->default_w;
  const cvy_err err = reader->open(&source, configure(reader, pool, NULL, NULL), inputs, count, h, w, 1);
  if (!err) {
    go_through(reader, &source);
    reader->close(&source);
  }
  cvy_pool_destroy(pool);
  return 0;
}
