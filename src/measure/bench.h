/* The clock on training steps, of one rank and of several, and on the loader. */
#ifndef CVY_MEASURE_BENCH_H
#define CVY_MEASURE_BENCH_H

#include "comm/exchange.h"
#include "data/loader.h"
#include "math/conv.h"
#include "net/net.h"
#include <convoy/train.h>

typedef struct cvy_bench_options {
  int64_t steps; /* measured, after one that warms up */
  bool layers;   /* measure each layer too */
} cvy_bench_options;

/* Operations are those of a direct convolution, two a multiply-add, whatever the algorithm: forward once, and
 * backward once for the parameters and once for the input, unless that is the image. */
typedef struct cvy_bench_work {
  double forward_s, backward_s; /* medians */
  double forward_flop, backward_flop;
} cvy_bench_work;

typedef struct cvy_bench_type {
  const char *name;
  int64_t layers;
  cvy_bench_work work; /* sums over them */
} cvy_bench_type;

typedef struct cvy_bench_result {
  cvy_spread step_s, forward_s, backward_s, update_s;
  double flop;       /* operations of a step */
  double loss;       /* loss of the last step; it is finite if the step was a real one */
  size_t peak_bytes; /* cvy_peak_bytes() of the process so far */
  /* These are there only if asked for, in the caller's pool. `parts_s` is the sum of everything: layers,
   * losses_s and update. */
  const cvy_bench_work *layers; /* layers in the order of the net */
  int64_t type_count;
  const cvy_bench_type *types; /* types in the order of the net */
  double losses_s;             /* adding up the losses, counting the hits */
  double else_s;               /* what is neither a convolution nor fully connected, the update too */
  double parts_s;
} cvy_bench_result;

/* Measures what a training step of the net's microbatch costs on cvy_threads() threads: forward, backward and
 * SGD with momentum and weight decay, by the trainer's own functions. The images are random and made once, so
 * there is no reading of data, and there are no sums over microbatches and ranks. It initialises and changes
 * the net's weights. This call is not collective. */
cvy_err cvy_bench(cvy_bench_result *out, cvy_pool *pool, cvy_net *net,
                  const cvy_bench_options *options) CVY_MUST_CHECK;

typedef struct cvy_bench_ranks_options {
  const struct cvy_yaml *network;
  int64_t microbatch;
  int ranks; /* 0 ... ranks-1 take part, the others wait */
  const cvy_tree *tree;
  int64_t steps; /* measured, after one that warms up */
  cvy_exchange_way way;
  cvy_conv_choice convolution;
  int64_t bucket_mib; /* 0: the best, measured first */
} cvy_bench_ranks_options;

/* What rank 0 measured; zeros on ranks that took no part. */
typedef struct cvy_bench_ranks_result {
  int64_t images; /* a step, of all ranks */
  int64_t bucket_mib;
  cvy_spread step_s;
  /* Means over ranks and steps: what was waited for gradients, and what their exchange computed. */
  double exposed_s, exchange_cpu_s;
  cvy_hash weights; /* after the last step */
} cvy_bench_ranks_result;

/* Measures what a training step costs on some of the ranks, by the trainer's own functions, on random images
 * made once, which are those of every microbatch. This call is collective over all ranks of `comm`. */
cvy_err cvy_bench_ranks(cvy_bench_ranks_result *out, cvy_pool *pool, cvy_comm *comm,
                        const cvy_bench_ranks_options *options) CVY_MUST_CHECK;
/* Makes the network as all ranks of `comm` would have it, to be described only. So what cannot be split over
 * them, or cannot learn, is refused before anything is measured. This call is not collective. */
cvy_err cvy_bench_ranks_net(cvy_net **out, cvy_comm *comm,
                            const cvy_bench_ranks_options *options) CVY_MUST_CHECK;
/* Makes a tree that allows `ranks`, each with so many microbatches. This call is not collective. */
cvy_err cvy_bench_tree(cvy_tree *out, int64_t ranks, int64_t microbatches) CVY_MUST_CHECK;

typedef struct cvy_bench_input_options {
  const char *data;   /* the folder, prefix or file of a dataset */
  const char *recipe; /* its augmentations, order and cache are used; "": what is usual with photographs */
  int64_t batch, threads;
  int64_t microbatches; /* measured, after some that warm up */
} cvy_bench_input_options;

typedef struct cvy_bench_input_result {
  int64_t images;  /* images in the dataset */
  int64_t h, w, c; /* size of what is delivered */
  cvy_spread microbatch_s;
  double images_per_s; /* over all microbatches */
  double waited_s;     /* the caller's wait in the measured time; the rest was the loader's lead */
  cvy_input_times times;
  cvy_kept kept;
  cvy_keep keep; /* what was kept */
  size_t peak_bytes;
} cvy_bench_input_result;

/* Measures how fast a loader delivers microbatches that are taken as fast as they come. What it allocates is
 * in `pool`. This call is not collective. */
cvy_err cvy_bench_input(cvy_bench_input_result *out, cvy_pool *pool,
                        const cvy_bench_input_options *options) CVY_MUST_CHECK;

#endif
