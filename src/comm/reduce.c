/* The exact tree between ranks: halving, then doubling.
 *
 * At the level of radix q above the ranks' own leaves, the q ranks whose numbers differ only in that level's
 * digit hold the q children of one node. Each takes one q-th of the block, receives that part of the other
 * children and adds all q in the order of the digit, so the sum has the tree's bits whoever computes it.
 * After the last level each rank holds 1/P of the sums; the way back hands on the parts, of the sums or of what
 * was made of them. */
#include "comm/reduce.h"

#include "base/trace.h"

void cvy_ladder_set(cvy_ladder *out, const cvy_comm *comm, const cvy_tree *tree) {
  CVY_CHECK(cvy_tree_allows(tree, comm->size));
  *out = (cvy_ladder){.comm = comm, .widest = 1};
  int64_t own = tree->leaves / comm->size, stride = 1;
  for (int i = 0; i < tree->level_count; i++) {
    const int64_t radix = tree->radix[i];
    if (own > 1) {
      own /= radix;
      continue;
    }
    out->levels[out->level_count++] = (cvy_level){radix, stride, comm->rank / stride % radix};
    stride *= radix;
    if (radix > out->widest) out->widest = radix;
  }
}

static int64_t length_of(cvy_span s) {
  return s.end - s.first;
}

static cvy_span part_of(cvy_span whole, int64_t index, int64_t parts) {
  const int64_t length = length_of(whole);
  return (cvy_span){whole.first + length * index / parts, whole.first + length * (index + 1) / parts};
}

static int partner(const cvy_block *b, const cvy_level *l, int64_t digit) {
  return (int)(b->ladder->comm->rank + (digit - l->digit) * l->stride);
}

static void receive(cvy_block *b, float *to, int64_t length, int from, int *count) {
  CVY_MPI(MPI_Irecv(to, cvy_int(length), MPI_FLOAT, from, b->tag, b->ladder->comm->mpi,
                    &b->requests[(*count)++]));
}

static void send(cvy_block *b, const float *from, int64_t length, int to, int *count) {
  CVY_MPI(MPI_Isend(from, cvy_int(length), MPI_FLOAT, to, b->tag, b->ladder->comm->mpi,
                    &b->requests[(*count)++]));
}

/* ---- up ---- */

static void begin_halving(cvy_block *b, const float *sums) {
  const cvy_level *l = &b->ladder->levels[b->stage];
  const cvy_span whole = b->spans[b->stage], mine = b->spans[b->stage + 1];
  int count = 0;
  float *slot = b->received;
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const cvy_span theirs = part_of(whole, digit, l->radix);
    receive(b, slot, length_of(mine), partner(b, l, digit), &count);
    send(b, sums + theirs.first, length_of(theirs), partner(b, l, digit), &count);
    slot += length_of(mine);
  }
  b->open = count;
}

static void add_two(float *restrict own, const float *restrict received, int64_t length) {
  for (int64_t i = 0; i < length; i++) own[i] += received[i];
}

static void add_in_order(float *restrict own, const float *restrict received, const cvy_level *l,
                         int64_t length) {
  for (int64_t i = 0; i < length; i++) {
    const float *next = received + i;
    float sum = 0;
    for (int64_t digit = 0; digit < l->radix; digit++) {
      float child = own[i];
      if (digit != l->digit) {
        child = *next;
        next += length;
      }
      sum = digit == 0 ? child : sum + child;
    }
    own[i] = sum;
  }
}

static void end_halving(cvy_block *b, float *sums) {
  const cvy_level *l = &b->ladder->levels[b->stage];
  const cvy_span mine = b->spans[b->stage + 1];
  const int64_t begin_ns = cvy_trace_begin();
  if (l->radix == 2)
    add_two(sums + mine.first, b->received, length_of(mine));
  else
    add_in_order(sums + mine.first, b->received, l, length_of(mine));
  cvy_trace_end(begin_ns, CVY_TRACE_ADD, NULL, l->stride);
}

/* ---- and down ---- */

static void begin_doubling(cvy_block *b, float *handed_on) {
  const int level = 2 * b->ladder->level_count - 1 - b->stage;
  const cvy_level *l = &b->ladder->levels[level];
  const cvy_span whole = b->spans[level], mine = b->spans[level + 1];
  int count = 0;
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const cvy_span theirs = part_of(whole, digit, l->radix);
    receive(b, handed_on + theirs.first, length_of(theirs), partner(b, l, digit), &count);
    send(b, handed_on + mine.first, length_of(mine), partner(b, l, digit), &count);
  }
  b->open = count;
}

/* ---- the whole way ---- */

void cvy_block_place(cvy_block *b, cvy_span whole, int tag) {
  const cvy_ladder *ladder = b->ladder;
  b->tag = tag;
  b->spans[0] = whole;
  for (int i = 0; i < ladder->level_count; i++)
    b->spans[i + 1] = part_of(b->spans[i], ladder->levels[i].digit, ladder->levels[i].radix);
  b->stage = ladder->level_count;
}

void cvy_block_begin(cvy_block *b, float *sums, cvy_span whole, int tag) {
  CVY_CHECK(b->ladder->level_count > 0);
  cvy_block_place(b, whole, tag);
  b->stage = 0;
  begin_halving(b, sums);
}

cvy_turn cvy_block_advance(cvy_block *b, float *sums, float *handed_on) {
  const int levels = b->ladder->level_count;
  if (b->stage < levels) end_halving(b, sums);
  b->stage++;
  if (b->stage < levels) begin_halving(b, sums);
  if (b->stage == levels) return CVY_SUMMED;
  return b->stage < levels ? CVY_GOES_ON : cvy_block_hand_on(b, handed_on);
}

cvy_span cvy_block_own(const cvy_block *b) {
  return b->spans[b->ladder->level_count];
}

cvy_turn cvy_block_hand_on(cvy_block *b, float *handed_on) {
  if (b->stage == 2 * b->ladder->level_count) return CVY_DONE;
  begin_doubling(b, handed_on);
  return CVY_GOES_ON;
}
