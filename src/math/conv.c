/* The choice of algorithm: the first in the table that serves the shape. */
#include "math/conv.h"

extern const cvy_conv_algorithm cvy_conv_winograd, cvy_conv_direct, cvy_conv_gemm;

/* The fastest stands first. The last one serves every shape. */
static const cvy_conv_algorithm *const algorithms[] = {&cvy_conv_winograd, &cvy_conv_direct, &cvy_conv_gemm};

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

const char *const cvy_conv_words[] = {[CVY_CONV_AUTO] = "auto", [CVY_CONV_PLAIN] = "gemm", NULL};

static void choose_way(cvy_conv_way *way, const cvy_conv_shape *shape, cvy_conv_choice choice,
                       cvy_conv_pass pass) {
  for (int64_t i = 0; !way->algorithm; i++) {
    CVY_CHECK(i < CVY_COUNT(algorithms));
    if (choice == CVY_CONV_PLAIN && algorithms[i] != &cvy_conv_gemm) continue;
    if (algorithms[i]->plan(way, shape, pass)) way->algorithm = algorithms[i];
  }
}

void cvy_conv_plan_make(cvy_conv_plan *plan, const cvy_conv_shape *shape, cvy_conv_choice choice,
                        unsigned passes) {
  const int64_t groups = shape->groups;
  CVY_CHECK(groups >= 1 && shape->k % groups == 0 && shape->window.c % groups == 0);
  CVY_CHECK(passes & CVY_CONV_ONLY(CVY_CONV_FORWARD));
  *plan = (cvy_conv_plan){.shape = *shape};
  for (cvy_conv_pass pass = 0; pass < CVY_CONV_PASSES; pass++) {
    cvy_conv_way *way = &plan->ways[pass];
    if (!(passes & CVY_CONV_ONLY(pass))) continue;
    choose_way(way, shape, choice, pass);
    plan->scratch_bytes = larger(plan->scratch_bytes, way->scratch_bytes);
    plan->scratch_bytes_per_thread = larger(plan->scratch_bytes_per_thread, way->scratch_bytes_per_thread);
    way->prepared_at = plan->prepared_bytes;
    plan->prepared_bytes += cvy_aligned(way->prepared_bytes);
  }
}

const char *cvy_conv_describe(const cvy_conv_plan *plan) {
  return plan->ways[CVY_CONV_FORWARD].algorithm->name;
}

size_t cvy_conv_scratch_bytes(const cvy_conv_plan *plan, int threads) {
  return cvy_aligned(plan->scratch_bytes) + (size_t)threads * cvy_aligned(plan->scratch_bytes_per_thread);
}

void cvy_conv_run(const cvy_conv_plan *plan, cvy_conv_pass pass, const cvy_conv_arrays *arrays) {
  CVY_CHECK(plan->ways[pass].algorithm);
  plan->ways[pass].algorithm->run[pass](plan, arrays);
}

void cvy_conv_forward(const cvy_conv_plan *plan, float *y, const float *x, const float *filters,
                      const float *bias, void *scratch) {
  cvy_conv_run(plan, CVY_CONV_FORWARD,
               &(cvy_conv_arrays){.y = y, .x = x, .filters = filters, .bias = bias, .scratch = scratch});
}

void cvy_conv_backward_data(const cvy_conv_plan *plan, float *dx, const float *dy, const float *filters,
                            void *scratch) {
  cvy_conv_run(plan, CVY_CONV_BACKWARD_DATA,
               &(cvy_conv_arrays){.dx = dx, .dy = dy, .filters = filters, .scratch = scratch});
}

void cvy_conv_backward_filters(const cvy_conv_plan *plan, float *dfilters, float *dbias, const float *x,
                               const float *dy, void *scratch) {
  cvy_conv_run(
      plan, CVY_CONV_BACKWARD_FILTERS,
      &(cvy_conv_arrays){.dfilters = dfilters, .dbias = dbias, .x = x, .dy = dy, .scratch = scratch});
}
