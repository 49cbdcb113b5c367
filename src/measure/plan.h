/* A training step on many ranks, foretold from its parts: measured times of the layers, and a model of the
 * exchange.
 *
 * One rank's gradients are followed block by block, as the communication thread moves them (comm/exchange.c).
 * Buckets become ready as backward goes down. Blocks of them go up and down the tree's levels, a few at once.
 * A level within a node costs the thread a copy. A level between nodes costs the wire latency + bytes /
 * bandwidth, of which the ranks of a node have equal parts. All ranks do the same at the same time, so one
 * stands for all.
 *
 * Layers that are split over the ranks (layer/sharded.c) have no bucket for their weights. What they swap
 * instead goes from each rank to all others at once, while nobody computes: it takes a latency, and the
 * wire's time for all of its bytes or the thread's work for them, whichever is more. */
#ifndef CVY_MEASURE_PLAN_H
#define CVY_MEASURE_PLAN_H

#include "comm/tree.h"
#include "net/net.h"

/* What a cluster is like. */
typedef struct cvy_plan_cluster {
  int64_t ranks_per_node, threads; /* computing threads a rank */
  double cores;                    /* of a node */
  double latency_s;                /* of a message between nodes */
  double wire_bytes_per_s;         /* of a node, each way */
  double wire_s_per_byte;          /* what a core works for a byte that is sent and one that is received */
  double copy_s_per_byte;          /* of one thread, between ranks of a node: sent and received */
  double add_s_per_byte;           /* of one thread, a byte of the sum */
} cvy_plan_cluster;

/* What an Ethernet link of `gbit_per_s` leaves to the data of TCP: wire_bytes_per_s. */
double cvy_plan_wire_bytes_per_s(double gbit_per_s);

/* Stands for the ranks where a network is only planned and nobody talks. It points into `tree`, which must
 * outlive it. */
cvy_peers cvy_plan_peers(const cvy_tree *tree, int64_t ranks);

/* What a rank does. */
typedef struct cvy_plan_work {
  const cvy_net_info *net;              /* as planned for these ranks and this tree */
  const double *forward_s, *backward_s; /* [layer], of a microbatch */
  double losses_s;                      /* of a microbatch */
  double update_s;                      /* of all weights, by one thread */
  int64_t microbatches;                 /* a rank and step */
  int64_t bucket_bytes;                 /* least, as the recipe's */
  bool sharded;                         /* each rank updates its part (CVY_EXCHANGE_SHARDED) */
} cvy_plan_work;

typedef struct cvy_plan_step {
  double step_s, compute_s;
  double exposed_s;      /* of the step: waiting for gradients, and for swaps */
  double swap_s;         /* waiting for swaps alone */
  double exchange_s;     /* from the first bucket to the end of the last */
  double exchange_cpu_s; /* of the communication thread */
  double sent_bytes;     /* by each node, through the wire */
  double swapped_bytes;  /* those of them that swaps send */
} cvy_plan_step;

/* `ranks` stand on nodes of ranks_per_node, or fewer on one; `tree` must allow them. */
void cvy_plan_foretell(cvy_plan_step *out, const cvy_plan_work *work, const cvy_plan_cluster *cluster,
                       const cvy_tree *tree, int64_t ranks);

/* Bytes of rank 0, which has most. */
typedef struct cvy_plan_memory {
  size_t network; /* activations, prepared filters, scratch; what split layers keep */
  size_t weights, gradients, optimiser, exchange, loader;
} cvy_plan_memory;
/* For a rule with `state_count` numbers a parameter, and a loader that is `prefetch` microbatches ahead. */
cvy_plan_memory cvy_plan_need(const cvy_plan_work *work, const cvy_plan_cluster *cluster,
                              const cvy_tree *tree, int64_t ranks, int64_t state_count, int64_t prefetch);
size_t cvy_plan_total(const cvy_plan_memory *memory);

/* Sets copy_s_per_byte and add_s_per_byte to what the calling thread takes here. */
cvy_err cvy_plan_measure(cvy_plan_cluster *cluster) CVY_MUST_CHECK;

/* ---- the walk, by itself ------------------------------------------------------------------------------- */

typedef struct cvy_plan_level {
  int64_t radix;
  bool crosses; /* from node to node */
} cvy_plan_level;

typedef struct cvy_plan_road {
  int level_count;
  cvy_plan_level levels[64]; /* from the leaves' side */
  double latency_s;
  double wire_bytes_per_s; /* a rank's part */
  double wire_s_per_byte, copy_s_per_byte, add_s_per_byte;
  double update_s_per_byte; /* of what a rank updates */
  bool sharded;             /* else each rank updates everything, at the end */
  double block_bytes;
  int slots; /* blocks under way at once */
} cvy_plan_road;

typedef struct cvy_plan_bucket {
  double bytes, ready_s;
} cvy_plan_bucket;

/* Returns when the last bucket is done. *busy_s: how long the thread worked for them; *sent_bytes: what left
 * the node. */
double cvy_plan_walk(double *busy_s, double *sent_bytes, const cvy_plan_road *road,
                     const cvy_plan_bucket *buckets, int64_t count);

#endif
