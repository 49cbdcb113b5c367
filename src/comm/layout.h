/* Who runs where, on which cores, and what is wrong with that. */
#ifndef CVY_COMM_LAYOUT_H
#define CVY_COMM_LAYOUT_H

#include "comm/comm.h"

typedef struct cvy_place {
  char host[64];
  char software[128];  /* what the caller says that the arithmetic rests on */
  char huge_pages[16]; /* the kernel's setting: always, madvise, never; "" unknown */
  int node;            /* 0 ... nodes-1, in the order of the ranks */
  int threads;
  uint64_t cores[CVY_CORE_WORDS]; /* cores that the rank may run on */
  /* The cores that the job may run on there: those of the process which started the rank. */
  uint64_t node_cores[CVY_CORE_WORDS];
  int whole_cores;                  /* how many node_cores are, siblings (SMT) counted once */
  double quota_cores;               /* cores' worth of time that the container gets; 0: no limit */
  int64_t memory_bytes, free_bytes; /* memory of the node */
} cvy_place;

typedef struct cvy_layout {
  int ranks, nodes;
  cvy_place *places; /* [ranks] */
} cvy_layout;

/* Gathers the layout on rank 0, and returns NULL on the others. The call is collective and cheap. `threads`
 * is how many this rank computes with. */
cvy_layout *cvy_layout_gather(cvy_comm *comm, int threads, const char *software);
void cvy_layout_destroy(cvy_layout *layout);
/* Writes cores as "0-3,8". */
void cvy_cores_text(char *out, size_t bytes, const uint64_t cores[CVY_CORE_WORDS]);

/* Something that costs time and that the user can change. */
typedef struct cvy_finding {
  char name[16]; /* a word for programs: "binding" */
  char text[384];
} cvy_finding;

typedef struct cvy_findings {
  int count;
  cvy_finding items[16]; /* more are left out */
} cvy_findings;

void cvy_findings_add(cvy_findings *findings, const char *name, const char *format, ...) CVY_PRINTF(3, 4);

/* Adds what is wrong and returns whether cvy_layout_advise helps. Each finding is added at most once, for the
 * node where it is met first:
 *   binding         ranks are held on fewer cores than they have threads, while the node has more
 *   oversubscribed  a node's ranks have more threads than it has cores
 *   idle            a node's ranks are held on some of its cores, and leave others without work
 *   quota           a container's limit of processor time is below its threads
 *   order           neighbouring ranks, which exchange the most, are apart although nodes have several ranks
 *   uneven          nodes have different numbers of ranks
 *   mixed           ranks whose software differs */
bool cvy_layout_examine(cvy_findings *findings, const cvy_layout *layout);
/* Writes the mpirun line without those faults, for a command that follows. It has the same number of ranks,
 * or a divisor of it that fits. Where the nodes cannot share that number evenly, each gets its share
 * rounded up, as far as its cores allow. */
void cvy_layout_advise(char *out, size_t bytes, const cvy_layout *layout);

/* Warns on rank 0 of what cvy_layout_examine finds. It says nothing where all is well. The call is
 * collective. */
void cvy_layout_warn(cvy_comm *comm, int threads);

#endif
