/* Convolution of 3x3 and 5x5 filters at stride 1 by Winograd's minimal filtering (math/winograd.h).
 *
 * Images are cut into tiles of m x m output pixels, m = 7 - filter side. A block of tiles goes through three
 * phases, each shared out among the threads. Its 6x6 input tiles are transformed to V [36][tiles][in]. Each
 * of the 36 positions is one matrix product (math/direct.h) with the filters' transform U [36][in][out]. The
 * products M [36][tiles][out] are transformed back. Backward data does the same with dy for x, the filters'
 * axes swapped and the filters turned. The transform of turned filters is U with its positions in another
 * order. The gradient of the filters is [36][c][k], the sum over tiles of V^T D, where D is the transform of
 * dy's m x m tiles. U and D are stored in panels, as the products read them.
 *
 * Groups take their turn, each with its own channels, filters and columns.
 *
 * The block's size follows from the shape alone, and so do all products and the order of all sums. */
#include "base/count.h"
#include "math/conv.h"
#include "math/direct.h"
#include "math/gemm.h"
#include "math/winograd.h"

#include <math.h>
#include <string.h>

enum { TILE = CVY_WINOGRAD_TILE, POSITIONS = CVY_WINOGRAD_POSITIONS, MOST_PIXELS = TILE * TILE };
/* Each block of tiles goes once through the 36 matrices of the filters, reading U or adding to the gradient's
 * products. Where these stay in the third-level cache blocks are small, for V and M to stay in the second;
 * where they do not, the larger a block is, the less often they come from memory. */
enum {
  NEAR_BYTES = 16 << 20,
  NEAR_TILES = 64,
  MOST_BYTES = 24 << 20,
  LEAST_CHANNELS = CVY_DIRECT_LEAST_COLUMNS
};
/* The gradient of so many filters goes through BLAS, which keeps more of the sums in its cache. */
enum { MOST_DIRECT = 65536 };
/* The fixed part of the multiplications for a channel and a filter, in pays. */
enum { FILTER_COST = 600 };
/* With fewer tiles than this the filters' transform costs more than a tenth of a pass. If it is kept, it
 * takes four times their memory. */
enum { KEPT_BELOW = 128 };
/* Sums are cut into runs of so many products, which keeps their rounding below that of the transforms. */
enum { SUM_DEPTH = 128 };
enum { TILES_OF_TASK = 8, ROWS_OF_TASK = 16, SWAPPED_OF_TASK = 128, CHANNELS_AT_ONCE = 16 };
/* Matrices of the 36 positions lie a few cache lines out of step, or they would all fall into the same
 * sets. */
enum { SKEW = 32 };

/* Returns the floats from one position to the next, where each has a matrix of `count` floats. */
static int64_t skewed(int64_t count) {
  return cvy_pieces(count, 16) * 16 + SKEW;
}

/* One of the two images that a convolution relates, and how tiles lie on it: tile (i, j) begins at pixel (i*m
 * - top, j*m - left). Its c channels are those of a group, and stand `pitch` floats apart from pixel to
 * pixel. */
typedef struct side {
  int64_t h, w, c, pitch;
  int64_t top, left;
} side;

typedef struct tiling {
  int64_t n, down, across; /* tiles of an image */
  int64_t m, r;            /* output pixels of a tile, taps of a filter, each way */
  int64_t count;           /* tiles of the microbatch */
  int64_t block;           /* tiles of a block */
} tiling;

static tiling tiling_of(const cvy_conv_shape *shape, int64_t out_h, int64_t out_w, int64_t block) {
  const int64_t r = shape->window.r, m = TILE + 1 - r;
  tiling t = {.n = shape->n,
              .down = cvy_pieces(out_h, m),
              .across = cvy_pieces(out_w, m),
              .m = m,
              .r = r,
              .block = block};
  t.count = t.n * t.down * t.across;
  return t;
}

/* ---- scratch ---- */

/* These return the channels and the filters of one group. */
static int64_t channels_of(const cvy_conv_shape *shape) {
  return shape->window.c / shape->groups;
}

static int64_t filters_of(const cvy_conv_shape *shape) {
  return shape->k / shape->groups;
}

typedef struct scratch {
  float *zeros; /* a pixel outside the image */
  float *u;     /* transformed filters, or the products of backward filters: [36][c][k] */
  float *v, *m; /* [36][block][in], [36][block][out] */
  float *sums;  /* [block][k]: each tile's sum of dy */
  int64_t u_stride, v_stride, m_stride;
  int64_t count; /* floats of it all */
} scratch;

static scratch scratch_of(int64_t block, int64_t in, int64_t out, float *memory) {
  scratch s = {.u_stride = skewed(in * out), .v_stride = skewed(block * in), .m_stride = skewed(block * out)};
  const int64_t u = skewed(cvy_larger(in, out)), v = u + POSITIONS * s.u_stride,
                m = v + POSITIONS * s.v_stride, sums = m + POSITIONS * s.m_stride;
  s.count = sums + block * out;
  if (!memory) return s; /* a plan asks for the size alone */
  s.zeros = memory;
  s.u = memory + u;
  s.v = memory + v;
  s.m = memory + m;
  s.sums = memory + sums;
  return s;
}

/* ---- plan ---- */

/* Compares the multiplications for a channel and a filter, here and in a plain sum, whose products cost a
 * fifth less. The fixed part is the filters' way through the memory: written once and read once, 36 numbers
 * for each. */
static bool pays(const cvy_conv_shape *shape, const tiling *t) {
  const cvy_window *g = &shape->window;
  return 10 * (t->count * POSITIONS + FILTER_COST) <= 8 * shape->n * g->oh * g->ow * g->r * g->s;
}

static bool serves(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  return g->r == g->s && (g->r == 3 || g->r == 5) && g->stride_h == 1 && g->stride_w == 1 && g->top < g->r &&
         g->left < g->r && channels_of(shape) >= LEAST_CHANNELS && filters_of(shape) >= LEAST_CHANNELS;
}

static int64_t block_tiles(int64_t in, int64_t out, cvy_conv_pass pass) {
  const int64_t bytes = (int64_t)sizeof(float) * POSITIONS;
  const bool sums = pass == CVY_CONV_BACKWARD_FILTERS; /* read and written */
  if (in * out * bytes * (sums ? 4 : 1) <= NEAR_BYTES) return sums ? NEAR_TILES * 3 / 2 : NEAR_TILES;
  const double mean = sqrt((double)(in * out));
  const int64_t affordable = MOST_BYTES / (bytes * (in + out));
  const int64_t worthwhile = cvy_smaller((int64_t)(sums ? 1.5 * mean : mean), affordable);
  return cvy_larger(worthwhile, NEAR_TILES);
}

static bool plan(cvy_conv_way *way, const cvy_conv_shape *shape, cvy_conv_pass pass) {
  const cvy_window *g = &shape->window;
  if (!serves(shape)) return false;
  const bool to_x = pass == CVY_CONV_BACKWARD_DATA;
  const int64_t in = to_x ? filters_of(shape) : channels_of(shape);
  const int64_t out = to_x ? channels_of(shape) : filters_of(shape);
  const tiling t = tiling_of(shape, to_x ? g->h : g->oh, to_x ? g->w : g->ow, 0);
  if (!pays(shape, &t)) return false;
  const int64_t block = block_tiles(in, out, pass);
  /* Blocks have one length, as nearly as can be. */
  way->block = cvy_pieces(t.count, cvy_pieces(t.count, cvy_smaller(block, t.count)));
  way->tasks = POSITIONS;
  way->scratch_bytes = sizeof(float) * (size_t)scratch_of(way->block, in, out, NULL).count;
  if (pass != CVY_CONV_BACKWARD_FILTERS && t.count < KEPT_BELOW)
    way->prepared_bytes = sizeof(float) * (size_t)(shape->groups * POSITIONS * skewed(in * out));
  return true;
}

/* ---- a job: one pass over one group ---- */

typedef struct job {
  const cvy_conv_shape *shape;
  tiling tiles;
  scratch scratch;
  side in, out;
  int64_t c, k;                     /* channels and filters of the group */
  bool turned;                      /* backward data: the filters' axes are swapped */
  const float *x;                   /* what is tiled as input, [n][in.h][in.w][in.pitch] */
  float *y;                         /* what comes out */
  const float *dy, *filters, *bias; /* arrays as the pass has them */
  float *dfilters, *dbias;
  bool rectify, streams; /* what is done to y */
  bool is_prepared;      /* an earlier call has made U */
  bool direct;           /* the products of backward filters are not BLAS's */
  int64_t first, count;  /* tiles of the block */
} job;

static side side_of_x(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  return (side){g->h, g->w, channels_of(shape), g->c, g->top, g->left};
}

static side side_of_y(const cvy_conv_shape *shape) {
  const cvy_window *g = &shape->window;
  return (side){g->oh, g->ow, filters_of(shape), shape->k, g->r - 1 - g->top, g->s - 1 - g->left};
}

static job job_of(const cvy_conv_plan *plan, cvy_conv_pass pass, const cvy_conv_arrays *arrays) {
  const cvy_conv_shape *shape = &plan->shape;
  const bool to_x = pass == CVY_CONV_BACKWARD_DATA;
  const int64_t block = plan->ways[pass].block;
  job j = {.shape = shape,
           .in = to_x ? side_of_y(shape) : side_of_x(shape),
           .out = to_x ? side_of_x(shape) : side_of_y(shape),
           .c = channels_of(shape),
           .k = filters_of(shape),
           .turned = to_x};
  j.direct = j.c * j.k <= MOST_DIRECT;
  j.tiles = tiling_of(shape, j.out.h, j.out.w, block);
  j.scratch = scratch_of(block, j.in.c, j.out.c, arrays->scratch);
  memset(j.scratch.zeros, 0, sizeof(float) * (size_t)cvy_larger(j.in.c, j.out.c));
  return j;
}

/* ---- transforms of tiles ---- */

typedef struct place {
  int64_t n, i, j;
} place;

static place place_of(const tiling *t, int64_t tile) {
  return (place){tile / (t->down * t->across), tile / t->across % t->down, tile % t->across};
}

/* Makes pointers to the size x size pixels from (top, left) on; those outside are `outside`. */
static void point_at(const float **pixels, const float *images, const side *s, int64_t n, int64_t top,
                     int64_t left, int64_t size, const float *outside) {
  const float *image = images + n * s->h * s->w * s->pitch;
  for (int64_t i = top; i < top + size; i++)
    for (int64_t j = left; j < left + size; j++) {
      const bool inside = i >= 0 && i < s->h && j >= 0 && j < s->w;
      *pixels++ = inside ? image + (i * s->w + j) * s->pitch : outside;
    }
}

static int64_t end_of_task(const job *j, int64_t index) {
  return cvy_smaller((index + 1) * TILES_OF_TASK, j->count);
}

static void transform_inputs(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t m = j->tiles.m;
  for (int64_t t = index * TILES_OF_TASK; t < end_of_task(j, index); t++) {
    const place p = place_of(&j->tiles, j->first + t);
    const float *pixels[MOST_PIXELS];
    point_at(pixels, j->x, &j->in, p.n, p.i * m - j->in.top, p.j * m - j->in.left, TILE, j->scratch.zeros);
    cvy_kernels_get()->winograd->input(j->scratch.v + t * j->in.c, j->scratch.v_stride, pixels, j->in.c);
  }
}

static void transform_outputs(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const cvy_winograd_finish finish = {j->bias, j->rectify, j->streams};
  const cvy_winograd_kernels *kernels = cvy_kernels_get()->winograd;
  const int64_t m = j->tiles.m;
  for (int64_t t = index * TILES_OF_TASK; t < end_of_task(j, index); t++) {
    const place p = place_of(&j->tiles, j->first + t);
    float *pixels[MOST_PIXELS];
    point_at((const float **)pixels, j->y, &j->out, p.n, p.i * m, p.j * m, m, NULL);
    (j->turned ? kernels->reduce_turned : kernels->reduce)[m](pixels, j->scratch.m + t * j->out.c,
                                                              j->scratch.m_stride, &finish, j->out.c);
  }
  if (j->streams) cvy_kernels_get()->direct->fence();
}

/* 36 matrices [rows][columns], each stored in panels (math/direct.h). */
typedef struct matrices {
  float *at;
  int64_t stride, rows, columns;
} matrices;

/* Transforms n x n pixels to row `row` of the matrices; their sum goes to `sum` if that is not NULL. */
static void expand_to_row(const matrices *out, int64_t row, float *sum, const float **pixels, int64_t n) {
  const cvy_kernels *kernels = cvy_kernels_get();
  for (int64_t i = 0; i < cvy_panel_count(kernels->direct, out->columns); i++) {
    const cvy_panel p = cvy_panel_at(kernels->direct, out->columns, i);
    kernels->winograd->expand[n](out->at + p.begin * out->rows + row * p.width, out->stride,
                                 sum ? sum + p.begin : NULL, pixels, p.width);
    for (int64_t pixel = 0; pixel < n * n; pixel++) pixels[pixel] += p.width;
  }
}

static void transform_gradients(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t m = j->tiles.m;
  const matrices d = {j->scratch.m, j->scratch.m_stride, j->count, j->k};
  for (int64_t t = index * TILES_OF_TASK; t < end_of_task(j, index); t++) {
    const place p = place_of(&j->tiles, j->first + t);
    const float *pixels[MOST_PIXELS];
    point_at(pixels, j->dy, &j->out, p.n, p.i * m, p.j * m, m, j->scratch.zeros);
    float *sum = j->dbias ? j->scratch.sums + t * j->k : NULL;
    if (j->direct)
      expand_to_row(&d, t, sum, pixels, m);
    else
      cvy_kernels_get()->winograd->expand[m](j->scratch.m + t * j->out.c, j->scratch.m_stride, sum, pixels,
                                             j->out.c);
  }
}

/* ---- filters ---- */

/* Points at the taps of the group's input channel c, which are r*r rows of k floats. */
static void point_at_taps(const float **pixels, const float *filters, const job *j, int64_t c) {
  for (int64_t tap = 0; tap < j->tiles.r * j->tiles.r; tap++)
    pixels[tap] = filters + (tap * j->c + c) * j->shape->k;
}

static void transform_filters(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const matrices u = {j->scratch.u, j->scratch.u_stride, j->c, j->k};
  for (int64_t c = index * ROWS_OF_TASK; c < cvy_smaller((index + 1) * ROWS_OF_TASK, j->c); c++) {
    const float *pixels[MOST_PIXELS];
    point_at_taps(pixels, j->filters, j, c);
    expand_to_row(&u, c, NULL, pixels, j->tiles.r);
  }
}

/* Makes U [36][k][c], whose axes are swapped, of the filters first ... first+count-1 and `wide` channels of a
 * panel. */
static void transform_swapped(const job *j, cvy_panel panel, int64_t channel, int64_t wide, int64_t first,
                              int64_t count) {
  const cvy_kernels *kernels = cvy_kernels_get();
  float swapped[CVY_WINOGRAD_MOST * CVY_WINOGRAD_MOST][ROWS_OF_TASK * CHANNELS_AT_ONCE];
  const int64_t taps = j->tiles.r * j->tiles.r;
  float *u = j->scratch.u + panel.begin * j->k + first * panel.width + channel;
  for (int64_t tap = 0; tap < taps; tap++)
    kernels->transpose(swapped[tap], j->filters + (tap * j->c + panel.begin + channel) * j->shape->k + first,
                       wide, count, j->shape->k);
  for (int64_t i = 0; i < count; i++) {
    const float *pixels[MOST_PIXELS];
    for (int64_t tap = 0; tap < taps; tap++) pixels[tap] = swapped[tap] + i * wide;
    kernels->winograd->expand[j->tiles.r](u + i * panel.width, j->scratch.u_stride, NULL, pixels, wide);
  }
}

/* The last channels reach back over the ones before, as registers do. */
static void transform_swapped_panel(const job *j, cvy_panel panel, int64_t first, int64_t count) {
  const int64_t wide = cvy_smaller(CHANNELS_AT_ONCE, panel.width);
  for (int64_t at = 0; at < panel.width; at += wide)
    transform_swapped(j, panel, cvy_smaller(at, panel.width - wide), wide, first, count);
}

static void transform_filters_swapped(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  const int64_t parts = cvy_pieces(j->k, SWAPPED_OF_TASK), begin = index % parts * SWAPPED_OF_TASK;
  const cvy_panel panel = cvy_panel_at(cvy_kernels_get()->direct, j->c, index / parts);
  const int64_t end = cvy_smaller(begin + SWAPPED_OF_TASK, j->k);
  for (int64_t k = begin; k < end; k += ROWS_OF_TASK)
    transform_swapped_panel(j, panel, k, cvy_smaller(ROWS_OF_TASK, end - k));
}

static void reduce_to_filters(const void *context, int64_t index, int thread) {
  (void)thread;
  const job *j = context;
  for (int64_t c = index * ROWS_OF_TASK; c < cvy_smaller((index + 1) * ROWS_OF_TASK, j->c); c++) {
    float *pixels[MOST_PIXELS];
    point_at_taps((const float **)pixels, j->dfilters, j, c);
    cvy_kernels_get()->winograd->reduce[j->tiles.r](pixels, j->scratch.u + c * j->k, j->scratch.u_stride,
                                                    &(cvy_winograd_finish){0}, j->k);
  }
}

/* ---- products ---- */

static void multiply(const void *context, int64_t position, int thread) {
  (void)thread;
  const job *j = context;
  const cvy_direct_kernels *kernels = cvy_kernels_get()->direct;
  const int *turned = cvy_winograd_turned;
  const int64_t of_filter = j->turned ? turned[position / TILE] * TILE + turned[position % TILE] : position;
  for (int64_t i = 0; i < cvy_panel_count(kernels, j->out.c); i++) {
    const cvy_panel p = cvy_panel_at(kernels, j->out.c, i);
    float *m = j->scratch.m + position * j->scratch.m_stride + p.begin;
    const float *v = j->scratch.v + position * j->scratch.v_stride;
    const float *u = j->scratch.u + of_filter * j->scratch.u_stride + p.begin * j->in.c;
    for (int64_t depth = 0; depth < j->in.c; depth += SUM_DEPTH)
      kernels->multiply(&(cvy_direct_product){.c = m,
                                              .c_row = j->out.c,
                                              .start = depth == 0 ? NULL : m,
                                              .start_row = j->out.c,
                                              .a = v + depth,
                                              .a_row = j->in.c,
                                              .a_inner = 1,
                                              .b = u + depth * p.width,
                                              .b_inner = p.width,
                                              .rows = j->count,
                                              .columns = p.width,
                                              .outer = 1,
                                              .inner = cvy_smaller(SUM_DEPTH, j->in.c - depth)});
  }
}

static void multiply_gradients_directly(const job *j, int64_t position) {
  const cvy_direct_kernels *kernels = cvy_kernels_get()->direct;
  for (int64_t i = 0; i < cvy_panel_count(kernels, j->k); i++) {
    const cvy_panel p = cvy_panel_at(kernels, j->k, i);
    float *sum = j->scratch.u + position * j->scratch.u_stride + p.begin;
    const float *v = j->scratch.v + position * j->scratch.v_stride;
    const float *d = j->scratch.m + position * j->scratch.m_stride + p.begin * j->count;
    for (int64_t depth = 0; depth < j->count; depth += SUM_DEPTH)
      kernels->multiply(&(cvy_direct_product){.c = sum,
                                              .c_row = j->k,
                                              .start = j->first + depth == 0 ? NULL : sum,
                                              .start_row = j->k,
                                              .a = v + depth * j->c,
                                              .a_row = 1,
                                              .a_inner = j->c,
                                              .b = d + depth * p.width,
                                              .b_inner = p.width,
                                              .rows = j->c,
                                              .columns = p.width,
                                              .outer = 1,
                                              .inner = cvy_smaller(SUM_DEPTH, j->count - depth)});
  }
}

static void multiply_gradients_by_blas(const job *j, int64_t position) {
  const cvy_factor v = {j->scratch.v + position * j->scratch.v_stride, j->c, true};
  const cvy_factor d = {j->scratch.m + position * j->scratch.m_stride, j->k, false};
  cvy_gemm(j->scratch.u + position * j->scratch.u_stride, j->k, v, d, j->c, j->k, j->count, 1,
           j->first == 0 ? 0 : 1);
}

static void multiply_gradients(const void *context, int64_t position, int thread) {
  (void)thread;
  const job *j = context;
  if (j->direct)
    multiply_gradients_directly(j, position);
  else
    multiply_gradients_by_blas(j, position);
}

/* ---- passes ---- */

static void prepare_filters(const job *j) {
  if (j->turned)
    cvy_parallel(cvy_panel_count(cvy_kernels_get()->direct, j->c) * cvy_pieces(j->k, SWAPPED_OF_TASK),
                 transform_filters_swapped, j);
  else
    cvy_parallel(cvy_pieces(j->c, ROWS_OF_TASK), transform_filters, j);
}

static void convolve(job *j) {
  j->streams = j->out.c % 16 == 0 &&
               cvy_streams(j->y, j->tiles.n * j->out.h * j->out.w * j->out.pitch, j->out.pitch);
  if (!j->is_prepared) prepare_filters(j);
  for (j->first = 0; j->first < j->tiles.count; j->first += j->tiles.block) {
    j->count = cvy_smaller(j->tiles.block, j->tiles.count - j->first);
    cvy_parallel(cvy_pieces(j->count, TILES_OF_TASK), transform_inputs, j);
    cvy_parallel(POSITIONS, multiply, j);
    cvy_parallel(cvy_pieces(j->count, TILES_OF_TASK), transform_outputs, j);
  }
}

/* Lets U lie where it is kept. */
static void keep_filters(job *j, const cvy_conv_plan *plan, cvy_conv_pass pass, const cvy_conv_arrays *arrays,
                         int64_t group) {
  const cvy_conv_way *way = &plan->ways[pass];
  if (!arrays->prepared || way->prepared_bytes == 0) return;
  float *kept = (float *)((char *)arrays->prepared + way->prepared_at);
  j->scratch.u = kept + group * POSITIONS * j->scratch.u_stride;
  j->is_prepared = arrays->is_prepared;
}

static void forward(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  job j = job_of(plan, CVY_CONV_FORWARD, arrays);
  j.rectify = arrays->rectify;
  for (int64_t group = 0; group < plan->shape.groups; group++) {
    j.x = arrays->x + group * j.c;
    j.y = arrays->y + group * j.k;
    j.filters = arrays->filters + group * j.k;
    j.bias = arrays->bias ? arrays->bias + group * j.k : NULL;
    keep_filters(&j, plan, CVY_CONV_FORWARD, arrays, group);
    convolve(&j);
  }
}

static void backward_data(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  job j = job_of(plan, CVY_CONV_BACKWARD_DATA, arrays);
  for (int64_t group = 0; group < plan->shape.groups; group++) {
    j.x = arrays->dy + group * j.k;
    j.y = arrays->dx + group * j.c;
    j.filters = arrays->filters + group * j.k;
    keep_filters(&j, plan, CVY_CONV_BACKWARD_DATA, arrays, group);
    convolve(&j);
  }
}

static void correlate(job *j) {
  for (j->first = 0; j->first < j->tiles.count; j->first += j->tiles.block) {
    j->count = cvy_smaller(j->tiles.block, j->tiles.count - j->first);
    cvy_parallel(cvy_pieces(j->count, TILES_OF_TASK), transform_inputs, j);
    cvy_parallel(cvy_pieces(j->count, TILES_OF_TASK), transform_gradients, j);
    cvy_parallel(POSITIONS, multiply_gradients, j);
    if (j->dbias) cvy_kernels_get()->sum_rows(j->dbias, j->scratch.sums, j->count, j->k);
  }
  cvy_parallel(cvy_pieces(j->c, ROWS_OF_TASK), reduce_to_filters, j);
}

static void backward_filters(const cvy_conv_plan *plan, const cvy_conv_arrays *arrays) {
  job j = job_of(plan, CVY_CONV_BACKWARD_FILTERS, arrays);
  for (int64_t group = 0; group < plan->shape.groups; group++) {
    j.x = arrays->x + group * j.c;
    j.dy = arrays->dy + group * j.k;
    j.dfilters = arrays->dfilters + group * j.k;
    j.dbias = arrays->dbias ? arrays->dbias + group * j.k : NULL;
    if (j.dbias) memset(j.dbias, 0, sizeof(float) * (size_t)j.k);
    correlate(&j);
  }
}

extern const cvy_conv_algorithm cvy_conv_winograd;
const cvy_conv_algorithm cvy_conv_winograd = {
    .name = "winograd",
    .plan = plan,
    .run = {forward, backward_data, backward_filters},
};
