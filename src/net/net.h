/* A network: its description (YAML), the memory plan, and the walk forward and backward.
 *
 * A net is planned once for a microbatch of fixed size and for what its user wishes of it; then it allocates
 * nothing. Parameters lie in one arena. Activations, their gradients and the layers' state lie in another,
 * where buffers whose lives do not overlap share memory. Scratch lies in a third. Nothing here knows about
 * MPI or files of data. */
#ifndef CVY_NET_NET_H
#define CVY_NET_NET_H

#include "layer/layer.h"

struct cvy_yaml;   /* base/yaml.h */
struct cvy_option; /* base/options.h */

typedef struct cvy_net cvy_net;

/* ---- what a net is wanted for ---- */

typedef enum cvy_net_purpose {
  CVY_NET_TRAINING,  /* forward, of both kinds, and backward */
  CVY_NET_EVALUATION /* forward of evaluation alone: no gradients, and nothing that only backward reads */
} cvy_net_purpose;

typedef enum cvy_net_precision { CVY_NET_FP32 } cvy_net_precision;

typedef struct cvy_net_names {
  const char *const *names;
  int64_t count;
} cvy_net_names;

/* All zeros mean training, and nothing special. The names, which are those of the flat list that `convoy
 * summary` prints, are read at creation only. */
typedef struct cvy_net_wishes {
  cvy_net_purpose purpose;
  const cvy_peers *peers; /* training: the ranks over which layers may be split; they must outlive the net */
  cvy_conv_choice convolution;
  cvy_net_precision precision;
  cvy_net_names outputs; /* layers whose output stays until the next forward: see cvy_net_output */
  /* Layers that do not learn. Their parameters get no gradients, and no step changes them; a frozen
   * batch_norm normalises by its running averages in training too, and does not move them (as in Keras). The
   * frozen layers are those of a list, whose names may be patterns as a shell's ("fc*"), and a layer with all
   * that its output depends on. Freezing is of parameters: a layer that has none works as ever, so a dropout
   * in a frozen part still drops. The list may also name tensors ("conv1/bias", "*bias"), which then do not
   * learn in a layer that does. Their gradients are made, but nobody may use them. */
  cvy_net_names frozen;
  const struct cvy_yaml *const *frozen_at; /* where each of them was written, for errors; NULL: nowhere */
  const char *frozen_through;              /* NULL: none */
  const struct cvy_yaml *frozen_through_at;
  /* Likewise, but what `thawed` names of these and of frozen_through learns nevertheless: layers, with all
   * their tensors, and tensors that were frozen by their own name. */
  cvy_net_names frozen_at_first;
  const struct cvy_yaml *const *frozen_at_first_at;
  cvy_net_names thawed;
  /* batch_norm layers that normalise by their running averages in training too, and leave these as they are,
   * while their scale and bias learn unless they are frozen. */
  cvy_net_names fixed_statistics;
  const struct cvy_yaml *const *fixed_statistics_at;
  bool image_gradient; /* training: see cvy_net_image_gradient */
  /* Nothing works in place, and every buffer has memory of its own: for tests of the plan, and for who wants
   * to see every output and its gradient (cvy_net_output_gradient). */
  bool unshared;
  /* A net whose parameters this one uses as its own, which must outlive it. Both must have the same ones, as
   * a network and its dense form have. NULL: the net has parameters of its own. */
  const cvy_net *params_of;
} cvy_net_wishes;

/* ---- what a net is ---- */

typedef struct cvy_net_param {
  const char *name; /* "conv1/weights" */
  const cvy_param_spec *spec;
  int64_t offset; /* floats from the start of the arena */
  int64_t count;
  int64_t layer; /* index of the layer that it belongs to */
  bool frozen;   /* its layer is, or it is a running average that stays as it is */
  bool learns;   /* by its gradient: it is no running average, and neither its layer nor itself is frozen */
  bool thawed;   /* it learns, and only because the wishes' `thawed` says so */
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
  bool frozen;             /* it has parameters, and they stay as they are */
  const char *untrainable; /* NULL, or why it cannot learn */
  bool in_place;           /* its output lies where its input lay */
  cvy_shape y;             /* n: the microbatch */
  int64_t param_count;     /* values that are learnt by gradient, or were before they were frozen */
  int64_t multiply_adds;   /* an image */
} cvy_net_layer;

typedef struct cvy_net_info {
  const char *name;
  cvy_shape input; /* n: the microbatch */
  int64_t class_count;
  int64_t score_count; /* numbers an image that the last layer reads: class_count, or 1 for two classes */
  int64_t layer_count;
  const cvy_net_layer *layers;
  /* Backward ends at this layer, below which nothing learns. If that is layer_count, it visits none. */
  int64_t last_visited;
  int64_t param_tensors;
  const cvy_net_param *params;
  int64_t param_count;   /* values that are learnt by gradient, frozen ones included */
  int64_t frozen_count;  /* how many of these are frozen, with their layer or alone */
  int64_t average_count; /* running averages, such as those of batch normalisation */
  /* The parameter arena, in floats with their alignment: what is summed over the ranks (replicated_count)
   * lies before what is sharded, and that before what is frozen. */
  int64_t arena_count;
  int64_t replicated_count;
  int64_t learnt_count;    /* all before what is frozen */
  int64_t sharded_count;   /* learnt values of which a rank holds a part */
  int64_t multiply_adds;   /* an image, forward */
  size_t activation_bytes; /* what the plan needs for activations, their gradients and the layers' state */
  size_t activation_bytes_unshared; /* activation_bytes if no two buffers shared memory */
  size_t forward_bytes;             /* what a net for evaluation needs for activations and state */
  size_t prepared_bytes;            /* transformed filters, kept from one microbatch to the next */
  size_t kept_bytes;                /* kept by split layers from a step's first microbatch to its last */
  size_t scratch_bytes;
} cvy_net_info;

/* Tells whether the parameter's gradients are summed over the ranks: it is neither sharded nor frozen. */
static inline bool cvy_net_is_replicated(const cvy_net_param *param) {
  return !param->spec->sharded && !param->frozen;
}

/* ---- descriptions ---- */

/* Gives a description other values for some of its `parameters`. `settings` is a mapping; the result lies in
 * `pool`. */
cvy_err cvy_net_configure(struct cvy_yaml **out, cvy_pool *pool, const struct cvy_yaml *description,
                          const struct cvy_yaml *settings) CVY_MUST_CHECK;
cvy_err cvy_net_rename(struct cvy_yaml **out, cvy_pool *pool, const struct cvy_yaml *description,
                       const char *name) CVY_MUST_CHECK;
/* Writes a description out flat: without parameters and blocks, and with every layer's name and options
 * written out. The result lies in `pool`. Everything but shapes is checked. */
cvy_err cvy_net_resolve(struct cvy_yaml **out, cvy_pool *pool,
                        const struct cvy_yaml *description) CVY_MUST_CHECK;

/* Writes the description of `net` out flat, in the form that takes whole pictures (Simonyan & Zisserman
 * 2015, section 3.2). A fully connected layer is a convolution there, with the same weights in the same
 * order, and its kernel is as large as the map that the layer reads. The map of class scores is averaged
 * before the loss. For pictures of the network's own size the form computes the same, but for rounding. It
 * is an error if a layer that is not fully connected reads a map as one row of numbers. The result lies in
 * `pool`. */
cvy_err cvy_net_make_dense(struct cvy_yaml **out, cvy_pool *pool, const struct cvy_yaml *description,
                           const cvy_net *net) CVY_MUST_CHECK;
/* Gives a flat description another size of pictures, which need not suit it. The result lies in `pool`. */
struct cvy_yaml *cvy_net_resized(cvy_pool *pool, const struct cvy_yaml *description, int64_t h, int64_t w);

/* Returns the keys that every layer and block has: name, inputs, ... */
const struct cvy_option *cvy_net_common_options(void);

/* ---- a net ---- */

/* Plans `description` for `microbatch` images and cvy_threads() threads, and takes the memory, which the
 * system hands out on first touch. `wishes` may be NULL. Errors point at the line of the description, or name
 * the layer that a wish names and the network has not. The description must outlive the net. */
cvy_err cvy_net_create(cvy_net **out, const struct cvy_yaml *description, int64_t microbatch,
                       const cvy_net_wishes *wishes) CVY_MUST_CHECK;
void cvy_net_destroy(cvy_net *net);
const cvy_net_info *cvy_net_describe(const cvy_net *net);

/* Returns the parameter arena; gradients and optimiser state use the same offsets. It is whole whatever the
 * net is for: an evaluation net holds the parameters of auxiliary heads too, as hash and checkpoints do. */
float *cvy_net_params(cvy_net *net);
/* Gives every parameter its first values, from counted random numbers. */
void cvy_net_init(cvy_net *net, uint64_t seed);
/* Returns the hash of all parameter values, in order, without names or alignment. If `arena` is given, which
 * is laid out as the net's own, the values are taken from there. */
cvy_hash cvy_net_hash(const cvy_net *net, const float *arena);
/* Returns the hash of an arena that ends where what is frozen begins, as if everything were zero that does
 * not learn by its gradient. */
cvy_hash cvy_net_learnt_hash(const cvy_net *net, const float *arena);
cvy_hash cvy_net_param_hash(const cvy_net *net, const float *arena, int64_t index);

/* Runs one microbatch forward. `images` is [n][h][w][c]. A net for evaluation takes no passes of training. */
void cvy_net_forward(cvy_net *net, const float *images, const cvy_targets *targets, const cvy_pass *pass);
/* After forward these return each image's loss [n], and what the last layer has read [n][score_count]. Both
 * are valid until backward. Losses further up are auxiliary: in training they add to an image's loss; in
 * evaluation they are left out, with what only they read. */
const double *cvy_net_losses(const cvy_net *net);
const float *cvy_net_logits(const cvy_net *net);
/* After forward cvy_net_probabilities returns what the last layer has made of the logits, [n][score_count].
 * cvy_net_loss_of returns the loss of an image with such probabilities. */
const float *cvy_net_probabilities(const cvy_net *net);
double cvy_net_loss_of(const cvy_net *net, const double *probabilities, int32_t label);
/* Returns the output of a layer that the wishes' `outputs` name, or of any layer of an unshared net, in the
 * shape of its `y`. It is valid from forward to the next forward. `layer` is an index into the info's layers;
 * any other layer is fatal. */
const float *cvy_net_output(const cvy_net *net, int64_t layer);

/* Computes the gradients of the microbatch that forward saw last. They overwrite `grads`, which is laid out
 * as the parameter arena's replicated part. Those of what is sharded go to the peers with the rank's last
 * microbatch. After a pass of evaluation, auxiliary heads have gradients of zero. Backward ends at the last
 * layer that has something to learn below it. The call is fatal for a net for evaluation. */
void cvy_net_backward(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                      const cvy_pass *pass);
/* Writes what the running averages of layers that learn are to move towards, by the microbatch that a forward
 * pass of training saw last, into `grads`, as cvy_net_backward does; all else there is left alone. */
void cvy_net_statistics(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                        const cvy_pass *pass);
/* After backward it returns the gradient of the images, [n][h][w][c], which is valid until the next forward.
 * The call is fatal if the wishes have not asked for it. */
const float *cvy_net_image_gradient(const cvy_net *net);
/* After backward it returns the gradient of a layer's output in an unshared net, in the shape of its `y`, and
 * NULL where backward finds none: behind a loss, and above the last layer that it visits. It is valid until
 * the next backward. The call is fatal for a net that shares memory. */
const float *cvy_net_output_gradient(const cvy_net *net, int64_t layer);

/* Somebody who wants to know how far a walk has come. The net calls `done` in the walk's own thread when a
 * layer's part of a pass is over: when its output is ready, or its parameters' gradients and those that it
 * passes on are. Layers that a pass leaves out are not reported. */
typedef struct cvy_net_observer {
  void (*done)(void *context, int64_t layer_index, bool backward);
  void *context;
} cvy_net_observer;
/* Sets the observer, which must outlive its use. With NULL nobody watches, as at first. */
void cvy_net_observe(cvy_net *net, const cvy_net_observer *observer);

/* ---- values that are not finite ---- */

typedef enum cvy_net_fault_kind {
  CVY_NET_SOUND,       /* all values are finite */
  CVY_NET_BAD_IMAGES,  /* what the network was given is not */
  CVY_NET_BAD_WEIGHTS, /* a layer's parameters are not */
  CVY_NET_BAD_OUTPUT,  /* what a layer has made forward is not */
  CVY_NET_BAD_GRADIENT /* what a layer has made backward is not */
} cvy_net_fault_kind;

/* Where in a pass values were met first that are infinite or NaN. */
typedef struct cvy_net_fault {
  cvy_net_fault_kind kind;
  int64_t layer;
} cvy_net_fault;

/* Walks the microbatch that forward saw last once more, by the same pass, and looks at all values: at the
 * images, the parameters, the layers' outputs in order, and their gradients, backward. If several layers
 * have bad parameters it names the last, for an update's gradients went wrong from there down. A network with
 * split layers is not walked again, since its ranks would have to do that together. There the outputs are
 * looked at that forward has left for backward. The call is made between forward and backward. It leaves
 * what forward left, but overwrites `grads`, which is laid out as for cvy_net_backward. */
cvy_net_fault cvy_net_find_fault(cvy_net *net, float *grads, const float *images, const cvy_targets *targets,
                                 const cvy_pass *pass);

/* Texts about what the description allows but hardly means, with what would be right: "FILE:LINE:COLUMN:
 * ...". */
typedef struct cvy_net_doubts {
  int64_t count;
  const char **texts; /* in the pool */
} cvy_net_doubts;
cvy_net_doubts cvy_net_find_doubts(const cvy_net *net, cvy_pool *pool);
/* Warns of each doubt. */
void cvy_net_warn(const cvy_net *net);

/* Prints the table of a textbook: a line a layer, then the totals. */
void cvy_net_print(FILE *out, const cvy_net *net);
void cvy_net_print_json(FILE *out, const cvy_net *net);

#endif
