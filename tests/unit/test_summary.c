/* Tests what people see of a network: the table, its JSON, and the picture in Graphviz' language. */
#include "scratch.h"
#include "suite.h"

#include "base/yaml.h"
#include "report/graph.h"
#include "net/net.h"

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
  const cvy_err err = cvy_yaml_parse(&root, pool, text, "n.yaml") || cvy_net_create(&net, root, 2, NULL);
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
  expect_in(
      text,
      "layer  type          kernel  stride  pad   output  activation  parameters  multiply-adds\n"
      "input                                      8x8x3          192\n"
      "a      conv          3x1     2       same  4x4x4           64          40            576  gemm\n");
  expect_in(text, "b      conv          1x1     1       0     4x4x4           64          12            128  "
                  "gemm, 2 groups  <- a\n");
  expect_in(text, "add1   add                                 4x4x4           64"
                  "                             <- b, relu1\n");
  expect_in(text, "pool1  average_pool  4x4     4       0     4                4\n");
  free(text);
}

static void small_sizes_are_not_nothing(void) {
  char *text = printed(small, cvy_net_print);
  /* The values are image, a, relu1 (not in place: b reads a too), b, pool1, fc1 and loss1; the sum lies where
   * b lay. */
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
  expect_in(
      text,
      "\"kernel\": [1, 1], \"stride\": [1, 1], \"padding\": [0, 0], \"algorithm\": \"gemm\", "
      "\"detail\": \"2 groups\"");
  expect_in(text, "\"inputs\": [\"b\", \"relu1\"], \"kernel\": null, \"stride\": null, \"padding\": null");
  expect_in(text, "\"inputs\": [\"input\"]");
  free(text);
}

/* ---- the picture ---- */

static void expect_once(const char *text, const char *part) {
  const char *found = strstr(text, part);
  if (!found || strstr(found + 1, part)) printf("\n  not once '%s' in:\n%s\n", part, text);
  CU_ASSERT(found && !strstr(found + 1, part));
}

/* The caller frees it. */
static char *drawn(const char *description) {
  char path[300], *text = calloc(1, 65536);
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = create(pool, description);
  snprintf(path, sizeof path, "%s/net.dot", scratch_folder());
  CU_ASSERT(!cvy_graph_write(cvy_net_describe(net), path));
  FILE *file = fopen(path, "r");
  CU_ASSERT_FATAL(file != NULL);
  CU_ASSERT(fread(text, 1, 65535, file) > 0);
  fclose(file);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  return text;
}

static const char *const residual =
    "name: residual\ninput: [8, 8, 3]\nblocks:\n"
    "  conv_bn:\n    parameters: {filters: , kernel: }\n    layers:\n"
    "      - conv: {filters: $filters, kernel: $kernel, padding: same}\n      - batch_norm\n"
    "  residual:\n    layers:\n"
    "      - conv_bn: {name: first, filters: 4, kernel: 3}\n      - relu\n"
    "      - conv_bn: {name: second, filters: 4, kernel: 3}\n"
    "      - add: {inputs: [second, input]}\n      - relu\n"
    "layers:\n"
    "  - conv_bn: {name: stem, filters: 4, kernel: 1}\n"
    "  - residual: {name: stage, repeat: 2}\n"
    "  - average_pool: {name: middle, kernel: global}\n  - fc: {name: middle_fc, outputs: 2}\n"
    "  - softmax_loss: {name: auxiliary}\n"
    "  - average_pool: {inputs: stage, kernel: global}\n  - fc: {outputs: 2}\n  - softmax_loss\n";

static void chains_are_one_box(void) {
  char *text = drawn(residual);
  expect_once(text, "n0 [label=<<b>stem</b><br/>conv 1x1, 4<br/>batch_norm<br/>");
  expect_once(text, "n2 [label=<<b>first</b><br/>conv 3x3, 4<br/>batch_norm<br/>relu<br/>");
  expect_once(text, "image -> n0;");
  expect_once(text, "n0 -> n2;");
  expect_once(text, "n0 -> n7;");
  expect_once(text, "n5 -> n7;");
  CU_ASSERT(strstr(text, "n3 ") == NULL);
  free(text);
}

static void branches_meet_in_an_oval(void) {
  char *text = drawn(residual);
  expect_once(text, "n7 [label=<add<br/>relu>, fillcolor=\"#eeeeee\", shape=oval");
  free(text);
  text = drawn(
      "name: wide\ninput: [2, 2, 1]\nlayers:\n"
      "  - conv: {name: a, filters: 2, kernel: 1}\n"
      "  - conv: {name: b, inputs: input, filters: 3, kernel: 1}\n"
      "  - concat: {inputs: [a, b]}\n  - fc: {outputs: 2}\n  - softmax_loss\n");
  expect_once(text, "n2 [label=<concat<br/><font color=\"#666666\">2&#215;2&#215;5</font>>");
  free(text);
}

static void blocks_are_frames(void) {
  char *text = drawn(residual);
  expect_once(text, "label=<stage.1>;");
  expect_once(text, "label=<stage.2>;");
  CU_ASSERT(strstr(text, "label=<stem>;") == NULL);
  expect_once(
      text,
      "<b>middle</b><br/>average_pool 8x8<br/><font color=\"#666666\">4</font>>, "
      "fillcolor=\"#d2ecdf\", style=\"filled,rounded,dashed\"");
  expect_once(
      text,
      "<b>auxiliary</b><br/>softmax_loss<br/><font color=\"#666666\">2</font>>, "
      "fillcolor=\"#f6d3c6\", style=\"filled,rounded,dashed\"");
  expect_once(text,
              "<b>loss2</b><br/>softmax_loss<br/><font color=\"#666666\">2</font>>, fillcolor=\"#f6d3c6\"];");
  free(text);
}

/* Layers are called by plain words; a network by any text. */
static void names_are_escaped(void) {
  char *text = drawn("name: \"\\\\G & \\\"q\\\" <i>\"\ninput: [2, 2, 1]\nlayers:\n"
                     "  - fc: {name: \u00e9, outputs: 2}\n  - softmax_loss\n");
  expect_once(text, "label=<<b>\\\\G &#38; &#34;q&#34; &#60;i&#62;</b><br/>10 parameters, 8 multiply-adds");
  expect_once(text, "n0 [label=<<b>\u00e9</b>");
  free(text);
}

static void other_endings_are_refused(void) {
  const char *const wrong[] = {"net.gif", "net", "net.SVGZ", "dir.svg/net", ".", ""};
  cvy_pool *pool = cvy_pool_create();
  cvy_net *net = create(pool, small);
  for (int64_t i = 0; i < CVY_COUNT(wrong); i++) {
    CU_ASSERT_EQUAL(cvy_graph_write(cvy_net_describe(net), wrong[i]), CVY_E_USAGE);
    expect_in(cvy_err_message(), ".svg, .pdf, .png or .dot");
  }
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

SUITE("summary", TEST(columns_are_aligned), TEST(small_sizes_are_not_nothing),
      TEST(long_inputs_are_written_out), TEST(windows_are_numbers_or_null), TEST(chains_are_one_box),
      TEST(branches_meet_in_an_oval), TEST(blocks_are_frames), TEST(names_are_escaped),
      TEST(other_endings_are_refused))
