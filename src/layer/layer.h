/* What a layer type is, and what it may rely on.
 *
 * A layer type is one file in src/layer and one line in src/layer/layers.def. The file holds the
 * configuration struct, its option table and one exported constant `cvy_layer_<name>`. The net calls
 *
 *   plan      once: from the input shapes it works out the output shape, declares the parameters, and says
 *             what backward will read and how much scratch is needed. It may store derived values in its
 *             config.
 *   forward   y from x, for one microbatch.
 *   backward  dx and the parameters' gradients from dy, for the microbatch that forward saw last.
 *
 * A layer does not always learn, and nobody may want its dx: a network is also planned for evaluation, and
 * layers can be frozen. The plan says so beforehand (`learns`, `gives_dx`), and a layer need not plan for
 * what it will not be asked for. In backward it leaves out every gradient whose place is NULL. Backward is
 * not called at all for a layer that neither has anything to learn nor gives a dx.
 *
 * Activations are laid out as N H W C, contiguous, in float, and filters as [kh][kw][cin][cout]. All shapes
 * of a call are those of the plan. forward and backward overwrite their outputs (gradients of parameters
 * too), allocate nothing, cannot fail, and compute the same bits for any number of threads (cvy_parallel over
 * tasks of fixed shape). */
#ifndef CVY_LAYER_LAYER_H
#define CVY_LAYER_LAYER_H

#include "math/conv.h"

struct cvy_kind; /* base/options.h */

typedef struct cvy_shape {
  int64_t n, h, w, c;
} cvy_shape;

static inline int64_t cvy_shape_count(cvy_shape s) {
  return s.n * s.h * s.w * s.c;
}
static inline int64_t cvy_shape_per_image(cvy_shape s) {
  return s.h * s.w * s.c;
}

/* How a parameter gets its first values. fan_in and fan_out count the inputs and outputs of one unit. */
typedef enum cvy_init_method {
  CVY_INIT_CONSTANT, /* value */
  CVY_INIT_GAUSSIAN, /* mean 0, deviation `value` */
  CVY_INIT_XAVIER,   /* uniform in +-sqrt(6 / (fan_in + fan_out)); Glorot & Bengio 2010, eq. 16 */
  CVY_INIT_HE,       /* Gaussian with deviation sqrt(2 / fan_in); He et al. 2015, eq. 10 */
  CVY_INIT_HE_OUT,   /* Gaussian with deviation sqrt(2 / fan_out); the same, eq. 14 */
  CVY_INIT_LECUN,    /* uniform in +-sqrt(3 / fan_in); LeCun et al. 1998, eq. 16; Caffe's "xavier" */
  CVY_INIT_PYTORCH   /* uniform in value +- 1 / sqrt(fan_in); PyTorch's default, for biases too */
} cvy_init_method;

typedef struct cvy_init {
  cvy_init_method method;
  double value;
  int64_t fan_in, fan_out;
} cvy_init;

enum { CVY_MAX_DIMS = 4, CVY_MAX_PARAMS = 4, CVY_MAX_INPUTS = 16 };

typedef struct cvy_param_spec {
  const char *name; /* "weights", "bias" */
  int dim_count;
  int64_t dims[CVY_MAX_DIMS];
  cvy_init init;
  bool decays; /* weight decay applies (weights yes, biases no) */
  /* A rank holds its own slices of the first dimension (cvy_peers) and hands their gradient to its peers'
   * `learn`; a call's `grads` has none. */
  bool sharded;
  /* If this is 0, the parameter is learnt. Else it is a running average. Backward writes this microbatch's
   * value where a gradient would go, and a step moves the parameter this share of the way to the mean over
   * its microbatches. It does not depend on loss_scale. */
  double averaging;
} cvy_param_spec;

/* The ranks that train a network together, as a layer sees them that is split over them. A step's
 * microbatches, and the slices into which such a layer is cut, are the leaves of one tree that does not know
 * how many ranks there are. A rank has leaves / count neighbouring ones of both. All ranks run the same
 * layers at the same time, each on its own microbatches. */
typedef struct cvy_peers {
  int64_t count, rank; /* ranks, and which this one is */
  int64_t leaves;
  int level_count;
  const int64_t *radix; /* [level_count], the first at the leaves; their product is `leaves` */
  void *context;
  /* Each rank q gets the floats out + q * out_stride, and what q has for this one comes to in + q *
   * in_stride; `count` each. All ranks call it; it returns when `in` is there and `out` may be changed. */
  void (*swap)(void *context, float *in, int64_t in_stride, const float *out, int64_t out_stride,
               int64_t count);
  /* Takes the step's gradient of `count` sharded parameters, which lie at `params` and are not read again
   * before the next step. Any thread may call it. */
  void (*learn)(void *context, const float *params, const float *gradient, int64_t count);
} cvy_peers;

/* Returns where slice `slice` of `length` begins. It ends where the next begins. */
static inline int64_t cvy_slice_first(const cvy_peers *peers, int64_t slice, int64_t length) {
  return length * slice / peers->leaves;
}

enum { CVY_PADDING_SAME = -1, CVY_PADDING_VALID = -2 }; /* how an option stores these words */

/* How a window slides, as the user has said it: [height, width]. */
typedef struct cvy_sliding {
  int64_t kernel[2], stride[2];
  int64_t padding[2]; /* pixels on each side, or CVY_PADDING_... */
  bool round_up;      /* a last window that the image does not fill counts too */
} cvy_sliding;

/* The net sets the first part; the layer's plan fills the second, which starts at zero. */
typedef struct cvy_layer_plan {
  int64_t input_count;
  cvy_shape x[CVY_MAX_INPUTS];
  const cvy_peers *peers; /* NULL: the layer is whole */
  cvy_conv_choice convolution;
  bool learns;               /* backward finds the parameters' gradients: it is to train, and not frozen */
  bool gives_dx;             /* backward finds the gradient of at least one input */
  bool has_fixed_statistics; /* running averages serve in training too, and stay as they are */

  cvy_shape y;
  int64_t param_count;
  cvy_param_spec params[CVY_MAX_PARAMS];
  cvy_sliding sliding;     /* a layer without a window leaves the kernel at 0 */
  bool can_rectify;        /* forward can put max(., 0) on its y */
  const char *algorithm;   /* NULL, or which of several it has chosen: "winograd" */
  int64_t multiply_adds;   /* forward, for the whole microbatch */
  bool in_place;           /* y may be the same memory as x[0], and dx[0] the same as dy */
  bool backward_reads_x;   /* x must still be there in backward; with in_place it must not be set */
  bool backward_reads_y;   /* y must still be there in backward */
  bool signs_of_y_suffice; /* backward reads no more of y than its signs, and only where dy is not zero */
  /* y > 0 just where x[0] > 0, wherever dx[0] is not zero: y may then overwrite what a relu has made. */
  bool keeps_signs;
  int64_t class_count;     /* a loss: labels are -1 ... class_count - 1 */
  const char *untrainable; /* NULL, or why it could learn nothing from microbatches of this size */
  size_t state_bytes;      /* written by forward, read by backward */
  /* Whether only backward needs the state. A net for evaluation, where backward never comes, then has none,
   * and forward does without. */
  bool state_is_for_backward;
  size_t scratch_bytes;  /* once a call, free afterwards; shared by all threads */
  size_t prepared_bytes; /* what calls make of the parameters and later calls may use: see cvy_params_use */
  size_t kept_bytes;     /* they stay from a step's first forward to its last backward */
  size_t scratch_bytes_per_thread; /* cvy_layer_thread_scratch() gives a thread its own */
} cvy_layer_plan;

/* Says whether what a layer prepares from its parameters will be of use again. This saves time and changes
 * nothing else. */
typedef enum cvy_params_use {
  CVY_PARAMS_ONCE, /* by the next pass they will have changed */
  CVY_PARAMS_KEEP, /* the next pass of this net has the same */
  CVY_PARAMS_KEPT  /* they are those of the pass before, which kept; backward comes only if it came then */
} cvy_params_use;

/* Returns the use of the parameters in pass `index` of `count` passes that follow each other with the same
 * ones. */
static inline cvy_params_use cvy_params_of_pass(int64_t index, int64_t count) {
  return count == 1 ? CVY_PARAMS_ONCE : index == 0 ? CVY_PARAMS_KEEP : CVY_PARAMS_KEPT;
}

/* Where in training a call stands: what counted random numbers are keyed by. */
typedef struct cvy_pass {
  bool training; /* dropout on */
  uint64_t seed;
  int64_t step;
  int64_t first_sample; /* index in the global batch of the microbatch's first image */
  cvy_params_use params;
  float loss_scale; /* gradients are those of loss_scale * (sum of the images' losses); usually 1 / batch */
} cvy_pass;

/* What the losses hold the images against, [n] each. */
typedef struct cvy_targets {
  const int32_t *labels; /* -1: a row that does not count */
  /* The other label of each image, where images are mixed; NULL: they have one label. */
  const int32_t *partners;
  const float *shares; /* shares of the own label, 0 ... 1; the partner has the rest */
} cvy_targets;

/* One call of forward or backward. */
typedef struct cvy_layer_call {
  void *config;
  const cvy_layer_plan *plan;
  int64_t layer_index;
  const cvy_pass *pass;
  const float *x[CVY_MAX_INPUTS];
  float *y;
  const float *dy;           /* backward; NULL for a loss */
  float *dx[CVY_MAX_INPUTS]; /* backward; NULL where nobody needs it */
  const float *params[CVY_MAX_PARAMS];
  /* In backward one is NULL where its parameter is sharded, and all are where the layer does not learn. */
  float *grads[CVY_MAX_PARAMS];
  void *state;
  bool rectify;   /* forward, where the plan can: y is max(y, 0), as a relu that follows in place wants it */
  void *prepared; /* plan->prepared_bytes, this layer's alone */
  void *kept;     /* plan->kept_bytes, this layer's alone */
  void *scratch;  /* 64-byte aligned, as each thread's part is */
  const cvy_targets *targets; /* loss */
  double *losses;             /* loss, forward: [n], each image's weighted loss, 0 where the label is -1 */
} cvy_layer_call;

/* Returns this thread's own scratch of plan->scratch_bytes_per_thread. */
static inline void *cvy_layer_thread_scratch(const cvy_layer_call *call, int thread) {
  return (char *)call->scratch + cvy_aligned(call->plan->scratch_bytes) +
         (size_t)thread * cvy_aligned(call->plan->scratch_bytes_per_thread);
}

typedef struct cvy_layer_type {
  const struct cvy_kind *kind; /* name, help, options, bytes of the config */
  const char *short_name;      /* layers without a name are called short_name1, short_name2, ... */
  bool rectifies;              /* y = max(x, 0) */
  bool picks;                  /* each number of y is the largest of some of x */
  /* Whether a larger number comes out no smaller than a smaller one, after rounding too: the layer may
   * then as well follow a max pooling. */
  bool keeps_order;
  /* What it does to scores that a loss should get as they are: "presses scores between 0 and 1"; NULL:
   * nothing that a loss would mind. */
  const char *on_scores;
  bool hands_on; /* its numbers are those that it reads, but for noise in training */
  bool is_loss;  /* it reads the targets, and nobody reads its y */
  /* Wrong sizes are an error whose message says what would be right; the net puts file and line in front. */
  cvy_err (*plan)(cvy_layer_plan *plan, void *config) CVY_MUST_CHECK;
  void (*forward)(const cvy_layer_call *call);
  void (*backward)(const cvy_layer_call *call);
  /* Writes what running averages are to move towards into grads, as backward does, without any gradient;
   * NULL: it has none, or moves none. It follows a forward pass of training. */
  void (*statistics)(const cvy_layer_call *call);
  /* Returns the loss of one image whose probabilities are `p`, which may be means; losses alone have it. The
   * result is finite, and the one of forward but for rounding. */
  double (*loss_of)(const void *config, const double *p, int64_t scores, int32_t label);
  /* Writes what the summary says beside the sizes, "2 groups", "50 %"; may be NULL. */
  void (*describe)(char *out, size_t bytes, const void *config);
} cvy_layer_type;

/* These return the layer types of src/layer/layers.def. */
int64_t cvy_layer_type_count(void);
const cvy_layer_type *cvy_layer_type_at(int64_t index);

/* Adds `from` to `to`, in parallel. */
void cvy_add_into(float *to, const float *from, int64_t count);

/* Fills `values` (the product of spec->dims floats) by spec->init, from counted random numbers. */
void cvy_param_fill(float *values, const cvy_param_spec *spec, uint64_t seed, int64_t layer_index,
                    int64_t param_index);
int64_t cvy_param_count(const cvy_param_spec *spec);

#endif
