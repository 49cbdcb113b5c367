/* Tests that the layer is found in which a value is first infinite or NaN, and that looking for it changes
 * nothing. */
#include "suite.h"

#include "arrays.h"
#include "base/yaml.h"
#include "net/net.h"

#include <math.h>

enum { IMAGES = 3 };

static const char text[] = "input: [6, 6, 2]\nlayers:\n"
                           "  - conv: {filters: 4, kernel: 3}\n"
                           "  - batch_norm\n"
                           "  - relu\n"
                           "  - max_pool: {kernel: 2}\n"
                           "  - dropout: {rate: 0.3}\n"
                           "  - fc: {outputs: 7}\n"
                           "  - relu\n"
                           "  - fc: {outputs: 4}\n"
                           "  - softmax_loss\n";

typedef struct walk {
  cvy_pool *pool;
  cvy_net *net;
  const cvy_net_info *info;
  float *images, *grads;
  cvy_targets targets;
  cvy_pass pass;
} walk;

static const int32_t labels[IMAGES] = {0, 3, 1};

static walk set_up(void) {
  walk w = {.pool = cvy_pool_create(),
            .targets = {.labels = labels},
            .pass = {.training = true, .seed = 3, .step = 5, .loss_scale = 1}};
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, w.pool, text, "network"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&w.net, root, IMAGES, NULL), CVY_OK);
  cvy_net_init(w.net, 1);
  w.info = cvy_net_describe(w.net);
  w.images = random_array(cvy_shape_count(w.info->input), 1);
  w.grads = calloc((size_t)w.info->arena_count, sizeof *w.grads);
  return w;
}

static void tear_down(walk *w) {
  cvy_net_destroy(w->net);
  cvy_pool_destroy(w->pool);
  free(w->images), free(w->grads);
}

static float *first_of(const walk *w, const char *param) {
  for (int64_t i = 0; i < w->info->param_tensors; i++)
    if (strcmp(w->info->params[i].name, param) == 0)
      return cvy_net_params(w->net) + w->info->params[i].offset;
  CU_FAIL_FATAL("no such parameter");
  return NULL;
}

static void expect(walk *w, cvy_net_fault_kind kind, const char *layer) {
  cvy_net_forward(w->net, w->images, &w->targets, &w->pass);
  const cvy_net_fault found = cvy_net_find_fault(w->net, w->grads, w->images, &w->targets, &w->pass);
  CU_ASSERT_EQUAL(found.kind, kind);
  if (layer)
    CU_ASSERT_STRING_EQUAL(found.layer < 0 ? "none" : w->info->layers[found.layer].name, layer)
  else
    CU_ASSERT_EQUAL(found.layer, -1);
  tear_down(w);
}

static void outputs_are_looked_at_in_order(void) {
  walk w = set_up();
  first_of(&w, "fc1/weights")[0] = 3e38f;
  first_of(&w, "fc1/weights")[7] = 3e38f;
  first_of(&w, "fc1/bias")[0] = 3e38f;
  first_of(&w, "fc2/bias")[0] = 3e38f;
  expect(&w, CVY_NET_BAD_OUTPUT, "fc1"); /* and not relu2, which works in place */
  w = set_up();
  for (int i = 0; i < 4; i++) first_of(&w, "conv1/weights")[i] = 3e38f;
  for (int i = 0; i < 10; i++) w.images[i] = 100;
  expect(&w, CVY_NET_BAD_OUTPUT, "conv1");
}

static void images_and_weights_come_first(void) {
  walk w = set_up();
  w.images[17] = NAN;
  expect(&w, CVY_NET_BAD_IMAGES, NULL);
  w = set_up();
  first_of(&w, "conv1/bias")[0] = INFINITY;
  first_of(&w, "fc1/bias")[2] = NAN; /* gradients go down from here */
  expect(&w, CVY_NET_BAD_WEIGHTS, "fc1");
}

static void gradients_follow(void) {
  walk w = set_up();
  w.pass.loss_scale = INFINITY;
  expect(&w, CVY_NET_BAD_GRADIENT, w.info->layers[w.info->layer_count - 1].name);
  w = set_up();
  w.pass.loss_scale = 1e37f; /* the loss hands on finite gradients, which fc2 multiplies */
  for (int i = 0; i < 28; i++) first_of(&w, "fc2/weights")[i] = i % 2 ? 1e4f : -1e4f;
  expect(&w, CVY_NET_BAD_GRADIENT, "fc2");
}

static void looking_changes_nothing(void) {
  walk w = set_up();
  const size_t bytes = sizeof(float) * (size_t)w.info->arena_count;
  float *plain = calloc(1, bytes);
  double losses[IMAGES];
  cvy_net_forward(w.net, w.images, &w.targets, &w.pass);
  memcpy(losses, cvy_net_losses(w.net), sizeof losses);
  cvy_net_backward(w.net, plain, w.images, &w.targets, &w.pass);
  cvy_net_forward(w.net, w.images, &w.targets, &w.pass);
  const cvy_net_fault found = cvy_net_find_fault(w.net, w.grads, w.images, &w.targets, &w.pass);
  CU_ASSERT_EQUAL(found.kind, CVY_NET_SOUND);
  CU_ASSERT(memcmp(losses, cvy_net_losses(w.net), sizeof losses) == 0);
  memset(w.grads, 0, bytes);
  cvy_net_backward(w.net, w.grads, w.images, &w.targets, &w.pass);
  CU_ASSERT(memcmp(plain, w.grads, bytes) == 0);
  free(plain);
  tear_down(&w);
}

SUITE("fault", TEST(outputs_are_looked_at_in_order), TEST(images_and_weights_come_first),
      TEST(gradients_follow), TEST(looking_changes_nothing))
