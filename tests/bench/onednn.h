/* Runs oneDNN's implementations of a convolution's three passes, on the same arrays as ours.
 *
 * Each works on copies in the layout that it likes best; neither these copies nor those of its results
 * count as its time. */
#ifndef BENCH_ONEDNN_H
#define BENCH_ONEDNN_H

#include "math/conv.h"

#include <oneapi/dnnl/dnnl.h>

/* The arrays of a layer, laid out as math/conv.h says. From Y on they are results. */
typedef enum onednn_array { X, FILTERS, BIAS, DY, Y, DX, DFILTERS, DBIAS, ARRAYS } onednn_array;

enum { ONEDNN_WAYS = 24, ONEDNN_OPERANDS = 4 };

typedef struct onednn_way {
  const char *name; /* oneDNN's name for it, such as "jit:avx512_core"; it lives as long as `desc` */
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive; /* NULL while it is closed */
  int operand_count;
  onednn_array arrays[ONEDNN_OPERANDS];
  dnnl_exec_arg_t operands[ONEDNN_OPERANDS];
} onednn_way;

/* Starts oneDNN, before all else, and once. `threads` are those of each call. */
void onednn_start(int threads);
/* Returns a version such as "2.6.3". */
const char *onednn_version(void);

/* Finds all implementations of a pass but oneDNN's reference code; they are closed. Returns their number. */
int64_t onednn_ways(onednn_way ways[ONEDNN_WAYS], const cvy_conv_shape *shape, cvy_conv_pass pass);
void onednn_forget(onednn_way *way);
/* Takes memory for an implementation and copies its inputs to it. */
void onednn_open(onednn_way *way, const cvy_conv_shape *shape, float *const arrays[ARRAYS]);
void onednn_close(onednn_way *way);

void onednn_run(const onednn_way *way);
/* Copies the result of the latest run, laid out as ours. */
void onednn_read(float *out, const onednn_way *way, const cvy_conv_shape *shape, onednn_array array);

#endif
