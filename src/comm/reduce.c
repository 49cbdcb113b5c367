/* The exact tree between ranks: halving, then doubling.
 *
 * At the level of radix q above the ranks' own leaves, the q ranks whose numbers differ only in that level's
 * digit hold the q children of one node. Each takes one q-th of the block, receives that part of the other
 * children and adds all q in the order of the digit, so the sum has the tree's bits whoever computes it.
 * After the last level each rank holds 1/P of the sums. The way back hands on the parts of the sums, or of
 * what was made of them. */
#include "comm/reduce.h"

#include "base/trace.h"
#include "comm/bf16.h"
#include "comm/tree.h"

void cvy_ladder_set(cvy_ladder *out, const cvy_comm *comm, const cvy_tree *tree) {
  CVY_CHECK(cvy_tree_allows(tree, comm->size));
  *out = (cvy_ladder){.comm = comm, .widest = 1, .up = tree->wire, .down = CVY_WIRE_FP32};
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

static MPI_Datatype type_of(cvy_wire wire) {
  return wire == CVY_WIRE_BF16 ? MPI_UINT16_T : MPI_FLOAT;
}

static void *at(const void *base, int64_t index, cvy_wire wire) {
  return (char *)base + (size_t)index * (wire == CVY_WIRE_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static void receive(cvy_block *b, void *to, int64_t length, cvy_wire wire, int from) {
  CVY_MPI(MPI_Irecv(to, cvy_int(length), type_of(wire), from, b->tag, b->ladder->comm->mpi,
                    &b->requests[b->open++]));
}

static void send(cvy_block *b, const void *from, int64_t length, cvy_wire wire, int to) {
  CVY_MPI(MPI_Isend(from, cvy_int(length), type_of(wire), to, b->tag, b->ladder->comm->mpi,
                    &b->requests[b->open++]));
}

static void pack(uint16_t *restrict to, const float *restrict from, int64_t length) {
  for (int64_t i = 0; i < length; i++) to[i] = cvy_to_bf16(from[i]);
}

static void unpack(float *restrict to, const uint16_t *restrict from, int64_t length) {
  for (int64_t i = 0; i < length; i++) to[i] = cvy_from_bf16(from[i]);
}

/* ---- up ---- */

static void begin_halving(cvy_block *b, const float *sums) {
  const cvy_level *l = &b->ladder->levels[b->stage];
  const cvy_wire wire = b->ladder->up;
  const cvy_span whole = b->spans[b->stage], mine = b->spans[b->stage + 1];
  int64_t received = 0, packed = (l->radix - 1) * length_of(mine);
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const cvy_span theirs = part_of(whole, digit, l->radix);
    const void *sent = sums + theirs.first;
    receive(b, at(b->staged, received, wire), length_of(mine), wire, partner(b, l, digit));
    received += length_of(mine);
    if (wire == CVY_WIRE_BF16) {
      pack(at(b->staged, packed, wire), sums + theirs.first, length_of(theirs));
      sent = at(b->staged, packed, wire);
      packed += length_of(theirs);
    }
    send(b, sent, length_of(theirs), wire, partner(b, l, digit));
  }
}

static void add_two(float *restrict own, const float *restrict received, int64_t length) {
  for (int64_t i = 0; i < length; i++) own[i] += received[i];
}

static void add_two_bf16(float *restrict own, const uint16_t *restrict received, int64_t length) {
  for (int64_t i = 0; i < length; i++) own[i] = cvy_round_bf16(own[i]) + cvy_from_bf16(received[i]);
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

static void add_in_order_bf16(float *restrict own, const uint16_t *restrict received, const cvy_level *l,
                              int64_t length) {
  for (int64_t i = 0; i < length; i++) {
    const uint16_t *next = received + i;
    float sum = 0;
    for (int64_t digit = 0; digit < l->radix; digit++) {
      float child = cvy_round_bf16(own[i]);
      if (digit != l->digit) {
        child = cvy_from_bf16(*next);
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
  float *own = sums + mine.first;
  const int64_t length = length_of(mine);
  if (b->ladder->up == CVY_WIRE_BF16)
    l->radix == 2 ? add_two_bf16(own, b->staged, length) : add_in_order_bf16(own, b->staged, l, length);
  else
    l->radix == 2 ? add_two(own, b->staged, length) : add_in_order(own, b->staged, l, length);
  cvy_trace_end(begin_ns, CVY_TRACE_ADD, NULL, l->stride);
}

void cvy_round_sums(float *sums, int64_t count) {
  for (int64_t i = 0; i < count; i++) sums[i] = cvy_round_bf16(sums[i]);
}

/* ---- and down ---- */

static void begin_doubling(cvy_block *b, float *handed_on) {
  const int level = 2 * b->ladder->level_count - 1 - b->stage;
  const cvy_level *l = &b->ladder->levels[level];
  const cvy_wire wire = b->ladder->down;
  const cvy_span whole = b->spans[level], mine = b->spans[level + 1];
  const int64_t origin = b->spans[0].first;
  const void *base = wire == CVY_WIRE_BF16 ? b->staged : handed_on + origin;
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const cvy_span theirs = part_of(whole, digit, l->radix);
    receive(b, at(base, theirs.first - origin, wire), length_of(theirs), wire, partner(b, l, digit));
    send(b, at(base, mine.first - origin, wire), length_of(mine), wire, partner(b, l, digit));
  }
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

static void round_own(const cvy_block *b, float *sums) {
  const cvy_span own = cvy_block_own(b);
  cvy_round_sums(sums + own.first, length_of(own));
}

static cvy_turn go_down(cvy_block *b, float *handed_on) {
  const cvy_span whole = b->spans[0];
  if (b->stage < 2 * b->ladder->level_count) {
    begin_doubling(b, handed_on);
    return CVY_GOES_ON;
  }
  if (b->ladder->down == CVY_WIRE_BF16) unpack(handed_on + whole.first, b->staged, length_of(whole));
  return CVY_DONE;
}

cvy_turn cvy_block_advance(cvy_block *b, float *sums, float *handed_on) {
  const int levels = b->ladder->level_count;
  if (b->stage < levels) end_halving(b, sums);
  b->stage++;
  if (b->stage < levels) begin_halving(b, sums);
  if (b->stage == levels && b->ladder->up == CVY_WIRE_BF16) round_own(b, sums);
  if (b->stage == levels) return CVY_SUMMED;
  return b->stage < levels ? CVY_GOES_ON : go_down(b, handed_on);
}

cvy_span cvy_block_own(const cvy_block *b) {
  return b->spans[b->ladder->level_count];
}

cvy_turn cvy_block_hand_on(cvy_block *b, float *handed_on) {
  const cvy_span own = cvy_block_own(b);
  if (b->ladder->down == CVY_WIRE_BF16)
    pack((uint16_t *)b->staged + (own.first - b->spans[0].first), handed_on + own.first, length_of(own));
  return go_down(b, handed_on);
}
