/* Where the numbers of a tensor lie in files of other programs.
 *
 * Convoy keeps filters as [R][S][C][K], weights of fully connected layers as [inputs][outputs], and counts
 * the numbers of a map as [h][w][c]. Others keep [K][C][R][S] and [outputs][inputs], and count [c][h][w].
 * That decides the order of what a layer reads behind a flatten, through all that works number by number and
 * through maps side by side. Networks of Caffe's time read blue before red: Convoy's images are RGB, so what
 * reads the image is turned round instead. */
#ifndef CVY_FORMATS_TENSOR_LAYOUT_H
#define CVY_FORMATS_TENSOR_LAYOUT_H

#include "net/net.h"

enum { CVY_LAYOUT_DIMS = 4 };

/* A tensor of a network, in Convoy [pixels][inputs][outputs]. Filters have pixels, [R][S]; what has one
 * number a channel has one output. */
typedef struct cvy_tensor_layout {
  int64_t pixels, inputs, outputs;
  bool outputs_last; /* in the file, too; else it has [outputs][inputs][pixels] */
  /* [inputs]: which one of Convoy's the file's is; NULL: they are the same. It lies in the pool. */
  const int64_t *order;
  int shape_count; /* the shape in the file */
  int64_t shape[CVY_LAYOUT_DIMS];
} cvy_tensor_layout;

/* How a file lays its tensors out. */
typedef struct cvy_tensor_rules {
  bool outputs_last;  /* [R][S][C][K] and [inputs][outputs] */
  bool channels_last; /* maps are counted [h][w][c] */
  bool bgr;           /* images have their channels the other way round */
} cvy_tensor_rules;

/* Finds the layout of tensor `index` of the net. It is an error, which names the layer, if numbers of another
 * order come to a layer that knows them by their place: groups, a sum of several orders, channels that are
 * padded, neighbouring channels that are normalised. */
cvy_err cvy_tensor_layout_of(cvy_tensor_layout *out, cvy_pool *pool, const cvy_net *net, int64_t index,
                             const cvy_tensor_rules *rules) CVY_MUST_CHECK;

/* These bring a tensor's numbers from the file's order into Convoy's, and back. */
void cvy_tensor_take(float *convoy, const float *stored, const cvy_tensor_layout *layout);
void cvy_tensor_give(float *stored, const float *convoy, const cvy_tensor_layout *layout);

#endif
