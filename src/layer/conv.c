/* Convolution; the arithmetic is behind math/conv.h. */
#include "base/count.h"
#include "layer/init.h"
#include "layer/shapes.h"
#include "math/conv.h"

typedef struct conv {
  int64_t filters, groups;
  cvy_sliding sliding;
  cvy_init_options init;
  bool bias;
  double bias_value;
  cvy_conv_plan plan; /* plan makes it */
} conv;

static const cvy_option options[] = {
    {.name = "filters",
     .type = CVY_INT,
     .offset = offsetof(conv, filters),
     .min = 1,
     .max = 1e6,
     .help = "channels of the output"},
    {.name = "kernel",
     .type = CVY_PAIR,
     .offset = offsetof(conv, sliding.kernel),
     .min = 1,
     .max = 65535,
     .help = "size of a filter in pixels"},
    {.name = "stride",
     .type = CVY_PAIR,
     .offset = offsetof(conv, sliding.stride),
     .fallback = "1",
     .min = 1,
     .max = 65535,
     .help = "pixels from one window to the next"},
    {.name = "padding",
     .type = CVY_PAIR,
     .offset = offsetof(conv, sliding.padding),
     .fallback = "valid",
     .min = 0,
     .max = 65535,
     .words = cvy_padding_words,
     .help = "zeros around the image, in pixels on each side; valid: none; same: as many as make the output "
             "ceil(input / stride), an odd one at the bottom or right (as in Keras)"},
    {.name = "groups",
     .type = CVY_INT,
     .offset = offsetof(conv, groups),
     .fallback = "1",
     .min = 1,
     .max = 1e6,
     .help =
         "equal parts into which channels and filters are cut, each part of the filters seeing its own part "
         "of the channels; as many as channels: depthwise"},
    {.name = "bias",
     .type = CVY_BOOL,
     .offset = offsetof(conv, bias),
     .fallback = "true",
     .help = "add a learnt number to each channel"},
    CVY_INIT_OPTIONS(conv, init),
    {.name = "bias_value",
     .type = CVY_FLOAT,
     .offset = offsetof(conv, bias_value),
     .fallback = "0",
     .min = -CVY_NO_LIMIT,
     .max = CVY_NO_LIMIT,
     .help = "first value of the biases"},
    {0},
};

static bool divides(int64_t groups, int64_t channels, int64_t filters) {
  return channels % groups == 0 && filters % groups == 0;
}

static cvy_err check_groups(int64_t groups, int64_t channels, int64_t filters) {
  if (divides(groups, channels, filters)) return CVY_OK;
  const int64_t most = cvy_smaller(channels, filters);
  int64_t below = cvy_smaller(groups, most), above = groups;
  while (!divides(below, channels, filters)) below--;
  while (above <= most && !divides(above, channels, filters)) above++;
  char also[32] = "";
  if (above <= most) snprintf(also, sizeof also, " or %" PRId64, above);
  return cvy_error(CVY_E_INPUT,
                   "the input's %" PRId64 " channels and the %" PRId64
                   " filters cannot both be cut into %" PRId64 " equal groups, "
                   "but into %" PRId64 "%s they can",
                   channels, filters, groups, below, also);
}

static cvy_err check_work(const cvy_window *g, int64_t channels, int64_t filters, cvy_shape y) {
  const double patch = (double)g->r * (double)g->s * (double)channels;
  if (patch > INT_MAX || patch * (double)filters > 0x1p40)
    return cvy_error(CVY_E_INPUT,
                     "%" PRId64 " filters of %" PRId64 "x%" PRId64 "x%" PRId64
                     " are too large: one filter may hold %d numbers",
                     filters, g->r, g->s, channels, INT_MAX);
  const double multiply_adds = patch * (double)y.n * (double)y.h * (double)y.w * (double)y.c;
  if (multiply_adds > 0x1p62)
    return cvy_error(CVY_E_INPUT, "one forward pass would take %.3g multiplications", multiply_adds);
  return CVY_OK;
}

static void declare_params(cvy_layer_plan *plan, const conv *self, const cvy_window *g, int64_t channels) {
  const int64_t fan_in = g->r * g->s * channels, fan_out = g->r * g->s * (self->filters / self->groups);
  plan->params[0] = (cvy_param_spec){.name = "weights",
                                     .dim_count = 4,
                                     .dims = {g->r, g->s, channels, self->filters},
                                     .init = cvy_init_chosen(&self->init, fan_in, fan_out),
                                     .decays = true};
  plan->params[1] = (cvy_param_spec){.name = "bias",
                                     .dim_count = 1,
                                     .dims = {self->filters},
                                     .init = cvy_init_of_bias(&self->init, self->bias_value, fan_in)};
  plan->param_count = self->bias ? 2 : 1;
}

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  conv *self = config;
  cvy_conv_shape shape = {.n = plan->x[0].n, .k = self->filters, .groups = self->groups};
  const cvy_window *g = &shape.window;
  CVY_TRY(cvy_layer_check_input(plan));
  CVY_TRY(check_groups(self->groups, plan->x[0].c, self->filters));
  const int64_t channels = plan->x[0].c / self->groups; /* channels that a filter sees */
  CVY_TRY(cvy_sliding_place(&shape.window, &self->sliding, plan->x[0]));
  plan->y = (cvy_shape){shape.n, g->oh, g->ow, self->filters};
  CVY_TRY(cvy_layer_check_shape(plan->y, "the output"));
  CVY_TRY(check_work(g, channels, self->filters, plan->y));
  declare_params(plan, self, g, channels);
  const unsigned passes = CVY_CONV_ONLY(CVY_CONV_FORWARD) |
                          (plan->learns ? CVY_CONV_ONLY(CVY_CONV_BACKWARD_FILTERS) : 0) |
                          (plan->gives_dx ? CVY_CONV_ONLY(CVY_CONV_BACKWARD_DATA) : 0);
  cvy_conv_plan_make(&self->plan, &shape, plan->convolution, passes);
  plan->algorithm = cvy_conv_describe(&self->plan);
  plan->multiply_adds = cvy_shape_count(plan->y) * g->r * g->s * channels;
  plan->backward_reads_x = plan->learns;
  plan->sliding = self->sliding;
  plan->can_rectify = true;
  plan->prepared_bytes = self->plan.prepared_bytes;
  plan->scratch_bytes = self->plan.scratch_bytes;
  plan->scratch_bytes_per_thread = self->plan.scratch_bytes_per_thread;
  return CVY_OK;
}

static cvy_conv_arrays arrays_of(const cvy_layer_call *call) {
  const conv *self = call->config;
  return (cvy_conv_arrays){.x = call->x[0],
                           .filters = call->params[0],
                           .bias = self->bias ? call->params[1] : NULL,
                           .y = call->y,
                           .dy = call->dy,
                           .dx = call->dx[0],
                           .dfilters = call->grads[0],
                           .dbias = self->bias ? call->grads[1] : NULL,
                           .scratch = call->scratch,
                           .prepared = call->pass->params == CVY_PARAMS_ONCE ? NULL : call->prepared,
                           .is_prepared = call->pass->params == CVY_PARAMS_KEPT,
                           .rectify = call->rectify};
}

static void forward(const cvy_layer_call *call) {
  const conv *self = call->config;
  const cvy_conv_arrays arrays = arrays_of(call);
  cvy_conv_run(&self->plan, CVY_CONV_FORWARD, &arrays);
}

static void backward(const cvy_layer_call *call) {
  const conv *self = call->config;
  const cvy_conv_arrays arrays = arrays_of(call);
  if (call->plan->learns) cvy_conv_run(&self->plan, CVY_CONV_BACKWARD_FILTERS, &arrays);
  if (call->dx[0]) cvy_conv_run(&self->plan, CVY_CONV_BACKWARD_DATA, &arrays);
}

static void describe(char *out, size_t bytes, const void *config) {
  const conv *self = config;
  if (self->groups > 1) snprintf(out, bytes, "%" PRId64 " groups", self->groups);
}

extern const cvy_layer_type cvy_layer_conv;
const cvy_layer_type cvy_layer_conv = {
    .kind = &(const cvy_kind){"conv", "convolution with learnt filters", options, sizeof(conv)},
    .short_name = "conv",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .describe = describe,
};
