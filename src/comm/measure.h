/* How fast messages are. */
#ifndef CVY_COMM_MEASURE_H
#define CVY_COMM_MEASURE_H

#include "comm/comm.h"

/* ---- pairs ---- */

/* The link between a rank and its partner, while all other pairs are busy with the same. */
typedef struct cvy_link {
  int partner; /* -1: none */
  double latency_s;
  double one_way_bytes_s;   /* speed to the higher rank of the pair */
  double both_ways_bytes_s; /* each way, both at once */
  double work_s_per_byte;   /* lost by each rank's computing threads for a byte sent and one received */
} cvy_link;

/* Measures the links of all pairs at once. Rank r's partner is r + distance, or r - distance where the tree
 * pairs them so. `task` is what computing is like, for half a millisecond or less. The results are [ranks] on
 * rank 0, to be freed, and NULL on the others. The call takes three seconds and is collective. */
cvy_err cvy_links_measure(cvy_link **out, cvy_comm *comm, int distance, cvy_task task,
                          const void *context) CVY_MUST_CHECK;
/* Measures work_s_per_byte alone, while the pair sums vectors and as many of cvy_threads() compute as the
 * rank has cores. A rank without a partner passes -1, and gets 0. */
cvy_err cvy_burden_measure(double *work_s_per_byte, cvy_comm *comm, int partner, cvy_task task,
                           const void *context) CVY_MUST_CHECK;

/* ---- clocks ---- */

/* How far a rank's time of day is from rank 0's. */
typedef struct cvy_clock_offset {
  double ahead_s, error_s; /* the first is wrong by the second at most */
} cvy_clock_offset;

/* Measures all offsets. They are [ranks] on rank 0, to be freed, and NULL on the others. One rank a node is
 * asked, and the others have its answer. The call is collective. */
cvy_clock_offset *cvy_clocks_measure(cvy_comm *comm);

/* ---- sums of vectors ---- */

typedef enum cvy_summing {
  CVY_SUM_WHOLE,   /* the exact tree, all ranks use all sums */
  CVY_SUM_SHARDED, /* the exact tree, each rank uses a part */
  CVY_SUM_ALLREDUCE,
  CVY_SUM_IALLREDUCE,
  CVY_SUMMINGS
} cvy_summing;
extern const char *const cvy_summing_words[]; /* NULL-terminated */

/* Seconds are the maximum over the ranks, spread over the repetitions. */
typedef struct cvy_summing_times {
  cvy_spread of[CVY_SUMMINGS];
  /* The time to move nothing but the bytes that each rank must send and receive, along the same tree. With
   * one bandwidth b for all levels it is 2n(P-1)/P/b. Each level's bandwidth is measured between its
   * partners, both ways at once, in turn with the algorithms. */
  cvy_spread bound_s;
  double both_ways_bytes_s; /* at the level nearest to the leaves; 0 for one rank */
} cvy_summing_times;

/* Sums `count` floats over the ranks by each algorithm in turn, `repetitions` times after one that warms up,
 * and checks the sums. The result is the same on all ranks. The call is collective. It fails with CVY_E_RUN
 * if a sum is wrong. */
cvy_err cvy_summing_measure(cvy_summing_times *out, cvy_comm *comm, int64_t count,
                            int64_t repetitions) CVY_MUST_CHECK;

#endif
