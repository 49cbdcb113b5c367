/* What the losses share: their option, their plan, and the loops over rows of scores. */
#include "layer/loss.h"

#include "base/count.h"

#include <string.h>

enum { ROWS = 32 };

cvy_err cvy_loss_plan(cvy_layer_plan *plan) {
  CVY_TRY(cvy_layer_check_input(plan));
  const cvy_shape x = plan->x[0];
  if (x.h != 1 || x.w != 1)
    return cvy_error(CVY_E_INPUT,
                     "it takes one row of class scores for each image (1x1xclasses), but its input is "
                     "%" PRId64 "x%" PRId64 "x%" PRId64
                     ": end the network with fc or with average_pool: {kernel: global}",
                     x.h, x.w, x.c);
  plan->y = x;
  plan->backward_reads_y = true;
  plan->class_count = x.c;
  return CVY_OK;
}

static double weight_of(const cvy_layer_call *call) {
  return ((const cvy_loss *)call->config)->weight;
}

static double smoothing_of(const cvy_layer_call *call) {
  return call->pass->training ? ((const cvy_loss *)call->config)->smoothing : 0;
}

static int64_t rows_end(const cvy_layer_plan *plan, int64_t index) {
  return (index + 1) * ROWS < plan->y.n ? (index + 1) * ROWS : plan->y.n;
}

typedef struct job {
  const cvy_layer_call *call;
  cvy_loss_row row;
} job;

static void check_label(int32_t label, int32_t least, int64_t classes) {
  CVY_CHECK(label >= least && label < classes, "label %d of %" PRId64 " classes", label, classes);
}

/* An image with no more than its own label goes the way of those that nobody mixes, to the same bits. */
static bool is_mixed(const cvy_targets *targets, int64_t n) {
  return targets->partners && targets->labels[n] >= 0 && targets->shares[n] < 1;
}

static void forward_rows(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const cvy_layer_call *call = j->call;
  const int64_t scores = call->plan->y.c, classes = call->plan->class_count;
  const double smoothing = smoothing_of(call);
  for (int64_t n = index * ROWS; n < rows_end(call->plan, index); n++) {
    const int32_t label = call->targets->labels[n];
    check_label(label, -1, classes);
    float *y = call->y + n * scores;
    const float *x = call->x[0] + n * scores;
    double loss = j->row(y, x, scores, label, smoothing);
    if (is_mixed(call->targets, n)) {
      const int32_t partner = call->targets->partners[n];
      const double share = (double)call->targets->shares[n];
      check_label(partner, 0, classes);
      loss = share * loss + (1 - share) * j->row(y, x, scores, partner, smoothing);
    }
    call->losses[n] = label < 0 ? 0 : weight_of(call) * loss;
  }
}

/* Numbers of a backward pass: what a probability's distance from its target counts for, and what targets have
 * of the labels and of the smoothing. */
typedef struct slope {
  float factor, kept, spread;
} slope;

static void backward_mixed(float *dx, const float *y, int64_t scores, const cvy_targets *targets, int64_t n,
                           const slope *s) {
  const float share = targets->shares[n], rest = 1.0f - share;
  for (int64_t c = 0; c < scores; c++) {
    const float own = cvy_loss_expects(c, scores, targets->labels[n]) ? share : 0.0f;
    const float other = cvy_loss_expects(c, scores, targets->partners[n]) ? rest : 0.0f;
    dx[c] = s->factor * (y[c] - (s->kept * (own + other) + s->spread));
  }
}

static void backward_rows(const void *context, int64_t index, int thread) {
  (void)thread;
  const cvy_layer_call *call = context;
  const int64_t scores = call->plan->y.c;
  const double smoothing = smoothing_of(call);
  const slope s = {.factor = call->pass->loss_scale * (float)weight_of(call),
                   .kept = (float)(1 - smoothing),
                   .spread = (float)(smoothing / (double)scores)};
  for (int64_t n = index * ROWS; n < rows_end(call->plan, index); n++) {
    float *dx = call->dx[0] + n * scores;
    const float *y = call->y + n * scores;
    const int32_t label = call->targets->labels[n];
    if (label < 0) {
      memset(dx, 0, sizeof *dx * (size_t)scores);
      continue;
    }
    if (is_mixed(call->targets, n)) {
      backward_mixed(dx, y, scores, call->targets, n, &s);
      continue;
    }
    for (int64_t c = 0; c < scores; c++)
      dx[c] = s.factor * (y[c] - ((cvy_loss_expects(c, scores, label) ? s.kept : 0.0f) + s.spread));
  }
}

void cvy_loss_forward(const cvy_layer_call *call, cvy_loss_row row) {
  const job j = {call, row};
  cvy_parallel(cvy_pieces(call->plan->y.n, ROWS), forward_rows, &j);
}

void cvy_loss_backward(const cvy_layer_call *call) {
  if (call->dx[0]) cvy_parallel(cvy_pieces(call->plan->y.n, ROWS), backward_rows, call);
}
