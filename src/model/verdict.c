/* Takes verdicts from a net: ranks the classes of each image as a tally does. */
#include "model/verdict.h"

#include <stdlib.h>

/* One image's classes: what they are ranked by, and their probabilities, [classes] each. */
typedef struct row {
  int64_t classes;
  double *keys, *p;
} row;

cvy_err cvy_verdicts_create(cvy_verdicts *out, int64_t capacity) {
  void *items;
  *out = (cvy_verdicts){0};
  CVY_TRY(
      cvy_buffer_create(&items, sizeof *out->items * (size_t)(capacity + 1), "what is said of each image"));
  *out = (cvy_verdicts){.capacity = capacity, .items = items};
  return CVY_OK;
}

void cvy_verdicts_free(cvy_verdicts *verdicts) {
  cvy_buffer_destroy(verdicts->items);
  *verdicts = (cvy_verdicts){0};
}

static bool comes_before(const row *r, int64_t a, int64_t b) {
  return r->keys[a] > r->keys[b] || (r->keys[a] == r->keys[b] && a < b);
}

/* Puts a class among the likeliest so far, if it is one of them. */
static void insert(cvy_verdict *v, const row *r, int64_t class) {
  int64_t at = CVY_VERDICT_CLASSES;
  while (at > 0 && (v->classes[at - 1] < 0 || comes_before(r, class, v->classes[at - 1]))) at--;
  for (int64_t i = CVY_VERDICT_CLASSES - 1; i > at; i--) v->classes[i] = v->classes[i - 1];
  if (at < CVY_VERDICT_CLASSES) v->classes[at] = (int32_t) class;
}

static void judge(cvy_verdicts *verdicts, const row *r, double loss, int32_t label, int64_t record) {
  CVY_CHECK(verdicts->count < verdicts->capacity);
  cvy_verdict *v = &verdicts->items[verdicts->count++];
  *v = (cvy_verdict){.record = record, .loss = loss, .of_label = r->p[label], .label = label};
  for (int64_t i = 0; i < CVY_VERDICT_CLASSES; i++) v->classes[i] = -1;
  v->place = (int32_t)r->classes;
  if (cvy_loss_diverges(loss)) return;
  v->place = 0;
  for (int64_t k = 0; k < r->classes; k++) {
    insert(v, r, k);
    v->place += comes_before(r, k, label);
  }
  for (int64_t i = 0; i < CVY_VERDICT_CLASSES && v->classes[i] >= 0; i++)
    v->probabilities[i] = (float)r->p[v->classes[i]];
}

/* One score for two classes says how likely the second is. At the score `even` both are as likely. */
static void fill_pair(row *r, double score, double p, double even) {
  r->keys[0] = even, r->keys[1] = score;
  r->p[0] = 1 - p, r->p[1] = p;
}

static row begin_row(const cvy_net_info *info) {
  double *numbers = cvy_new(2 * sizeof *numbers * (size_t)info->class_count);
  return (row){info->class_count, numbers, numbers + info->class_count};
}

void cvy_verdicts_add(cvy_verdicts *verdicts, const cvy_net *net, const int32_t *labels,
                      const int64_t *records) {
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t scores = info->score_count;
  row r = begin_row(info);
  for (int64_t i = 0; i < info->input.n; i++) {
    const float *logits = cvy_net_logits(net) + i * scores, *p = cvy_net_probabilities(net) + i * scores;
    if (labels[i] < 0) continue;
    if (scores == 1) fill_pair(&r, (double)logits[0], (double)p[0], 0);
    for (int64_t k = 0; scores > 1 && k < scores; k++) r.keys[k] = (double)logits[k], r.p[k] = (double)p[k];
    judge(verdicts, &r, cvy_net_losses(net)[i], labels[i], records[i]);
  }
  free(r.keys);
}

static void judge_mean(cvy_verdicts *verdicts, row *r, const cvy_net *net, const double *means, int32_t label,
                       int64_t record) {
  const int64_t scores = cvy_net_describe(net)->score_count;
  if (scores == 1) fill_pair(r, means[0], means[0], 0.5);
  for (int64_t k = 0; scores > 1 && k < scores; k++) r->keys[k] = r->p[k] = means[k];
  judge(verdicts, r, cvy_net_loss_of(net, means, label), label, record);
}

void cvy_verdicts_add_mean(cvy_verdicts *verdicts, const cvy_net *net, const double *p, int32_t label,
                           int64_t record) {
  row r = begin_row(cvy_net_describe(net));
  judge_mean(verdicts, &r, net, p, label, record);
  free(r.keys);
}

void cvy_verdicts_add_views(cvy_verdicts *verdicts, const cvy_view_sums *views, const cvy_net *net,
                            const int32_t *labels, const int64_t *records) {
  const cvy_net_info *info = cvy_net_describe(net);
  const int64_t scores = info->score_count;
  const double count = (double)views->views;
  double *means = cvy_new(sizeof *means * (size_t)scores);
  row r = begin_row(info);
  for (int64_t i = 0; i < info->input.n; i++) {
    if (labels[i] < 0) continue;
    for (int64_t k = 0; k < scores; k++) means[k] = views->sums[i * scores + k] / count;
    judge_mean(verdicts, &r, net, means, labels[i], records[i]);
  }
  free(means);
  free(r.keys);
}
