/* Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3). Backward works the
 * normalisers out again from x, which is cheaper than keeping them. */
#include "base/count.h"
#include "layer/shapes.h"

typedef struct lrn {
  int64_t size;
  double alpha, beta, k;
  cvy_lrn kernel; /* plan makes it */
} lrn;

static const cvy_option options[] = {
    {.name = "size",
     .type = CVY_INT,
     .offset = offsetof(lrn, size),
     .fallback = "5",
     .min = 1,
     .max = 65535,
     .help = "channels that a sum of squares spans, odd"},
    {.name = "alpha",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn, alpha),
     .fallback = "1e-4",
     .min = 0,
     .max = CVY_NO_LIMIT,
     .help = "weight of the sum; divided by size, as in Caffe and PyTorch (Krizhevsky's own formula does not "
             "divide: his 1e-4 over 5 channels is 5e-4 here)"},
    {.name = "beta",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn, beta),
     .fallback = "0.75",
     .min = 0,
     .max = 1000,
     .help = "exponent: y = x / (k + alpha / size * sum)^beta"},
    {.name = "k",
     .type = CVY_FLOAT,
     .offset = offsetof(lrn, k),
     .fallback = "1",
     .min = 1e-5,
     .max = CVY_NO_LIMIT,
     .help = "added to the sum (Krizhevsky: 2)"},
    {0},
};

/* Pixels of a task. */
enum { PIXELS = 64 };

static cvy_err plan(cvy_layer_plan *plan, void *config) {
  lrn *self = config;
  CVY_TRY(cvy_layer_check_input(plan));
  if (self->size % 2 == 0)
    return cvy_error(CVY_E_INPUT,
                     "'size' must be odd, so that the channel stands in the middle; %" PRId64 " is even",
                     self->size);
  self->kernel = (cvy_lrn){.size = self->size,
                           .k = (float)self->k,
                           .alpha_share = (float)(self->alpha / (double)self->size),
                           .beta = (float)self->beta};
  plan->y = plan->x[0];
  plan->backward_reads_x = true;
  plan->scratch_bytes_per_thread = sizeof(float) * (size_t)cvy_lrn_scratch_count(plan->x[0].c, &self->kernel);
  return CVY_OK;
}

static int64_t pixels_of(const cvy_layer_plan *plan) {
  return plan->y.n * plan->y.h * plan->y.w;
}

static int64_t pixels_of_task(const cvy_layer_plan *plan, int64_t index) {
  const int64_t left = pixels_of(plan) - index * PIXELS;
  return cvy_smaller(left, PIXELS);
}

static void forward_pixels(const void *context, int64_t index, int thread) {
  const cvy_layer_call *call = context;
  const lrn *self = call->config;
  const int64_t channels = call->plan->y.c, first = index * PIXELS * channels;
  cvy_kernels_get()->lrn_forward(call->y + first, call->x[0] + first, cvy_layer_thread_scratch(call, thread),
                                 pixels_of_task(call->plan, index), channels, &self->kernel);
}

static void backward_pixels(const void *context, int64_t index, int thread) {
  const cvy_layer_call *call = context;
  const lrn *self = call->config;
  const int64_t channels = call->plan->y.c, first = index * PIXELS * channels;
  cvy_kernels_get()->lrn_backward(call->dx[0] + first, call->x[0] + first, call->dy + first,
                                  cvy_layer_thread_scratch(call, thread), pixels_of_task(call->plan, index),
                                  channels, &self->kernel);
}

static void forward(const cvy_layer_call *call) {
  cvy_parallel(cvy_pieces(pixels_of(call->plan), PIXELS), forward_pixels, call);
}

static void backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(cvy_pieces(pixels_of(call->plan), PIXELS), backward_pixels, call);
}

static void describe(char *out, size_t bytes, const void *config) {
  const lrn *self = config;
  snprintf(out, bytes, "%" PRId64 " channels", self->size);
}

extern const cvy_layer_type cvy_layer_lrn;
const cvy_layer_type cvy_layer_lrn = {
    .kind = &(const cvy_kind){"lrn", "local response normalisation across channels", options, sizeof(lrn)},
    .short_name = "norm",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .describe = describe,
};
