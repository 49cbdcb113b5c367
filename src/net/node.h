/* What the files of this room share. */
#ifndef CVY_NET_NODE_H
#define CVY_NET_NODE_H

#include "base/options.h"
#include "net/net.h"

/* A layer of the network, as described and planned. Values are numbered as the layers that make them; the
 * network's input is CVY_NET_INPUT. */
enum { CVY_NET_INPUT = -1 };

/* A use of a block: where layers come from that do not stand in the network's own list. */
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
  cvy_layer_plan plan;
  int64_t first_param; /* index into net->params */
  /* Where its value, that value's gradient, and its state lie in the activation memory. */
  float *y, *dy;
  void *state, *prepared, *kept;
  bool rectifies;        /* does the work of a relu that follows in place */
  bool is_done_before;   /* is such a relu: forward has nothing to do */
  double *losses;        /* of a loss: [n] */
  bool only_in_training; /* an auxiliary loss, or read by nobody else */
  /* For each input: NULL, or where backward puts its gradient before it is added to what other readers gave. */
  float *added_dx[CVY_MAX_INPUTS];
} cvy_node;

struct cvy_net {
  cvy_pool *pool;
  const cvy_peers *peers; /* NULL: no layer is split */
  const char *name;
  cvy_shape input;
  int64_t node_count;
  cvy_node *nodes;
  cvy_net_param *params;
  cvy_net_info info;
  float *param_arena;
  void *activations, *prepared, *kept, *scratch;
  bool unshared; /* every buffer has memory of its own */
  cvy_lifetime *lives;
  int64_t life_count;
  double *losses;
  const cvy_net_observer *observer; /* NULL: nobody watches */
  cvy_hasher *hasher;
};

/* describe.c: YAML to nodes with their shapes; fills pool, name, input, nodes. */
cvy_err cvy_net_read(cvy_net *net, const cvy_yaml *description, int64_t microbatch) CVY_MUST_CHECK;
/* place.c: lifetimes and memory; fills params, the arenas, lives, the nodes' pointers and the info's sizes. */
cvy_err cvy_net_place(cvy_net *net) CVY_MUST_CHECK;
/* cvy_net_create for tests of the memory plan: nothing in place, and every value, gradient and state in memory of
 * its own. */
cvy_err cvy_net_create_unshared(cvy_net **out, const cvy_yaml *description,
                                int64_t microbatch) CVY_MUST_CHECK;

#endif
