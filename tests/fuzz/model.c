/* Fuzzes checkpoints as models, made as made.h says. The recipe, of which a model takes the network, is any
 * text. The hash of the weights is right for what they are, so that what reads them is reached. */
#include "made.h"

#include "model/model.h"

enum { C = 2, FLOATS = 8, OUTPUTS = 3, VALUES = (FLOATS + 1) * OUTPUTS, MOST_MULTIPLY_ADDS = 1 << 20 };
enum { MOST_FLOATS = 1 << 16 };

/* The bits of the first byte, and what they ask for. */
enum { ANY_RECIPE = 1, ANY_VALUES = 2, NO_PARAMETERS = 32 };

static const char usual_recipe[] = "network:\n  name: n\n  input: [2, 2, 2]\n  layers:\n"
                                   "    - fc: {name: f, outputs: 3}\n    - softmax_loss\n"
                                   "microbatch: 2\ndata: {augment: [mirror], evaluation: []}\n";

static void put_recipe(maker *m, uint8_t flags) {
  if (!(flags & ANY_RECIPE)) {
    put_texts(m, "recipe", 1, usual_recipe, sizeof usual_recipe);
    return;
  }
  const fuzz_bytes part = fuzz_part(&m->in);
  const size_t length = part.left < MOST_CONTENT ? part.left : MOST_CONTENT;
  char *text = fuzz_text(part.p, length);
  put_texts(m, "recipe", 1, text, length + 1);
  free(text);
}

static void put_parameters(maker *m, uint8_t flags) {
  float values[VALUES];
  for (int i = 0; i < VALUES; i++) values[i] = (float)i / VALUES;
  if (flags & ANY_VALUES)
    for (size_t i = 0; i < sizeof values; i++) ((uint8_t *)values)[i] = fuzz_byte(&m->in);
  cvy_hasher *hasher = cvy_hasher_create();
  cvy_hasher_add(hasher, values, flags & NO_PARAMETERS ? 0 : sizeof values);
  put_text(m, "weights", cvy_hasher_result(hasher).hex);
  cvy_hasher_destroy(hasher);
  put_array(m, (array){"parameters/f/weights",
                       H5T_NATIVE_FLOAT,
                       2,
                       {FLOATS, OUTPUTS},
                       values,
                       sizeof *values * FLOATS * OUTPUTS});
  put_array(m, (array){"parameters/f/bias",
                       H5T_NATIVE_FLOAT,
                       1,
                       {OUTPUTS},
                       values + FLOATS * OUTPUTS,
                       sizeof *values * OUTPUTS});
}

static void make_file(const char *path, maker *m, uint8_t flags) {
  static const float numbers[C] = {1, 2};
  const double top1 = 0.5;
  begin_file(path, m);
  put_recipe(m, flags);
  put_text(m, "format", "convoy-checkpoint");
  put_number(m, m->file, "version", 1);
  put_texts(m, "class_names", 2, "cat\0dog", 4);
  put_array(m, (array){"mean", H5T_NATIVE_FLOAT, 1, {C}, numbers, sizeof numbers});
  put_array(m, (array){"deviation", H5T_NATIVE_FLOAT, 1, {C}, numbers, sizeof numbers});
  put_text(m, "data", "0123");
  put_parameters(m, flags);
  put_number(m, m->file, "step", 7);
  put_number(m, m->file, "best_step", 7);
  put_attribute(m->file, "best_top1", H5T_NATIVE_DOUBLE, &top1);
  H5Fclose(m->file);
}

/* ---- reading ---- */

static void look_at_tensors(const cvy_model *model, const cvy_model_info *info) {
  for (int64_t i = 0; i < info->tensor_count; i++) {
    const cvy_model_tensor tensor = cvy_model_tensor_at(model, i);
    int64_t count = 1;
    for (int k = 0; k < tensor.dim_count; k++) count *= tensor.dims[k];
    FUZZ_CHECK(count == tensor.count && tensor.name[0]);
  }
}

/* Runs one image more than a microbatch, where that is little work. */
static void run(cvy_model *model, const cvy_model_info *info) {
  const cvy_net_info *net = cvy_net_describe(cvy_model_net(model));
  const int64_t count = info->microbatch + 1, floats = info->h * info->w * info->c;
  if (net->multiply_adds > MOST_MULTIPLY_ADDS || net->activation_bytes > (1 << 22)) return;
  if (count > MOST_FLOATS / floats || count > MOST_FLOATS / info->class_count) return;
  float *images = calloc((size_t)(count * floats), sizeof *images);
  float *probabilities = malloc(sizeof *probabilities * (size_t)(count * info->class_count));
  cvy_model_run(model, probabilities, images, count);
  free(images);
  free(probabilities);
}

static void go_through(const char *path, bool is_good) {
  cvy_model *model;
  const cvy_err err = cvy_model_open(&model, path);
  FUZZ_CHECK(!err || !is_good);
  FUZZ_CHECK(!err || strstr(cvy_err_message(), path));
  if (err) return;
  const cvy_model_info *info = cvy_model_describe(model);
  FUZZ_CHECK(info->c >= 1 && info->c <= CVY_MAX_CHANNELS && info->name_count <= info->class_count);
  FUZZ_CHECK(info->microbatch >= 1);
  look_at_tensors(model, info);
  (void)cvy_model_hash(model);
  run(model, info);
  cvy_model_close(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  maker m = {.in = {data, size}};
  (void)cvy_h5_version(); /* Convoy sets HDF5 up, which must come before any other use */
  const char *path = fuzz_path("model.h5");
  const uint8_t flags = fuzz_byte(&m.in);
  make_file(path, &m, flags);
  go_through(path, size == 0);
  return 0;
}
