/* Tests the first values of each network that comes with Convoy against how PyTorch distributes them, layer
 * by layer (tests/reference/initial.py). */
#include "suite.h"

#include "base/yaml.h"
#include "net/net.h"
#include "train/find.h"

#include <math.h>

/* What a row of the golden file says of a tensor. */
typedef struct spread {
  int64_t count;
  double mean, deviation, largest;
} spread;

static spread read_row(const cvy_yaml *row) {
  double n[4];
  CU_ASSERT_EQUAL_FATAL(row->count, 4);
  for (int i = 0; i < 4; i++) n[i] = strtod(row->items[i]->text, NULL);
  return (spread){(int64_t)n[0], n[1], n[2], n[3]};
}

static spread spread_of(const float *values, int64_t count) {
  double sum = 0, squares = 0, largest = 0;
  for (int64_t i = 0; i < count; i++) {
    const double value = (double)values[i];
    sum += value;
    squares += value * value;
    largest = fmax(largest, fabs(value));
  }
  const double mean = sum / (double)count;
  return (spread){count, mean, sqrt(fmax(squares / (double)count - mean * mean, 0)), largest};
}

/* Two samples of one distribution differ by chance: the deviations by 1 / sqrt(2 n) each, the means by
 * deviation / sqrt(n). The largest magnitude tells a uniform distribution, sqrt(3) deviations, from a
 * Gaussian one, where a thousand values reach three. */
static bool is_same(const spread *a, const spread *b) {
  const double n = (double)a->count, deviation = fmax(a->deviation, b->deviation);
  if (a->count != b->count) return false;
  if (fabs(a->mean - b->mean) > 7 * deviation / sqrt(n) + 1e-6) return false;
  if (fabs(a->deviation - b->deviation) > 7 * deviation / sqrt(n) + 1e-6) return false;
  const bool is_uniform = a->largest < 2 * a->deviation, other_is = b->largest < 2 * b->deviation;
  return a->count < 500 || deviation < 1e-6 || is_uniform == other_is;
}

static bool is_of_layer(const cvy_net_param *p) {
  return strcmp(p->spec->name, "weights") == 0 || strcmp(p->spec->name, "bias") == 0;
}

/* The biases of batch normalisation follow its scale, and are none of a layer's. */
static bool is_of_norm(const cvy_net_info *info, int64_t i) {
  return i > 0 && strcmp(info->params[i - 1].spec->name, "scale") == 0;
}

static cvy_net *open_network(cvy_pool *pool, const char *name, const char *size) {
  const char *path = cvy_pool_format(pool, "%s/launch/networks/%s.yaml", getenv("CONVOY_SOURCE"), name);
  cvy_yaml *settings = cvy_yaml_new_mapping(pool, "test"), *network;
  cvy_net *net;
  cvy_yaml *plain;
  CU_ASSERT_EQUAL_FATAL(cvy_network_load(&plain, pool, path, NULL), CVY_OK);
  const cvy_yaml *parameters = cvy_yaml_get(plain, "parameters");
  if (parameters && cvy_yaml_get(parameters, "size"))
    cvy_yaml_add(pool, settings, "size", cvy_yaml_new_scalar(pool, "test", size));
  if (parameters && cvy_yaml_get(parameters, "classes"))
    cvy_yaml_add(pool, settings, "classes", cvy_yaml_new_scalar(pool, "test", "1000"));
  CU_ASSERT_EQUAL_FATAL(cvy_network_load(&network, pool, path, settings), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 1, &(cvy_net_wishes){0}), CVY_OK);
  cvy_net_init(net, 7);
  return net;
}

static void check_network(cvy_pool *pool, const char *name, const cvy_yaml *golden) {
  const cvy_yaml *rows = cvy_yaml_get(golden, "rows");
  cvy_net *net = open_network(pool, name, cvy_yaml_get(golden, "size")->text);
  const cvy_net_info *info = cvy_net_describe(net);
  int64_t row = 0;
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const cvy_net_param *p = &info->params[i];
    if (!is_of_layer(p) || is_of_norm(info, i)) continue;
    CU_ASSERT_FATAL(row < rows->count);
    const spread want = read_row(rows->items[row++]),
                 got = spread_of(cvy_net_params(net) + p->offset, p->count);
    const bool same = is_same(&got, &want);
    CU_ASSERT(same);
    if (!same)
      printf("\n    %s, row %" PRId64 ": %" PRId64 " values, mean %g, deviation %g, largest %g, not %" PRId64
             ", %g, %g, %g\n",
             name, row, got.count, got.mean, got.deviation, got.largest, want.count, want.mean,
             want.deviation, want.largest);
  }
  CU_ASSERT_EQUAL(row, rows->count);
  cvy_net_destroy(net);
}

static void networks_begin_as_their_sources_say(void) {
  const char *home = getenv("CONVOY_SOURCE");
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *golden;
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&golden, pool, cvy_pool_format(pool, "%s/tests/reference/initial.yaml", home)), CVY_OK);
  CU_ASSERT_FATAL(golden->count >= 18);
  for (int64_t i = 0; i < golden->count; i++) check_network(pool, golden->keys[i]->text, golden->items[i]);
  cvy_pool_destroy(pool);
}

/* A network without rows in the golden file is named. vgg16 and vgg19 are other names for vgg-d and vgg-e. */
static void every_network_is_compared(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *golden;
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&golden, pool,
                    cvy_pool_format(pool, "%s/tests/reference/initial.yaml", getenv("CONVOY_SOURCE"))),
      CVY_OK);
  const cvy_names names = cvy_list_yaml(pool, "networks");
  CU_ASSERT(names.count >= 20);
  for (int64_t i = 0; i < names.count; i++) {
    const char *name = names.names[i];
    if (strcmp(name, "vgg16") == 0 || strcmp(name, "vgg19") == 0) continue;
    CU_ASSERT_PTR_NOT_NULL(cvy_yaml_get(golden, name));
    if (!cvy_yaml_get(golden, name)) printf("\n    %s is not compared\n", name);
  }
  cvy_pool_destroy(pool);
}

SUITE("initial", TEST(networks_begin_as_their_sources_say), TEST(every_network_is_compared))
