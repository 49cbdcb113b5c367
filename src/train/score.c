#include "train/score.h"

#include "augment/chain.h"
#include "data/loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double loss_unit = 0x1p-24, loss_limit = 1e6;

/* One score for two classes says how much more likely the second is. */
static int64_t place_of_label(const float *logits, int64_t scores, int32_t label) {
  if (scores == 1) return (logits[0] > 0) != (label == 1);
  const float own = logits[label];
  int64_t better = 0;
  for (int64_t k = 0; k < scores; k++) better += logits[k] > own || (logits[k] == own && k < label);
  return better;
}

static void count_image(cvy_tally *tally, double loss, int64_t place) {
  tally->images++;
  if (!(loss <= loss_limit)) {
    tally->diverged++;
    return;
  }
  tally->loss += llrint(loss / loss_unit);
  tally->top1 += place < 1;
  tally->top5 += place < 5;
}

static int32_t main_label(const cvy_targets *targets, int64_t n) {
  return targets->partners && targets->shares[n] < 0.5f ? targets->partners[n] : targets->labels[n];
}

void cvy_tally_add_microbatch(cvy_tally *tally, const cvy_net *net, const cvy_targets *targets) {
  const cvy_net_info *info = cvy_net_describe(net);
  const double *losses = cvy_net_losses(net);
  const float *logits = cvy_net_logits(net);
  for (int64_t i = 0; i < info->input.n; i++) {
    if (targets->labels[i] < 0) continue;
    count_image(tally, losses[i],
                place_of_label(logits + i * info->score_count, info->score_count, main_label(targets, i)));
  }
}

void cvy_view_sums_add(cvy_view_sums *views, const cvy_net *net) {
  const cvy_net_info *info = cvy_net_describe(net);
  const float *probabilities = cvy_net_probabilities(net);
  for (int64_t i = 0; i < info->input.n * info->score_count; i++) views->sums[i] += (double)probabilities[i];
  views->views++;
}

/* As of logits; one probability is that of the second of two classes. */
static int64_t place_by_probability(const double *p, int64_t scores, int32_t label) {
  if (scores == 1) return (p[0] > 0.5) != (label == 1);
  int64_t better = 0;
  for (int64_t k = 0; k < scores; k++) better += p[k] > p[label] || (p[k] == p[label] && k < label);
  return better;
}

void cvy_tally_add_views(cvy_tally *tally, cvy_view_sums *views, const cvy_net *net, const int32_t *labels) {
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t scores = info->score_count, count = info->input.n * scores;
  for (int64_t i = 0; i < count; i++) views->sums[i] /= (double)views->views;
  for (int64_t i = 0; i < info->input.n; i++) {
    const double *p = views->sums + i * scores;
    if (labels[i] < 0) continue;
    count_image(tally, cvy_net_loss_of(net, p, labels[i]), place_by_probability(p, scores, labels[i]));
  }
  memset(views->sums, 0, sizeof *views->sums * (size_t)count);
  views->views = 0;
}

void cvy_tally_add(cvy_tally *tally, const cvy_tally *more) {
  tally->images += more->images;
  tally->loss += more->loss;
  tally->top1 += more->top1;
  tally->top5 += more->top5;
  tally->diverged += more->diverged;
  tally->skipped += more->skipped;
}

cvy_score cvy_tally_score(const cvy_tally *tally) {
  if (tally->images == 0) return (cvy_score){0};
  const double images = (double)tally->images;
  return (cvy_score){.images = tally->images,
                     .loss = tally->diverged ? NAN : (double)tally->loss * loss_unit / images,
                     .top1 = (double)tally->top1 / images,
                     .top5 = (double)tally->top5 / images,
                     .skipped = tally->skipped};
}

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

/* `passes`: of a microbatch each, every view of it one after the other. */
static cvy_err evaluate_own(cvy_tally *tally, cvy_view_sums *views, int64_t view_count, cvy_net *net,
                            cvy_loader *loader, int64_t passes) {
  for (int64_t i = 0; i < passes; i++) {
    const cvy_pass pass = {.training = false, .params = cvy_params_of_pass(i, passes)};
    cvy_microbatch m;
    CVY_TRY(cvy_loader_next(&m, loader));
    evaluate_view(tally, views, view_count, net, &m, &pass);
    tally->skipped += m.skipped;
    cvy_loader_release(loader);
  }
  return CVY_OK;
}

cvy_err cvy_score_dataset(cvy_score *out, cvy_comm *comm, cvy_net *net, const cvy_stream *data,
                          const cvy_intake *intake, const cvy_dataset_info *trained_on) {
  const cvy_loader_config stream = cvy_stream_for_evaluation(data, intake, cvy_net_describe(net)->input.n,
                                                             trained_on, cvy_comm_rank(comm),
                                                             cvy_comm_size(comm));
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
  err = evaluate_own(&tally, &views, view_count, net, loader, stream.own * view_count);
  free(views.sums);
  cvy_loader_destroy(loader);
  if (err) err = cvy_error(CVY_E_RUN, "%s", cvy_err_message()); /* too late to say that nothing was started */
  CVY_TRY(cvy_comm_agree(comm, err));
  cvy_comm_sum(comm, (int64_t *)&tally, CVY_TALLY_FIELDS);
  *out = cvy_tally_score(&tally);
  return CVY_OK;
}
