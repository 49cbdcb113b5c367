/* One block of a vector on its way through the ranks: halving, then doubling. It has no thread of its own,
 * and nothing here waits. */
#ifndef CVY_COMM_REDUCE_H
#define CVY_COMM_REDUCE_H

#include "comm/mpi.h"
#include "comm/tree.h"

enum { CVY_MOST_LEVELS = 64 };

typedef struct cvy_level {
  int64_t radix;
  int64_t stride; /* ranks from one of the group to the next */
  int64_t digit;  /* mine within the group */
} cvy_level;

/* The levels of the tree that lie above a rank's own leaves, from the leaves' side. */
typedef struct cvy_ladder {
  const cvy_comm *comm;
  int level_count;
  cvy_level levels[CVY_MOST_LEVELS];
  int64_t widest;    /* the largest radix */
  cvy_wire up, down; /* what messages are made of in halving and in doubling */
} cvy_ladder;

/* The tree must allow comm's size. Up is set to the tree's wire, and down to fp32. The caller may make down
 * bf16 too where it is sums that are handed on, which are rounded already. */
void cvy_ladder_set(cvy_ladder *out, const cvy_comm *comm, const cvy_tree *tree);

/* Floats first ... end-1 of a vector. */
typedef struct cvy_span {
  int64_t first, end;
} cvy_span;

typedef struct cvy_block {
  const cvy_ladder *ladder;
  int tag;
  int stage;                           /* levels gone through, up and down again */
  cvy_span spans[CVY_MOST_LEVELS + 1]; /* what is mine after each halving */
  /* It has as many floats as the block, and one for each partner. In halving it holds what the partners sent,
   * and behind that, on a bf16 wire, what they are sent. In doubling on a bf16 wire it holds the block, as
   * far as it is known. */
  void *staged;
  int open;              /* requests that are under way; their owner counts down */
  MPI_Request *requests; /* two for each partner of the widest level; null where nothing is under way */
} cvy_block;

/* Works out who owns what of floats `whole`; the block then stands as if its sums were there. */
void cvy_block_place(cvy_block *block, cvy_span whole, int tag);
/* Begins with floats `whole` of `sums`, whose values here are those of the rank's own leaves. Blocks that
 * are under way at once differ in their tags; every rank begins the same blocks in the same order. */
void cvy_block_begin(cvy_block *block, float *sums, cvy_span whole, int tag);

/* What comes next for a block. When all of its requests are done, cvy_block_advance does what they were for,
 * and makes the next ones. */
typedef enum cvy_turn {
  CVY_GOES_ON, /* new requests are under way */
  CVY_SUMMED,  /* cvy_block_own holds the sums over all ranks; cvy_block_hand_on goes on */
  CVY_DONE
} cvy_turn;
cvy_turn cvy_block_advance(cvy_block *block, float *sums, float *handed_on);
cvy_span cvy_block_own(const cvy_block *block);
/* Sends the own part of `handed_on`, and receives the others', until advance says CVY_DONE. */
cvy_turn cvy_block_hand_on(cvy_block *block, float *handed_on);

/* Rounds sums as the root of a tree with a bf16 wire does. */
void cvy_round_sums(float *sums, int64_t count);

#endif
