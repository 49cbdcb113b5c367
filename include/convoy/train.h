/* Training and evaluation: the recipe, the step loop, checkpoints. */
#ifndef CONVOY_TRAIN_H
#define CONVOY_TRAIN_H

#include <convoy/comm.h>
#include <convoy/data.h>
#include <convoy/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The files that come with Convoy: `name` itself if it is a path (holds '/' or ends in .yaml; then relative
 * to `beside`, a file or NULL, unless absolute), else NAME.yaml in the `folder` ("networks", "recipes")
 * beside the program or installed with it. The result is in `pool`. */
cvy_err cvy_find_yaml(const char **out, cvy_pool *pool, const char *name, const char *folder,
                      const char *beside) CVY_MUST_CHECK;
/* The names that cvy_find_yaml finds in `folder`, sorted; none where the folder is not there. In `pool`. */
typedef struct cvy_names {
  int64_t count;
  const char *const *names;
} cvy_names;
cvy_names cvy_list_yaml(cvy_pool *pool, const char *folder);

/* Loads the network that stands at `path`, which may be another one with other parameters ("network: {resnet50: {stage3:
 * 22}}"), and sets its parameters (a mapping, or NULL). Checks no layer yet. */
cvy_err cvy_network_load(struct cvy_yaml **out, cvy_pool *pool, const char *path,
                         const struct cvy_yaml *settings) CVY_MUST_CHECK;

typedef struct cvy_recipe cvy_recipe;
/* `name`: a file or a recipe that comes with Convoy; `overrides`: "key.key=value". Reads the network too. */
cvy_err cvy_recipe_load(cvy_recipe **out, const char *name, const char *const *overrides,
                        int64_t override_count) CVY_MUST_CHECK;
/* From the text of a resolved recipe, as checkpoints hold it. */
cvy_err cvy_recipe_parse(cvy_recipe **out, const char *text, const char *name) CVY_MUST_CHECK;
void cvy_recipe_destroy(cvy_recipe *recipe);

typedef struct cvy_score {
  int64_t images;
  double loss;       /* mean over the images */
  double top1, top5; /* shares, 0 ... 1 */
  int64_t skipped;   /* bad records that others were counted in place of */
} cvy_score;

typedef struct cvy_train_options {
  bool resume;        /* go on from the run folder's last.h5 */
  bool overwrite;     /* a run that stands in the folder is replaced */
  int64_t stop_after; /* stop as if asked to after this many steps; 0: never (for tests of resuming) */
  /* A file for what every thread of every rank did when, in Chrome's trace format; NULL: none. Steps trace_from ... of
   * trace_steps (0: all that follow), as far as trace_bytes of each rank go. */
  const char *trace;
  int64_t trace_from, trace_steps;
  size_t trace_bytes;
} cvy_train_options;

typedef struct cvy_train_result {
  int64_t steps;
  double epochs;
  double train_loss; /* mean over the last epoch's steps */
  cvy_score val;     /* images 0 if the recipe has no validation data */
  double best_top1;
  int64_t best_step;
  int64_t skipped; /* bad records that others took the place of in training, from the first step on */
  cvy_hash weights;
  /* Of this process's own steps: waited for data; exposed is what was waited for gradients that came through the ranks, and
   * exchange_cpu what the exchange of gradients computed. */
  double seconds, images_per_s, waited_s, exposed_s, exchange_cpu_s;
} cvy_train_result;

/* Collective. Errors are returned, the same on all ranks: those met before the first step as what they are,
 * later ones as CVY_E_RUN or CVY_E_SYSTEM; what one rank alone meets in mid-step (a damaged record, a full
 * disk) ends the job. CVY_E_STOPPED: SIGTERM, SIGINT or SIGUSR1 came and a checkpoint is written. */
cvy_err cvy_train(cvy_train_result *out, cvy_comm *comm, const cvy_recipe *recipe,
                  const cvy_train_options *options) CVY_MUST_CHECK;

/* Collective. The score of a checkpoint's network on `data` (its val split if a folder), every image counted
 * once, the same bits for any number of ranks. `data` NULL: the recipe's validation data. */
cvy_err cvy_eval(cvy_score *out, cvy_comm *comm, const char *checkpoint, const char *data) CVY_MUST_CHECK;

/* ---- measuring ---------------------------------------------------------------------------------------- */

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
  double flop;       /* of a step */
  double loss;       /* of the last step: that it is finite says that the step was a real one */
  size_t peak_bytes; /* of the process so far, cvy_peak_bytes() */
  /* Only if asked for, in the caller's pool. `parts_s` is the sum of everything: layers, losses_s and update. */
  const cvy_bench_work *layers; /* as the net lists them */
  int64_t type_count;
  const cvy_bench_type *types; /* in the order in which the net has them */
  double losses_s;             /* adding up the losses, counting the hits */
  double else_s;               /* what is neither a convolution nor fully connected, the update too */
  double parts_s;
} cvy_bench_result;

/* What a training step of the net's microbatch costs on cvy_threads() threads: forward, backward and SGD with momentum and
 * weight decay, by the trainer's own functions, on random images made once; without reading data, and without the sums
 * over microbatches and ranks. Initialises and changes the net's weights. Not collective. */
cvy_err cvy_bench(cvy_bench_result *out, cvy_pool *pool, cvy_net *net,
                  const cvy_bench_options *options) CVY_MUST_CHECK;

typedef struct cvy_bench_ranks_options {
  const struct cvy_yaml *network;
  int64_t microbatch;
  int ranks; /* 0 ... ranks-1 take part, the others wait */
  const cvy_tree *tree;
  int64_t steps; /* measured, after one that warms up */
  cvy_exchange_way way;
  int64_t bucket_mib; /* 0: the best, measured first */
} cvy_bench_ranks_options;

/* Of rank 0, zeros on ranks that took no part. */
typedef struct cvy_bench_ranks_result {
  int64_t images; /* a step, of all ranks */
  int64_t bucket_mib;
  cvy_spread step_s;
  /* Means over ranks and steps: what was waited for gradients, and what their exchange computed. */
  double exposed_s, exchange_cpu_s;
  cvy_hash weights; /* after the last step */
} cvy_bench_ranks_result;

/* What a training step costs on some of the ranks, by the trainer's own functions, on random images made once, which are
 * those of every microbatch. Collective over all ranks of `comm`. */
cvy_err cvy_bench_ranks(cvy_bench_ranks_result *out, cvy_pool *pool, cvy_comm *comm,
                        const cvy_bench_ranks_options *options) CVY_MUST_CHECK;
/* A tree that allows `ranks`, each with so many microbatches. Not collective. */
cvy_err cvy_bench_tree(cvy_tree *out, int64_t ranks, int64_t microbatches) CVY_MUST_CHECK;

typedef struct cvy_bench_input_result {
  cvy_spread microbatch_s;
  double images_per_s; /* over all microbatches */
  double waited_s;     /* of the measured time, by the caller; the rest was the loader's lead */
  cvy_input_times times;
  size_t peak_bytes;
} cvy_bench_input_result;

/* How fast a loader delivers: `microbatches` of them, after one that warms up, as fast as they come. In `pool`. Not
 * collective. */
cvy_err cvy_bench_input(cvy_bench_input_result *out, cvy_pool *pool, const cvy_loader_config *config,
                        int64_t microbatches) CVY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
