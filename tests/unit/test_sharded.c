/* Tests a fully connected layer split over ranks, which are threads here: it gets the same bits at any number
 * of them, within rounding of the definition in double precision. */
#include "rig.h"

#include "base/yaml.h"
#include "layer/sharded.h"
#include "net/net.h"

#include <pthread.h>

/* ---- ranks that are threads ---- */

enum { MOST_RANKS = 12 };

typedef struct setting {
  int64_t radix[4], leaves;
  int level_count;
  int64_t n, features, outputs;
} setting;

/* The ranks' world: what is sent lies open between two barriers. */
typedef struct world {
  const setting *setting;
  int64_t ranks;
  pthread_barrier_t barrier;
  struct {
    const float *out;
    int64_t stride;
  } sent[MOST_RANKS];
  const float *x, *dy, *weights; /* of all microbatches */
  float *y, *dx, *gradient;
} world;

typedef struct member {
  world *world;
  cvy_peers peers;
  float *weights;
} member;

static void swap(void *context, float *in, int64_t in_stride, const float *out, int64_t out_stride,
                 int64_t count) {
  const member *m = context;
  world *w = m->world;
  w->sent[m->peers.rank].out = out;
  w->sent[m->peers.rank].stride = out_stride;
  pthread_barrier_wait(&w->barrier);
  for (int64_t q = 0; q < w->ranks; q++)
    memcpy(in + q * in_stride, w->sent[q].out + m->peers.rank * w->sent[q].stride,
           sizeof *in * (size_t)count);
  pthread_barrier_wait(&w->barrier);
}

static void learn(void *context, const float *params, const float *gradient, int64_t count) {
  const member *m = context;
  memcpy(m->world->gradient + (params - m->weights), gradient, sizeof *gradient * (size_t)count);
}

/* Copies the member's own weights. Those of others are NaN to it. */
static float *weights_of(const member *m) {
  const setting *s = m->world->setting;
  const int64_t own = s->leaves / m->peers.count;
  const int64_t first = cvy_slice_first(&m->peers, m->peers.rank * own, s->features) * s->outputs;
  const int64_t end = cvy_slice_first(&m->peers, (m->peers.rank + 1) * own, s->features) * s->outputs;
  float *weights = array(s->features * s->outputs);
  memcpy(weights + first, m->world->weights + first, sizeof *weights * (size_t)(end - first));
  return weights;
}

static void plan_layer(cvy_layer_plan *plan, const setting *s, const cvy_peers *peers) {
  *plan = (cvy_layer_plan){.input_count = 1, .peers = peers};
  plan->x[0] = (cvy_shape){s->n, 1, 1, s->features};
  plan->y = (cvy_shape){s->n, 1, 1, s->outputs};
  CVY_CHECK(!cvy_sharded_plan(plan));
}

static void run_microbatch(const member *m, cvy_layer_call *call, int64_t microbatch) {
  const setting *s = m->world->setting;
  const world *w = m->world;
  const cvy_pass pass = {.training = true, .first_sample = microbatch * s->n};
  call->pass = &pass;
  call->x[0] = w->x + microbatch * s->n * s->features;
  call->y = w->y + microbatch * s->n * s->outputs;
  call->dy = w->dy + microbatch * s->n * s->outputs;
  call->dx[0] = w->dx + microbatch * s->n * s->features;
  call->params[0] = m->weights;
  cvy_sharded_forward(call);
  call->x[0] = NULL;
  cvy_sharded_backward(call);
}

static void *be_rank(void *context) {
  member *m = context;
  cvy_layer_plan plan;
  cvy_threads_alone();
  plan_layer(&plan, m->world->setting, &m->peers);
  cvy_layer_call call = {
      .plan = &plan,
      .kept = array_of_bytes(plan.kept_bytes),
      .scratch = array_of_bytes(cvy_aligned(plan.scratch_bytes) + plan.scratch_bytes_per_thread)};
  const int64_t own = m->world->setting->leaves / m->peers.count;
  m->weights = weights_of(m);
  for (int64_t j = 0; j < own; j++) run_microbatch(m, &call, m->peers.rank * own + j);
  free(m->weights), free(call.kept), free(call.scratch);
  return NULL;
}

/* ---- a step of all ranks ---- */

static int64_t x_count(const setting *s) {
  return s->leaves * s->n * s->features;
}

static int64_t y_count(const setting *s) {
  return s->leaves * s->n * s->outputs;
}

static void open_world(world *w, const setting *s, int64_t ranks) {
  *w = (world){.setting = s,
               .ranks = ranks,
               .x = random_array(x_count(s), 1),
               .dy = random_array(y_count(s), 2),
               .weights = random_array(s->features * s->outputs, 3),
               .y = array(y_count(s)),
               .dx = array(x_count(s)),
               .gradient = array(s->features * s->outputs)};
  member members[MOST_RANKS];
  pthread_t threads[MOST_RANKS];
  pthread_barrier_init(&w->barrier, NULL, (unsigned)ranks);
  for (int64_t i = 0; i < ranks; i++) {
    members[i] = (member){.world = w,
                          .peers = {.count = ranks,
                                    .rank = i,
                                    .leaves = s->leaves,
                                    .level_count = s->level_count,
                                    .radix = s->radix,
                                    .swap = swap,
                                    .learn = learn}};
    members[i].peers.context = &members[i];
    CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, be_rank, &members[i]) == 0);
  }
  for (int64_t i = 0; i < ranks; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&w->barrier);
}

static void close_world(world *w) {
  free((void *)w->x), free((void *)w->dy), free((void *)w->weights);
  free(w->y), free(w->dx), free(w->gradient);
}

/* c [i][j] = the sum over k of a [i*a_i + k*a_k] b [k*b_k + j*b_j]; each product and each sum rounds once, so
 * the error is at most (terms + 1) * 2^-24 of the terms' sizes, in whatever order they are added. */
typedef struct product {
  const char *what;
  const float *c, *a, *b;
  int64_t rows, columns, terms, a_i, a_k, b_k, b_j;
} product;

static void check_product(const product *p) {
  double *want = calloc((size_t)(p->rows * p->columns), sizeof *want);
  double *tolerance = calloc((size_t)(p->rows * p->columns), sizeof *tolerance);
  for (int64_t i = 0; i < p->rows; i++)
    for (int64_t k = 0; k < p->terms; k++)
      for (int64_t j = 0; j < p->columns; j++) {
        const double term = (double)p->a[i * p->a_i + k * p->a_k] * (double)p->b[k * p->b_k + j * p->b_j];
        want[i * p->columns + j] += term;
        tolerance[i * p->columns + j] += fabs(term) * (double)(p->terms + 1) * 0x1p-24;
      }
  CU_ASSERT(all_near(p->what, p->c, want, tolerance, p->rows * p->columns));
  free(want), free(tolerance);
}

static void check_definition(const world *w) {
  const setting *s = w->setting;
  const int64_t images = s->leaves * s->n, f = s->features, o = s->outputs;
  check_product(&(product){"y", w->y, w->x, w->weights, images, o, f, f, 1, o, 1});
  check_product(&(product){"dx", w->dx, w->dy, w->weights, images, f, o, o, 1, 1, o});
  check_product(&(product){"dW", w->gradient, w->x, w->dy, f, o, images, 1, f, o, 1});
}

static bool same_results(const world *a, const world *b) {
  const setting *s = a->setting;
  return same_bits(a->y, b->y, y_count(s)) && same_bits(a->dx, b->dx, x_count(s)) &&
         same_bits(a->gradient, b->gradient, s->features * s->outputs);
}

/* Slices of one width and of two, one row, more columns and rows than a block has, odd factors, none. */
static const setting settings[] = {{{2, 2, 2}, 8, 3, 3, 66, 21}, {{2, 2, 3}, 12, 3, 2, 67, 21},
                                   {{2, 2, 3}, 12, 3, 1, 12, 1}, {{2, 3, 2}, 12, 3, 5, 100, 530},
                                   {{2, 2}, 4, 2, 2, 2402, 70},  {{2, 2}, 4, 2, 2, 200, 9001},
                                   {{4}, 4, 1, 2, 41, 30},       {{0}, 1, 0, 7, 30, 20}};

static void every_number_of_ranks_gives_the_same_bits(void) {
  for (int64_t i = 0; i < CVY_COUNT(settings); i++) {
    const setting *s = &settings[i];
    world one;
    open_world(&one, s, 1);
    check_definition(&one);
    int64_t ranks = 1;
    for (int level = s->level_count - 1; level >= 0; level--) {
      world more;
      ranks *= s->radix[level];
      open_world(&more, s, ranks);
      if (!same_results(&one, &more)) printf("\n    setting %" PRId64 ", %" PRId64 " ranks\n", i, ranks);
      CU_ASSERT(same_results(&one, &more));
      close_world(&more);
    }
    close_world(&one);
  }
}

/* ---- in a network ---- */

static const int64_t radix_of_twos[] = {2, 2, 2};
static const cvy_peers two = {.count = 2, .rank = 1, .leaves = 8, .level_count = 3, .radix = radix_of_twos};

static cvy_err read_net(cvy_net **net, cvy_pool *pool, const char *text, const cvy_peers *peers) {
  cvy_yaml *root;
  CVY_TRY(cvy_yaml_parse(&root, pool, text, "n.yaml"));
  return cvy_net_create(net, root, 4, &(cvy_net_wishes){.peers = peers});
}

static void sharded_parameters_lie_behind_the_others(void) {
  const char *text = "input: [4, 4, 2]\nlayers:\n  - fc: {outputs: 20, parallel: sharded}\n  - relu\n"
                     "  - fc: {outputs: 3}\n  - softmax_loss\n";
  cvy_pool *pool = cvy_pool_create();
  cvy_net *split, *whole;
  CU_ASSERT_FATAL(!read_net(&split, pool, text, &two) && !read_net(&whole, pool, text, NULL));
  const cvy_net_info *info = cvy_net_describe(split);
  CU_ASSERT_EQUAL(info->sharded_count, 32 * 20);
  CU_ASSERT_EQUAL(info->arena_count, info->replicated_count + 32 * 20);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    CU_ASSERT_EQUAL(p->spec->sharded, i == 0);
    CU_ASSERT_EQUAL(p->offset >= info->replicated_count, p->spec->sharded);
  }
  /* The layer keeps 4 of the 8 slices of 4 rows, and dy, for the 32 images of a step. */
  CU_ASSERT_EQUAL(info->kept_bytes, sizeof(float) * 32 * (16 + 20));
  CU_ASSERT_STRING_EQUAL(info->layers[0].detail, "sharded");
  CU_ASSERT_EQUAL(cvy_net_describe(whole)->sharded_count, 0);
  CU_ASSERT_EQUAL(cvy_net_describe(whole)->kept_bytes, 0);

  cvy_net_init(split, 5), cvy_net_init(whole, 5);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(split, NULL).hex, cvy_net_hash(whole, NULL).hex);
  cvy_net_destroy(split), cvy_net_destroy(whole);
  cvy_pool_destroy(pool);
}

static void too_few_inputs_are_refused(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net;
  CU_ASSERT_EQUAL(
      read_net(&net, pool,
               "input: [1, 1, 7]\nlayers:\n  - fc: {outputs: 20, parallel: sharded}\n  - softmax_loss\n",
               &two),
      CVY_E_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(cvy_err_message(), "n.yaml:3"));
  CU_ASSERT_PTR_NOT_NULL(strstr(
      cvy_err_message(),
      "an input of 7 numbers an image cannot be split as 'parallel: sharded' does it, into one slice for "
      "each of "
      "the 8 microbatches of a step; 'parallel: replicated' would be right"));
  CU_ASSERT_EQUAL(
      read_net(&net, pool,
               "input: [1, 1, 7]\nlayers:\n  - fc: {outputs: 20, parallel: auto}\n  - softmax_loss\n", &two),
      CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_net_describe(net)->layers[0].detail, "auto: replicated");
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

/* A step has 8 times the images of a microbatch. */
static void the_model_prefers_many_weights_and_few_images(void) {
  CU_ASSERT(cvy_sharded_pays(&two, 16, 25088, 4096));   /* VGG's fc6 */
  CU_ASSERT(cvy_sharded_pays(&two, 16, 4096, 4096));    /* fc7 */
  CU_ASSERT(!cvy_sharded_pays(&two, 256, 2048, 1000));  /* ResNet-50's at batch 2048 */
  CU_ASSERT(!cvy_sharded_pays(&two, 8, 400, 84));       /* LeNet's: messages cost more */
  CU_ASSERT(!cvy_sharded_pays(&two, 1024, 4096, 4096)); /* fc7 at batch 8192 */
  const cvy_peers alone = {.count = 1, .leaves = 1, .radix = radix_of_twos};
  CU_ASSERT(!cvy_sharded_pays(&alone, 16, 25088, 4096));
  cvy_peers four = two; /* the number of ranks decides nothing, or bits would depend on it */
  four.count = 4;
  for (int64_t microbatch = 1; microbatch < 2000; microbatch += 7)
    CU_ASSERT(cvy_sharded_pays(&two, microbatch, 4096, 1000) ==
              cvy_sharded_pays(&four, microbatch, 4096, 1000));
}

SUITE("sharded", TEST(every_number_of_ranks_gives_the_same_bits),
      TEST(sharded_parameters_lie_behind_the_others), TEST(too_few_inputs_are_refused),
      TEST(the_model_prefers_many_weights_and_few_images))
