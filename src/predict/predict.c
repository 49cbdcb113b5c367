/* Each rank predicts its range of the pictures; rank 0 gathers what they say. */
#include "predict/predict.h"

#include "base/count.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One prediction, as ranks send it. Behind it are the classes, and then their probabilities. */
typedef struct head {
  int32_t is_read;
  char reason[CVY_REASON];
} head;

static head *head_at(const cvy_predictions *p, int64_t i) {
  return (head *)((char *)p->items + (size_t)i * p->item_bytes);
}

static int32_t *classes_of(head *h) {
  return (int32_t *)(h + 1);
}

static float *probabilities_of(head *h, int64_t top) {
  return (float *)(classes_of(h) + top);
}

static cvy_err make_room(cvy_predictions *out, int64_t count, int64_t top) {
  *out = (cvy_predictions){.top = top,
                           .item_bytes = sizeof(head) + (size_t)top * (sizeof(int32_t) + sizeof(float))};
  return cvy_buffer_create(&out->items, out->item_bytes * (size_t)(count + 1), "the predictions");
}

void cvy_predictions_free(cvy_predictions *p) {
  cvy_buffer_destroy(p->items);
  *p = (cvy_predictions){0};
}

cvy_prediction cvy_prediction_at(const cvy_predictions *p, int64_t index) {
  head *h = head_at(p, index);
  return (cvy_prediction){h->is_read != 0, h->reason, classes_of(h), probabilities_of(h, p->top)};
}

/* ---- standard input ---- */

static cvy_err read_all(cvy_bytes *out) {
  enum { LEAST = 1 << 16 };
  for (;;) {
    CVY_TRY(cvy_bytes_reserve(out, 2 * out->count + LEAST, "standard input"));
    const ssize_t got = read(STDIN_FILENO, out->data + out->count, out->capacity - out->count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cvy_error(CVY_E_INPUT, "standard input: cannot be read: %s", strerror(errno));
    if (got == 0) return CVY_OK;
    out->count += (size_t)got;
  }
}

cvy_err cvy_read_standard_input(cvy_bytes *out, cvy_comm *comm) {
  const bool reads = cvy_comm_rank(comm) == 0;
  CVY_TRY(cvy_comm_agree(comm, reads ? read_all(out) : CVY_OK));
  cvy_comm_broadcast(comm, &out->count, sizeof out->count);
  CVY_TRY(cvy_comm_agree(comm, reads ? CVY_OK : cvy_bytes_reserve(out, out->count, "standard input")));
  cvy_comm_broadcast(comm, out->data, out->count);
  return CVY_OK;
}

/* ---- of one rank ---- */

typedef struct listener {
  cvy_predictions *out;
  int64_t class_count;
} listener;

static bool comes_before(const double *keys, int64_t a, int64_t b) {
  return keys[a] > keys[b] || (keys[a] == keys[b] && a < b);
}

/* Ranks the classes as a verdict does. */
static void rank_classes(int32_t *classes, int64_t top, const double *keys, int64_t class_count) {
  int64_t found = 0;
  for (int64_t k = 0; k < class_count; k++) {
    int64_t at = found;
    while (at > 0 && comes_before(keys, k, classes[at - 1])) at--;
    if (at == top) continue;
    if (found < top) found++;
    for (int64_t i = found - 1; i > at; i--) classes[i] = classes[i - 1];
    classes[at] = (int32_t)k;
  }
}

static void hear(void *context, const cvy_said *said) {
  const listener *l = context;
  head *h = head_at(l->out, l->out->count++);
  h->is_read = said->fed->reason == NULL;
  if (!h->is_read) {
    snprintf(h->reason, sizeof h->reason, "%s", said->fed->reason);
    return;
  }
  int32_t *classes = classes_of(h);
  rank_classes(classes, l->out->top, said->keys, l->class_count);
  for (int64_t i = 0; i < l->out->top; i++)
    probabilities_of(h, l->out->top)[i] = (float)said->probabilities[classes[i]];
}

static cvy_err predict_own(cvy_predictions *out, cvy_comm *comm, cvy_ensemble *e,
                           const cvy_picture_source *source, int64_t top) {
  int64_t first, end;
  const int rank = cvy_comm_rank(comm), ranks = cvy_comm_size(comm);
  cvy_ensemble_share(&first, &end, e, source->count, rank, ranks);
  CVY_TRY(make_room(out, rank == 0 ? source->count : end - first, top));
  listener l = {out, cvy_ensemble_class_count(e)};
  return cvy_ensemble_run(e, source, first, end, hear, &l, ranks > 1 ? " of this rank" : "");
}

/* ---- of all ranks ---- */

/* Ranks have neighbouring ranges in their order, so that theirs are put one behind the other. */
static void gather(cvy_predictions *own, cvy_comm *comm) {
  int64_t *counts = cvy_new(sizeof *counts * (size_t)cvy_comm_size(comm));
  const int rank = cvy_comm_rank(comm);
  cvy_comm_gather(comm, counts, &own->count, sizeof own->count);
  for (int from = 1; from < cvy_comm_size(comm); from++) {
    if (rank != 0 && rank != from) continue;
    const int64_t count = rank == 0 ? counts[from] : own->count;
    void *at = rank == 0 ? head_at(own, own->count) : own->items;
    cvy_comm_move(comm, 0, from, at, own->item_bytes * (size_t)count);
    if (rank == 0) own->count += count;
  }
  free(counts);
}

cvy_err cvy_predict(cvy_predictions *out, cvy_comm *comm, cvy_ensemble *e, const cvy_picture_source *source,
                    int64_t top) {
  *out = (cvy_predictions){0};
  cvy_doing("predicting");
  const cvy_err mine = predict_own(out, comm, e, source, cvy_smaller(top, cvy_ensemble_class_count(e)));
  const cvy_err err = cvy_comm_agree(comm, mine);
  cvy_progress_drop();
  if (!err) gather(out, comm);
  if (err || cvy_comm_rank(comm) != 0) cvy_predictions_free(out);
  for (int64_t i = 0; i < out->count; i++) out->unread += !head_at(out, i)->is_read;
  return err;
}
