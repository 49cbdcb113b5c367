/* Tests of how a file's tensors find their places in a network: layouts, names, maps of names, order. */
#include "scratch.h"
#include "suite.h"

#include "base/text.h"
#include "base/yaml.h"
#include "formats/notes.h"
#include "formats/safetensors_write.h"
#include "model/match.h"
#include "train/find.h"

#include <zlib.h>

typedef struct fixture {
  cvy_pool *pool;
  cvy_yaml *description;
  cvy_net *net;
  const cvy_net_info *info;
  float *arena;
} fixture;

static const char small[] = "name: small\ninput: [4, 4, 3]\nlayers:\n"
                            "  - conv: {filters: 2, kernel: [2, 3], padding: same}\n"
                            "  - relu\n"
                            "  - max_pool: {kernel: 2}\n"
                            "  - flatten\n"
                            "  - batch_norm\n"
                            "  - fc: {outputs: 5}\n"
                            "  - fc: {outputs: 3}\n"
                            "  - softmax_loss\n";

static fixture make(const char *text) {
  fixture f = {.pool = cvy_pool_create()};
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, f.pool, text, "small.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_resolve(&f.description, f.pool, root), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&f.net, f.description, 1, &wishes), CVY_OK);
  f.info = cvy_net_describe(f.net);
  f.arena = cvy_net_params(f.net);
  for (int64_t i = 0; i < f.info->param_tensors; i++) {
    const cvy_net_param *p = &f.info->params[i];
    for (int64_t k = 0; k < p->count; k++) f.arena[p->offset + k] = (float)(1000 * i + k);
  }
  return f;
}

static void drop(fixture *f) {
  cvy_net_destroy(f->net);
  cvy_pool_destroy(f->pool);
}

static int64_t param(const fixture *f, const char *name) {
  for (int64_t i = 0; i < f->info->param_tensors; i++)
    if (strcmp(f->info->params[i].name, name) == 0) return i;
  CU_FAIL_FATAL("no such tensor");
  return -1;
}

/* ---- layouts ---- */

enum { MOST = 512 };

/* Lays a tensor out, and checks that it comes back as it was. */
static void give(float *stored, const fixture *f, int64_t index, cvy_tensor_rules rules) {
  cvy_tensor_layout layout;
  float back[MOST];
  const cvy_net_param *p = &f->info->params[index];
  CU_ASSERT_EQUAL_FATAL(cvy_tensor_layout_of(&layout, f->pool, f->net, index, &rules), CVY_OK);
  cvy_tensor_give(stored, f->arena + p->offset, &layout);
  cvy_tensor_take(back, stored, &layout);
  CU_ASSERT_EQUAL(memcmp(back, f->arena + p->offset, sizeof(float) * (size_t)p->count), 0);
}

static void filters(void) {
  fixture f = make(small);
  float stored[MOST];
  const int64_t index = param(&f, "conv1/weights"), base = f.info->params[index].offset;
  for (int turned = 0; turned < 2; turned++) {
    give(stored, &f, index, (cvy_tensor_rules){.bgr = turned});
    for (int64_t k = 0; k < 2; k++)
      for (int64_t c = 0; c < 3; c++)
        for (int64_t r = 0; r < 2; r++)
          for (int64_t s = 0; s < 3; s++)
            CU_ASSERT_EQUAL(stored[((k * 3 + c) * 2 + r) * 3 + s],
                            f.arena[base + ((r * 3 + s) * 3 + (turned ? 2 - c : c)) * 2 + k]);
    give(stored, &f, index, (cvy_tensor_rules){.outputs_last = true, .bgr = turned});
    for (int64_t i = 0; i < 36 && !turned; i++) CU_ASSERT_EQUAL(stored[i], f.arena[base + i]);
  }
  drop(&f);
}

/* Behind the flatten, [h][w][c] of 2 x 2 x 2 becomes [c][h][w]. */
static void flattened(void) {
  fixture f = make(small);
  float stored[MOST];
  const int64_t scale = param(&f, "bn1/scale"), fc = param(&f, "fc1/weights");
  give(stored, &f, scale, (cvy_tensor_rules){0});
  for (int64_t c = 0; c < 2; c++)
    for (int64_t at = 0; at < 4; at++)
      CU_ASSERT_EQUAL(stored[c * 4 + at], f.arena[f.info->params[scale].offset + at * 2 + c]);
  give(stored, &f, fc, (cvy_tensor_rules){0});
  for (int64_t o = 0; o < 5; o++)
    for (int64_t c = 0; c < 2; c++)
      for (int64_t at = 0; at < 4; at++)
        CU_ASSERT_EQUAL(stored[o * 8 + c * 4 + at],
                        f.arena[f.info->params[fc].offset + (at * 2 + c) * 5 + o]);
  give(stored, &f, fc, (cvy_tensor_rules){.channels_last = true, .outputs_last = true});
  for (int64_t i = 0; i < 40; i++) CU_ASSERT_EQUAL(stored[i], f.arena[f.info->params[fc].offset + i]);
  drop(&f);
}

/* A fully connected layer that reads the image, blue first. */
static void image_turned(void) {
  fixture f = make("input: [1, 2, 3]\nlayers:\n  - fc: {outputs: 2}\n  - softmax_loss\n");
  float stored[MOST];
  give(stored, &f, 0, (cvy_tensor_rules){.bgr = true});
  for (int64_t o = 0; o < 2; o++)
    for (int64_t c = 0; c < 3; c++)
      for (int64_t at = 0; at < 2; at++)
        CU_ASSERT_EQUAL(stored[o * 6 + c * 2 + at],
                        f.arena[f.info->params[0].offset + (at * 3 + 2 - c) * 2 + o]);
  drop(&f);
}

/* A flattened map beside the flattened image: rows of weights change places within each. */
static void rows_side_by_side(void) {
  fixture f = make("input: [2, 3, 3]\nlayers:\n  - conv: {filters: 2, kernel: 1}\n  - flatten: {name: a}\n"
                   "  - relu: {name: b}\n  - flatten: {name: c, inputs: input}\n"
                   "  - concat: {inputs: [b, c]}\n  - fc: {outputs: 2}\n  - softmax_loss\n");
  float stored[MOST];
  const int64_t fc = param(&f, "fc1/weights");
  const float *own = f.arena + f.info->params[fc].offset;
  give(stored, &f, fc, (cvy_tensor_rules){.bgr = true});
  for (int64_t o = 0; o < 2; o++)
    for (int64_t at = 0; at < 6; at++) {
      for (int64_t c = 0; c < 2; c++) CU_ASSERT_EQUAL(stored[o * 30 + c * 6 + at], own[(at * 2 + c) * 2 + o]);
      for (int64_t c = 0; c < 3; c++)
        CU_ASSERT_EQUAL(stored[o * 30 + 12 + c * 6 + at], own[(12 + at * 3 + 2 - c) * 2 + o]);
    }
  give(stored, &f, fc, (cvy_tensor_rules){.channels_last = true, .outputs_last = true, .bgr = true});
  for (int64_t i = 0; i < 30; i++)
    for (int64_t o = 0; o < 2; o++) {
      const int64_t turned = i < 12 ? i : i + 2 - 2 * (i % 3);
      CU_ASSERT_EQUAL(stored[i * 2 + o], own[turned * 2 + o]);
    }
  drop(&f);
}

/* A file whose maps are counted otherwise, or whose images are turned round, for these networks. */
static void no_order_is_right(void) {
  static const struct {
    const char *layers, *says;
    bool bgr;
  } cases[] = {{"flatten: {name: a}, pad_channels: {name: c, behind: 1}, fc: {name: x, outputs: 2}",
                "layer 'x' reads what layer 'c' makes", false},
               {"conv: {name: a, filters: 48, kernel: 4}, flatten: {name: b, inputs: input}, "
                "add: {name: c, inputs: [a, b]}, fc: {name: x, outputs: 2}",
                "layer 'x' reads what layer 'c' makes", false},
               {"flatten: {name: a}, lrn: {name: b}, relu: {name: c}, fc: {name: x, outputs: 2}",
                "layer 'x' reads what layer 'b' makes", false},
               {"conv: {name: x, filters: 3, kernel: 1, groups: 3}, fc: {outputs: 2}",
                "layer 'x': its groups read", true}};
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_tensor_layout layout;
    cvy_pool *pool = cvy_pool_create();
    char text[600] = "input: [4, 4, 3]\nlayers:\n";
    cvy_text list = {text, sizeof text, strlen(text), 0};
    for (const char *at = cases[i].layers; *at;) {
      const char *end = strstr(at, "}, ");
      const int length = end ? (int)(end - at) + 1 : (int)strlen(at);
      cvy_text_add(&list, "  - {%.*s}\n", length, at);
      at += length + (end ? 2 : 0);
    }
    cvy_text_add(&list, "  - softmax_loss\n");
    fixture f = make(text);
    cvy_err err = CVY_OK;
    for (int64_t k = 0; k < f.info->param_tensors && !err; k++)
      err = cvy_tensor_layout_of(&layout, pool, f.net, k, &(cvy_tensor_rules){.bgr = cases[i].bgr});
    CU_ASSERT_EQUAL(err, CVY_E_INPUT);
    CU_ASSERT(says(cases[i].says));
    for (int64_t k = 0; k < f.info->param_tensors; k++) /* as Convoy itself counts, nothing is wrong */
      CU_ASSERT_EQUAL(cvy_tensor_layout_of(&layout, pool, f.net, k,
                                           &(cvy_tensor_rules){.channels_last = true, .outputs_last = true}),
                      CVY_OK);
    drop(&f);
    cvy_pool_destroy(pool);
  }
}

/* ---- names ---- */

static cvy_name_map map_of(cvy_pool *pool, const char *name) {
  const char *home = getenv("CONVOY_SOURCE");
  cvy_yaml *root;
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&root, pool, cvy_pool_format(pool, "%s/launch/names/%s.yaml", home, name)), CVY_OK);
  return (cvy_name_map){name, root};
}

static void patterns(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_parse(&root, pool,
                     "a b:\n  x{i}.{K}1: y{2i-1}.{K}.{i+3}\n  p{i}.{i}: same{i}\n  plain: other\n", "map"),
      CVY_OK);
  const cvy_name_map map = {"map", root};
  CU_ASSERT_STRING_EQUAL(cvy_mapped_name(pool, &map, "a", "x5.conv1"), "y9.conv.8");
  CU_ASSERT_STRING_EQUAL(cvy_mapped_name(pool, &map, "b", "p3.3"), "same3");
  CU_ASSERT_STRING_EQUAL(cvy_mapped_name(pool, &map, "b", "plain"), "other");
  CU_ASSERT_PTR_NULL(cvy_mapped_name(pool, &map, "b", "p3.4"));
  CU_ASSERT_PTR_NULL(cvy_mapped_name(pool, &map, "a", "x5.conv12"));
  CU_ASSERT_PTR_NULL(cvy_mapped_name(pool, &map, "a", "x.conv1"));
  CU_ASSERT_PTR_NULL(cvy_mapped_name(pool, &map, "ab", "plain"));
  cvy_pool_destroy(pool);
}

/* Returns the checksum of the sorted lines "name shape" of all tensors, as tests/reference/imports.py has. */
static unsigned long checksum(cvy_pool *pool, const cvy_net *net, const char *const *names) {
  const cvy_net_info *info = cvy_net_describe(net);
  const char **lines = cvy_pool_new(pool, sizeof *lines * (size_t)info->param_tensors);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    cvy_tensor_layout layout;
    char shape[128];
    CU_ASSERT_EQUAL_FATAL(cvy_tensor_layout_of(&layout, pool, net, i, &(cvy_tensor_rules){0}), CVY_OK);
    cvy_text_dims(shape, sizeof shape, layout.shape, layout.shape_count);
    lines[i] = cvy_pool_format(pool, "%s %s\n", names[i], shape);
  }
  cvy_sort_by_text(lines, info->param_tensors, sizeof *lines);
  unsigned long crc = 0;
  for (int64_t i = 0; i < info->param_tensors; i++)
    crc = crc32(crc, (const unsigned char *)lines[i], (unsigned)strlen(lines[i]));
  return crc;
}

/* Plans the network of a line such as "vgg-a batch_norm=true". */
static cvy_net *planned(cvy_pool *pool, const char *home, char *words) {
  cvy_yaml *network, *settings = cvy_yaml_new_mapping(pool, "test");
  cvy_net *net;
  char *setting = strchr(words, ' ');
  if (setting) *setting++ = '\0';
  if (setting) CU_ASSERT_EQUAL_FATAL(cvy_yaml_override(settings, pool, setting), CVY_OK);
  const char *path = cvy_pool_format(pool, "%s/launch/networks/%s.yaml", home, words);
  CU_ASSERT_EQUAL_FATAL(cvy_network_load(&network, pool, path, settings), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, network, 1, &(cvy_net_wishes){.purpose = CVY_NET_EVALUATION}),
                        CVY_OK);
  return net;
}

static void check_names(const char *home, char *words, int64_t tensors, unsigned long wanted) {
  cvy_pool *pool = cvy_pool_create();
  const cvy_name_map map = map_of(pool, "torchvision");
  const char *missing;
  cvy_net *net = planned(pool, home, words);
  const char *const *names = cvy_mapped_tensors(&missing, pool, &map, net);
  CU_ASSERT_PTR_NOT_NULL_FATAL(names);
  CU_ASSERT_EQUAL(cvy_net_describe(net)->param_tensors, tensors);
  const bool same = checksum(pool, net, names) == wanted;
  if (!same) printf("  names of %s\n", words);
  CU_ASSERT(same);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void torchvision(void) {
  const char *home = getenv("CONVOY_SOURCE");
  char line[200], words[100];
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  snprintf(line, sizeof line, "%s/tests/reference/golden/torchvision.csv", home);
  FILE *golden = fopen(line, "r");
  int checked = 0;
  CU_ASSERT_PTR_NOT_NULL_FATAL(golden);
  CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, golden));
  for (; fgets(line, sizeof line, golden); checked++) {
    long tensors;
    unsigned long wanted;
    CU_ASSERT_EQUAL_FATAL(sscanf(line, "%99[^,],%ld,%lx", words, &tensors, &wanted), 3);
    check_names(home, words, tensors, wanted);
  }
  fclose(golden);
  CU_ASSERT(checked >= 16);
}

/* ---- matching ---- */

/* Writes the net's tensors under their own or other names, and opens the file. */
static cvy_weights_file *written(const fixture *f, const char *const *names, bool bgr) {
  cvy_weights_file *file;
  const char *path = cvy_pool_format(f->pool, "%s/w.safetensors", scratch_folder()), *missing;
  const cvy_weights_out out = {
      .net = f->net,
      .arena = f->arena,
      .network = f->description,
      .names = names ? names : cvy_mapped_tensors(&missing, f->pool, NULL, f->net),
      .input = {.known = true, .bgr = bgr, .mean = {1.25, 2, 0.1}, .deviation = {3, 4, 5}},
      .class_count = 2,
      .class_names = (const char *const[]){"K\303\244se", "a \"b\""}};
  CU_ASSERT_EQUAL_FATAL(cvy_safetensors_write(path, &out), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  return file;
}

/* Matches, expects a way, and that all values come back. */
static void expect_same(const fixture *f, const cvy_weights_file *file, const cvy_name_map *map,
                        cvy_match_way way, bool bgr) {
  cvy_matching m;
  CU_ASSERT_EQUAL_FATAL(cvy_match(&m, f->pool, file, f->net, map, map ? 1 : 0, bgr), CVY_OK);
  CU_ASSERT_EQUAL(m.way, way);
  CU_ASSERT_EQUAL(m.left_count, 0);
  CU_ASSERT_EQUAL_FATAL(cvy_match_expect_all(&m), CVY_OK);
  float *arena = cvy_pool_new(f->pool, sizeof *arena * (size_t)f->info->arena_count);
  for (int64_t i = 0; i < m.count; i++) CU_ASSERT_EQUAL(cvy_match_read(arena, &m, i), CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_net_hash(f->net, arena).hex, cvy_net_hash(f->net, NULL).hex);
}

static void by_name(void) {
  for (int bgr = 0; bgr < 2; bgr++) {
    fixture f = make(small);
    cvy_weights_file *file = written(&f, NULL, bgr);
    expect_same(&f, file, NULL, CVY_MATCH_BY_NAME, bgr);
    CU_ASSERT_EQUAL(file->input.bgr, bgr);
    CU_ASSERT_EQUAL(file->input.mean[2], 0.1);
    CU_ASSERT_EQUAL(file->input.deviation[1], 4);
    CU_ASSERT_EQUAL_FATAL(file->class_count, 2);
    CU_ASSERT_STRING_EQUAL(file->class_names[0], "K\303\244se");
    CU_ASSERT_STRING_EQUAL(file->class_names[1], "a \"b\"");
    char *network = cvy_yaml_text(file->network), *own = cvy_yaml_text(f.description);
    CU_ASSERT_STRING_EQUAL(network, own);
    free(network);
    free(own);
    cvy_weights_close(file);
    drop(&f);
  }
}

static void by_map(void) {
  fixture f = make(small);
  cvy_yaml *root;
  const char *missing;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, f.pool,
                                       "small:\n  conv1: features.0\n  bn1: norm\n  fc{i}: classifier.{2i}\n",
                                       "map"),
                        CVY_OK);
  const cvy_name_map map = {"theirs", root};
  cvy_weights_file *file = written(&f, cvy_mapped_tensors(&missing, f.pool, &map, f.net), false);
  expect_same(&f, file, &map, CVY_MATCH_BY_MAP, false);
  cvy_weights_close(file);
  drop(&f);
}

/* Puts the file's tensors into the order of the layers, as formats have them that keep one. */
static void keep_order(cvy_weights_file *file, cvy_weights_format *ordered) {
  *ordered = *file->format;
  ordered->in_order = true;
  file->format = ordered;
}

static void by_order(void) {
  static const char *const names[] = {"a.weight",      "a.bias",   "b.weight", "b.bias",   "b.running_mean",
                                      "b.running_var", "c.weight", "c.bias",   "d.weight", "d.bias"};
  const char *wrapped[CVY_COUNT(names)];
  fixture f = make(small);
  cvy_weights_format ordered;
  cvy_matching m;
  for (int64_t i = 0; i < CVY_COUNT(names); i++)
    wrapped[i] = cvy_pool_format(f.pool, "state_dict.module.%s", names[i]);
  CU_ASSERT_EQUAL_FATAL(f.info->param_tensors, CVY_COUNT(names));
  cvy_weights_file *file = written(&f, wrapped, false);
  CU_ASSERT_EQUAL(cvy_match(&m, f.pool, file, f.net, NULL, 0, false), CVY_OK);
  CU_ASSERT_EQUAL(m.fitting, 0); /* safetensors have no order */
  CU_ASSERT_EQUAL(cvy_match_expect_all(&m), CVY_E_INPUT);
  CU_ASSERT(says("has 0 of the 10 tensors of network 'small'"));
  keep_order(file, &ordered);
  expect_same(&f, file, NULL, CVY_MATCH_BY_ORDER, false);
  cvy_weights_close(file);
  drop(&f);
}

static void misfits(void) {
  fixture f = make(small), other = make("name: small\ninput: [4, 4, 3]\nlayers:\n"
                                        "  - conv: {filters: 2, kernel: [2, 3], padding: same}\n"
                                        "  - max_pool: {kernel: 2}\n  - flatten\n  - batch_norm\n"
                                        "  - fc: {outputs: 5}\n  - fc: {outputs: 4}\n  - fc: {outputs: 3}\n"
                                        "  - softmax_loss\n");
  cvy_matching m;
  cvy_weights_file *file = written(&other, NULL, false);
  CU_ASSERT_EQUAL(cvy_match(&m, f.pool, file, f.net, NULL, 0, false), CVY_OK);
  CU_ASSERT_EQUAL(m.fitting, 8);
  CU_ASSERT_EQUAL(m.left_count, 2);
  CU_ASSERT_EQUAL(cvy_match_expect_all(&m), CVY_E_INPUT);
  CU_ASSERT(says("fc2/weights ('fc2.weight') is 4x5 and should be 3x5"));
  CU_ASSERT(says("these of the file belong nowhere: 'fc3.weight' 3x4"));
  cvy_weights_close(file);
  drop(&other);
  drop(&f);
}

SUITE("match", TEST(filters), TEST(flattened), TEST(image_turned), TEST(rows_side_by_side),
      TEST(no_order_is_right), TEST(patterns), TEST(torchvision), TEST(by_name), TEST(by_map), TEST(by_order),
      TEST(misfits))
