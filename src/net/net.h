/* A network: its description (YAML), the memory plan, and the walk forward and backward.
 *
 * Planned once for a microbatch of fixed size, then it allocates nothing. Parameters lie in one arena,
 * activations and their gradients in another where buffers whose lives do not overlap share memory, scratch
 * in a third. Nothing here knows about MPI or files of data.
 */
#ifndef CVY_NET_NET_H
#define CVY_NET_NET_H

#include "layer/layer.h"

struct cvy_yaml;   /* base/yaml.h */
struct cvy_option; /* base/options.h */

typedef struct cvy_net cvy_net;

typedef struct cvy_net_param {
  const char *name; /* "conv1/weights" */
  const cvy_param_spec *spec;
  int64_t offset; /* floats from the start of the arena */
  int64_t count;
  int64_t layer; /* whose it is */
} cvy_net_param;

typedef struct cvy_net_layer {
  const char *name, *type;
  cvy_sliding sliding;   /* kernel 0: it has no window */
  char detail[48];       /* "2 groups", "50 %", "" */
  const char *algorithm; /* "winograd", "" */
  int64_t input_count;
  const int64_t *inputs; /* layers above, or -1, the image */
  bool only_in_training; /* part of an auxiliary head */
  bool is_loss;
  const char *untrainable; /* NULL, or why it cannot learn */
  bool in_place;           /* its output lies where its input lay */
  cvy_shape y;             /* n: the microbatch */
  int64_t param_count;     /* learnt ones */
  int64_t multiply_adds;   /* an image */
} cvy_net_layer;

typedef struct cvy_net_info {
  const char *name;
  cvy_shape input; /* n: the microbatch */
  int64_t class_count;
  int64_t score_count; /* numbers an image that the last layer reads: class_count, or 1 for two classes */
  int64_t layer_count;
  const cvy_net_layer *layers;
  int64_t param_tensors;
  const cvy_net_param *params;
  int64_t param_count;      /* learnt values */
  int64_t average_count;    /* running averages, such as those of batch normalisation */
  int64_t arena_count;      /* floats of the parameter arena: the values and their alignment */
  int64_t replicated_count; /* of those; what comes behind them is sharded */
  int64_t sharded_count;    /* learnt values of which a rank holds a part */
  int64_t multiply_adds;    /* an image, forward */
  size_t activation_bytes;  /* what the plan needs for activations, their gradients and the layers' state */
  size_t activation_bytes_unshared; /* the same if no two buffers shared memory */
  size_t forward_bytes;             /* what evaluation alone would need for activations and state */
  size_t prepared_bytes;            /* transformed filters, kept from one microbatch to the next */
  size_t kept_bytes; /* of layers that are split over ranks, from a step's first microbatch to its last */
  size_t scratch_bytes;
} cvy_net_info;

/* The same description with other values for some of its `parameters`: settings is a mapping. In `pool`. */
cvy_err cvy_net_configure(struct cvy_yaml **out, cvy_pool *pool, const struct cvy_yaml *description,
                          const struct cvy_yaml *settings) CVY_MUST_CHECK;
cvy_err cvy_net_rename(struct cvy_yaml **out, cvy_pool *pool, const struct cvy_yaml *description,
                       const char *name) CVY_MUST_CHECK;
/* The same description, flat: without parameters and blocks, and with every layer's name and options written out, in `pool`. Checks all but shapes. */
cvy_err cvy_net_resolve(struct cvy_yaml **out, cvy_pool *pool,
                        const struct cvy_yaml *description) CVY_MUST_CHECK;

/* The keys that every layer and block has: name, inputs, ... */
const struct cvy_option *cvy_net_common_options(void);

/* Plans `description` for `microbatch` images and cvy_threads() threads, and takes the memory (which the
 * system hands out on first touch). Errors point at the line of the description. The description must outlive
 * the net. */
cvy_err cvy_net_create(cvy_net **out, const struct cvy_yaml *description, int64_t microbatch) CVY_MUST_CHECK;
/* The same for a network that these ranks train, over which layers may be split; peers must outlive the net. Evaluation
 * takes whole parameters, and no peers. */
cvy_err cvy_net_create_among(cvy_net **out, const struct cvy_yaml *description, int64_t microbatch,
                             const cvy_peers *peers) CVY_MUST_CHECK;
void cvy_net_destroy(cvy_net *net);
const cvy_net_info *cvy_net_describe(const cvy_net *net);

/* The parameter arena; gradients and optimiser state use the same offsets. */
float *cvy_net_params(cvy_net *net);
/* Every parameter's first values, from counted random numbers. */
void cvy_net_init(cvy_net *net, uint64_t seed);
/* Hash of all parameter values, in order, without names or alignment; of another arena laid out alike if
 * given. */
cvy_hash cvy_net_hash(const cvy_net *net, const float *arena);
cvy_hash cvy_net_param_hash(const cvy_net *net, const float *arena, int64_t index);

/* One microbatch forward. images: [n][h][w][c] */
void cvy_net_forward(cvy_net *net, const float *images, const cvy_targets *targets, const cvy_pass *pass);
/* After forward: each image's loss [n], and what the last layer has read [n][score_count]. Valid until backward. Losses
 * further up are auxiliary: in training they add to an image's loss, in evaluation they and what only they read are left
 * out. */
const double *cvy_net_losses(const cvy_net *net);
const float *cvy_net_logits(const cvy_net *net);
/* After forward: what the last layer has made of that, [n][score_count]; and the loss of an image with such probabilities. */
const float *cvy_net_probabilities(const cvy_net *net);
double cvy_net_loss_of(const cvy_net *net, const double *probabilities, int32_t label);
/* Gradients of the microbatch that forward saw last, overwriting `grads` (laid out as the parameter arena's replicated
 * part). Those of what is sharded go to the peers with the rank's last microbatch. */
void cvy_net_backward(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                      const cvy_pass *pass);

/* Who wants to know how far a walk has come. The net calls `done` in the walk's own thread when a layer's part
 * of a pass is over: its output is ready, or its parameters' gradients and those that it passes on are. Layers
 * that a pass leaves out are not reported. */
typedef struct cvy_net_observer {
  void (*done)(void *context, int64_t layer_index, bool backward);
  void *context;
} cvy_net_observer;
/* The observer must outlive its use; NULL: nobody watches, as at first. */
void cvy_net_observe(cvy_net *net, const cvy_net_observer *observer);

/* The table of a textbook: a line a layer, then the totals. */
void cvy_net_print(FILE *out, const cvy_net *net);
void cvy_net_print_json(FILE *out, const cvy_net *net);

/* ---- the memory planner, by itself -------------------------------------------------------------------- */

/* A buffer that must keep its contents from moment `first` to moment `last`, both included. */
typedef struct cvy_lifetime {
  size_t bytes;
  int64_t first, last;
  size_t offset; /* out */
} cvy_lifetime;

/* Gives every buffer an offset such that no two that live at the same moment overlap; returns the bytes
 * needed. Greedy, each in the smallest gap that holds it (Pisarchyk & Lee 2020): the better of the plans with
 * the largest first and with the longest-lived first. */
size_t cvy_memory_plan(cvy_lifetime *buffers, int64_t count);

#endif
