/* Where the numbers of a tensor lie in files of other programs.
 *
 * Convoy keeps filters as [R][S][C][K], weights of fully connected layers as [inputs][outputs], and counts
 * the numbers of a map as [h][w][c]. Others keep [K][C][R][S] and [outputs][inputs], and count [c][h][w],
 * which decides the order of a fully connected layer's inputs, and of a batch normalisation behind a flatten.
 * Networks of Caffe's time read blue before red: Convoy's images are RGB, so the first layer's filters are
 * turned round instead. */
#ifndef CVY_FORMATS_TENSOR_LAYOUT_H
#define CVY_FORMATS_TENSOR_LAYOUT_H

#include "net/net.h"

enum { CVY_LAYOUT_DIMS = 4 };

/* A tensor of a network, as a walk over the file's order: of each of its dimensions, outermost first, the
 * size, and how far apart neighbours lie in Convoy's order. A negative step walks from the end. */
typedef struct cvy_tensor_layout {
  int dim_count;
  int64_t dims[2 * CVY_LAYOUT_DIMS], steps[2 * CVY_LAYOUT_DIMS];
  int64_t first; /* where the walk begins in Convoy's order */
  /* The shape in the file. */
  int shape_count;
  int64_t shape[CVY_LAYOUT_DIMS];
} cvy_tensor_layout;

/* How a file lays its tensors out. */
typedef struct cvy_tensor_rules {
  bool outputs_last;  /* [R][S][C][K] and [inputs][outputs] */
  bool channels_last; /* maps are counted [h][w][c] */
  bool bgr;           /* images have their channels the other way round */
} cvy_tensor_rules;

/* Finds the layout of tensor `index` of the net. It is an error, which names the layer, if what it reads has
 * no order that is known: maps side by side that were flattened before, or images behind a layer that knows
 * channels by their place. */
cvy_err cvy_tensor_layout_of(cvy_tensor_layout *out, const cvy_net *net, int64_t index,
                             const cvy_tensor_rules *rules) CVY_MUST_CHECK;

/* These bring a tensor's numbers from the file's order into Convoy's, and back. */
void cvy_tensor_take(float *convoy, const float *stored, const cvy_tensor_layout *layout);
void cvy_tensor_give(float *stored, const float *convoy, const cvy_tensor_layout *layout);

#endif
