/* The collective evaluation: each rank counts its range, and the counts are summed. */
#include "train/score.h"

#include "augment/chain.h"
#include "data/loader.h"

#include <stdlib.h>

static void evaluate_view(cvy_tally *tally, cvy_view_sums *views, int64_t view_count, cvy_net *net,
                          const cvy_microbatch *m, const cvy_pass *pass) {
  const cvy_targets targets = cvy_targets_of(m);
  cvy_net_forward(net, m->images, &targets, pass);
  if (view_count == 1) {
    cvy_tally_add_microbatch(tally, net, &targets);
    return;
  }
  cvy_view_sums_add(views, net);
  if (views->views == view_count) cvy_tally_add_views(tally, views, net, m->labels);
}

/* Counts the rank's range. A microbatch comes in as many passes as it has views, one after the other;
 * `passes` counts all of them. */
static cvy_err evaluate_own(cvy_tally *tally, cvy_view_sums *views, int64_t view_count, cvy_net *net,
                            cvy_loader *loader, int64_t passes, const char *of_whom) {
  for (int64_t i = 0; i < passes; i++) {
    const cvy_pass pass = {.training = false, .params = cvy_params_of_pass(i, passes)};
    cvy_microbatch m;
    CVY_TRY(cvy_loader_next(&m, loader));
    evaluate_view(tally, views, view_count, net, &m, &pass);
    tally->skipped += m.skipped;
    cvy_loader_release(loader);
    cvy_progress("evaluating: %" PRId64 " of %" PRId64 " microbatches%s", i + 1, passes, of_whom);
  }
  return CVY_OK;
}

cvy_err cvy_score_dataset(cvy_score *out, cvy_comm *comm, cvy_net *net, const cvy_stream *data,
                          const cvy_intake *intake, const cvy_dataset_info *trained_on) {
  const cvy_loader_config stream = cvy_stream_for_evaluation(
      data, intake, cvy_net_describe(net)->input.n, trained_on, cvy_comm_rank(comm), cvy_comm_size(comm));
  const int64_t view_count = cvy_augment_views(data->augment);
  cvy_loader *loader = NULL;
  cvy_tally tally = {0};
  cvy_err err = stream.own > 0 ? cvy_loader_create(&loader, &stream) : CVY_OK;
  if ((err = cvy_comm_agree(comm, err))) {
    cvy_loader_destroy(loader);
    return err;
  }
  const cvy_net_info *info = cvy_net_describe(net);
  cvy_view_sums views = {.sums = cvy_new(sizeof *views.sums * (size_t)(info->input.n * info->score_count))};
  const char *of_whom = cvy_comm_size(comm) > 1 ? " of this rank" : "";
  cvy_doing("evaluating");
  err = evaluate_own(&tally, &views, view_count, net, loader, stream.own * view_count, of_whom);
  free(views.sums);
  cvy_loader_destroy(loader);
  if (err) err = cvy_error(CVY_E_RUN, "%s", cvy_err_message()); /* too late to say that nothing was started */
  err = cvy_comm_agree(comm, err);
  cvy_progress_drop();
  CVY_TRY(err);
  cvy_comm_sum(comm, (int64_t *)&tally, CVY_TALLY_FIELDS);
  *out = cvy_tally_score(&tally);
  out->classes = info->class_count;
  return CVY_OK;
}
