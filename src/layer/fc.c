/* Fully connected: y [n][outputs] = x [n][features] W [features][outputs] + bias; the features are the
 * image's h*w*c numbers in memory order. sharded.c has the products of weights that are split over ranks. */
#include "layer/init.h"
#include "layer/sharded.h"
#include "math/gemm.h"

#include <string.h>

enum { REPLICATED, SHARDED, AUTO };

static const char *const parallel_words[] = {
    [REPLICATED] = "replicated", [SHARDED] = "sharded", [AUTO] = "auto", NULL};

typedef struct fc {
  int64_t outputs;
  int parallel;
  bool has_peers, is_sharded;
  cvy_init_options init;
  bool bias;
  double bias_value;
} fc;

static const cvy_option options[] = {
    {.name = "outputs",
     .type = CVY_INT,
     .offset = offsetof(fc, outputs),
     .min = 1,
     .max = 1e6,
     .help = "numbers that come out for each image"},
    {.name = "bias",
     .type = CVY_BOOL,
     .offset = offsetof(fc, bias),
     .fallback = "true",
     .help = "add a learnt number to each output"},
    CVY_INIT_OPTIONS(fc, init),
    {.name = "bias_value",
     .type = CVY_FLOAT,
     .offset = offsetof(fc, bias_value),
     .fallback = "0",
     .min = -CVY_NO_LIMIT,
     .max = CVY_NO_LIMIT,
     .help = "first value of the biases"},
    {.name = "parallel",
     .type = CVY_CHOICE,
     .offset = offsetof(fc, parallel),
     .fallback = "replicated",
     .words = parallel_words,
     .help = "every rank has all weights, and gradients travel; or each a part of their rows, and the "
             "images' numbers travel, which is less where there are many weights and few images a step "
             "(sharded); or by a model of both, which knows the recipe alone and so chooses the same at "
             "any number of ranks (auto)"},
    {0},
};

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  fc *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  const int64_t n = plan->x[0].n, features = cvy_shape_per_image(plan->x[0]);
  if (features > INT_MAX)
    return cvy_error(CVY_E_INPUT,
                     "an input of %" PRId64 " numbers an image is too large for it; at most %d fit", features,
                     INT_MAX);
  CVY_TRY(cvy_layer_check_shape((cvy_shape){features, 1, 1, self->outputs}, "the matrix of weights"));
  plan->y = (cvy_shape){n, 1, 1, self->outputs};
  CVY_TRY(cvy_layer_check_shape(plan->y, "the output"));
  plan->params[0] = (cvy_param_spec){.name = "weights",
                                     .dim_count = 2,
                                     .dims = {features, self->outputs},
                                     .init = cvy_init_chosen(&self->init, features, self->outputs),
                                     .decays = true};
  plan->params[1] = (cvy_param_spec){.name = "bias",
                                     .dim_count = 1,
                                     .dims = {self->outputs},
                                     .init = cvy_init_of_bias(&self->init, self->bias_value, features)};
  plan->param_count = self->bias ? 2 : 1;
  plan->multiply_adds = n * features * self->outputs;
  plan->backward_reads_x = plan->learns;
  self->has_peers = plan->peers != NULL;
  /* A frozen layer has no gradients that splitting it would save. */
  self->is_sharded = self->has_peers && plan->learns &&
                     (self->parallel == SHARDED ||
                      (self->parallel == AUTO && cvy_sharded_pays(plan->peers, n, features, self->outputs)));
  return self->is_sharded ? cvy_sharded_plan(plan) : CVY_OK;
}

static cvy_factor rows_of(const float *at, int64_t stride) {
  return (cvy_factor){.at = at, .stride = stride};
}

static cvy_factor columns_of(const float *at, int64_t stride) {
  return (cvy_factor){.at = at, .stride = stride, .transposed = true};
}

static void multiply(const cvy_layer_call *call) {
  const int64_t n = call->plan->y.n, outputs = call->plan->y.c,
                features = cvy_shape_per_image(call->plan->x[0]);
  cvy_gemm_parallel(call->y, outputs, rows_of(call->x[0], features), rows_of(call->params[0], outputs), n,
                    outputs, features, 1, 0);
}

static void forward(const cvy_layer_call *call) {
  const fc *self = call->config;
  if (self->is_sharded && call->pass->training)
    cvy_sharded_forward(call);
  else
    multiply(call);
  if (self->bias) cvy_kernels_get()->add_rows(call->y, call->params[1], call->plan->y.n, self->outputs);
}

static void multiply_back(const cvy_layer_call *call) {
  const int64_t n = call->plan->y.n, outputs = call->plan->y.c,
                features = cvy_shape_per_image(call->plan->x[0]);
  if (call->plan->learns)
    cvy_gemm_parallel(call->grads[0], outputs, columns_of(call->x[0], features), rows_of(call->dy, outputs),
                      features, outputs, n, 1, 0);
  if (call->dx[0])
    cvy_gemm_parallel(call->dx[0], features, rows_of(call->dy, outputs), columns_of(call->params[0], outputs),
                      n, features, outputs, 1, 0);
}

static void backward(const cvy_layer_call *call) {
  const fc *self = call->config;
  if (self->bias && call->plan->learns) {
    memset(call->grads[1], 0, sizeof(float) * (size_t)self->outputs);
    cvy_kernels_get()->sum_rows(call->grads[1], call->dy, call->plan->y.n, self->outputs);
  }
  if (self->is_sharded)
    cvy_sharded_backward(call);
  else
    multiply_back(call);
}

static void describe(char *out, size_t bytes, const void *config) {
  const fc *self = config;
  const char *chosen = self->has_peers && self->parallel == AUTO ? "auto: " : "";
  const char *how = self->is_sharded  ? "sharded"
                    : self->has_peers ? "replicated"
                                      : parallel_words[self->parallel];
  snprintf(out, bytes, "%s%s", chosen, self->parallel == REPLICATED ? "" : how);
}

extern const cvy_layer_type cvy_layer_fc;
const cvy_layer_type cvy_layer_fc = {
    .kind = &(const cvy_kind){"fc", "fully connected: every output sees every input", options, sizeof(fc)},
    .short_name = "fc",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .describe = describe,
};
