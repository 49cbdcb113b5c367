/* Tests of files of weights that other programs wrote (tests/reference/formats.py), whole, cut short and
 * damaged. */
#define _GNU_SOURCE /* for memmem */
#include "scratch.h"
#include "suite.h"

#include "base/yaml.h"
#include "formats/formats.h"
#include "formats/layer_names.h"
#include "model/stored.h"

#include <math.h>

static const char *convoys(cvy_pool *pool);

static const char *golden(cvy_pool *pool, const char *name) {
  if (strcmp(name, "convoy.h5") == 0) return convoys(pool);
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  return cvy_pool_format(pool, "%s/tests/reference/golden/formats/%s", home, name);
}

/* ---- what is in them ---- */

typedef struct want {
  const char *name;
  cvy_element element;
  int64_t shift;
  int dim_count;
  int64_t dims[4];
} want;

static const want of_state[] = {{"state_dict.conv.weight", CVY_ELEMENT_F32, 0, 4, {2, 3, 2, 2}},
                                {"state_dict.conv.bias", CVY_ELEMENT_F32, 1, 1, {2}},
                                {"state_dict.half", CVY_ELEMENT_F16, 2, 1, {5}},
                                {"state_dict.brain", CVY_ELEMENT_BF16, 3, 1, {4}},
                                {"state_dict.part", CVY_ELEMENT_F64, 4, 2, {2, 3}},
                                {"state_dict.steps", CVY_ELEMENT_I64, 5, 0, {0}},
                                {"state_dict.bytes", CVY_ELEMENT_U8, 6, 1, {70}},
                                {"state_dict.none", CVY_ELEMENT_F32, 7, 2, {0, 4}}},
                  of_module[] = {{"0.weight", CVY_ELEMENT_F32, 0, 2, {2, 3}},
                                 {"0.bias", CVY_ELEMENT_F32, 1, 1, {2}},
                                 {"1.weight", CVY_ELEMENT_F32, 2, 1, {2}},
                                 {"1.bias", CVY_ELEMENT_F32, 3, 1, {2}},
                                 {"1.running_mean", CVY_ELEMENT_F32, 4, 1, {2}},
                                 {"1.running_var", CVY_ELEMENT_F32, 5, 1, {2}},
                                 {"1.num_batches_tracked", CVY_ELEMENT_I64, 6, 0, {0}}},
                  of_onnx[] = {{"conv.weight", CVY_ELEMENT_F32, 0, 4, {2, 3, 2, 2}},
                               {"conv.bias", CVY_ELEMENT_F32, 1, 1, {2}},
                               {"fc.weight", CVY_ELEMENT_F64, 2, 2, {3, 18}},
                               {"fc.bias", CVY_ELEMENT_F16, 4, 1, {3}},
                               {"nobody's", CVY_ELEMENT_I64, 6, 1, {4}}},
                  of_all[] =
                      {{"of.F32", CVY_ELEMENT_F32, 0, 2, {3, 5}},   {"of.F64", CVY_ELEMENT_F64, 1, 2, {3, 5}},
                       {"of.F16", CVY_ELEMENT_F16, 2, 2, {3, 5}},   {"of.I8", CVY_ELEMENT_I8, 3, 2, {3, 5}},
                       {"of.U8", CVY_ELEMENT_U8, 4, 2, {3, 5}},     {"of.I16", CVY_ELEMENT_I16, 5, 2, {3, 5}},
                       {"of.I32", CVY_ELEMENT_I32, 6, 2, {3, 5}},   {"of.I64", CVY_ELEMENT_I64, 7, 2, {3, 5}},
                       {"of.BOOL", CVY_ELEMENT_BOOL, 8, 2, {3, 5}}, {"of.BF16", CVY_ELEMENT_BF16, 9, 1, {4}}},
                  of_caffe[] = {{"conv/1/0", CVY_ELEMENT_F32, 0, 4, {2, 3, 2, 2}},
                                {"conv/1/1", CVY_ELEMENT_F32, 1, 1, {2}},
                                {"norm/0", CVY_ELEMENT_F32, 2, 1, {2}},
                                {"norm/1", CVY_ELEMENT_F32, 3, 1, {2}},
                                {"norm/2", CVY_ELEMENT_F32, 48, 1, {1}},
                                {"scale/0", CVY_ELEMENT_F32, 4, 1, {2}},
                                {"ip/0", CVY_ELEMENT_F64, 5, 2, {3, 24}},
                                {"ip/1", CVY_ELEMENT_F32, 6, 1, {3}}};

static const want of_keras[] = {{"conv/kernel:0", CVY_ELEMENT_F32, 0, 4, {3, 2, 1, 4}},
                                {"conv/bias:0", CVY_ELEMENT_F32, 1, 1, {4}},
                                {"dense/kernel:0", CVY_ELEMENT_F64, 2, 2, {6, 5}},
                                {"dense/bias:0", CVY_ELEMENT_F32, 3, 1, {5}}},
                  of_convoy[] = {{"conv/weights", CVY_ELEMENT_F32, 0, 4, {1, 2, 1, 2}},
                                 {"conv/bias", CVY_ELEMENT_F32, 1, 1, {2}},
                                 {"bn/scale", CVY_ELEMENT_F32, 2, 1, {2}},
                                 {"bn/bias", CVY_ELEMENT_F32, 3, 1, {2}},
                                 {"bn/mean", CVY_ELEMENT_F32, 4, 1, {2}},
                                 {"bn/variance", CVY_ELEMENT_F32, 5, 1, {2}},
                                 {"fc/weights", CVY_ELEMENT_F32, 6, 2, {4, 3}},
                                 {"fc/bias", CVY_ELEMENT_F32, 7, 1, {3}}};

static const struct {
  const char *file, *format;
  const want *tensors;
  int64_t count;
} files[] = {{"zip.pt", "torch", of_state, CVY_COUNT(of_state)},
             {"pickles.pth", "torch", of_state, CVY_COUNT(of_state)},
             {"module.pt", "torch", of_module, CVY_COUNT(of_module)},
             {"all.safetensors", "safetensors", of_all, CVY_COUNT(of_all)},
             {"small.caffemodel", "caffemodel", of_caffe, CVY_COUNT(of_caffe)},
             {"small.prototxt", "caffe_text", NULL, 0},
             {"small.onnx", "onnx", of_onnx, CVY_COUNT(of_onnx)},
             {"../keras/weights.h5", "keras", of_keras, CVY_COUNT(of_keras)},
             {"convoy.h5", "convoy", of_convoy, CVY_COUNT(of_convoy)}};

/* Returns element `i` as formats.py makes it. */
static float element_of(const want *w, int64_t i) {
  const float whole = (float)((7 * i + w->shift) % 64);
  if (w->element == CVY_ELEMENT_BOOL) return (float)((7 * i + w->shift) % 64 % 2);
  const bool is_float = w->element <= CVY_ELEMENT_BF16;
  return is_float ? (whole - 32) / 8 : whole;
}

/* ---- Convoy's own ---- */

static const char recipe_text[] =
    "network:\n  name: small\n  input: [2, 2, 1]\n  layers:\n"
    "  - conv: {name: conv, filters: 2, kernel: [1, 2]}\n  - batch_norm: {name: bn}\n"
    "  - fc: {name: fc, outputs: 3}\n  - softmax_loss: {name: loss}\n"
    "data: {augment: [mirror], evaluation: [crop]}\nema: {decay: 0.5, best: %s}\n";
static const char *const class_names[] = {"a", "b", "c"};

/* Writes a checkpoint whose weights are as `of_convoy` says. With `best`, it has averages of them too, which
 * are 1 more, and the run chooses by these or by the others. */
static const char *write_convoys(cvy_pool *pool, const char *best) {
  const char *path = cvy_pool_format(pool, "%s/convoy.h5", scratch_folder());
  const char *recipe = cvy_pool_format(pool, recipe_text, best ? best : "ema");
  const cvy_dataset_info data = {
      .c = 1, .class_count = 3, .class_names = class_names, .mean = {33.5F}, .deviation = {7}};
  const cvy_model_head head = {recipe, "0", &data};
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, recipe, "recipe"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, cvy_yaml_get(root, "network"), 1, NULL), CVY_OK);
  float *weights = cvy_net_params(net);
  for (int64_t p = 0; p < cvy_net_describe(net)->param_tensors; p++)
    for (int64_t i = 0; i < cvy_net_describe(net)->params[p].count; i++)
      weights[cvy_net_describe(net)->params[p].offset + i] = (float)((7 * i + p) % 64 - 32) / 8;
  CU_ASSERT_EQUAL_FATAL(cvy_model_save(path, "by hand", &head, net, weights), CVY_OK);
  if (best) {
    cvy_h5 *h5;
    for (int64_t i = 0; i < cvy_net_describe(net)->arena_count; i++) weights[i] += 1;
    CU_ASSERT_EQUAL_FATAL(cvy_h5_open_for_writing(&h5, path), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_model_write_average(h5, net, weights), CVY_OK);
    CU_ASSERT_EQUAL_FATAL(cvy_h5_close(h5), CVY_OK);
  }
  cvy_net_destroy(net);
  return path;
}

static const char *convoys(cvy_pool *pool) {
  return write_convoys(pool, NULL);
}

static void check_tensor(const cvy_weights_file *file, int64_t index, const want *w) {
  const cvy_stored_tensor *t = &file->tensors[index];
  const float factor = t->factor > 0 ? (float)t->factor : 1;
  float values[128];
  int64_t count = 1;
  CU_ASSERT_STRING_EQUAL(t->name, w->name);
  CU_ASSERT_EQUAL(t->element, w->element);
  CU_ASSERT_EQUAL_FATAL(t->dim_count, w->dim_count);
  for (int k = 0; k < w->dim_count; k++) {
    CU_ASSERT_EQUAL(t->dims[k], w->dims[k]);
    count *= w->dims[k];
  }
  CU_ASSERT_EQUAL_FATAL(t->count, count);
  CU_ASSERT_EQUAL(cvy_weights_read(values, file, index), CVY_OK);
  for (int64_t i = 0; i < count; i++) CU_ASSERT_EQUAL(values[i], element_of(w, i) * factor);
}

/* Checks that `path` holds all that file `f` of the list does. */
static void check_file(const char *path, int64_t f) {
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  CU_ASSERT_STRING_EQUAL(file->format->name, files[f].format);
  CU_ASSERT_EQUAL_FATAL(file->tensor_count, files[f].count);
  for (int64_t i = 0; i < files[f].count; i++) check_tensor(file, i, &files[f].tensors[i]);
  cvy_weights_close(file);
}

static void tensors_of_every_format(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t f = 0; f < CVY_COUNT(files); f++) check_file(golden(pool, files[f].file), f);
  cvy_pool_destroy(pool);
}

static void a_checkpoint_has_its_network(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, convoys(pool)), CVY_OK);
  CU_ASSERT_STRING_EQUAL(cvy_yaml_get(file->network, "name")->text, "small");
  CU_ASSERT(file->channels_last && file->tensors[6].outputs_last);
  CU_ASSERT_STRING_EQUAL(file->tensors[6].target, "fc/weights");
  CU_ASSERT(file->input.known && file->input.mean[0] == 33.5 && file->input.deviation[0] == 7);
  CU_ASSERT_STRING_EQUAL(file->input.chain->items[0]->text, "crop");
  CU_ASSERT_EQUAL_FATAL(file->class_count, 3);
  CU_ASSERT_STRING_EQUAL(file->class_names[2], "c");
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* The averages of the weights are taken where the run chooses by them. */
static void a_checkpoint_with_averages(void) {
  static const struct {
    const char *best;
    float first;
  } cases[] = {{"ema", -3}, {"raw", -4}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file;
    float values[4];
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, write_convoys(pool, cases[i].best)), CVY_OK);
    CU_ASSERT_EQUAL(cvy_weights_read(values, file, 0), CVY_OK);
    CU_ASSERT_EQUAL(values[0], cases[i].first);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* Changes a byte of what stands first in a file after `before`. */
static void damage(const char *path, const void *at, size_t bytes) {
  size_t count;
  char *all = scratch_read(path, &count), *found = NULL;
  for (size_t i = 0; i + bytes <= count && !found; i++)
    if (memcmp(all + i, at, bytes) == 0) found = all + i;
  CU_ASSERT_PTR_NOT_NULL_FATAL(found);
  found[1] ^= 1;
  scratch_write(path, all, count);
  free(all);
}

static void damaged_checkpoints(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  const float fc[] = {(float)(6 - 32) / 8, (float)(13 - 32) / 8, (float)(20 - 32) / 8};
  damage(convoys(pool), fc, sizeof fc);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, cvy_pool_format(pool, "%s/convoy.h5", scratch_folder())),
                  CVY_E_INPUT);
  CU_ASSERT(says("convoy.h5: /parameters is damaged: its hash is "));
  damage(convoys(pool), "name: conv", strlen("name: conv"));
  CU_ASSERT_EQUAL(cvy_weights_open(&file, cvy_pool_format(pool, "%s/convoy.h5", scratch_folder())),
                  CVY_E_INPUT);
  CU_ASSERT(says("dataset '/recipe': checksum"));
  cvy_pool_destroy(pool);
}

static void every_format_has_a_file(void) {
  for (int64_t i = 0; i < cvy_weights_format_count(); i++) {
    bool has = false;
    for (int64_t f = 0; f < CVY_COUNT(files); f++)
      has = has || strcmp(files[f].format, cvy_weights_format_at(i)->name) == 0;
    if (!has) printf("\n    format %s has no file\n", cvy_weights_format_at(i)->name);
    CU_ASSERT(has);
  }
}

static void notes(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, golden(pool, "all.safetensors")), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(file->note_count, 2);
  CU_ASSERT_STRING_EQUAL(file->notes[1].key, "made by");
  CU_ASSERT_STRING_EQUAL(file->notes[1].text, "hand");
  cvy_weights_close(file);
  cvy_pool_destroy(pool);
}

/* Halves between two of float32 are read as they are: IEEE's table by hand. */
static void numbers_of_halves(void) {
  static const struct {
    uint16_t bits;
    float value;
  } cases[] = {{0x3c00, 1},
               {0xc000, -2},
               {0x7bff, 65504},
               {0x0400, 0x1p-14F},
               {0x0001, 0x1p-24F},
               {0x83ff, -1023 * 0x1p-24F},
               {0, 0}};
  char header[200], path[300];
  snprintf(path, sizeof path, "%s/half.safetensors", scratch_folder());
  uint8_t bytes[300] = {0};
  const int64_t count = CVY_COUNT(cases);
  const int length = snprintf(header, sizeof header,
                              "{\"h\": {\"dtype\": \"F16\", \"shape\": [%d], \"data_offsets\": [0, %d]}}",
                              (int)count + 2, 2 * ((int)count + 2));
  bytes[0] = (uint8_t)length;
  memcpy(bytes + 8, header, (size_t)length);
  for (int64_t i = 0; i < count; i++) memcpy(bytes + 8 + length + 2 * i, &cases[i].bits, 2);
  memcpy(bytes + 8 + length + 2 * count, &(uint16_t[2]){0x7c00, 0x7e00}, 4);
  scratch_write(path, bytes, 8 + (size_t)length + 2 * (size_t)(count + 2));
  cvy_weights_file *file;
  float values[20];
  CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, path), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_weights_read(values, file, 0), CVY_OK);
  for (int64_t i = 0; i < count; i++) CU_ASSERT_EQUAL(values[i], cases[i].value);
  CU_ASSERT(isinf(values[count]) && isnan(values[count + 1]));
  cvy_weights_close(file);
}

/* ---- what is wrong with them ---- */

static const char *safetensors(cvy_pool *pool, const char *header, size_t data_bytes) {
  const size_t length = strlen(header);
  uint8_t *bytes = cvy_pool_new(pool, 8 + length + data_bytes);
  const char *path = cvy_pool_format(pool, "%s/made.safetensors", scratch_folder());
  bytes[0] = (uint8_t)length, bytes[1] = (uint8_t)(length >> 8);
  memcpy(bytes + 8, header, length);
  scratch_write(path, bytes, 8 + length + data_bytes);
  return path;
}

static void wrong_safetensors(void) {
  static const char *const cases[][2] = {
      {"{\"a\": 3}", "tensor 'a': expected an object with dtype, shape, data_offsets"},
      {"{\"a\": {\"dtype\": \"F8_E4M3\", \"shape\": [1], \"data_offsets\": [0, 1]}}",
       "numbers of type 'F8_E4M3' are not read"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1.5], \"data_offsets\": [0, 4]}}",
       "a shape of whole numbers"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 4]}}",
       "a shape of whole numbers"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1, 1, 1, 1, 1, 1, 1, 1, 1], \"data_offsets\": [0, 4]}}",
       "at most 8 dimensions"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296], \"data_offsets\": [0, 8]}}",
       "beyond 64 bits"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 4]}}",
       "another number of bytes than its data_offsets give"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [8, 0]}}", "end before they begin"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0]}}", "two whole numbers"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 12]}}",
       "it ends behind the file, which is truncated"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}",
       "does not begin where the tensor before it ends"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}, "
       "\"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}",
       "does not begin where the tensor before it ends"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}",
       "behind the last tensor are 4 bytes that belong to none"},
      {"{\"a\": {}, \"a\": {}}", "its header is no JSON: byte"},
      {"{\"a\"", "its header is no JSON: byte"}};
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(cases); i++) {
    cvy_weights_file *file;
    CU_ASSERT_EQUAL(cvy_weights_open(&file, safetensors(pool, cases[i][0], 8)), CVY_E_INPUT);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT(says("made.safetensors: ") && says(cases[i][1]));
  }
  cvy_pool_destroy(pool);
}

static void what_is_no_file_of_weights(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  const char *path = cvy_pool_format(pool, "%s/text", scratch_folder());
  scratch_write(path, "no weights", 10);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, path), CVY_E_INPUT);
  CU_ASSERT(says("text: no file of weights that convoy can read. These are: safetensors; PyTorch's"));
  CU_ASSERT_PTR_NULL(cvy_weights_format_of(path));
  scratch_write(path, "", 0);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, path), CVY_E_INPUT);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, cvy_pool_format(pool, "%s/nothing", scratch_folder())),
                  CVY_E_INPUT);
  CU_ASSERT(says("nothing: No such file or directory"));
  cvy_pool_destroy(pool);
}

/* Reads all of a file, if it opens. */
static cvy_err read_all(const char *path) {
  cvy_weights_file *file;
  CVY_TRY(cvy_weights_open(&file, path));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < file->tensor_count && !err; i++) {
    float *values = malloc(sizeof *values * (size_t)file->tensors[i].count + 1);
    err = cvy_weights_read(values, file, i);
    free(values);
  }
  cvy_weights_close(file);
  return err;
}

/* What ends behind one of the layers of a network of Caffe's is a whole file with fewer. */
static bool may_end_before(int64_t f) {
  return strncmp(files[f].format, "caffe", 5) == 0;
}

/* A divisor of statistics that is no number is no divisor. */
static void divisor_of_statistics(void) {
  static const char divisor[] = "\x2a\x04\0\0\0\x40", infinite[] = "\x2a\x04\0\0\x80\x7f";
  cvy_pool *pool = cvy_pool_create();
  cvy_weights_file *file;
  const char *path = cvy_pool_format(pool, "%s/divisor.caffemodel", scratch_folder());
  size_t count;
  char *bytes = scratch_read(golden(pool, "small.caffemodel"), &count);
  char *at = memmem(bytes, count, divisor, sizeof divisor - 1);
  CU_ASSERT_PTR_NOT_NULL_FATAL(at);
  memcpy(at, infinite, sizeof infinite - 1);
  scratch_write(path, bytes, count);
  CU_ASSERT_EQUAL(cvy_weights_open(&file, path), CVY_E_INPUT);
  CU_ASSERT(says("by which statistics are divided, is inf"));
  free(bytes);
  cvy_pool_destroy(pool);
}

/* HDF5 takes its time to open a file, so of these fewer are tried. */
enum { RARELY = 61, TIMES = 500 };

static bool is_hdf5(const char *bytes) {
  return memcmp(bytes, "\211HDF", 4) == 0;
}

/* A shorter file is refused. Only of a zip the directory at its end may be missing, which its reader does not
 * need: then all tensors are there. */
static void truncated_at_any_length(void) {
  cvy_pool *pool = cvy_pool_create();
  const char *path = cvy_pool_format(pool, "%s/short", scratch_folder());
  for (int64_t f = 0; f < CVY_COUNT(files); f++) {
    size_t count;
    char *bytes = scratch_read(golden(pool, files[f].file), &count);
    const bool is_zip = bytes[0] == 'P';
    for (size_t length = 0; length < count; length += is_hdf5(bytes) ? RARELY : 1) {
      scratch_write(path, bytes, length);
      const cvy_err err = read_all(path);
      CU_ASSERT(err == CVY_E_INPUT || ((is_zip || may_end_before(f)) && !err));
      if (!err && is_zip) check_file(path, f);
    }
    CU_ASSERT_EQUAL(read_all(golden(pool, files[f].file)), CVY_OK);
    free(bytes);
  }
  cvy_pool_destroy(pool);
}

/* Any byte may be any other: a file is read or refused. */
static void random_damage(void) {
  cvy_pool *pool = cvy_pool_create();
  const char *path = cvy_pool_format(pool, "%s/damaged", scratch_folder());
  srand(1);
  for (int64_t f = 0; f < CVY_COUNT(files); f++) {
    size_t count;
    char *bytes = scratch_read(golden(pool, files[f].file), &count);
    for (int i = 0; i < (is_hdf5(bytes) ? TIMES / RARELY * 4 : TIMES); i++) {
      const size_t at = (size_t)rand() % count;
      const char old = bytes[at];
      bytes[at] = (char)rand();
      scratch_write(path, bytes, count);
      const cvy_err err = read_all(path);
      CU_ASSERT(err == CVY_OK || err == CVY_E_INPUT || err == CVY_E_SYSTEM);
      bytes[at] = old;
    }
    free(bytes);
  }
  cvy_pool_destroy(pool);
}

/* ---- real ones ---- */

static void real_files(void) {
  static const struct {
    const char *name, *first;
    int64_t count, first_count;
  } real[] = {{"resnet20-12fca82f.th", "state_dict.module.conv1.weight", 97, 432},
              {"squeezenet-imagenet.safetensors", "conv1.weight", 52, 14112}};
  const char *data = test_data("weights of ResNet-20 and SqueezeNet");
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; data && i < CVY_COUNT(real); i++) {
    cvy_weights_file *file;
    CU_ASSERT_EQUAL_FATAL(cvy_weights_open(&file, cvy_pool_format(pool, "%s/weights/%s", data, real[i].name)),
                          CVY_OK);
    CU_ASSERT_EQUAL(file->tensor_count, real[i].count);
    CU_ASSERT_STRING_EQUAL(file->tensors[0].name, real[i].first);
    CU_ASSERT_EQUAL(file->tensors[0].count, real[i].first_count);
    cvy_weights_close(file);
  }
  cvy_pool_destroy(pool);
}

/* Many layers may want one name; each looks only for a number behind the last. */
static void names_of_layers(void) {
  enum { MANY = 5000 };
  cvy_pool *pool = cvy_pool_create();
  cvy_layer_names names = {0};
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "input"), "input_2");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "a_3"), "a_3");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "a"), "a");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "a"), "a_2");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "a"), "a_4");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "a_2"), "a_2_2");
  for (int i = 1; i < MANY; i++) cvy_layer_name_take(&names, pool, "b");
  CU_ASSERT_STRING_EQUAL(cvy_layer_name_take(&names, pool, "b"), "b_5000");
  cvy_pool_destroy(pool);
}

SUITE("formats", TEST(tensors_of_every_format), TEST(a_checkpoint_has_its_network),
      TEST(a_checkpoint_with_averages), TEST(damaged_checkpoints), TEST(every_format_has_a_file), TEST(notes),
      TEST(numbers_of_halves), TEST(wrong_safetensors), TEST(what_is_no_file_of_weights),
      TEST(divisor_of_statistics), TEST(truncated_at_any_length), TEST(random_damage), TEST(names_of_layers),
      TEST(real_files))
