/* What the files of this room share: a network's layers as they are described and planned. */
#ifndef CVY_NET_NODE_H
#define CVY_NET_NODE_H

#include "base/options.h"
#include "net/memory.h"
#include "net/net.h"

/* Values are numbered as the layers that make them; the network's input is CVY_NET_INPUT. */
enum { CVY_NET_INPUT = -1 };

/* A use of a block. It tells where layers come from that do not stand in the network's own list. */
typedef struct cvy_net_use {
  const struct cvy_net_use *within; /* the use that this one is part of, or NULL */
  const char *block;
  const cvy_yaml *at;
} cvy_net_use;

typedef struct cvy_node {
  const cvy_layer_type *type;
  const char *name;
  const cvy_yaml *at;        /* where it stands in the description */
  const cvy_net_use *within; /* NULL: in the network's own list */
  void *config;
  int64_t inputs[CVY_MAX_INPUTS]; /* layers above this one, or CVY_NET_INPUT */
  /* What the wishes say; `stays`: its output can be asked for. */
  bool is_frozen, is_frozen_at_first, has_fixed_statistics, stays;
  cvy_layer_plan plan;
  int64_t first_param;   /* index into net->params */
  bool only_in_training; /* it is an auxiliary loss, or read by nobody else */
  bool is_left_out;      /* evaluation skips it: only in training, and nobody asks for what it leads to */
  bool is_visited;       /* backward visits it */
  bool rectifies;        /* it does the work of a relu that follows in place */
  bool is_done_before;   /* a relu whose work another layer does: forward has nothing to do */
  float *y, *dy; /* its value and that value's gradient, in the activation memory; NULL: there is none */
  void *state, *prepared; /* see cvy_layer_call */
  void *kept;
  double *losses; /* [n], if it is a loss */
  /* Where backward puts the gradient of each input before it is added to what other readers gave, or NULL. */
  float *added_dx[CVY_MAX_INPUTS];
} cvy_node;

struct cvy_net {
  cvy_pool *pool;
  cvy_net_wishes wishes;
  const char *name;
  cvy_shape input;
  int64_t node_count;
  cvy_node *nodes;
  cvy_net_param *params;
  cvy_net_info info;
  float *param_arena;
  void *activations, *prepared, *kept, *scratch;
  float *image_gradient; /* in the activation memory; NULL: nobody wants it */
  cvy_lifetime *lives;
  int64_t life_count;
  double *losses;
  const cvy_net_observer *observer; /* NULL: nobody watches */
  cvy_hasher *hasher;
};

/* Fills pool, name, input and the nodes with their shapes by the description and the wishes (describe.c). */
cvy_err cvy_net_read(cvy_net *net, const cvy_yaml *description, int64_t microbatch) CVY_MUST_CHECK;
/* Marks the nodes that the wishes name (wishes.c). */
cvy_err cvy_net_mark(cvy_net *net) CVY_MUST_CHECK;
/* Says of a tensor that is learnt by its gradient whether it does so under the wishes. */
void cvy_net_mark_tensor(const cvy_net *net, const cvy_node *node, cvy_net_param *param);
/* Checks, once all tensors are listed, that each name to be frozen is a layer's or a tensor's, or a pattern
 * of some, and that each one whose statistics stay has some. */
cvy_err cvy_net_check_frozen(const cvy_net *net) CVY_MUST_CHECK;
/* Plans lifetimes and memory (place.c): fills params, the arenas, lives, the nodes' pointers and the info's
 * sizes. */
cvy_err cvy_net_place(cvy_net *net) CVY_MUST_CHECK;

/* Tells whether a layer's output stays as forward made it until backward begins (place.c). Layers that work
 * in place share one. */
bool cvy_net_is_kept(const cvy_net *net, int64_t layer);

/* These are the steps of a walk (walk.c). */
cvy_layer_call cvy_net_call(cvy_net *net, int64_t layer, const float *images, const cvy_targets *targets,
                            const cvy_pass *pass);
void cvy_net_backward_through(cvy_net *net, int64_t layer, float *grads, const cvy_layer_call *forward);
void cvy_net_add_losses(cvy_net *net, bool training);

#endif
