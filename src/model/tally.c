/* Counts hits and losses, of one view of an image or of the mean over several. */
#include "model/tally.h"

#include <math.h>
#include <string.h>

static const double loss_unit = 0x1p-24, loss_limit = 1e6;

/* Returns the place of the label among logits; one score for two classes says how much more likely the second
 * is. */
static int64_t place_of_label(const float *logits, int64_t scores, int32_t label) {
  if (scores == 1) return (logits[0] > 0) != (label == 1);
  const float own = logits[label];
  int64_t better = 0;
  for (int64_t k = 0; k < scores; k++) better += logits[k] > own || (logits[k] == own && k < label);
  return better;
}

bool cvy_loss_diverges(double loss) {
  return !(loss <= loss_limit);
}

static void count_image(cvy_tally *tally, double loss, int64_t place) {
  tally->images++;
  if (cvy_loss_diverges(loss)) {
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

/* Returns the place of the label among probabilities; a single one is that of the second of two classes. */
static int64_t place_by_probability(const double *p, int64_t scores, int32_t label) {
  if (scores == 1) return (p[0] > 0.5) != (label == 1);
  int64_t better = 0;
  for (int64_t k = 0; k < scores; k++) better += p[k] > p[label] || (p[k] == p[label] && k < label);
  return better;
}

void cvy_tally_add_mean(cvy_tally *tally, const cvy_net *net, const double *p, int32_t label) {
  const int64_t scores = cvy_net_describe(net)->score_count;
  count_image(tally, cvy_net_loss_of(net, p, label), place_by_probability(p, scores, label));
}

void cvy_tally_add_views(cvy_tally *tally, cvy_view_sums *views, const cvy_net *net, const int32_t *labels) {
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t scores = info->score_count, count = info->input.n * scores;
  for (int64_t i = 0; i < count; i++) views->sums[i] /= (double)views->views;
  for (int64_t i = 0; i < info->input.n; i++)
    if (labels[i] >= 0) cvy_tally_add_mean(tally, net, views->sums + i * scores, labels[i]);
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
