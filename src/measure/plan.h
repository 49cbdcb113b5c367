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
  double cores;                    /* cores of a node */
  double latency_s;                /* latency of a message between nodes */
  double wire_bytes_per_s;         /* bandwidth of a node's wire, each way */
  double wire_s_per_byte;          /* what a core works for a byte that is sent and one that is received */
  double copy_s_per_byte;          /* one thread's time between ranks of a node: sent and received */
  double add_s_per_byte;           /* one thread's time for a byte of the sum */
} cvy_plan_cluster;

/* Returns the wire_bytes_per_s that an Ethernet link of `gbit_per_s` leaves to the data of TCP. */
double cvy_plan_wire_bytes_per_s(double gbit_per_s);

/* Returns peers that stand for the ranks where a network is only planned and nobody talks. They point into
 * `tree`, which must outlive them. */
cvy_peers cvy_plan_peers(const cvy_tree *tree, int64_t ranks);

/* What a rank does. */
typedef struct cvy_plan_work {
  const cvy_net_info *net;              /* the net as planned for these ranks and this tree */
  const double *forward_s, *backward_s; /* [layer], of a microbatch */
  double losses_s;                      /* time of a microbatch's losses */
  double update_s;                      /* time of updating all weights with one thread */
  int64_t microbatches;                 /* a rank and step */
  int64_t bucket_bytes;                 /* least, as the recipe's */
  bool sharded;                         /* each rank updates its part (CVY_EXCHANGE_SHARDED) */
} cvy_plan_work;

typedef struct cvy_plan_step {
  double step_s, compute_s;
  double exposed_s;      /* time of waiting for gradients, and for swaps */
  double swap_s;         /* waiting for swaps alone */
  double exchange_s;     /* time from the first bucket to the end of the last */
  double exchange_cpu_s; /* work of the communication thread */
  double sent_bytes;     /* bytes that each node sends through the wire */
  double swapped_bytes;  /* those of them that swaps send */
} cvy_plan_step;

/* Foretells a step. `ranks` stand on nodes of ranks_per_node, or fewer on one; `tree` must allow them. */
void cvy_plan_foretell(cvy_plan_step *out, const cvy_plan_work *work, const cvy_plan_cluster *cluster,
                       const cvy_tree *tree, int64_t ranks);

/* The bytes that rank 0 needs, which needs most. */
typedef struct cvy_plan_memory {
  size_t network; /* activations, prepared filters, scratch; what split layers keep */
  size_t weights, gradients, optimiser, exchange, loader;
} cvy_plan_memory;
/* Returns the memory for a rule with `state_count` numbers a parameter, of which an average of the weights is
 * one more, and a loader that is `prefetch` microbatches ahead. */
cvy_plan_memory cvy_plan_need(const cvy_plan_work *work, const cvy_plan_cluster *cluster,
                              const cvy_tree *tree, int64_t ranks, int64_t state_count, int64_t prefetch);
size_t cvy_plan_total(const cvy_plan_memory *memory);

/* Sets copy_s_per_byte and add_s_per_byte to what the calling thread takes here. */
cvy_err cvy_plan_measure(cvy_plan_cluster *cluster) CVY_MUST_CHECK;

/* ---- the walk, by itself ------------------------------------------------------------------------------- */

typedef struct cvy_plan_level {
  int64_t radix;
  bool crosses; /* it goes from node to node */
} cvy_plan_level;

typedef struct cvy_plan_road {
  int level_count;
  cvy_plan_level levels[64]; /* levels from the leaves' side */
  double latency_s;
  double wire_bytes_per_s; /* a rank's part */
  double wire_s_per_byte, copy_s_per_byte, add_s_per_byte;
  double update_s_per_byte; /* time for a byte that a rank updates */
  bool sharded;             /* true: each rank updates its part; else everything, at the end */
  double block_bytes;
  int slots; /* blocks under way at once */
} cvy_plan_road;

typedef struct cvy_plan_bucket {
  double bytes, ready_s;
} cvy_plan_bucket;

/* Returns when the last bucket is done. *busy_s becomes how long the thread worked for the buckets, and
 * *sent_bytes what left the node. */
double cvy_plan_walk(double *busy_s, double *sent_bytes, const cvy_plan_road *road,
                     const cvy_plan_bucket *buckets, int64_t count);

#endif
