/* How fast a network would train on a cluster: a row for each of several numbers of ranks.
 *
 * A row comes from the times of the network's layers (measure/layer_times.h), measured on one machine, and
 * from the model of a step on many ranks (measure/plan.h). All rows have as many microbatches a rank as the
 * cluster that is asked about. */
#ifndef CVY_MEASURE_OUTLOOK_H
#define CVY_MEASURE_OUTLOOK_H

#include "comm/exchange.h"
#include "math/conv.h"
#include "measure/layer_times.h"
#include "measure/plan.h"

struct cvy_yaml; /* base/yaml.h */

/* The most ranks of a row, and the most rows. */
enum { CVY_OUTLOOK_RANKS = 4096, CVY_OUTLOOK_ROWS = 16 };

typedef struct cvy_outlook_options {
  const struct cvy_yaml *network; /* its description */
  int64_t nodes;
  /* Its threads are taken from cvy_threads(); its copy_s_per_byte and add_s_per_byte are measured. If its
   * cores are 0, there are enough for all threads of a node's ranks. */
  cvy_plan_cluster cluster;
  int64_t microbatch, batch; /* images of a pass; of a step on the whole cluster, 0: one microbatch a rank */
  int64_t images;            /* images of an epoch */
  int64_t bucket_mib;        /* 0: the size that training would find best */
  cvy_exchange_way way;      /* sharded or whole */
  bool averages;             /* an average of the weights is kept */
  cvy_conv_choice convolution; /* algorithms */
  const char *times;           /* a file for cvy_layer_times_read; NULL: they are measured here */
  int64_t steps;               /* how many steps are measured then */
} cvy_outlook_options;

typedef struct cvy_outlook_row {
  int64_t ranks, nodes;
  int64_t batch; /* images of a step on all ranks */
  int64_t split; /* parameters in layers that are split over the ranks */
  int64_t bucket_mib;
  cvy_plan_step step;
  cvy_plan_memory memory;
  double images_per_s;
  double efficiency; /* images_per_s over ranks times what one does; 1 where there is no row for one */
  double epoch_s;
} cvy_outlook_row;

typedef struct cvy_outlook {
  const char *network; /* its name, in the pool */
  int64_t param_count;
  int64_t ranks, microbatches; /* ranks of the cluster; microbatches of a rank's step */
  cvy_plan_cluster cluster;    /* the cluster with all that was measured */
  int64_t row_count;
  cvy_outlook_row rows[CVY_OUTLOOK_ROWS]; /* ranks ascend */
} cvy_outlook;

/* Measures what the options do not give, and makes the rows. It fails with CVY_E_USAGE or CVY_E_INPUT if the
 * cluster cannot share the batch, or the network has nothing to learn. This call is not collective. */
cvy_err cvy_outlook_make(cvy_outlook *out, cvy_pool *pool, const cvy_outlook_options *options) CVY_MUST_CHECK;

/* Makes the rows alone, without the clock; *out has its ranks, microbatches and cluster. There is a row for
 * 1, 2, 4, ... ranks and for the cluster's own number, where they fill whole nodes or a part of one, and the
 * tree of such a batch allows them. */
cvy_err cvy_outlook_add_rows(cvy_outlook *out, const cvy_outlook_options *options,
                             const cvy_layer_times *times) CVY_MUST_CHECK;

#endif
