/* Tests verdicts on images and what is worked out from them: ranks of classes by hand, and accuracy,
 * confusion and calibration as numpy finds them (tests/reference/assess.py). */
#include "model/assess.h"

#include "base/yaml.h"

#include "suite.h"

#include <math.h>

enum { MICROBATCH = 4, MOST_CLASSES = 8 };

/* ---- a net whose logits are its input ---- */

typedef struct desk {
  cvy_pool *pool;
  cvy_net *net;
  int64_t scores;
  cvy_verdicts verdicts;
} desk;

static desk open_desk(int64_t scores, const char *loss, int64_t images) {
  desk d = {.pool = cvy_pool_create(), .scores = scores};
  cvy_yaml *description;
  const char *text = cvy_pool_format(d.pool,
                                     "name: n\ninput: [1, 1, %" PRId64
                                     "]\nlayers:\n  - fc: {outputs: %" PRId64 ", bias: false}\n  - %s\n",
                                     scores, scores, loss);
  CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&description, d.pool, text, "net.yaml"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&d.net, description, MICROBATCH, NULL), CVY_OK);
  for (int64_t i = 0; i < scores * scores; i++)
    cvy_net_params(d.net)[i] = i % (scores + 1) == 0 ? 1.0f : 0.0f;
  CU_ASSERT_EQUAL_FATAL(cvy_verdicts_create(&d.verdicts, images), CVY_OK);
  return d;
}

static void close_desk(desk *d) {
  cvy_verdicts_free(&d->verdicts);
  cvy_net_destroy(d->net);
  cvy_pool_destroy(d->pool);
}

static void forward(const desk *d, const float *logits, const int32_t *labels) {
  float images[MICROBATCH * MOST_CLASSES] = {0};
  for (int64_t i = 0; i < MICROBATCH; i++)
    if (labels[i] >= 0)
      memcpy(images + i * d->scores, logits + i * d->scores, sizeof *images * (size_t)d->scores);
  const cvy_targets targets = {.labels = labels};
  cvy_net_forward(d->net, images, &targets, &(cvy_pass){.training = false});
}

/* ---- verdicts ---- */

static void classes_are_ranked(void) {
  static const float logits[MICROBATCH * 6] = {
      0, 3, 1, 3, -1, 2, /* two are equal: the lower index comes first */
      5, 4, 3, 2, 1,  0, /* the label is the last */
      0, 0, 0, 0, 0,  0};
  static const int32_t labels[MICROBATCH] = {3, 5, 0, -1};
  static const int64_t records[MICROBATCH] = {7, 9, 8, -1};
  static const int32_t classes[3][CVY_VERDICT_CLASSES] = {{1, 3, 5, 2, 0}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}};
  desk d = open_desk(6, "softmax_loss", 3);
  forward(&d, logits, labels);
  cvy_verdicts_add(&d.verdicts, d.net, labels, records);
  CU_ASSERT_EQUAL_FATAL(d.verdicts.count, 3);
  static const int32_t places[3] = {1, 5, 0};
  for (int64_t i = 0; i < 3; i++) {
    const cvy_verdict *v = &d.verdicts.items[i];
    double sum = 0;
    for (int64_t k = 0; k < 6; k++) sum += exp((double)logits[i * 6 + k]);
    CU_ASSERT(v->record == records[i] && v->label == labels[i] && v->place == places[i]);
    for (int64_t k = 0; k < CVY_VERDICT_CLASSES; k++) {
      CU_ASSERT_EQUAL(v->classes[k], classes[i][k]);
      CU_ASSERT_DOUBLE_EQUAL((double)v->probabilities[k], exp((double)logits[i * 6 + classes[i][k]]) / sum,
                             1e-7);
    }
    CU_ASSERT_DOUBLE_EQUAL(v->of_label, exp((double)logits[i * 6 + labels[i]]) / sum, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(v->loss, -log(v->of_label), 1e-6);
  }
  close_desk(&d);
}

/* One score is that of class 1 against class 0, which wins if both are as likely. */
static void one_score_is_that_of_the_second_class(void) {
  static const float logits[MICROBATCH] = {1.5f, -2, 0, 0};
  static const int32_t labels[MICROBATCH] = {0, 0, 1, 0}, first[MICROBATCH] = {1, 0, 0, 0};
  static const int64_t records[MICROBATCH] = {0, 1, 2, 3};
  desk d = open_desk(1, "sigmoid_loss", MICROBATCH);
  forward(&d, logits, labels);
  cvy_verdicts_add(&d.verdicts, d.net, labels, records);
  for (int64_t i = 0; i < MICROBATCH; i++) {
    const cvy_verdict *v = &d.verdicts.items[i];
    const double p = 1 / (1 + exp(-(double)logits[i]));
    CU_ASSERT(v->classes[0] == first[i] && v->classes[1] == 1 - first[i] && v->classes[2] == -1);
    CU_ASSERT_EQUAL(v->place, first[i] != labels[i]);
    CU_ASSERT_DOUBLE_EQUAL((double)v->probabilities[0], first[i] ? p : 1 - p, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(v->of_label, labels[i] ? p : 1 - p, 1e-6);
  }
  close_desk(&d);
}

/* Two views say (0.5, 0.25, 0.25) and (0.2, 0.6, 0.2): in the mean class 1 is the likeliest. */
static void views_are_averaged(void) {
  const float first[MICROBATCH * 3] = {logf(0.5f), logf(0.25f), logf(0.25f)};
  const float second[MICROBATCH * 3] = {logf(0.2f), logf(0.6f), logf(0.2f)};
  static const int32_t labels[MICROBATCH] = {0, -1, -1, -1};
  static const int64_t records[MICROBATCH] = {4, -1, -1, -1};
  desk d = open_desk(3, "softmax_loss", 1);
  cvy_view_sums views = {.sums = cvy_new(sizeof *views.sums * MICROBATCH * 3)};
  cvy_tally tally = {0};
  forward(&d, first, labels);
  cvy_view_sums_add(&views, d.net);
  forward(&d, second, labels);
  cvy_view_sums_add(&views, d.net);
  cvy_verdicts_add_views(&d.verdicts, &views, d.net, labels, records);
  cvy_tally_add_views(&tally, &views, d.net, labels);
  const cvy_verdict *v = d.verdicts.items;
  CU_ASSERT(v->record == 4 && v->classes[0] == 1 && v->classes[1] == 0 && v->classes[2] == 2 &&
            v->place == 1);
  CU_ASSERT_DOUBLE_EQUAL((double)v->probabilities[0], 0.425, 1e-6);
  CU_ASSERT_DOUBLE_EQUAL(v->of_label, 0.35, 1e-6);
  CU_ASSERT_DOUBLE_EQUAL(v->loss, cvy_tally_score(&tally).loss, 1e-7);
  free(views.sums);
  close_desk(&d);
}

static void a_diverged_loss_is_no_class(void) {
  static const float logits[MICROBATCH * 3] = {NAN, 0, 0, 0, 3, 0};
  static const int32_t labels[MICROBATCH] = {0, 1, -1, -1};
  static const int64_t records[MICROBATCH] = {0, 1, -1, -1};
  desk d = open_desk(3, "softmax_loss", 2);
  cvy_assessment a;
  forward(&d, logits, labels);
  cvy_verdicts_add(&d.verdicts, d.net, labels, records);
  CU_ASSERT(d.verdicts.items[0].classes[0] == -1 && d.verdicts.items[0].place == 3);
  cvy_assess(&a, &d.verdicts, 3);
  CU_ASSERT(a.images == 2 && a.diverged == 1 && a.cell_count == 1 && isnan(a.ece));
  CU_ASSERT(a.classes[0].images == 1 && a.classes[0].top1 == 0 && a.classes[1].top1 == 1);
  CU_ASSERT(a.classes[0].top5 == 0 && a.classes[1].top5 == 1);
  CU_ASSERT(a.mistake_count == 1 && a.mistakes[0] == 0);
  cvy_assessment_free(&a);
  close_desk(&d);
}

/* ---- figures by hand ---- */

static cvy_verdict verdict_of(int32_t label, int32_t first, float confidence, double loss) {
  return (cvy_verdict){.label = label,
                       .place = label != first,
                       .classes = {first, -1, -1, -1, -1},
                       .probabilities = {confidence},
                       .loss = loss};
}

static void figures_by_hand(void) {
  cvy_verdict items[] = {verdict_of(0, 0, 0.875f, 0.1), verdict_of(1, 0, 0.75f, 2),
                         verdict_of(1, 1, 0.25f, 1),    verdict_of(0, 2, 0.25f, 3),
                         verdict_of(1, 0, 1, 3),        verdict_of(2, 2, 0, 9)};
  const cvy_verdicts verdicts = {.count = CVY_COUNT(items), .items = items};
  cvy_assessment a;
  cvy_assess(&a, &verdicts, 4);
  static const cvy_confused cells[] = {{0, 0, 1}, {0, 2, 1}, {1, 0, 2}, {1, 1, 1}, {2, 2, 1}};
  CU_ASSERT_EQUAL_FATAL(a.cell_count, CVY_COUNT(cells));
  for (int64_t i = 0; i < a.cell_count; i++)
    CU_ASSERT(a.cells[i].label == cells[i].label && a.cells[i].predicted == cells[i].predicted &&
              a.cells[i].images == cells[i].images);
  static const cvy_class_score classes[] = {{2, 1, 2, 3}, {3, 1, 3, 1}, {1, 1, 1, 2}, {0, 0, 0, 0}};
  for (int64_t k = 0; k < 4; k++) CU_ASSERT_EQUAL(memcmp(&a.classes[k], &classes[k], sizeof classes[k]), 0);
  /* In fifteenths the confidences are 13.125, 11.25, 3.75, 3.75, 15 and 0. */
  CU_ASSERT(a.bins[13].images == 1 && a.bins[11].images == 1 && a.bins[3].images == 2);
  CU_ASSERT(a.bins[14].images == 1 && a.bins[0].images == 1 && a.bins[14].hits == 0 && a.bins[0].hits == 1);
  CU_ASSERT_DOUBLE_EQUAL(cvy_bin_confidence(&a.bins[3]), 0.25, 0);
  CU_ASSERT_DOUBLE_EQUAL(cvy_bin_accuracy(&a.bins[3]), 0.5, 0);
  CU_ASSERT_DOUBLE_EQUAL(a.ece, (0.125 + 0.75 + 0.5 + 1 + 1) / 6, 1e-15);
  static const int64_t worst[] = {3, 4, 1};
  CU_ASSERT_EQUAL_FATAL(a.mistake_count, 3);
  for (int64_t i = 0; i < 3; i++) CU_ASSERT_EQUAL(a.mistakes[i], worst[i]);
  cvy_assessment_free(&a);
}

/* The sums are of integers, so that no order of the images changes a bit. */
static void no_order_changes_a_bit(void) {
  enum { COUNT = 5000 };
  static cvy_verdict items[COUNT], others[COUNT];
  cvy_random random = {.seed = 3, .purpose = CVY_FOR_TEST};
  for (int64_t i = 0; i < COUNT; i++) {
    const int32_t label = (int32_t)cvy_random_next_below(&random, 3);
    items[i] = verdict_of(label, (int32_t)cvy_random_next_below(&random, 3),
                          (float)cvy_random_next_uniform(&random, 0, 1), 1);
    others[(i * 1237 + 11) % COUNT] = items[i];
  }
  cvy_assessment a, b;
  cvy_assess(&a, &(cvy_verdicts){.count = COUNT, .items = items}, 3);
  cvy_assess(&b, &(cvy_verdicts){.count = COUNT, .items = others}, 3);
  CU_ASSERT_EQUAL(memcmp(&a.ece, &b.ece, sizeof a.ece), 0);
  CU_ASSERT_EQUAL(memcmp(a.bins, b.bins, sizeof a.bins), 0);
  CU_ASSERT(a.ece > 0.01);
  cvy_assessment_free(&a);
  cvy_assessment_free(&b);
}

/* ---- figures by numpy ---- */

static double number_at(const cvy_yaml *list, int64_t i) {
  return strtod(list->items[i]->text, NULL);
}

static void judge_all(desk *d, const cvy_yaml *golden) {
  const cvy_yaml *labels = cvy_yaml_get(golden, "labels"), *logits = cvy_yaml_get(golden, "logits");
  for (int64_t first = 0; first < labels->count; first += MICROBATCH) {
    float rows[MICROBATCH * MOST_CLASSES];
    int32_t of[MICROBATCH];
    int64_t records[MICROBATCH];
    for (int64_t i = 0; i < MICROBATCH; i++) {
      of[i] = (int32_t)number_at(labels, first + i);
      records[i] = first + i;
      for (int64_t k = 0; k < d->scores; k++)
        rows[i * d->scores + k] = strtof(logits->items[first + i]->items[k]->text, NULL);
    }
    forward(d, rows, of);
    cvy_verdicts_add(&d->verdicts, d->net, of, records);
  }
}

static void figures_by_numpy(void) {
  enum { CLASSES = 6, IMAGES = 240 };
  desk d = open_desk(CLASSES, "softmax_loss", IMAGES);
  cvy_yaml *golden;
  cvy_assessment a;
  const char *home = getenv("CONVOY_SOURCE");
  CU_ASSERT_PTR_NOT_NULL_FATAL(home);
  CU_ASSERT_EQUAL_FATAL(
      cvy_yaml_load(&golden, d.pool, cvy_pool_format(d.pool, "%s/tests/reference/assess.yaml", home)),
      CVY_OK);
  judge_all(&d, golden);
  cvy_assess(&a, &d.verdicts, CLASSES);
  CU_ASSERT_EQUAL(a.images, IMAGES);
  CU_ASSERT_DOUBLE_EQUAL(a.ece, strtod(cvy_yaml_get(golden, "ece")->text, NULL), 1e-6);
  int64_t counts[CLASSES][CLASSES] = {{0}}, hits = 0;
  for (int64_t i = 0; i < a.cell_count; i++)
    counts[a.cells[i].label][a.cells[i].predicted] = a.cells[i].images;
  for (int64_t k = 0; k < CLASSES; k++) {
    hits += a.classes[k].top1;
    for (int64_t p = 0; p < CLASSES; p++)
      CU_ASSERT_EQUAL((double)counts[k][p], number_at(cvy_yaml_get(golden, "confusion")->items[k], p));
  }
  CU_ASSERT_DOUBLE_EQUAL((double)hits / IMAGES, strtod(cvy_yaml_get(golden, "top1")->text, NULL), 1e-11);
  const cvy_yaml *five = cvy_yaml_get(golden, "first_five"), *worst = cvy_yaml_get(golden, "worst");
  for (int64_t i = 0; i < five->count; i++)
    for (int64_t k = 0; k < CVY_VERDICT_CLASSES; k++)
      CU_ASSERT_EQUAL((double)d.verdicts.items[i].classes[k], number_at(five->items[i], k));
  for (int64_t i = 0; i < worst->count; i++) CU_ASSERT_EQUAL((double)a.mistakes[i], number_at(worst, i));
  cvy_assessment_free(&a);
  close_desk(&d);
}

SUITE("assess", TEST(classes_are_ranked), TEST(one_score_is_that_of_the_second_class),
      TEST(views_are_averaged), TEST(a_diverged_loss_is_no_class), TEST(figures_by_hand),
      TEST(no_order_changes_a_bit), TEST(figures_by_numpy))
