/* How long each layer of a network takes: measured here, or read from a file that holds what was measured
 * before. */
#ifndef CVY_MEASURE_LAYER_TIMES_H
#define CVY_MEASURE_LAYER_TIMES_H

#include "net/net.h"

/* The times of one microbatch, on cvy_threads() threads. */
typedef struct cvy_layer_times {
  const double *forward_s, *backward_s; /* [layer] */
  double losses_s;                      /* adding up the losses and counting the hits */
  double update_s;                      /* updating all weights, by all threads together */
} cvy_layer_times;

/* Trains `steps` steps after one that warms up (cvy_bench), which changes the net's weights. The times are in
 * `pool`. */
cvy_err cvy_layer_times_measure(cvy_layer_times *out, cvy_pool *pool, cvy_net *net,
                                int64_t steps) CVY_MUST_CHECK;
/* Reads what 'convoy bench layers --json' printed for the same layers, microbatch and threads. It fails with
 * CVY_E_INPUT, which names the place in the file, if they were others. The times are in `pool`. */
cvy_err cvy_layer_times_read(cvy_layer_times *out, cvy_pool *pool, const cvy_net_info *net,
                             const char *path) CVY_MUST_CHECK;

#endif
