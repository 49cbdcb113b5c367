/* The exact tree between ranks: halving, then doubling.
 *
 * At the level of radix q above the ranks' own leaves, the q ranks whose numbers differ only in that level's
 * digit hold the q children of one node. Each takes one q-th of the vector, receives that part of the other
 * children and adds all q in the order of the digit, so the sum has the tree's bits whoever computes it.
 * After the last level each rank holds 1/P of the sums; the way back hands the parts on. Long vectors go
 * through in blocks, which bounds the scratch and changes no bit. */
#include "comm/mpi.h"

#include <stdlib.h>

enum { BLOCK = 1 << 22, TAG = 17 }; /* floats a block */

typedef struct level {
  int64_t radix;
  int64_t stride; /* distance between neighbours of the group */
  int64_t digit;  /* mine */
} level;

struct cvy_reducer {
  cvy_comm *comm;
  int level_count;
  level levels[64];
  MPI_Request *requests; /* two for each partner of the widest level */
  float *scratch;
};

typedef struct span {
  int64_t first, end;
} span;

static span part_of(span whole, int64_t index, int64_t parts) {
  const int64_t length = whole.end - whole.first;
  return (span){whole.first + length * index / parts, whole.first + length * (index + 1) / parts};
}

cvy_err cvy_reducer_create(cvy_reducer **out, cvy_comm *comm, const cvy_tree *tree) {
  CVY_CHECK(cvy_tree_allows(tree, comm->size));
  *out = NULL;
  cvy_reducer *r = cvy_new(sizeof *r);
  r->comm = comm;
  int64_t own = tree->leaves / comm->size, stride = 1, widest = 1;
  for (int i = 0; i < tree->level_count; i++) {
    const int64_t radix = tree->radix[i];
    if (own > 1) {
      own /= radix;
      continue;
    }
    r->levels[r->level_count++] = (level){radix, stride, comm->rank / stride % radix};
    stride *= radix;
    if (radix > widest) widest = radix;
  }
  if (r->level_count > 0) {
    void *scratch;
    const cvy_err err = cvy_buffer_create(&scratch, sizeof(float) * (size_t)(BLOCK + widest),
                                          "the allreduce's scratch");
    if (err) {
      free(r);
      return err;
    }
    r->scratch = scratch;
    r->requests = cvy_new(sizeof(MPI_Request) * 2 * (size_t)widest);
  }
  *out = r;
  return CVY_OK;
}

void cvy_reducer_destroy(cvy_reducer *reducer) {
  if (!reducer) return;
  free(reducer->requests);
  cvy_buffer_destroy(reducer->scratch);
  free(reducer);
}

static int partner(const cvy_reducer *r, const level *l, int64_t digit) {
  return (int)(r->comm->rank + (digit - l->digit) * l->stride);
}

static void sum_in_order(float *restrict own, const float *restrict received, const level *l,
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

static void sum_two(float *restrict own, const float *restrict received, int64_t length) {
  for (int64_t i = 0; i < length; i++) own[i] += received[i];
}

static span halve(cvy_reducer *r, const level *l, float *data, span whole) {
  const span mine = part_of(whole, l->digit, l->radix);
  const int64_t length = mine.end - mine.first;
  int count = 0;
  float *slot = r->scratch;
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const span theirs = part_of(whole, digit, l->radix);
    CVY_MPI(MPI_Irecv(slot, (int)length, MPI_FLOAT, partner(r, l, digit), TAG, r->comm->mpi,
                      &r->requests[count++]));
    CVY_MPI(MPI_Isend(data + theirs.first, (int)(theirs.end - theirs.first), MPI_FLOAT, partner(r, l, digit),
                      TAG, r->comm->mpi, &r->requests[count++]));
    slot += length;
  }
  CVY_MPI(MPI_Waitall(count, r->requests, MPI_STATUSES_IGNORE));
  if (l->radix == 2)
    sum_two(data + mine.first, r->scratch, length);
  else
    sum_in_order(data + mine.first, r->scratch, l, length);
  return mine;
}

static void double_up(cvy_reducer *r, const level *l, float *data, span whole) {
  const span mine = part_of(whole, l->digit, l->radix);
  int count = 0;
  for (int64_t digit = 0; digit < l->radix; digit++) {
    if (digit == l->digit) continue;
    const span theirs = part_of(whole, digit, l->radix);
    CVY_MPI(MPI_Irecv(data + theirs.first, (int)(theirs.end - theirs.first), MPI_FLOAT, partner(r, l, digit),
                      TAG, r->comm->mpi, &r->requests[count++]));
    CVY_MPI(MPI_Isend(data + mine.first, (int)(mine.end - mine.first), MPI_FLOAT, partner(r, l, digit), TAG,
                      r->comm->mpi, &r->requests[count++]));
  }
  CVY_MPI(MPI_Waitall(count, r->requests, MPI_STATUSES_IGNORE));
}

void cvy_reducer_sum(cvy_reducer *r, float *data, int64_t count) {
  if (r->level_count == 0) return;
  for (int64_t first = 0; first < count; first += BLOCK) {
    span spans[65];
    spans[0] = (span){first, first + BLOCK < count ? first + BLOCK : count};
    for (int i = 0; i < r->level_count; i++) spans[i + 1] = halve(r, &r->levels[i], data, spans[i]);
    for (int i = r->level_count - 1; i >= 0; i--) double_up(r, &r->levels[i], data, spans[i]);
  }
}
