/* Y = X W with W [features][outputs] split over the ranks by rows.
 *
 * W's rows, and with them the columns of X, are cut into as many slices as the step has microbatches: the
 * leaves of the recipe's tree. A rank owns as many neighbouring slices as it has microbatches. Every product
 * is that of one microbatch and one slice, and Y is the sum of the slices' products along the tree, so at any
 * number of ranks the bits are the same. The ranks process their j-th microbatches at the same time:
 *
 *   forward   each sends the columns of its X to their owners, multiplies its slices of all ranks' X, sums
 *             the products of its own slices along the tree, sends each rank that part of its Y, and sums the
 *             P parts that it gets along the rest of the tree.
 *   backward  each sends its dY to all, multiplies all dY by its slices' transpose, and sends the columns of
 *             dX home.
 *   after the last microbatch   dW = X^T dY of a rank's rows and all of the step's images is a single
 *             product: what was sent is kept for it. It is made in blocks that stay in the cache and are used
 *             at once, so there is no array of gradients, and no sum of gradients over microbatches.
 *
 * For a batch of B images a rank sends 2 (P-1)/P (B outputs + B features / P) floats, where replicas send 2
 * (P-1)/P features outputs. For VGG's fc6 at 8 ranks x 16 images that is 6.5 MB in place of 719. Splitting
 * the columns of W would exchange features and outputs in this formula, and fully connected layers have more
 * features than outputs, as a rule. Krizhevsky 2014 ("One weird trick for parallelizing convolutional neural
 * networks") splits such layers by columns. Replicas may also send X and dY, of which each makes the whole dW
 * (sufficient factors: Xie et al. 2016, "Lighter-communication distributed machine learning via sufficient
 * factor broadcasting"). They send (P-1)/P B (features + outputs) floats, 13 MB in this example. Each then
 * multiplies for all B images, which is P times the work for dW, and makes the whole update.
 *
 * Messages hold a slice's columns as [n][widest], where the last column of a narrower slice counts for
 * nothing. */
#include "layer/sharded.h"

#include "base/count.h"
#include "math/gemm.h"

#include <string.h>

enum {
  COLUMN_BLOCK = 512,     /* columns of Y and of dX, in one product */
  LEARN_FLOATS = 1 << 18, /* floats of dW at once: a second-level cache holds them */
  LEAST_ROWS = 16,
  SUM_BLOCK = 4096 /* floats of a task that sums */
};

/* ---- sizes ---- */

typedef struct split {
  const cvy_layer_call *call;
  const cvy_peers *peers;
  int64_t n, features, outputs;
  int64_t own, first_slice; /* slices of this rank */
  int64_t round, rounds;    /* number of the rank's microbatch, and how many it has */
  int64_t widest;           /* the widest slice */
  float *sent, *received;   /* [leaves][n][widest], by rank and slice */
  float *products;          /* [count][own][n][outputs] */
  float *parts;             /* [count][n][outputs] */
  float *kept_x;            /* [own][leaves][n][widest], by slice and microbatch */
  float *kept_dy;           /* [leaves][n][outputs] */
} split;

static int64_t part_floats(const split *s) {
  return s->own * s->n * s->widest;
}

static split sizes_of(const cvy_layer_plan *plan) {
  const cvy_peers *peers = plan->peers;
  const int64_t own = peers->leaves / peers->count, features = cvy_shape_per_image(plan->x[0]);
  return (split){.peers = peers,
                 .n = plan->x[0].n,
                 .features = features,
                 .outputs = plan->y.c,
                 .own = own,
                 .first_slice = peers->rank * own,
                 .rounds = own,
                 .widest = cvy_pieces(features, peers->leaves)};
}

static split split_of(const cvy_layer_call *call) {
  split s = sizes_of(call->plan);
  const int64_t leaves = s.peers->leaves, all = leaves * s.n * s.widest;
  s.call = call;
  s.round = call->pass->first_sample / s.n % s.rounds;
  s.sent = call->scratch;
  s.received = s.sent + all;
  s.products = s.received + all;
  s.parts = s.products + leaves * s.n * s.outputs;
  s.kept_x = call->kept;
  s.kept_dy = s.kept_x + s.own * leaves * s.n * s.widest;
  return s;
}

static int64_t rows_at_once(int64_t outputs) {
  const int64_t rows = LEARN_FLOATS / outputs;
  return cvy_larger(rows, LEAST_ROWS);
}

cvy_err cvy_sharded_plan(cvy_layer_plan *plan) {
  const split s = sizes_of(plan);
  const int64_t leaves = s.peers->leaves;
  if (s.features < leaves)
    return cvy_error(CVY_E_INPUT,
                     "an input of %" PRId64
                     " numbers an image cannot be split as 'parallel: sharded' does it, into one slice "
                     "for each of the %" PRId64
                     " microbatches of a step; 'parallel: replicated' would be right",
                     s.features, leaves);
  const int64_t exchanged = 2 * leaves * s.n * s.widest + (leaves + s.peers->count) * s.n * s.outputs;
  const int64_t kept = s.own * leaves * s.n * s.widest + leaves * s.n * s.outputs;
  plan->scratch_bytes = sizeof(float) * (size_t)exchanged;
  plan->kept_bytes = sizeof(float) * (size_t)kept;
  plan->scratch_bytes_per_thread = sizeof(float) * (size_t)(rows_at_once(s.outputs) * s.outputs);
  plan->backward_reads_x = false;
  plan->params[0].sharded = true;
  return CVY_OK;
}

/* ---- whether it pays ---- */

/* What a message costs before its first byte, in floats: 0.1 ms at 10 Gbit/s. */
static const double message_floats = 32768;

/* Compares at the smallest number of ranks, where replicas do best. They may hide what they send behind
 * backward, so splitting has to send half of it or less. */
bool cvy_sharded_pays(const cvy_peers *peers, int64_t microbatch, int64_t features, int64_t outputs) {
  if (peers->level_count == 0 || features < peers->leaves) return false;
  const double ranks = (double)peers->radix[peers->level_count - 1];
  const double rounds = (double)peers->leaves / ranks, images = (double)(peers->leaves * microbatch);
  const double f = (double)features, o = (double)outputs, there_and_back = 2 * (ranks - 1) / ranks;
  const double replicated = there_and_back * f * o;
  const double sharded = there_and_back * (images * o + images * f / ranks) + 4 * rounds * message_floats;
  return 2 * sharded <= replicated;
}

/* ---- slices ---- */

static int64_t slice_first(const split *s, int64_t slice) {
  return cvy_slice_first(s->peers, slice, s->features);
}

static int64_t slice_width(const split *s, int64_t slice) {
  return slice_first(s, slice + 1) - slice_first(s, slice);
}

static void copy_rows(float *to, int64_t to_stride, const float *from, int64_t from_stride, int64_t rows,
                      int64_t columns) {
  for (int64_t i = 0; i < rows; i++)
    memcpy(to + i * to_stride, from + i * from_stride, sizeof *to * (size_t)columns);
}

static void cut_input(const void *context, int64_t slice, int thread) {
  (void)thread;
  const split *s = context;
  copy_rows(s->sent + slice * s->n * s->widest, s->widest, s->call->x[0] + slice_first(s, slice), s->features,
            s->n, slice_width(s, slice));
}

static void join_gradient(const void *context, int64_t slice, int thread) {
  (void)thread;
  const split *s = context;
  copy_rows(s->call->dx[0] + slice_first(s, slice), s->features, s->received + slice * s->n * s->widest,
            s->widest, s->n, slice_width(s, slice));
}

/* Returns where rank `rank`'s microbatch of this round lies in one of the rank's own slices. */
static float *kept_input(const split *s, int64_t slice, int64_t rank) {
  return s->kept_x + ((slice * s->peers->leaves + rank * s->own + s->round) * s->n) * s->widest;
}

static void keep_input(const void *context, int64_t index, int thread) {
  (void)thread;
  const split *s = context;
  const int64_t floats = s->n * s->widest;
  memcpy(kept_input(s, index % s->own, index / s->own), s->received + index * floats,
         sizeof(float) * (size_t)floats);
}

static cvy_factor factor(const float *at, int64_t stride, bool transposed) {
  return (cvy_factor){.at = at, .stride = stride, .transposed = transposed};
}

static const float *weights_of(const split *s, int64_t own_slice) {
  return s->call->params[0] + slice_first(s, s->first_slice + own_slice) * s->outputs;
}

/* ---- forward ---- */

static void multiply(const void *context, int64_t index, int thread) {
  (void)thread;
  const split *s = context;
  const int64_t blocks = cvy_pieces(s->outputs, COLUMN_BLOCK);
  const int64_t slice = index / blocks, column = index % blocks * COLUMN_BLOCK;
  const int64_t columns = cvy_smaller(COLUMN_BLOCK, s->outputs - column),
                width = slice_width(s, s->first_slice + slice);
  for (int64_t rank = 0; rank < s->peers->count; rank++)
    cvy_gemm(s->products + (rank * s->own + slice) * s->n * s->outputs + column, s->outputs,
             factor(kept_input(s, slice, rank), s->widest, false),
             factor(weights_of(s, slice) + column, s->outputs, false), s->n, columns, width, 1, 0);
}

/* Sums `count` vectors that lie `stride` apart into the first, along the tree's levels from `level` on. */
static void sum_along(const cvy_peers *peers, int level, float *vectors, int64_t stride, int64_t count,
                      int64_t length) {
  for (int64_t apart = 1; apart < count; apart *= peers->radix[level++])
    for (int64_t node = 0; node < count; node += apart * peers->radix[level])
      for (int64_t child = 1; child < peers->radix[level]; child++)
        cvy_kernels_get()->add(vectors + node * stride, vectors + (node + child * apart) * stride, length);
}

static int levels_within_rank(const split *s) {
  int level = 0;
  for (int64_t leaves = 1; leaves < s->own; level++) leaves *= s->peers->radix[level];
  return level;
}

static int64_t sum_blocks(const split *s) {
  return cvy_pieces(s->n * s->outputs, SUM_BLOCK);
}

static void sum_own_slices(const void *context, int64_t index, int thread) {
  (void)thread;
  const split *s = context;
  const int64_t floats = s->n * s->outputs, rank = index / sum_blocks(s),
                first = index % sum_blocks(s) * SUM_BLOCK;
  sum_along(s->peers, 0, s->products + rank * s->own * floats + first, floats, s->own,
            cvy_smaller(SUM_BLOCK, floats - first));
}

static void sum_ranks(const void *context, int64_t index, int thread) {
  (void)thread;
  const split *s = context;
  const int64_t floats = s->n * s->outputs, first = index * SUM_BLOCK,
                length = cvy_smaller(SUM_BLOCK, floats - first);
  sum_along(s->peers, levels_within_rank(s), s->parts + first, floats, s->peers->count, length);
  memcpy(s->call->y + first, s->parts + first, sizeof(float) * (size_t)length);
}

static void swap(const split *s, float *in, int64_t in_stride, const float *out, int64_t out_stride,
                 int64_t count) {
  s->peers->swap(s->peers->context, in, in_stride, out, out_stride, count);
}

void cvy_sharded_forward(const cvy_layer_call *call) {
  const split s = split_of(call);
  const int64_t ranks = s.peers->count, leaves = s.peers->leaves, floats = s.n * s.outputs;
  cvy_parallel(leaves, cut_input, &s);
  swap(&s, s.received, part_floats(&s), s.sent, part_floats(&s), part_floats(&s));
  cvy_parallel(leaves, keep_input, &s);
  cvy_parallel(s.own * cvy_pieces(s.outputs, COLUMN_BLOCK), multiply, &s);
  cvy_parallel(ranks * sum_blocks(&s), sum_own_slices, &s);
  swap(&s, s.parts, floats, s.products, s.own * floats, floats);
  cvy_parallel(sum_blocks(&s), sum_ranks, &s);
}

/* ---- backward ---- */

static void multiply_back(const void *context, int64_t index, int thread) {
  (void)thread;
  const split *s = context;
  const int64_t blocks = cvy_pieces(s->widest, COLUMN_BLOCK);
  const int64_t slice = index / blocks, column = index % blocks * COLUMN_BLOCK;
  const int64_t columns = cvy_smaller(COLUMN_BLOCK, slice_width(s, s->first_slice + slice) - column);
  if (columns <= 0) return;
  for (int64_t rank = 0; rank < s->peers->count; rank++)
    cvy_gemm(s->sent + (rank * s->own + slice) * s->n * s->widest + column, s->widest,
             factor(s->kept_dy + (rank * s->own + s->round) * s->n * s->outputs, s->outputs, false),
             factor(weights_of(s, slice) + column * s->outputs, s->outputs, true), s->n, columns, s->outputs,
             1, 0);
}

static void learn_rows(const void *context, int64_t index, int thread) {
  const split *s = context;
  const int64_t most = rows_at_once(s->outputs), blocks = cvy_pieces(s->widest, most);
  const int64_t slice = index / blocks, row = index % blocks * most;
  const int64_t rows = cvy_smaller(most, slice_width(s, s->first_slice + slice) - row);
  const int64_t images = s->peers->leaves * s->n;
  float *gradient = cvy_layer_thread_scratch(s->call, thread);
  if (rows <= 0) return;
  cvy_gemm(gradient, s->outputs, factor(s->kept_x + slice * images * s->widest + row, s->widest, true),
           factor(s->kept_dy, s->outputs, false), rows, s->outputs, images, 1, 0);
  s->peers->learn(s->peers->context, weights_of(s, slice) + row * s->outputs, gradient, rows * s->outputs);
}

void cvy_sharded_backward(const cvy_layer_call *call) {
  const split s = split_of(call);
  const int64_t floats = s.n * s.outputs;
  swap(&s, s.kept_dy + s.round * floats, s.own * floats, call->dy, 0, floats);
  if (call->dx[0]) {
    cvy_parallel(s.own * cvy_pieces(s.widest, COLUMN_BLOCK), multiply_back, &s);
    swap(&s, s.received, part_floats(&s), s.sent, part_floats(&s), part_floats(&s));
    cvy_parallel(s.peers->leaves, join_gradient, &s);
  }
  if (s.round + 1 == s.rounds)
    cvy_parallel(s.own * cvy_pieces(s.widest, rows_at_once(s.outputs)), learn_rows, &s);
}
