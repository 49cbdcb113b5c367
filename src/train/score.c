/* The collective evaluation: each rank counts its range, and the counts are summed. */
#include "train/score.h"

#include "augment/chain.h"
#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

/* What a rank makes of its range. */
typedef struct findings {
  cvy_tally tally;
  cvy_view_sums views;
  int64_t view_count;
  cvy_verdicts *verdicts; /* NULL: not wanted */
} findings;

static void evaluate_view(findings *f, cvy_net *net, const cvy_microbatch *m, const cvy_pass *pass) {
  const cvy_targets targets = cvy_targets_of(m);
  cvy_net_forward(net, m->images, &targets, pass);
  if (f->view_count == 1) {
    cvy_tally_add_microbatch(&f->tally, net, &targets);
    if (f->verdicts) cvy_verdicts_add(f->verdicts, net, m->labels, m->records);
    return;
  }
  cvy_view_sums_add(&f->views, net);
  if (f->views.views < f->view_count) return;
  if (f->verdicts) cvy_verdicts_add_views(f->verdicts, &f->views, net, m->labels, m->records);
  cvy_tally_add_views(&f->tally, &f->views, net, m->labels);
}

/* Counts the rank's range. A microbatch comes in as many passes as it has views, one after the other;
 * `passes` counts all of them. */
static cvy_err evaluate_own(findings *f, cvy_net *net, cvy_loader *loader, int64_t passes,
                            const char *of_whom) {
  for (int64_t i = 0; i < passes; i++) {
    const cvy_pass pass = {.training = false, .params = cvy_params_of_pass(i, passes)};
    cvy_microbatch m;
    CVY_TRY(cvy_loader_next(&m, loader));
    evaluate_view(f, net, &m, &pass);
    f->tally.skipped += m.skipped;
    cvy_loader_release(loader);
    cvy_progress("evaluating: %" PRId64 " of %" PRId64 " microbatches%s", i + 1, passes, of_whom);
  }
  return CVY_OK;
}

/* ---- all ranks together ---- */

/* Makes room on rank 0 for what all ranks say. */
static cvy_err make_room(cvy_verdicts *all, int64_t *counts, cvy_comm *comm, const cvy_verdicts *own) {
  int64_t total = 0;
  cvy_comm_gather(comm, counts, &own->count, sizeof own->count);
  for (int rank = 0; rank < cvy_comm_size(comm); rank++) total += counts[rank];
  *all = (cvy_verdicts){0};
  return cvy_comm_rank(comm) == 0 ? cvy_verdicts_create(all, total) : CVY_OK;
}

/* Ranks have neighbouring ranges in their order, so that theirs are put one behind the other. */
static cvy_err gather_verdicts(cvy_verdicts *verdicts, cvy_comm *comm) {
  cvy_verdicts all;
  int64_t *counts = cvy_new(sizeof *counts * (size_t)cvy_comm_size(comm));
  const cvy_err err = cvy_comm_agree(comm, make_room(&all, counts, comm, verdicts));
  for (int rank = 0; rank < cvy_comm_size(comm) && !err; rank++) {
    const bool here = cvy_comm_rank(comm) == 0;
    const int64_t count = here ? counts[rank] : verdicts->count;
    void *at = here ? all.items + all.count : verdicts->items;
    if (here && rank == 0) memcpy(at, verdicts->items, sizeof *all.items * (size_t)count);
    if (here || cvy_comm_rank(comm) == rank)
      cvy_comm_move(comm, 0, rank, at, sizeof *all.items * (size_t)count);
    all.count += here ? count : 0;
  }
  free(counts);
  cvy_verdicts_free(verdicts);
  if (err)
    cvy_verdicts_free(&all);
  else
    *verdicts = all;
  return err;
}

cvy_err cvy_score_together(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_tally *tally,
                           cvy_err mine) {
  if (mine)
    mine = cvy_error(CVY_E_RUN, "%s", cvy_err_message()); /* too late to say that nothing was started */
  cvy_err err = cvy_comm_agree(comm, mine);
  cvy_progress_drop();
  if (!err && verdicts) err = gather_verdicts(verdicts, comm);
  if (err) {
    if (verdicts) cvy_verdicts_free(verdicts);
    return err;
  }
  cvy_comm_sum(comm, (int64_t *)tally, CVY_TALLY_FIELDS);
  *out = cvy_tally_score(tally);
  return CVY_OK;
}

static cvy_err prepare(cvy_loader **loader, cvy_verdicts *verdicts, const cvy_loader_config *stream) {
  *loader = NULL;
  if (verdicts) CVY_TRY(cvy_verdicts_create(verdicts, stream->own * stream->microbatch));
  return stream->own > 0 ? cvy_loader_create(loader, stream) : CVY_OK;
}

cvy_err cvy_score_dataset(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_net *net,
                          const cvy_stream *data, const cvy_intake *intake,
                          const cvy_dataset_info *trained_on) {
  const cvy_net_info *info = cvy_net_describe(net);
  const cvy_loader_config stream = cvy_stream_for_evaluation(data, intake, info->input.n, trained_on,
                                                             cvy_comm_rank(comm), cvy_comm_size(comm));
  findings f = {.view_count = cvy_augment_views(data->augment), .verdicts = verdicts};
  cvy_loader *loader;
  if (verdicts) *verdicts = (cvy_verdicts){0};
  cvy_err err = cvy_comm_agree(comm, prepare(&loader, verdicts, &stream));
  if (err) {
    if (verdicts) cvy_verdicts_free(verdicts);
    cvy_loader_destroy(loader);
    return err;
  }
  f.views.sums = cvy_new(sizeof *f.views.sums * (size_t)(info->input.n * info->score_count));
  cvy_doing("evaluating");
  err = evaluate_own(&f, net, loader, stream.own * f.view_count,
                     cvy_comm_size(comm) > 1 ? " of this rank" : "");
  free(f.views.sums);
  cvy_loader_destroy(loader);
  CVY_TRY(cvy_score_together(out, verdicts, comm, &f.tally, err));
  out->classes = info->class_count;
  return CVY_OK;
}

/* ---- several models ---- */

typedef struct joint {
  const cvy_net *net; /* the first member's, whose loss counts */
  cvy_tally tally;
  cvy_verdicts *verdicts;
} joint;

static void hear(void *context, const cvy_said *said) {
  joint *j = context;
  const cvy_net_info *info = cvy_net_describe(j->net);
  const double *p = said->probabilities + (info->score_count == 1 ? 1 : 0);
  j->tally.skipped += said->fed->skipped;
  cvy_tally_add_mean(&j->tally, j->net, p, said->fed->label);
  cvy_verdicts_add_mean(j->verdicts, j->net, p, said->fed->label, said->fed->record);
}

cvy_err cvy_score_ensemble(cvy_score *out, cvy_verdicts *verdicts, cvy_comm *comm, cvy_ensemble *ensemble,
                           const cvy_picture_source *source, const cvy_net *net) {
  const int rank = cvy_comm_rank(comm), ranks = cvy_comm_size(comm);
  int64_t first, end;
  joint j = {.net = net, .verdicts = verdicts};
  cvy_ensemble_share(&first, &end, ensemble, source->count, rank, ranks);
  CVY_TRY(cvy_comm_agree(comm, cvy_verdicts_create(verdicts, end - first)));
  cvy_doing("evaluating");
  const cvy_err err = cvy_ensemble_run(ensemble, source, first, end, hear, &j,
                                       ranks > 1 ? " of this rank" : "");
  CVY_TRY(cvy_score_together(out, verdicts, comm, &j.tally, err));
  out->classes = cvy_net_describe(net)->class_count;
  return CVY_OK;
}
