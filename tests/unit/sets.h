/* Makes small data sets in the public formats, and opens readers on them. */
#ifndef CVY_TESTS_SETS_H
#define CVY_TESTS_SETS_H

#include "prepare/prepare.h"
#include "pictures.h"
#include "scratch.h"

#include <zlib.h>

/* Each test has a folder of its own: fresh_folder() begins one, and fresh(name) is a path in it, in one of 64
 * buffers used in turn. */
static char fresh_dir[300];

static inline void fresh_folder(void) {
  static int count;
  snprintf(fresh_dir, sizeof fresh_dir, "%s/%d", scratch_folder(), ++count);
  mkdir(fresh_dir, 0777);
}

static inline const char *fresh(const char *name) {
  static char paths[64][1024];
  static int next;
  char *path = paths[next++ % 64];
  snprintf(path, sizeof paths[0], "%s/%s", fresh_dir, name);
  return path;
}

static inline void write_text(const char *name, const char *text) {
  scratch_write(fresh(name), text, strlen(text));
}

typedef struct maker {
  unsigned char bytes[1 << 16];
  size_t count;
} maker;

static inline void put(maker *m, int byte) {
  m->bytes[m->count++] = (unsigned char)byte;
}

static inline void put_u32(maker *m, uint32_t value, bool big_endian) {
  for (int i = 0; i < 4; i++) put(m, (int)(value >> (big_endian ? 24 - 8 * i : 8 * i) & 255));
}

/* Record i of these files shows (i * 7 + y * 3 + x) % 256. */
static inline void make_idx_images(maker *m, uint32_t count, uint32_t h, uint32_t w) {
  m->count = 0;
  const uint32_t head[] = {0x0803, count, h, w};
  for (int i = 0; i < 4; i++) put_u32(m, head[i], true);
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t y = 0; y < h; y++)
      for (uint32_t x = 0; x < w; x++) put(m, (int)((i * 7 + y * 3 + x) % 256));
}

/* Record i has label (i * 3 + 1) % 10. */
static inline void make_idx_labels(maker *m, uint32_t count) {
  m->count = 0;
  put_u32(m, 0x0801, true);
  put_u32(m, count, true);
  for (uint32_t i = 0; i < count; i++) put(m, (int)((i * 3 + 1) % 10));
}

/* Record i has label i % 10 and is 6+i pixels wide, 4 high: row y begins with y blank pixels, then ink. With
 * fixed_w > 0 all are that wide, and the header says so. */
static inline void make_cdb(maker *m, uint32_t count, int fixed_w) {
  memset(m, 0, sizeof *m);
  const int head[] = {2024 & 255, 2024 >> 8, 1, 2, fixed_w ? 4 : 0, fixed_w};
  for (int i = 0; i < 6; i++) put(m, head[i]);
  put_u32(m, count, false);
  for (uint32_t k = 0; k < 128; k++) put_u32(m, k < 10 ? (count + 9 - k) / 10 : 0, false);
  m->count = 1024;
  for (uint32_t i = 0; i < count; i++) {
    const int w = fixed_w ? fixed_w : 6 + (int)i;
    put(m, 0xff);
    put(m, (int)(i % 10));
    if (!fixed_w) {
      put(m, w);
      put(m, 4);
    }
    put(m, 8);
    put(m, 0);
    for (int y = 0; y < 4; y++) {
      put(m, y);
      put(m, w - y);
    }
  }
}

static inline void write_maker(const char *path, const maker *m) {
  scratch_write(path, m->bytes, m->count);
}

static inline void write_gz(const char *path, const maker *m) {
  gzFile file = gzopen(path, "wb");
  const bool written = file && gzwrite(file, m->bytes, (unsigned)m->count) == (int)m->count;
  if (!written || gzclose(file) != Z_OK) exit(1);
}

/* Makes a picture file of one colour, JPEG or PNG. */
static inline file_bytes make_picture(bool jpeg, int64_t h, int64_t w, const uint8_t rgb[3]) {
  cvy_image image = {0};
  cvy_image_resize_buffer(&image, h, w, 3);
  for (int64_t i = 0; i < h * w * 3; i++) image.px[i] = rgb[i % 3];
  const file_bytes file = jpeg ? make_jpeg(&image, 95, true)
                               : make_png(image.px, (size_t)(h * w * 3), h, w, SPNG_COLOR_TYPE_TRUECOLOR, 8,
                                          NULL);
  cvy_image_free(&image);
  return file;
}

static inline void write_picture(const char *path, bool jpeg, int64_t h, int64_t w, const uint8_t rgb[3]) {
  const file_bytes file = make_picture(jpeg, h, w, rgb);
  scratch_write(path, file.bytes, file.count);
  free(file.bytes);
}

/* Makes a folder of the classes cat and dog: three cats, two dogs, of varying size, and what is to be
 * overlooked. */
static inline void make_picture_folder(const char *name) {
  static const uint8_t red[3] = {220, 20, 30}, blue[3] = {10, 40, 200};
  char path[256];
  const char *const dirs[] = {"", "/dog", "/cat"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s%s", name, dirs[i]);
    mkdir(fresh(path), 0777);
  }
  const char *const files[] = {"/cat/b.jpg", "/cat/a.png", "/cat/c.JPEG", "/dog/2.png", "/dog/10.jpg"};
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "%s%s", name, files[i]);
    write_picture(fresh(path), !strstr(path, ".png"), 9 + i, 14 - i, i < 3 ? red : blue);
  }
  snprintf(path, sizeof path, "%s/cat/.hidden", name);
  scratch_write(fresh(path), "x", 1);
  snprintf(path, sizeof path, "%s/LICENSE.txt", name);
  scratch_write(fresh(path), "x", 1);
}

/* ---- readers ---- */

static inline const cvy_reader *reader_named(const char *name) {
  for (int64_t i = 0; i < cvy_reader_count(); i++)
    if (strcmp(cvy_reader_at(i)->kind->name, name) == 0) return cvy_reader_at(i);
  return NULL;
}

/* Makes the reader's configuration: the defaults, then option=value if `option` is not NULL. */
static inline void *configure(const cvy_reader *reader, cvy_pool *pool, const char *option,
                              const char *value) {
  void *config = cvy_pool_new(pool, reader->kind->config_bytes + 1);
  const cvy_option *table = reader->kind->options;
  if (cvy_options_defaults(config, pool, table)) return NULL;
  for (; option && table->name; table++)
    if (strcmp(table->name, option) == 0 && cvy_option_set(config, pool, table, value)) return NULL;
  return config;
}

#endif
