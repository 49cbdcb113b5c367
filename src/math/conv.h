/* Convolution (as the field uses the word: cross-correlation) of NHWC images, and its two gradients.
 *
 *   y[n,i,j,k] = bias[k] + sum over a,b,c of x[n, i*stride_h - top + a, j*stride_w - left + b, c] f[a,b,c,k]
 *
 * x [n][h][w][c], filters [r][s][c][k], y [n][oh][ow][k]; outside the image x is zero. In groups, channels
 * and filters are cut into as many equal runs, and the filters of a run see only the channels of the run with
 * the same number: filters are [r][s][c/groups][k]. Krizhevsky et al. 2012 had two groups, their towers. With
 * as many groups as channels the convolution is depthwise.
 *
 * This header is the seam behind which algorithms change: a plan holds, for each of the three passes, the
 * algorithm that serves its shape and how the work is cut into tasks. All of that follows from the shape
 * alone, so the bits do not depend on threads or on timing. A new algorithm is one file and one line of the
 * table in conv.c. */
#ifndef CVY_MATH_CONV_H
#define CVY_MATH_CONV_H

#include "math/kernels.h"

typedef struct cvy_conv_shape {
  int64_t n, k;   /* images, filters */
  int64_t groups; /* divides k and the window's c, which is that of x */
  cvy_window window;
} cvy_conv_shape;

typedef enum cvy_conv_pass {
  CVY_CONV_FORWARD,
  CVY_CONV_BACKWARD_DATA,
  CVY_CONV_BACKWARD_FILTERS,
  CVY_CONV_PASSES
} cvy_conv_pass;

struct cvy_conv_algorithm;

/* How one pass is run. The numbers mean what the algorithm wants them to mean. */
typedef struct cvy_conv_way {
  const struct cvy_conv_algorithm *algorithm;
  int64_t tasks, block; /* tasks for cvy_parallel; size of the block that a task works on at a time */
  size_t scratch_bytes, scratch_bytes_per_thread;
  size_t prepared_bytes, prepared_at; /* its part of what is kept, and where that begins */
} cvy_conv_way;

typedef struct cvy_conv_plan {
  cvy_conv_shape shape;
  cvy_conv_way ways[CVY_CONV_PASSES];
  /* These are the largest over the passes. `scratch` of the calls below is cvy_aligned(scratch_bytes) and
   * after it cvy_aligned(scratch_bytes_per_thread) for each thread, 64-byte aligned. */
  size_t scratch_bytes, scratch_bytes_per_thread;
  /* The bytes that are worth keeping from call to call while the filters stay the same, for all passes
   * together. */
  size_t prepared_bytes;
} cvy_conv_plan;

/* The arrays of a call; each pass uses those it is named for. */
typedef struct cvy_conv_arrays {
  const float *x, *filters, *bias, *dy;
  float *y, *dx, *dfilters, *dbias;
  void *scratch;
  void *prepared;   /* 64-byte aligned, or NULL: nothing is kept */
  bool is_prepared; /* the last call of the same pass, with these filters, filled `prepared` */
  bool rectify;     /* forward: y is max(y, 0), NaN staying NaN */
} cvy_conv_arrays;

typedef struct cvy_conv_algorithm {
  const char *name;
  /* Fills the way's numbers. It returns false if this algorithm does not serve the shape in this pass. */
  bool (*plan)(cvy_conv_way *way, const cvy_conv_shape *shape, cvy_conv_pass pass);
  void (*run[CVY_CONV_PASSES])(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays);
} cvy_conv_algorithm;

/* What a plan may choose from: the fastest algorithm for each shape, or im2col and a matrix product for all.
 * It changes the bits of a run, so the recipe says which. */
typedef enum cvy_conv_choice { CVY_CONV_AUTO, CVY_CONV_PLAIN } cvy_conv_choice;
extern const char *const cvy_conv_words[]; /* "auto", "gemm" */

/* Sets of passes. */
#define CVY_CONV_ONLY(pass) (1u << (pass))
enum { CVY_CONV_ALL = CVY_CONV_ONLY(CVY_CONV_PASSES) - 1 };

/* Plans the passes that are in the set `passes`; forward must be. How a pass is run does not depend on the
 * others, and what a plan leaves out takes no scratch. The shape has been checked: window->oh, ow >= 1, sizes
 * that multiply without overflow. Groups that are not equal are fatal. */
void cvy_conv_plan_make(cvy_conv_plan *plan, const cvy_conv_shape *shape, cvy_conv_choice choice,
                        unsigned passes);
/* Returns the name of forward's algorithm. Backward data of a first layer and of very small images may have
 * another. */
const char *cvy_conv_describe(const cvy_conv_plan *plan);
/* Returns the bytes of scratch that a call takes with `threads` threads. */
size_t cvy_conv_scratch_bytes(const cvy_conv_plan *plan, int threads);

/* Runs one pass. bias and dbias [k] may be NULL. All outputs are overwritten. A pass that has not been
 * planned is fatal. */
void cvy_conv_run(const cvy_conv_plan *plan, cvy_conv_pass pass, const cvy_conv_arrays *arrays);

/* These run one pass each, and keep nothing from call to call. */
void cvy_conv_forward(const cvy_conv_plan *plan, float *y, const float *x, const float *filters,
                      const float *bias, void *scratch);
void cvy_conv_backward_data(const cvy_conv_plan *plan, float *dx, const float *dy, const float *filters,
                            void *scratch);
void cvy_conv_backward_filters(const cvy_conv_plan *plan, float *dfilters, float *dbias, const float *x,
                               const float *dy, void *scratch);

/* Returns this thread's own part of the scratch. This is for algorithms. */
static inline void *cvy_conv_thread_scratch(const cvy_conv_plan *plan, void *scratch, int thread) {
  return (char *)scratch + cvy_aligned(plan->scratch_bytes) +
         (size_t)thread * cvy_aligned(plan->scratch_bytes_per_thread);
}

#endif
