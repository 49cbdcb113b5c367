/* Networks with weights that follow a formula, written as ONNX and read back, for test_onnx and for
 * reference/onnx_logits. */
#ifndef CVY_TESTS_ONNX_MODELS_H
#define CVY_TESTS_ONNX_MODELS_H

#include "base/yaml.h"
#include "formats/formats.h"
#include "model/match.h"
#include "net/net.h"
#include "formula.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline float model_weight(const cvy_net_param *params, int64_t tensor, int64_t element) {
  const cvy_param_spec *spec = params[tensor].spec;
  const double u = formula(tensor, element);
  if (strcmp(spec->name, "weights") == 0) {
    const int64_t fan_in = cvy_param_count(spec) / spec->dims[spec->dim_count - 1];
    return (float)(u * sqrt(6.0 / (double)fan_in));
  }
  if (strcmp(spec->name, "variance") == 0) return (float)(1 + 0.5 * u);
  if (strcmp(spec->name, "scale") == 0) return (float)(0.6 + 0.1 * u);
  return (float)(0.1 * u);
}

static inline void model_fill(cvy_net *net) {
  const cvy_net_info *info = cvy_net_describe(net);
  float *arena = cvy_net_params(net);
  for (int64_t t = 0; t < info->param_tensors; t++)
    for (int64_t i = 0; i < info->params[t].count; i++)
      arena[info->params[t].offset + i] = model_weight(info->params, t, i);
}

/* Returns images as the network takes them, [n][h][w][c]. */
static inline float *model_images(const cvy_net *net) {
  const int64_t count = cvy_shape_count(cvy_net_describe(net)->input);
  float *images = malloc(sizeof *images * (size_t)count);
  for (int64_t i = 0; i < count; i++) images[i] = (float)formula(1000000, i);
  return images;
}

static inline cvy_err model_plan(cvy_net **out, const cvy_yaml *network, int64_t microbatch) {
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION};
  return cvy_net_create(out, network, microbatch, &wishes);
}

/* Makes the network that a file has, with its weights. */
static inline cvy_err model_import(cvy_net **out, cvy_pool *pool, const cvy_weights_file *file,
                                   int64_t microbatch) {
  cvy_matching matching;
  CVY_TRY(model_plan(out, file->network, microbatch));
  CVY_TRY(cvy_match(&matching, pool, file, *out, NULL, 0, false));
  CVY_TRY(cvy_match_expect_all(&matching));
  for (int64_t i = 0; i < matching.count; i++) CVY_TRY(cvy_match_read(cvy_net_params(*out), &matching, i));
  return CVY_OK;
}

/* Returns the logits of `images`, [n][scores]; free() them. */
static inline float *model_logits(cvy_net *net, const float *images) {
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t count = info->input.n * info->score_count;
  int32_t *labels = malloc(sizeof *labels * (size_t)info->input.n);
  for (int64_t i = 0; i < info->input.n; i++) labels[i] = -1;
  const cvy_pass pass = {.training = false};
  cvy_net_forward(net, images, &(cvy_targets){.labels = labels}, &pass);
  float *logits = malloc(sizeof *logits * (size_t)count);
  memcpy(logits, cvy_net_logits(net), sizeof *logits * (size_t)count);
  free(labels);
  return logits;
}

/* Writes the net in a format. */
static inline cvy_err model_write(const char *path, const char *format, cvy_pool *pool, cvy_net *net,
                                  const cvy_yaml *network, const cvy_weights_out *about) {
  cvy_yaml *flat;
  CVY_TRY(cvy_net_resolve(&flat, pool, network));
  cvy_weights_out model = about ? *about : (cvy_weights_out){0};
  model.net = net;
  model.arena = cvy_net_params(net);
  model.network = flat;
  for (int64_t i = 0; i < cvy_weights_format_count(); i++)
    if (strcmp(cvy_weights_format_at(i)->name, format) == 0)
      return cvy_weights_format_at(i)->write(path, &model);
  return cvy_error(CVY_E_INPUT, "no format is called %s", format);
}

#endif
