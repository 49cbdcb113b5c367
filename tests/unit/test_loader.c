/* Tests the sampler and the loader: the stream does not know about ranks, every image of an evaluation is
 * counted once, errors come out with their names, and the loader stops when told to. */
#include "pictures.h"
#include "shards.h"

#include "base/yaml.h"
#include "data/dataset.h"
#include "data/dataset_parts.h"
#include "data/loader.h"
#include "data/sampler.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

/* ---- the sampler ---- */

static void each_epoch_is_a_permutation(void) {
  static const int64_t counts[] = {1, 2, 3, 7, 64, 100, 1000, 4097};
  int *seen = malloc(sizeof *seen * 4097);
  for (int i = 0; i < CVY_COUNT(counts); i++)
    for (int64_t epoch = 0; epoch < 3; epoch++) {
      const int64_t count = counts[i];
      memset(seen, 0, sizeof *seen * 4097);
      int moved = 0, as_before = 0;
      for (int64_t place = 0; place < count; place++) {
        const cvy_sample s = cvy_sample_at(9, count, true, epoch * count + place);
        const cvy_sample next = cvy_sample_at(9, count, true, (epoch + 1) * count + place);
        CU_ASSERT_TRUE_FATAL(s.epoch == epoch && s.index >= 0 && s.index < count);
        seen[s.index]++;
        moved += s.index != place;
        as_before += s.index == next.index;
      }
      for (int64_t k = 0; k < count; k++) CU_ASSERT_EQUAL(seen[k], 1);
      if (count >= 64) CU_ASSERT(moved > count * 9 / 10 && as_before < count / 10);
    }
  free(seen);
  int other_seed = 0;
  for (int64_t p = 0; p < 1000; p++)
    other_seed += cvy_sample_at(9, 1000, true, p).index != cvy_sample_at(10, 1000, true, p).index;
  CU_ASSERT(other_seed > 950);
  const cvy_sample plain = cvy_sample_at(9, 10, false, 47);
  CU_ASSERT_TRUE(plain.epoch == 4 && plain.index == 7);
}

/* Checks one epoch in blocks: it is a permutation, whose windows hold whole blocks, all of them those that
 * the stream says they hold. */
static void check_blocks(int64_t count, const cvy_blocks *blocks, int64_t epoch) {
  static int64_t seen[5000], window_of_block[5000];
  const int64_t block = blocks->block, all = (count + block - 1) / block;
  memset(seen, 0, sizeof seen);
  for (int64_t b = 0; b < all; b++) window_of_block[b] = -1;
  cvy_shuffle_window w = {.number = -1};
  int64_t in_window = 0, blocks_in_window = 0;
  for (int64_t p = epoch * count; p < (epoch + 1) * count; p++) {
    const cvy_sample s = cvy_sample_in_blocks(9, count, blocks, p);
    const cvy_shuffle_window here = cvy_shuffle_window_at(9, count, blocks, p);
    CU_ASSERT_TRUE_FATAL(s.epoch == epoch && s.index >= 0 && s.index < count);
    CU_ASSERT_EQUAL_FATAL(seen[s.index]++, 0);
    if (here.number != w.number) {
      CU_ASSERT_TRUE(w.number < 0 || here.number == w.number + 1);
      CU_ASSERT_TRUE(here.first == p && in_window == w.count);
      w = here;
      in_window = blocks_in_window = 0;
    }
    CU_ASSERT_TRUE(here.first == w.first && here.count == w.count);
    in_window++;
    int64_t *held_by = &window_of_block[s.index / block];
    if (*held_by < 0) blocks_in_window++, *held_by = here.number;
    CU_ASSERT_EQUAL_FATAL(*held_by, here.number);
    CU_ASSERT_TRUE(blocks_in_window <= blocks->window);
  }
  CU_ASSERT_EQUAL(in_window, w.count);
}

static void each_epoch_in_blocks_is_a_permutation(void) {
  static const int64_t counts[] = {1, 2, 3, 5, 7, 8, 9, 64, 100, 255, 256, 257, 1000, 4097},
                       sizes[] = {1, 2, 3, 7, 16, 256, 5000}, windows[] = {1, 2, 3, 16, 100};
  for (int i = 0; i < CVY_COUNT(counts); i++)
    for (int j = 0; j < CVY_COUNT(sizes); j++)
      for (int k = 0; k < CVY_COUNT(windows); k++)
        for (int64_t epoch = 0; epoch < 3; epoch++)
          check_blocks(counts[i], &(cvy_blocks){sizes[j], windows[k]}, epoch);
}

/* It is a good shuffle nonetheless: over many epochs a record comes everywhere, and the short block into
 * every window. */
static void blocks_come_everywhere(void) {
  enum { COUNT = 103, EPOCHS = 2000, TENTHS = 10, WINDOWS = 4 };
  const cvy_blocks blocks = {10, 3};
  int64_t in_tenth[TENTHS] = {0}, in_window[WINDOWS] = {0}, as_before = 0;
  for (int64_t epoch = 0; epoch < EPOCHS; epoch++)
    for (int64_t i = 0; i < COUNT; i++) {
      const int64_t p = epoch * COUNT + i;
      const cvy_sample s = cvy_sample_in_blocks(4, COUNT, &blocks, p);
      in_tenth[i * TENTHS / COUNT] += s.index == 0;
      in_window[cvy_shuffle_window_at(4, COUNT, &blocks, p).number % WINDOWS] += s.index == COUNT - 1;
      as_before += s.index == cvy_sample_in_blocks(4, COUNT, &blocks, p + COUNT).index;
    }
  /* There should be 200 in each tenth, windows of 3, 3, 3 and 2 of the 11 blocks, and 1 of 103 places as
   * before. The bounds are six standard deviations. */
  for (int i = 0; i < TENTHS; i++) CU_ASSERT(in_tenth[i] > 120 && in_tenth[i] < 280);
  for (int i = 0; i < WINDOWS; i++) CU_ASSERT(llabs(in_window[i] - (i < 3 ? 545 : 364)) < 120);
  CU_ASSERT(llabs(as_before - EPOCHS) < 270);
}

/* ---- the loader ---- */

typedef struct rig {
  char *dir;
  cvy_pool *pool;
  cvy_dataset *dataset;
  cvy_augment *augment;
  cvy_loader_config config;
} rig;

static const char *const everything_on =
    "[{pad: {by: 1, fill: 7}}, {crop: {size: [7, 6]}}, mirror, {translate: {by: 2}}]";

/* Makes raw images of 8 x 7 x c, that end as 7 x 6 if `yaml` is everything_on. */
static rig make_rig(const char *name, int64_t count, int64_t c, const char *yaml) {
  rig r = {.pool = cvy_pool_create()};
  cvy_yaml *list = NULL;
  int64_t h, w;
  r.dir = raw_dataset(name, count >= 3 ? 3 : 1, count, 8, 7, c);
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r.dataset, r.dir, "train"), CVY_OK);
  if (yaml) CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, r.pool, yaml, "recipe.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&r.augment, list, 8, 7, &h, &w), CVY_OK);
  r.config = (cvy_loader_config){.dataset = r.dataset,
                                 .augment = r.augment,
                                 .training = true,
                                 .seed = 11,
                                 .h = h,
                                 .w = w,
                                 .c = c,
                                 .microbatch = 4,
                                 .per_step = 8,
                                 .own = 8,
                                 .end_step = 5,
                                 .depth = 3,
                                 .threads = 1};
  memcpy(r.config.mean, some_mean, sizeof some_mean);
  memcpy(r.config.deviation, some_deviation, sizeof some_deviation);
  return r;
}

static void drop_rig(rig *r) {
  cvy_augment_destroy(r->augment);
  cvy_dataset_close(r->dataset);
  cvy_pool_destroy(r->pool);
  free(r->dir);
}

static cvy_loader *start(const cvy_loader_config *config) {
  cvy_loader *loader;
  const cvy_err err = cvy_loader_create(&loader, config);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  return loader;
}

/* Takes the next `count` microbatches and puts them at images, labels. */
static void take(float *images, int32_t *labels, cvy_loader *loader, const cvy_loader_config *config,
                 int64_t count) {
  const size_t floats = (size_t)(config->microbatch * config->h * config->w * config->c);
  for (int64_t i = 0; i < count; i++) {
    cvy_microbatch got;
    CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&got, loader), CVY_OK);
    CU_ASSERT_EQUAL((uintptr_t)got.images % 64, 0);
    memcpy(images + (size_t)i * floats, got.images, floats * sizeof *images);
    memcpy(labels + i * config->microbatch, got.labels, (size_t)config->microbatch * sizeof *labels);
    cvy_loader_release(loader);
  }
}

enum { ROWS = 5 * 8 * 4, FLOATS = 7 * 6 * 3 };

/* Makes the whole stream of five steps of 32 images, as `ranks` loaders with microbatches of `microbatch`
 * deliver it. */
static void stream(float *images, int32_t *labels, const rig *r, int64_t ranks, int64_t microbatch,
                   int64_t depth) {
  cvy_loader *loaders[4];
  cvy_loader_config config = r->config;
  config.microbatch = microbatch;
  config.per_step = 32 / microbatch;
  config.own = config.per_step / ranks;
  config.depth = depth;
  config.threads = 1 + (ranks + depth) % 4;
  for (int64_t rank = 0; rank < ranks; rank++) {
    config.first = rank * config.own;
    loaders[rank] = start(&config);
  }
  for (int64_t step = 0; step < 5; step++)
    for (int64_t rank = 0; rank < ranks; rank++) {
      const int64_t row = step * 32 + rank * config.own * microbatch;
      take(images + row * FLOATS, labels + row, loaders[rank], &config, config.own);
    }
  for (int64_t rank = 0; rank < ranks; rank++) cvy_loader_destroy(loaders[rank]);
}

static void the_stream_knows_no_ranks(void) {
  static float one[ROWS * FLOATS], many[ROWS * FLOATS];
  static int32_t labels_of_one[ROWS], labels[ROWS];
  static const int64_t splits[][3] = {{1, 4, 2}, {2, 8, 2}, {2, 2, 7}, {4, 8, 3}, {4, 1, 2}, {1, 32, 2}};
  rig r = make_rig("stream", 50, 3, everything_on);
  stream(one, labels_of_one, &r, 1, 8, 4);
  for (int i = 0; i < CVY_COUNT(splits); i++) {
    memset(many, 0, sizeof many);
    stream(many, labels, &r, splits[i][0], splits[i][1], splits[i][2]);
    CU_ASSERT_EQUAL(memcmp(many, one, sizeof one), 0);
    CU_ASSERT_EQUAL(memcmp(labels, labels_of_one, sizeof labels), 0);
  }
  int32_t expected;
  for (int64_t p = 0; p < ROWS; p++) {
    expected = label_of_record(cvy_sample_at(11, 50, true, p).index);
    CU_ASSERT_EQUAL(labels_of_one[p], expected);
  }
  r.config.seed = 12;
  stream(many, labels, &r, 1, 8, 4);
  CU_ASSERT_NOT_EQUAL(memcmp(many, one, sizeof one), 0);
  drop_rig(&r);
}

static void a_stream_in_blocks_knows_no_ranks(void) {
  static float one[ROWS * FLOATS], many[ROWS * FLOATS];
  static int32_t labels_of_one[ROWS], labels[ROWS];
  static const int64_t splits[][3] = {{2, 8, 2}, {4, 8, 3}, {4, 1, 2}};
  rig r = make_rig("blocks", 50, 3, everything_on);
  r.config.shuffle = CVY_SHUFFLE_BLOCK;
  r.config.blocks = (cvy_blocks){4, 3};
  stream(one, labels_of_one, &r, 1, 8, 4);
  for (int i = 0; i < CVY_COUNT(splits); i++) {
    memset(many, 0, sizeof many);
    stream(many, labels, &r, splits[i][0], splits[i][1], splits[i][2]);
    CU_ASSERT_EQUAL(memcmp(many, one, sizeof one), 0);
    CU_ASSERT_EQUAL(memcmp(labels, labels_of_one, sizeof labels), 0);
  }
  for (int64_t p = 0; p < ROWS; p++)
    CU_ASSERT_EQUAL(labels_of_one[p],
                    label_of_record(cvy_sample_in_blocks(11, 50, &r.config.blocks, p).index));
  for (r.config.first_step = 1; r.config.first_step < 5; r.config.first_step++) {
    const int64_t steps = 5 - r.config.first_step, from = r.config.first_step * 32;
    cvy_loader *loader = start(&r.config);
    take(many, labels, loader, &r.config, steps * 8);
    cvy_loader_destroy(loader);
    CU_ASSERT_EQUAL(memcmp(many, one + from * FLOATS, sizeof(float) * (size_t)(steps * 32 * FLOATS)), 0);
  }
  r.config.first_step = 0;
  r.config.shuffle = CVY_SHUFFLE_NONE; /* the images are still augmented */
  stream(one, labels_of_one, &r, 2, 8, 4);
  for (int64_t p = 0; p < ROWS; p++) CU_ASSERT_EQUAL(labels_of_one[p], label_of_record(p % 50));
  drop_rig(&r);
}

/* JPEGs of 50 sizes go through all augmentations that there are. */
static const char *const whole_chapter =
    "[{scale_jitter: {from: 20, to: 30}}, {random_resized_crop: {size: [14, 12]}}, mirror,"
    " {rotate: {by: 30}},"
    " {shear: {by: 0.2}}, {stretch: {by: 1.3}}, {zoom: {by: 1.3, fill: reflect}}, {lens: {by: 0.2}},"
    " {elastic: {by: 1, cell: 4}}, {translate: {by: 2, fill: nearest}}, "
    "{colour_jitter: {brightness: 0.4, contrast: 0.4,"
    " saturation: 0.4, hue: 0.1}}, pca_colour, {colour_shift: {by: 9}},"
    " {sometimes: {apply: [grey: {probability: 0.5}]}},"
    " {one_of: {apply: [{gaussian_noise: {deviation: 4}}, {cutout: {size: 3}}]}}, {crop: {size: [7, 6]}}]";

static void make_encoded(rig *r, const char *name) {
  enum { COUNT = 50 };
  cvy_image image = {0};
  *r = make_rig(name, COUNT, 3, NULL);
  cvy_dataset_close(r->dataset);
  cvy_augment_destroy(r->augment);
  cvy_shard_config config = raw_config(r->dir, "train", 3, 0, 0, 3);
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, COUNT);
  for (int64_t i = 0; i < COUNT; i++) {
    const int64_t h = 24 + i, w = 64 - i;
    cvy_image_resize_buffer(&image, h, w, 3);
    for (int64_t p = 0; p < h * w * 3; p++)
      image.px[p] = (uint8_t)(128 + 90 * sin(0.01 * (double)(p * (i + 3)) + 0.3 * (double)i));
    const file_bytes file = make_jpeg(&image, 80, false);
    CU_ASSERT_EQUAL_FATAL(set_add(&set, file.bytes, file.count, label_of_record(i)), CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_image_free(&image);
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r->dataset, r->dir, "train"), CVY_OK);
  cvy_yaml *list;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, r->pool, whole_chapter, "recipe.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&r->augment, list, 0, 0, &r->config.h, &r->config.w), CVY_OK);
  r->config.dataset = r->dataset;
  r->config.augment = r->augment;
}

static void the_whole_chapter_knows_no_ranks_and_threads(void) {
  static float one[ROWS * FLOATS], many[ROWS * FLOATS];
  static int32_t labels_of_one[ROWS], labels[ROWS];
  static const int64_t splits[][3] = {{2, 8, 2}, {2, 2, 7}, {4, 8, 3}, {4, 1, 2}};
  rig r;
  make_encoded(&r, "chapter");
  CU_ASSERT_TRUE_FATAL(r.config.h == 7 && r.config.w == 6);
  stream(one, labels_of_one, &r, 1, 8, 4);
  for (int i = 0; i < CVY_COUNT(splits); i++) {
    memset(many, 0, sizeof many);
    stream(many, labels, &r, splits[i][0], splits[i][1], splits[i][2]);
    CU_ASSERT_EQUAL(memcmp(many, one, sizeof one), 0);
    CU_ASSERT_EQUAL(memcmp(labels, labels_of_one, sizeof labels), 0);
  }
  /* An image of a later epoch is another one. */
  int64_t same = 0;
  for (int64_t p = 50; p < ROWS; p++)
    for (int64_t q = 0; q < 50; q++)
      same += cvy_sample_at(11, 50, true, p).index == cvy_sample_at(11, 50, true, q).index &&
              memcmp(one + p * FLOATS, one + q * FLOATS, sizeof(float) * FLOATS) == 0;
  CU_ASSERT_EQUAL(same, 0);
  drop_rig(&r);
}

/* ---- what is kept in memory ---- */

/* Checks that two epochs and more, without keeping and with, give the same bits, whatever fits. */
static void check_keeping(rig *r, cvy_keep keep, const size_t memory[], int count) {
  static float one[ROWS * FLOATS], many[ROWS * FLOATS];
  static int32_t labels_of_one[ROWS], labels[ROWS];
  stream(one, labels_of_one, r, 1, 8, 4);
  for (int i = 0; i < count; i++) {
    cvy_dataset *dataset;
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, r->dir, "train"), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_keep(dataset, keep, memory[i]), CVY_OK);
    r->config.dataset = dataset;
    for (int64_t ranks = 2; ranks <= 4; ranks += 2) {
      memset(many, 0, sizeof many);
      stream(many, labels, r, ranks, 4, 3);
      CU_ASSERT_EQUAL(memcmp(many, one, sizeof one), 0);
      CU_ASSERT_EQUAL(memcmp(labels, labels_of_one, sizeof labels), 0);
    }
    const cvy_kept kept = cvy_dataset_kept(dataset);
    CU_ASSERT_TRUE(kept.bytes <= kept.limit_bytes && kept.limit_bytes <= memory[i]);
    CU_ASSERT(kept.entries > 0);
    if (i == 0) CU_ASSERT(kept.entries >= 50); /* all of them, perhaps at several scales */
    if (i > 0) CU_ASSERT(kept.entries < 50);
    cvy_dataset_close(dataset);
  }
  r->config.dataset = r->dataset;
}

static void kept_records_are_the_same(void) {
  static const size_t memory[] = {1 << 24, 5000}, of_jpegs[] = {1 << 24, 30000};
  rig r = make_rig("kept", 50, 3, everything_on);
  check_keeping(&r, CVY_KEEP_RECORDS, memory, CVY_COUNT(memory));
  check_keeping(&r, CVY_KEEP_PICTURES, memory, CVY_COUNT(memory));
  CU_ASSERT_EQUAL(cvy_dataset_keep(r.dataset, CVY_KEEP_RECORDS, 300), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "not even enough for a list of the records"));
  drop_rig(&r);
  make_encoded(&r, "kept-jpegs");
  check_keeping(&r, CVY_KEEP_RECORDS, of_jpegs, CVY_COUNT(of_jpegs));
  check_keeping(&r, CVY_KEEP_PICTURES, (const size_t[]){1 << 24, 60000}, 2);
  drop_rig(&r);
}

/* Makes noise in all the forms that files have: 4:2:0, 4:4:4, grey, PNG. Some are large enough to be looked
 * at at every scale. */
static file_bytes noisy_file(int64_t i) {
  cvy_image image = {0};
  const int64_t c = i % 4 == 2 ? 1 : 3;
  cvy_image_resize_buffer(&image, i % 5 ? 190 + 7 * i : 511, i % 3 ? 240 - 5 * i : 600, c);
  cvy_random where = {.seed = 5, .purpose = CVY_FOR_TEST, .sample = (uint32_t)i};
  const int64_t samples = image.h * image.w * c;
  for (int64_t k = 0; k < samples; k++) image.px[k] = (uint8_t)cvy_random_next(&where);
  file_bytes file;
  if (i % 4 == 0) {
    void *bytes;
    size_t count;
    CU_ASSERT_EQUAL_FATAL(cvy_image_encode(&bytes, &count, &image, 90), CVY_OK);
    file = (file_bytes){bytes, count};
  } else if (i % 4 == 3) {
    file = make_png(image.px, (size_t)samples, image.h, image.w, SPNG_COLOR_TYPE_TRUECOLOR, 8, NULL);
  } else {
    file = make_jpeg(&image, 90, false);
  }
  cvy_image_free(&image);
  return file;
}

static void kept_pictures_look_the_same_from_anywhere(void) {
  enum { COUNT = 16, STEPS = 10, OUT = 12 * 16 * 3 };
  static const char longest[] =
      "[{random_resized_crop: {size: [40, 50], least_area: 0.01}}, {rotate: {by: 30}}, {shear: {by: 0.2}},"
      " {translate: {by: 4, fill: reflect}}, {crop: {size: [12, 16]}}]";
  static const char *const chains[] = {
      "[{random_resized_crop: {size: [12, 16], least_area: 0.0005}}, mirror]", longest,
      "[{random_resized_crop: {size: [12, 16], least_area: 0.1}}, {rotate: {by: 30}}]"};
  static float plain[STEPS * COUNT * OUT], kept[STEPS * COUNT * OUT];
  int32_t labels[STEPS * COUNT];
  rig r = make_rig("noisy", 3, 3, NULL);
  int64_t h, w;
  cvy_shard_config config = raw_config(r.dir, "noisy", 2, 0, 0, 3);
  config.encoding = CVY_ENCODED;
  set_writer set = set_begin(&config, COUNT);
  for (int64_t i = 0; i < COUNT; i++) {
    const file_bytes file = noisy_file(i);
    CU_ASSERT_EQUAL_FATAL(set_add(&set, file.bytes, file.count, 0), CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  for (int i = 0; i < CVY_COUNT(chains) * 2; i++) {
    cvy_yaml *list;
    cvy_loader_config stream = r.config;
    CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&stream.dataset, r.dir, "noisy"), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&list, r.pool, chains[i / 2], "r"), CVY_OK);
    cvy_augment *augment;
    CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&augment, list, 0, 0, &h, &w), CVY_OK);
    if (i % 2) CU_ASSERT_EQUAL_FATAL(cvy_dataset_keep(stream.dataset, CVY_KEEP_PICTURES, 32 << 20), CVY_OK);
    stream.augment = augment;
    stream.h = h, stream.w = w;
    stream.threads = 2;
    stream.per_step = stream.own = COUNT / stream.microbatch;
    stream.end_step = STEPS;
    cvy_loader *loader = start(&stream);
    take(i % 2 ? kept : plain, labels, loader, &stream, STEPS * stream.own);
    cvy_loader_destroy(loader);
    if (i % 2) {
      int64_t differ = 0;
      for (int64_t k = 0; k < STEPS * COUNT; k++)
        differ += memcmp(plain + k * OUT, kept + k * OUT, sizeof(float) * OUT) != 0;
      CU_ASSERT_EQUAL(differ, 0);
      CU_ASSERT(cvy_dataset_kept(stream.dataset).entries > COUNT);
    }
    cvy_augment_destroy(augment);
    cvy_dataset_close(stream.dataset);
  }
  drop_rig(&r);
}

/* Once it was read, the file is no more needed; what was never whole is not kept. */
static void kept_records_are_not_read_again(void) {
  static float images[26 * 4 * 8 * 7 * 3];
  int32_t labels[26 * 4];
  rig r = make_rig("kept-once", 50, 3, NULL);
  r.config.h = 8, r.config.w = 7;
  r.config.skips_bad = true;
  r.config.shuffle = CVY_SHUFFLE_NONE;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_keep(r.dataset, CVY_KEEP_RECORDS, 1 << 20), CVY_OK);
  r.dataset->files[0].checksums[5] ^= 1;
  cvy_loader *loader = start(&r.config);
  take(images, labels, loader, &r.config, 13); /* 52 */
  cvy_loader_destroy(loader);
  CU_ASSERT_EQUAL(cvy_dataset_kept(r.dataset).entries, 49);
  for (int64_t i = 0; i < 3; i++) {
    cvy_dataset_file *file = &r.dataset->files[i];
    for (int64_t k = 0; k < file->count; k++) file->checksums[k] ^= 2;
  }
  loader = start(&r.config);
  for (int64_t i = 0; i < 12; i++) {
    cvy_microbatch m;
    CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&m, loader), CVY_OK);
    CU_ASSERT_EQUAL(m.skipped, i == 1);
    cvy_loader_release(loader);
  }
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

/* The run's error is that of the first bad record in the stream, whatever the number of threads. Or else the
 * next record takes its place. */
static void bad_records_end_the_stream_or_are_skipped(void) {
  rig r = make_rig("bad", 50, 3, NULL);
  r.config.training = false;
  r.config.h = 8, r.config.w = 7;
  r.dataset->files[0].checksums[5] ^= 1, r.dataset->files[0].checksums[6] ^= 1;
  float images[4 * 8 * 7 * 3];
  int32_t labels[4];
  for (r.config.threads = 1; r.config.threads <= 4; r.config.threads++) {
    cvy_microbatch m;
    cvy_loader *loader = start(&r.config);
    take(images, labels, loader, &r.config, 1);
    CU_ASSERT_EQUAL(cvy_loader_next(&m, loader), CVY_E_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "record 5: checksum"));
    cvy_loader_destroy(loader);
    r.config.skips_bad = true;
    loader = start(&r.config);
    for (int64_t k = 0; k < 3; k++) {
      CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&m, loader), CVY_OK);
      CU_ASSERT_EQUAL(m.skipped, k == 1 ? 3 : 0); /* record 5 by two, record 6 by one */
      for (int64_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(m.records[i], k == 1 && (i == 1 || i == 2) ? 7 : 4 * k + i);
      if (k == 1) memcpy(images, m.images, sizeof images), memcpy(labels, m.labels, sizeof labels);
      cvy_loader_release(loader);
    }
    for (int64_t i = 0; i < 4; i++) {
      const int64_t from = i == 1 || i == 2 ? 7 : 4 + i;
      CU_ASSERT_EQUAL(labels[i], label_of_record(from));
      CU_ASSERT_EQUAL(images[i * 8 * 7 * 3],
                      ((float)sample_of(from, 0, 0, 0) - some_mean[0]) / some_deviation[0]);
    }
    cvy_loader_destroy(loader);
    r.config.skips_bad = false;
  }
  drop_rig(&r);
}

static void a_resumed_stream_goes_on(void) {
  static float whole[ROWS * FLOATS], rest[ROWS * FLOATS];
  static int32_t labels[ROWS], labels_of_rest[ROWS];
  rig r = make_rig("resume", 50, 3, everything_on);
  stream(whole, labels, &r, 1, 4, 3);
  r.config.first_step = 3;
  cvy_loader *loader = start(&r.config);
  take(rest, labels_of_rest, loader, &r.config, 2 * 8);
  cvy_loader_destroy(loader);
  CU_ASSERT_EQUAL(memcmp(rest, whole + 3 * 32 * FLOATS, sizeof(float) * 2 * 32 * FLOATS), 0);
  CU_ASSERT_EQUAL(memcmp(labels_of_rest, labels + 3 * 32, sizeof(int32_t) * 64), 0);
  drop_rig(&r);
}

static void normalised_samples(void) {
  rig r = make_rig("samples", 13, 3, NULL);
  r.config.training = false;
  cvy_loader *loader = start(&r.config);
  float images[4 * 8 * 7 * 3];
  int32_t labels[4];
  take(images, labels, loader, &r.config, 1);
  for (int64_t i = 0, at = 0; i < 4; i++)
    for (int64_t y = 0; y < 8; y++)
      for (int64_t x = 0; x < 7; x++)
        for (int64_t k = 0; k < 3; k++, at++)
          CU_ASSERT_EQUAL(images[at], ((float)sample_of(i, y, x, k) - some_mean[k]) / some_deviation[k]);
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

/* At 1, 2 and 3 ranks, 26 images in batches of 12 come once each, in three steps, with ten rows of
 * padding. */
static void evaluation_counts_every_image_once(void) {
  enum { COUNT = 26, FLOATS_OF_ONE = 7 * 6 };
  static float images[12 * FLOATS_OF_ONE], first_seen[COUNT][FLOATS_OF_ONE];
  rig r = make_rig("evaluation", COUNT, 1, everything_on);
  r.config.training = false;
  r.config.per_step = 3;
  r.config.end_step = 3;
  for (int64_t ranks = 1; ranks <= 3; ranks += 2) {
    int seen[COUNT] = {0}, padding = 0;
    r.config.own = 3 / ranks;
    for (int64_t rank = 0; rank < ranks; rank++) {
      r.config.first = rank * r.config.own;
      cvy_loader *loader = start(&r.config);
      for (int64_t step = 0; step < 3; step++) {
        int32_t labels[12];
        take(images, labels, loader, &r.config, r.config.own);
        for (int64_t i = 0; i < r.config.own * 4; i++) {
          const int64_t index = step * 12 + r.config.first * 4 + i;
          const float *image = images + i * FLOATS_OF_ONE;
          float largest = 0;
          for (int p = 0; p < FLOATS_OF_ONE; p++) largest = fmaxf(largest, fabsf(image[p]));
          if (labels[i] < 0) {
            padding++;
            CU_ASSERT_TRUE(labels[i] == -1 && largest == 0 && index >= COUNT);
            continue;
          }
          CU_ASSERT_TRUE_FATAL(index < COUNT && labels[i] == label_of_record(index) && largest > 0);
          seen[index]++;
          if (ranks == 1) memcpy(first_seen[index], image, sizeof first_seen[0]);
          CU_ASSERT_EQUAL(memcmp(first_seen[index], image, sizeof first_seen[0]), 0);
        }
      }
      cvy_loader_destroy(loader);
    }
    for (int i = 0; i < COUNT; i++) CU_ASSERT_EQUAL(seen[i], 1);
    CU_ASSERT_EQUAL(padding, 36 - COUNT);
  }
  drop_rig(&r);
}

static void float_images_keep_their_values(void) {
  enum { N = 6, H = 4, W = 5, C = 3 };
  static float samples[N * C * H * W];
  int64_t labels[N], dims[] = {N, C, H, W}, count = N, h, w;
  for (int i = 0; i < N * C * H * W; i++) samples[i] = (float)i * 0.37f - 20;
  for (int i = 0; i < N; i++) labels[i] = i;
  char *path = cvy_format("%s/floats.h5", scratch_folder());
  cvy_h5 *h5;
  CU_ASSERT_EQUAL_FATAL(cvy_h5_create(&h5, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write(h5, "images", CVY_H5_F32, samples, 4, dims), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_write(h5, "labels", CVY_H5_I64, labels, 1, &count), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_h5_close(h5), CVY_OK);
  rig r = {.pool = cvy_pool_create(), .dir = path};
  cvy_yaml *list;
  cvy_log_enable(false);
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r.dataset, path, "train"), CVY_OK);
  cvy_log_enable(true);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_parse(&list, r.pool, "[{pad: {by: 1, fill: mean}}, {crop: {size: [4, 5]}}]", "r"), 0);
  CU_ASSERT_EQUAL_FATAL(cvy_augment_create(&r.augment, list, H, W, &h, &w), CVY_OK);
  r.config = (cvy_loader_config){.dataset = r.dataset,
                                 .augment = r.augment,
                                 .h = H,
                                 .w = W,
                                 .c = C,
                                 .microbatch = N,
                                 .per_step = 1,
                                 .own = 1,
                                 .end_step = 1,
                                 .depth = 2,
                                 .threads = 1,
                                 .mean = {1.5f, -2, 3},
                                 .deviation = {2, 3, 0.7f}};
  static float images[N * H * W * C];
  int32_t got_labels[N];
  cvy_loader *loader = start(&r.config);
  take(images, got_labels, loader, &r.config, 1);
  bool same = true;
  for (int64_t i = 0, at = 0; i < N; i++)
    for (int64_t y = 0; y < H; y++)
      for (int64_t x = 0; x < W; x++)
        for (int64_t k = 0; k < C; k++, at++)
          same = same && images[at] == (samples[((i * C + k) * H + y) * W + x] - r.config.mean[k]) /
                                           r.config.deviation[k];
  CU_ASSERT_TRUE(same);
  CU_ASSERT_EQUAL(got_labels[5], 5);
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

/* ---- errors ---- */

static void refused_at_creation(void) {
  rig r = make_rig("refused", 20, 1, NULL);
  cvy_loader *loader;
  cvy_loader_config config = r.config;
  config.h = 9;
  CU_ASSERT_EQUAL(cvy_loader_create(&loader, &config), CVY_E_INPUT);
  CU_ASSERT_PTR_NULL(loader);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "images that end as 8x7; the network takes 9x7"));
  config = r.config;
  config.c = 3;
  config.deviation[1] = config.deviation[2] = 1;
  CU_ASSERT_EQUAL(cvy_loader_create(&loader, &config), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "images of 1 channels; the network takes 3"));
  config = r.config;
  config.deviation[0] = 0;
  CU_ASSERT_EQUAL(cvy_loader_create(&loader, &config), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "expected a deviation above 0"));
  config = r.config;
  config.end_step = config.first_step;
  loader = start(&config); /* nothing to do is allowed */
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

/* Microbatches before the damaged one arrive. Then comes the error, again and again. */
static void a_damaged_record(void) {
  enum { COUNT = 30, BAD = 22 };
  char *dir = raw_dataset("damaged", 1, COUNT, 8, 7, 1),
       *path = cvy_format("%s/train-00000-of-00001.h5", dir);
  uint8_t record[56];
  size_t bytes;
  char *whole = scratch_read(path, &bytes);
  fill_record(record, BAD, 8, 7, 1);
  for (size_t i = 0; i + 56 <= bytes; i++)
    if (memcmp(whole + i, record, 56) == 0) whole[i + 3] ^= 16;
  scratch_write(path, whole, bytes);
  rig r = make_rig("damaged-rig", 20, 1, NULL);
  cvy_dataset *good = r.config.dataset;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r.config.dataset, path, "train"), CVY_OK);
  r.config.training = false;
  cvy_loader *loader = start(&r.config);
  float images[5 * 4 * 56];
  int32_t labels[20];
  cvy_microbatch got;
  take(images, labels, loader, &r.config, BAD / 4);
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_EQUAL(cvy_loader_next(&got, loader), CVY_E_INPUT);
    CU_ASSERT_PTR_NULL(got.images);
    CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "damaged/train-00000-of-00001.h5: record 22: checksum"));
    (void)!cvy_error(CVY_E_RUN, "something else");
  }
  cvy_loader_destroy(loader);
  cvy_dataset_close(r.config.dataset);
  r.config.dataset = good;
  drop_rig(&r);
  free(whole);
  free(path);
  free(dir);
}

static cvy_dataset *jpegs_of_two_sizes(void) {
  char *dir = cvy_format("%s/jpegs", scratch_folder());
  cvy_shard_config config = raw_config(dir, "train", 1, 0, 0, 3);
  config.encoding = CVY_ENCODED;
  cvy_image image = {0};
  set_writer set = set_begin(&config, 6);
  for (int i = 0; i < 6; i++) {
    paint(&image, i == 5 ? 20 : 16, 24, i % 2 ? 1 : 3);
    const file_bytes file = make_jpeg(&image, 90, false);
    CU_ASSERT_EQUAL_FATAL(set_add(&set, file.bytes, file.count, 1), CVY_OK);
    free(file.bytes);
  }
  CU_ASSERT_EQUAL_FATAL(set_finish(&set, some_mean, some_deviation), CVY_OK);
  cvy_dataset *dataset;
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&dataset, dir, "train"), CVY_OK);
  cvy_image_free(&image);
  free(dir);
  return dataset;
}

static void encoded_images(void) {
  cvy_dataset *dataset = jpegs_of_two_sizes();
  cvy_loader_config config = {.dataset = dataset,
                              .h = 16,
                              .w = 24,
                              .c = 3,
                              .microbatch = 2,
                              .per_step = 1,
                              .own = 1,
                              .end_step = 3,
                              .depth = 2,
                              .threads = 1,
                              .deviation = {1, 1, 1}};
  static float images[2 * 2 * 16 * 24 * 3];
  int32_t labels[4];
  cvy_microbatch got;
  cvy_loader *loader = start(&config);
  take(images, labels, loader, &config, 2);
  const float *grey = images + 16 * 24 * 3;
  for (int i = 0; i < 16 * 24; i++)
    CU_ASSERT_TRUE(grey[3 * i] == grey[3 * i + 1] && grey[3 * i] == grey[3 * i + 2]);
  CU_ASSERT_EQUAL(cvy_loader_next(&got, loader), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(
      cvy_err_message(), "00001.h5: record 5: an image that ends as 20x24x3; the network takes 16x24x3"));
  cvy_loader_destroy(loader);
  config.c = 1;
  loader = start(&config);
  take(images, labels, loader, &config, 2);
  cvy_loader_destroy(loader);
  config.c = 2;
  CU_ASSERT_EQUAL(cvy_loader_create(&loader, &config), CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "can be decoded to 1 or 3 channels"));
  cvy_dataset_close(dataset);
}

/* ---- the thread ---- */

static void stopped_at_any_moment(void) {
  rig r = make_rig("stopped", 50, 3, everything_on);
  static float images[8 * 4 * FLOATS];
  int32_t labels[32];
  r.config.end_step = 1000000;
  for (int i = 0; i < 40; i++) {
    r.config.depth = 2 + i % 5;
    r.config.threads = 1 + i % 3;
    cvy_loader *loader = start(&r.config);
    if (i % 4 == 1) nap(0.001);
    take(images, labels, loader, &r.config, i % 7);
    const double start_s = cvy_now_s();
    cvy_loader_destroy(loader);
    CU_ASSERT(cvy_now_s() - start_s < 2.0);
  }
  cvy_loader_destroy(NULL);
  drop_rig(&r);
}

/* A microbatch that was handed out is not touched before it is given back, however far ahead the loader would
 * like to be. */
static void back_pressure(void) {
  rig r = make_rig("pressure", 50, 3, everything_on);
  cvy_microbatch held[3], one_more;
  static float copies[3][4 * FLOATS];
  cvy_loader *loader = start(&r.config);
  for (int i = 0; i < 3; i++) {
    CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&held[i], loader), CVY_OK);
    memcpy(copies[i], held[i].images, sizeof copies[i]);
  }
  nap(0.02);
  for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(memcmp(copies[i], held[i].images, sizeof copies[i]), 0);
  cvy_loader_release(loader);
  CU_ASSERT_EQUAL_FATAL(cvy_loader_next(&one_more, loader), CVY_OK);
  CU_ASSERT_PTR_EQUAL(one_more.images, held[0].images);
  CU_ASSERT_NOT_EQUAL(memcmp(copies[0], one_more.images, sizeof copies[0]), 0);
  for (int i = 1; i < 3; i++) CU_ASSERT_EQUAL(memcmp(copies[i], held[i].images, sizeof copies[i]), 0);
  CU_ASSERT(cvy_loader_waited_s(loader) >= 0 && cvy_loader_waited_s(loader) < 10);
  cvy_loader_destroy(loader);
  drop_rig(&r);
}

SUITE("loader", TEST(each_epoch_is_a_permutation), TEST(each_epoch_in_blocks_is_a_permutation),
      TEST(blocks_come_everywhere), TEST(the_stream_knows_no_ranks), TEST(a_stream_in_blocks_knows_no_ranks),
      TEST(the_whole_chapter_knows_no_ranks_and_threads), TEST(kept_records_are_the_same),
      TEST(kept_records_are_not_read_again), TEST(kept_pictures_look_the_same_from_anywhere),
      TEST(bad_records_end_the_stream_or_are_skipped), TEST(a_resumed_stream_goes_on),
      TEST(normalised_samples), TEST(evaluation_counts_every_image_once),
      TEST(float_images_keep_their_values), TEST(refused_at_creation), TEST(a_damaged_record),
      TEST(encoded_images), TEST(stopped_at_any_moment), TEST(back_pressure))
