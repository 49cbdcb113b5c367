/* What people see of a network: the table, its JSON, and the picture in Graphviz' language. */
#include "scratch.h"
#include "suite.h"

#include "base/yaml.h"
#include <convoy/net.h>

static const char *const small = "name: small\ninput: [8, 8, 3]\nlayers:\n"
                                 "  - conv: {name: a, filters: 4, kernel: [3, 1], stride: 2, padding: same}\n"
                                 "  - relu\n"
                                 "  - conv: {name: b, inputs: a, filters: 4, kernel: 1, groups: 2}\n"
                                 "  - add: {inputs: [b, relu1]}\n"
                                 "  - average_pool: {kernel: global}\n"
                                 "  - fc: {outputs: 2}\n"
                                 "  - softmax_loss\n";

static cvy_net *create(cvy_pool *pool, const char *text) {
  cvy_yaml *root;
  cvy_net *net = NULL;
  const cvy_err err = cvy_yaml_parse(&root, pool, text, "n.yaml") || cvy_net_create(&net, root, 2);
  if (err) printf("\n  %s\n", cvy_err_message());
  CU_ASSERT_FATAL(!err);
  return net;
}

/* The caller frees it. */
static char *printed(const char *description, void (*print)(FILE *, const cvy_net *)) {
  char *text = NULL;
  size_t bytes;
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = create(pool, description);
  FILE *stream = open_memstream(&text, &bytes);
  print(stream, net);
  fclose(stream);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  return text;
}

static void expect_in(const char *text, const char *part) {
  if (!strstr(text, part)) printf("\n  no '%s' in:\n%s\n", part, text);
  CU_ASSERT(strstr(text, part) != NULL);
}

/* ---- the table ---- */

static void columns_are_aligned(void) {
  char *text = printed(small, cvy_net_print);
  expect_in(text,
            "layer  type          kernel  stride  pad   output  activation  parameters  multiply-adds\n"
            "input                                      8x8x3          192\n"
            "a      conv          3x1     2       same  4x4x4           64          40            576\n");
  expect_in(text, "b      conv          1x1     1       0     4x4x4           64          12            128  "
                  "2 groups  <- a\n");
  expect_in(text, "add1   add                                 4x4x4           64"
                  "                             <- b, relu1\n");
  expect_in(text, "pool1  average_pool  4x4     4       0     4                4\n");
  free(text);
}

static void small_sizes_are_not_nothing(void) {
  char *text = printed(small, cvy_net_print);
  /* image, a, relu1 (not in place: b reads a too), b, pool1, fc1, loss1; the sum lies where b lay */
  expect_in(text, "activations forward: 392 values, 1.6 kB an image");
  CU_ASSERT(strstr(text, " 0.0 ") == NULL);
  free(text);
}

static void long_inputs_are_written_out(void) {
  char description[8192], names[2048] = "", name[101];
  size_t used = (size_t)snprintf(description, sizeof description, "name: wide\ninput: [2, 2, 1]\nlayers:\n");
  for (int i = 0; i < CVY_MAX_INPUTS; i++) {
    snprintf(name, sizeof name, "branch%02d%092d", i, 0);
    used += (size_t)snprintf(description + used, sizeof description - used,
                             "  - conv: {name: %s, inputs: input, filters: 1, kernel: 1}\n", name);
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", name);
  }
  snprintf(description + used, sizeof description - used,
           "  - concat: {inputs: [%s]}\n  - fc: {outputs: 2}\n  - softmax_loss\n", names);
  char *text = printed(description, cvy_net_print);
  expect_in(text, names);
  free(text);
}

/* ---- JSON ---- */

static void windows_are_numbers_or_null(void) {
  char *text = printed(small, cvy_net_print_json);
  expect_in(text, "\"kernel\": [3, 1], \"stride\": [2, 2], \"padding\": \"same\"");
  expect_in(text, "\"kernel\": [1, 1], \"stride\": [1, 1], \"padding\": [0, 0], \"detail\": \"2 groups\"");
  expect_in(text, "\"inputs\": [\"b\", \"relu1\"], \"kernel\": null, \"stride\": null, \"padding\": null");
  expect_in(text, "\"inputs\": [\"input\"]");
  free(text);
}

SUITE("summary", TEST(columns_are_aligned), TEST(small_sizes_are_not_nothing),
      TEST(long_inputs_are_written_out), TEST(windows_are_numbers_or_null))
