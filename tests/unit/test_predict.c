/* Tests what a model, or several, say of pictures: that a picture becomes the numbers that it should before
 * the network sees it, what an ensemble makes of its members, and the mean of weights. */
#include "base/yaml.h"
#include "model/average.h"
#include "model/ensemble.h"

#include "scratch.h"
#include "suite.h"

#include <math.h>

enum { N = 4, MOST_CLASSES = 4 };

/* What a model is made of. Zeros stand for the usual. */
typedef struct recipe {
  const char *network, *chain;
  int64_t microbatch, h, w, shorter, c; /* h, w, shorter: of the images that it has learnt from */
  const char *const *names;
  int64_t name_count;
  uint64_t seed;
} recipe;

#define NETWORK(size, channels, outputs, loss)                                                               \
  "name: small\ninput: [" size ", " size ", " channels "]\nlayers:\n"                                        \
  "  - conv: {filters: 3, kernel: 3, padding: 1}\n  - relu\n"                                                \
  "  - fc: {outputs: " outputs "}\n  - " loss "\n"
static const char colour_network[] = NETWORK("4", "3", "3", "softmax_loss");
static const char grey_network[] = NETWORK("4", "1", "3", "softmax_loss");
static const char larger_network[] = NETWORK("6", "3", "3", "softmax_loss");
static const char pair_network[] = NETWORK("4", "3", "1", "sigmoid_loss");
static const char *const animals[] = {"cat", "dog", "owl"};

static cvy_model *make_model(const recipe *r) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *network, *chain = NULL;
  cvy_dataset_info *data = cvy_pool_new(pool, sizeof *data);
  cvy_model *model;
  *data = (cvy_dataset_info){.h = r->h,
                             .w = r->w,
                             .shorter = r->shorter,
                             .c = r->c ? r->c : 3,
                             .class_count = r->names ? r->name_count : 3,
                             .class_names = r->names ? r->names : animals,
                             .mean = {100.5f, 90, 80.25f},
                             .deviation = {50, 60.5f, 70}};
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&network, pool, r->network ? r->network : colour_network, "network"),
                        CVY_OK);
  if (r->chain) CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&chain, pool, r->chain, "chain"), CVY_OK);
  const cvy_model_spec spec = {.path = cvy_pool_format(pool, "model %d", (int)r->seed),
                               .network = network,
                               .evaluation = chain,
                               .microbatch = r->microbatch ? r->microbatch : N,
                               .data = data,
                               .top1 = -1};
  const cvy_err err = cvy_model_create(&model, pool, &spec);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  cvy_net_init(cvy_model_net(model), r->seed);
  return model;
}

static uint8_t sample_at(int64_t i) {
  return (uint8_t)(i * 37 % 251);
}

static cvy_image make_picture(int64_t h, int64_t w, int64_t c, int64_t which) {
  cvy_image image = {0};
  cvy_image_resize_buffer(&image, h, w, c);
  for (int64_t i = 0; i < h * w * c; i++) image.px[i] = sample_at(i + 11 * which);
  return image;
}

static cvy_model_picture samples_of(const cvy_image *image) {
  return (cvy_model_picture){.bytes = image->px, .h = image->h, .w = image->w, .c = image->c};
}

/* Runs the model on the samples of an image of its own size. */
static void run_by_hand(float *out, cvy_model *model, const cvy_image *image) {
  const cvy_model_info *info = cvy_model_describe(model);
  const int64_t count = info->h * info->w * info->c;
  float *x = cvy_new(sizeof *x * (size_t)count);
  CU_ASSERT_FATAL(image->h == info->h && image->w == info->w && image->c == info->c);
  for (int64_t i = 0; i < count; i++)
    x[i] = ((float)image->px[i] - info->mean[i % info->c]) / info->deviation[i % info->c];
  cvy_model_run(model, out, x, 1);
  free(x);
}

static bool same(const float *a, const float *b) {
  return memcmp(a, b, 3 * sizeof *a) == 0;
}

/* Tells whether the model says of the picture what it says of `as`, an image of its own size. */
static bool says_as_of(cvy_model *model, const cvy_model_picture *picture, const cvy_image *as) {
  float got[MOST_CLASSES], expected[MOST_CLASSES];
  const cvy_err err = cvy_model_predict(model, got, picture, 1);
  if (err) printf("\n    %s", cvy_err_message());
  CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
  run_by_hand(expected, model, as);
  return same(got, expected);
}

/* ---- one picture ---- */

static void samples_are_normalised(void) {
  cvy_model *model = make_model(&(recipe){.h = 4, .w = 4});
  cvy_image image = make_picture(4, 4, 3, 0);
  const cvy_model_picture picture = samples_of(&image);
  CU_ASSERT(says_as_of(model, &picture, &image));
  cvy_image_free(&image);
  cvy_model_close(model);
}

static void a_picture_is_scaled_to_the_size_that_was_learnt(void) {
  cvy_model *model = make_model(&(recipe){.h = 4, .w = 4});
  cvy_image image = make_picture(9, 7, 3, 1), scaled = {0};
  void *bytes;
  size_t count;
  cvy_image_scale(&scaled, &image, 4, 4);
  cvy_model_picture picture = samples_of(&image);
  CU_ASSERT(says_as_of(model, &picture, &scaled));
  CU_ASSERT_EQUAL_FATAL(cvy_image_encode_png(&bytes, &count, &image), CVY_OK);
  picture = (cvy_model_picture){.bytes = bytes, .byte_count = count};
  CU_ASSERT(says_as_of(model, &picture, &scaled));
  free(bytes);
  cvy_image_free(&image);
  cvy_image_free(&scaled);
  cvy_model_close(model);
}

/* Where the size is not known, it is the network's, if the chain leaves it as it is. */
static void an_older_model_has_learnt_from_its_own_size(void) {
  cvy_model *model = make_model(&(recipe){.chain = "[mirror]"});
  cvy_image image = make_picture(9, 7, 3, 1), scaled = {0};
  const cvy_model_picture picture = samples_of(&image);
  cvy_image_scale(&scaled, &image, 4, 4);
  CU_ASSERT(says_as_of(model, &picture, &scaled));
  cvy_image_free(&image);
  cvy_image_free(&scaled);
  cvy_model_close(model);
}

/* A picture of 18 x 12 becomes 12 x 8, of which the middle is cut out; a smaller one stays. */
static void a_larger_picture_is_scaled_to_the_shorter_side(void) {
  cvy_model *model = make_model(&(recipe){.shorter = 8, .chain = "[{centre_crop: {size: 4}}]"});
  cvy_image image = make_picture(18, 12, 3, 2), scaled = {0}, cut = make_picture(4, 4, 3, 0);
  cvy_model_picture picture = samples_of(&image);
  cvy_image_scale(&scaled, &image, 12, 8);
  for (int64_t y = 0; y < 4; y++) memcpy(cut.px + y * 12, scaled.px + ((y + 4) * 8 + 2) * 3, 12);
  CU_ASSERT(says_as_of(model, &picture, &cut));
  cvy_image_free(&image);
  image = make_picture(8, 6, 3, 3);
  picture = samples_of(&image);
  for (int64_t y = 0; y < 4; y++) memcpy(cut.px + y * 12, image.px + ((y + 2) * 6 + 1) * 3, 12);
  CU_ASSERT(says_as_of(model, &picture, &cut));
  cvy_image_free(&image);
  cvy_image_free(&scaled);
  cvy_image_free(&cut);
  cvy_model_close(model);
}

static void grey_and_colour_become_each_other(void) {
  cvy_model *colour = make_model(&(recipe){.h = 4, .w = 4});
  cvy_model *grey = make_model(&(recipe){.network = grey_network, .h = 4, .w = 4, .c = 1});
  cvy_image in_grey = make_picture(4, 4, 1, 4), in_colour = make_picture(4, 4, 3, 4);
  cvy_image luma = make_picture(4, 4, 1, 0), threefold = make_picture(4, 4, 3, 0);
  for (int64_t i = 0; i < 16; i++) {
    const uint8_t *rgb = in_colour.px + 3 * i;
    luma.px[i] = (uint8_t)lround(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
    memset(threefold.px + 3 * i, in_grey.px[i], 3);
  }
  const cvy_model_picture of_grey = samples_of(&in_grey), of_colour = samples_of(&in_colour);
  CU_ASSERT(says_as_of(colour, &of_grey, &threefold));
  CU_ASSERT(says_as_of(grey, &of_colour, &luma));
  void *bytes;
  size_t count;
  CU_ASSERT_EQUAL_FATAL(cvy_image_encode_png(&bytes, &count, &in_colour), CVY_OK);
  CU_ASSERT(says_as_of(grey, &(cvy_model_picture){.bytes = bytes, .byte_count = count}, &luma));
  free(bytes);
  cvy_image_free(&in_grey);
  cvy_image_free(&in_colour);
  cvy_image_free(&luma);
  cvy_image_free(&threefold);
  cvy_model_close(colour);
  cvy_model_close(grey);
}

/* The views of ten_crops are cut out by hand: the corners, the centre, and the mirror images of these. */
static void views_are_averaged(void) {
  static const int64_t tops[] = {0, 0, 3, 3, 1}, lefts[] = {0, 3, 0, 3, 1};
  cvy_model *model = make_model(&(recipe){.h = 7, .w = 7, .chain = "[{ten_crops: {size: 4}}]"});
  cvy_image image = make_picture(7, 7, 3, 5), cut = make_picture(4, 4, 3, 0);
  const cvy_model_picture picture = samples_of(&image);
  double sums[3] = {0};
  float got[3], p[3];
  for (int view = 0; view < 10; view++) {
    for (int64_t i = 0; i < 16; i++) {
      const int64_t x = view < 5 ? i % 4 : 3 - i % 4, y = i / 4;
      memcpy(cut.px + 3 * i, image.px + ((tops[view % 5] + y) * 7 + lefts[view % 5] + x) * 3, 3);
    }
    run_by_hand(p, model, &cut);
    for (int k = 0; k < 3; k++) sums[k] += (double)p[k];
  }
  CU_ASSERT_EQUAL_FATAL(cvy_model_predict(model, got, &picture, 1), CVY_OK);
  for (int k = 0; k < 3; k++) CU_ASSERT_DOUBLE_EQUAL((double)got[k], sums[k] / 10, 1e-6);
  cvy_image_free(&image);
  cvy_image_free(&cut);
  cvy_model_close(model);
}

static void wrong_pictures_are_named(void) {
  cvy_model *model = make_model(&(recipe){.h = 4, .w = 4});
  float p[9];
  cvy_image image = make_picture(4, 4, 3, 0);
  cvy_model_picture pictures[] = {samples_of(&image), {.bytes = "no picture", .byte_count = 10}, {0}};
  CU_ASSERT_EQUAL(cvy_model_predict(model, p, pictures, 2), CVY_E_INPUT);
  CU_ASSERT(says("picture 1: neither JPEG nor PNG"));
  pictures[1] = (cvy_model_picture){.bytes = image.px, .h = 4, .w = 4, .c = 2};
  CU_ASSERT_EQUAL(cvy_model_predict(model, p, pictures, 2), CVY_E_INPUT);
  CU_ASSERT(says("picture 1: samples of 4x4x2; expected height, width, and 1 channel (grey) or 3"));
  pictures[1] = (cvy_model_picture){.bytes = image.px, .h = INT64_MAX / 2, .w = 4, .c = 3};
  CU_ASSERT_EQUAL(cvy_model_predict(model, p, pictures, 2), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_model_predict(model, p, pictures, 1), CVY_OK); /* the model goes on */
  cvy_model_close(model);
  model = make_model(&(recipe){.shorter = 8, .chain = "[{centre_crop: {size: 4}}]"});
  pictures[0] = (cvy_model_picture){.bytes = image.px, .h = 3, .w = 4, .c = 3};
  CU_ASSERT_EQUAL(cvy_model_predict(model, p, pictures, 1), CVY_E_INPUT);
  CU_ASSERT(says("picture 0: "));
  cvy_image_free(&image);
  cvy_model_close(model);
}

static void a_chain_that_needs_the_size_asks_for_it(void) {
  cvy_preprocessor *p;
  cvy_model *model = make_model(&(recipe){.chain = "[{pad: {by: 1}}]"});
  CU_ASSERT_EQUAL(cvy_preprocessor_create(&p, model, &(cvy_preprocessor_options){0}), CVY_E_INPUT);
  CU_ASSERT(
      says("does not say to which size the pictures were scaled that it learnt from; say it with --size"));
  CU_ASSERT_PTR_NULL(p);
  CU_ASSERT_EQUAL(cvy_preprocessor_create(&p, model, &(cvy_preprocessor_options){.h = 2, .w = 2}), CVY_OK);
  cvy_preprocessor_destroy(p);
  CU_ASSERT_EQUAL(cvy_preprocessor_create(&p, model, &(cvy_preprocessor_options){.h = 3, .w = 2}),
                  CVY_E_INPUT);
  CU_ASSERT(says("its chain makes pictures 5x4 of those that are 3x2; the network takes 4x4"));
  cvy_model_close(model);
}

/* ---- many pictures ---- */

enum { FILES = 23, BROKEN = 9 };

typedef struct files {
  void *bytes[FILES];
  size_t counts[FILES];
} files;

static void make_files(files *f) {
  for (int64_t i = 0; i < FILES; i++) {
    cvy_image image = make_picture(5 + i % 4, 6 + i % 3, i % 5 ? 3 : 1, i);
    CU_ASSERT_EQUAL_FATAL(cvy_image_encode_png(&f->bytes[i], &f->counts[i], &image), CVY_OK);
    cvy_image_free(&image);
  }
  f->counts[BROKEN] /= 2;
}

static cvy_err read_file(cvy_bytes *out, const void *context, int64_t index) {
  const files *f = context;
  CVY_TRY(cvy_bytes_reserve(out, f->counts[index], "a file"));
  memcpy(out->data, f->bytes[index], f->counts[index]);
  out->count = f->counts[index];
  return CVY_OK;
}

/* What is heard of the pictures, in order. */
typedef struct heard {
  int64_t count, class_count, unread;
  double p[FILES][MOST_CLASSES];
} heard;

static void hear(void *context, const cvy_said *said) {
  heard *h = context;
  CU_ASSERT_EQUAL(said->fed->index, h->count);
  CU_ASSERT_EQUAL(said->fed->reason != NULL, h->count == BROKEN);
  h->unread += said->fed->reason != NULL;
  for (int64_t k = 0; k < h->class_count && !said->fed->reason; k++)
    h->p[h->count][k] = said->probabilities[k];
  h->count++;
}

/* Runs the ranges of `ranks` ranks, one after the other. */
static heard run_as(cvy_ensemble *e, const cvy_picture_source *source, int ranks) {
  heard h = {.class_count = cvy_ensemble_class_count(e)};
  for (int rank = 0; rank < ranks; rank++) {
    int64_t first, end;
    cvy_ensemble_share(&first, &end, e, source->count, rank, ranks);
    CU_ASSERT_EQUAL(first, h.count);
    CU_ASSERT_EQUAL_FATAL(cvy_ensemble_run(e, source, first, end, hear, &h, ""), CVY_OK);
  }
  CU_ASSERT(h.count == FILES && h.unread == 1);
  return h;
}

/* The members differ in size, microbatch and chain. */
static void an_ensemble_is_the_mean_of_its_members(void) {
  files f;
  const recipe recipes[] = {
      {.h = 4, .w = 4, .microbatch = 4, .seed = 1},
      {.network = larger_network, .chain = "[{resize: {size: 6}}]", .microbatch = 6, .seed = 2},
      {.h = 5, .w = 5, .chain = "[{ten_crops: {size: 4}}]", .microbatch = 3, .seed = 3}};
  cvy_model *models[3];
  cvy_ensemble *e;
  make_files(&f);
  const cvy_picture_source source = {.count = FILES, .read = read_file, .context = &f};
  for (int i = 0; i < 3; i++) models[i] = make_model(&recipes[i]);
  CU_ASSERT_EQUAL_FATAL(cvy_ensemble_create(&e, models, 3, &(cvy_ensemble_options){0}), CVY_OK);
  const heard one = run_as(e, &source, 1), two = run_as(e, &source, 2), five = run_as(e, &source, 5);
  CU_ASSERT(memcmp(&one, &two, sizeof one) == 0 && memcmp(&one, &five, sizeof one) == 0);
  for (int64_t i = 0; i < FILES; i++) {
    const cvy_model_picture picture = {.bytes = f.bytes[i], .byte_count = f.counts[i]};
    double sums[3] = {0};
    for (int m = 0; m < 3 && i != BROKEN; m++) {
      float p[3];
      CU_ASSERT_EQUAL_FATAL(cvy_model_predict(models[m], p, &picture, 1), CVY_OK);
      for (int k = 0; k < 3; k++) sums[k] += (double)p[k];
    }
    for (int k = 0; k < 3; k++) CU_ASSERT_DOUBLE_EQUAL(one.p[i][k], sums[k] / 3, 1e-6);
  }
  cvy_ensemble_destroy(e);
  for (int i = 0; i < 3; i++) cvy_model_close(models[i]);
  for (int64_t i = 0; i < FILES; i++) free(f.bytes[i]);
}

/* One score for two classes is the second's; another microbatch says the same but for rounding. */
static void a_pair_of_classes_has_two_probabilities(void) {
  files f;
  cvy_model *model = make_model(
      &(recipe){.network = pair_network, .h = 4, .w = 4, .names = animals, .name_count = 2});
  cvy_ensemble *e, *single;
  make_files(&f);
  const cvy_picture_source source = {.count = FILES, .read = read_file, .context = &f};
  CU_ASSERT_EQUAL_FATAL(cvy_ensemble_create(&e, &model, 1, &(cvy_ensemble_options){0}), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_ensemble_create(&single, &model, 1, &(cvy_ensemble_options){.microbatch = 1}),
                        CVY_OK);
  const heard h = run_as(e, &source, 1), s = run_as(single, &source, 3);
  for (int64_t i = 0; i < FILES; i++) {
    if (i == BROKEN) continue;
    float p[2];
    const cvy_model_picture picture = {.bytes = f.bytes[i], .byte_count = f.counts[i]};
    CU_ASSERT_EQUAL_FATAL(cvy_model_predict(model, p, &picture, 1), CVY_OK);
    for (int k = 0; k < 2; k++) {
      CU_ASSERT_DOUBLE_EQUAL(h.p[i][k], (double)p[k], 1e-6);
      CU_ASSERT_DOUBLE_EQUAL(s.p[i][k], (double)p[k], 1e-5);
    }
  }
  cvy_ensemble_destroy(e);
  cvy_ensemble_destroy(single);
  cvy_model_close(model);
  for (int64_t i = 0; i < FILES; i++) free(f.bytes[i]);
}

static cvy_err try_members(const recipe *a, const recipe *b) {
  cvy_model *models[] = {make_model(a), make_model(b)};
  cvy_ensemble *e;
  const cvy_err err = cvy_ensemble_create(&e, models, 2, &(cvy_ensemble_options){0});
  if (!err) cvy_ensemble_destroy(e);
  cvy_model_close(models[0]);
  cvy_model_close(models[1]);
  return err;
}

static void members_that_differ_are_refused(void) {
  static const char *const turned[] = {"cat", "owl", "dog"}, *const other[] = {"cat", "dog", "cow"};
  const recipe usual = {.h = 4, .w = 4, .seed = 1};
  recipe r = {.h = 4, .w = 4, .seed = 2};
  CU_ASSERT_EQUAL(try_members(&usual, &r), CVY_OK);
  r.names = turned, r.name_count = 3;
  CU_ASSERT_EQUAL(try_members(&usual, &r), CVY_E_INPUT);
  CU_ASSERT(says(
      "model 2: class 1 is 'owl', and of model 1 it is 'dog'; members need their classes in the same order"));
  r.names = other;
  CU_ASSERT_EQUAL(try_members(&usual, &r), CVY_E_INPUT);
  CU_ASSERT(says("class 2 is 'cow', and of model 1 it is 'owl'; members must tell apart the same classes"));
  r = (recipe){.network = pair_network, .names = animals, .name_count = 2, .h = 4, .w = 4, .seed = 2};
  CU_ASSERT_EQUAL(try_members(&usual, &r), CVY_E_INPUT);
  CU_ASSERT(says("model 2: tells apart 2 classes, and model 1 3"));
  r = (recipe){.network = grey_network, .c = 1, .h = 4, .w = 4, .seed = 2};
  CU_ASSERT_EQUAL(try_members(&usual, &r), CVY_E_INPUT);
  CU_ASSERT(says("model 2: takes 1 channels, and model 1 3"));
}

/* ---- the mean of weights ---- */

static cvy_hash average_of(const int seeds[3], float *first_weight) {
  cvy_model *models[3];
  for (int i = 0; i < 3; i++) models[i] = make_model(&(recipe){.h = 4, .w = 4, .seed = (uint64_t)seeds[i]});
  double sum = 0;
  for (int i = 0; i < 3; i++) sum += (double)cvy_model_tensor_at(models[i], 0).values[5];
  CU_ASSERT_EQUAL_FATAL(cvy_models_average(models, 3), CVY_OK);
  *first_weight = cvy_model_tensor_at(models[0], 0).values[5];
  CU_ASSERT_DOUBLE_EQUAL((double)*first_weight, sum / 3, 1e-7);
  const cvy_hash hash = cvy_model_weights(models[0]);
  for (int i = 0; i < 3; i++) cvy_model_close(models[i]);
  return hash;
}

static void the_mean_of_weights_does_not_know_an_order(void) {
  float a, b, c;
  const cvy_hash one = average_of((const int[]){1, 2, 3}, &a), two = average_of((const int[]){3, 1, 2}, &b);
  CU_ASSERT_STRING_EQUAL(one.hex, two.hex);
  CU_ASSERT_STRING_NOT_EQUAL(one.hex, average_of((const int[]){1, 1, 2}, &c).hex);
  CU_ASSERT_EQUAL(a, b);
}

static void weights_of_other_networks_have_no_mean(void) {
  cvy_model *models[] = {make_model(&(recipe){.seed = 1}),
                         make_model(&(recipe){.network = larger_network, .seed = 2})};
  CU_ASSERT_EQUAL(cvy_models_average(models, 2), CVY_E_INPUT);
  CU_ASSERT(says("model 2: its network is not that of model 1: it has"));
  cvy_model_close(models[0]);
  cvy_model_close(models[1]);
}

SUITE("predict", TEST(samples_are_normalised), TEST(a_picture_is_scaled_to_the_size_that_was_learnt),
      TEST(an_older_model_has_learnt_from_its_own_size), TEST(a_larger_picture_is_scaled_to_the_shorter_side),
      TEST(grey_and_colour_become_each_other), TEST(views_are_averaged), TEST(wrong_pictures_are_named),
      TEST(a_chain_that_needs_the_size_asks_for_it), TEST(an_ensemble_is_the_mean_of_its_members),
      TEST(a_pair_of_classes_has_two_probabilities), TEST(members_that_differ_are_refused),
      TEST(the_mean_of_weights_does_not_know_an_order), TEST(weights_of_other_networks_have_no_mean))
