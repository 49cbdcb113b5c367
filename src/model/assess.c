/* Counts verdicts by class, by pair of classes and by confidence, and sorts the mistakes. */
#include "model/assess.h"

#include <math.h>
#include <stdlib.h>

static const double confidence_unit = 0x1p-32;

double cvy_bin_confidence(const cvy_bin *bin) {
  return (double)bin->confidence * confidence_unit / (double)bin->images;
}

double cvy_bin_accuracy(const cvy_bin *bin) {
  return (double)bin->hits / (double)bin->images;
}

static void count_class(cvy_assessment *a, const cvy_verdict *v) {
  cvy_class_score *own = &a->classes[v->label];
  own->images++;
  if (v->classes[0] < 0) return;
  own->top1 += v->place < 1;
  own->top5 += v->place < CVY_VERDICT_CLASSES;
  a->classes[v->classes[0]].predicted++;
}

static void count_confidence(cvy_assessment *a, const cvy_verdict *v) {
  const double p = (double)v->probabilities[0];
  const int64_t above = (int64_t)ceil(p * CVY_BINS) - 1;
  cvy_bin *bin = &a->bins[above < 0 ? 0 : above < CVY_BINS ? above : CVY_BINS - 1];
  bin->images++;
  bin->hits += v->place == 0;
  bin->confidence += llrint(p / confidence_unit);
}

static int by_classes(const void *a, const void *b) {
  const cvy_confused *x = a, *y = b;
  if (x->label != y->label) return x->label < y->label ? -1 : 1;
  return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

/* Puts equal pairs of classes together. */
static void gather_cells(cvy_assessment *a) {
  int64_t count = 0;
  qsort(a->cells, (size_t)a->cell_count, sizeof *a->cells, by_classes);
  for (int64_t i = 0; i < a->cell_count; i++) {
    if (count > 0 && by_classes(&a->cells[count - 1], &a->cells[i]) == 0)
      a->cells[count - 1].images++;
    else
      a->cells[count++] = a->cells[i];
  }
  a->cell_count = count;
}

typedef struct mistake {
  double loss;
  int64_t index;
} mistake;

/* A loss that is not a number is the worst. */
static int by_loss(const void *a, const void *b) {
  const mistake *x = a, *y = b;
  const bool x_is_none = isnan(x->loss), y_is_none = isnan(y->loss);
  if (x_is_none != y_is_none) return x_is_none ? -1 : 1;
  if (!x_is_none && x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static void sort_mistakes(cvy_assessment *a, const cvy_verdicts *verdicts) {
  mistake *all = cvy_new(sizeof *all * (size_t)(verdicts->count + 1));
  for (int64_t i = 0; i < verdicts->count; i++)
    if (verdicts->items[i].place > 0) all[a->mistake_count++] = (mistake){verdicts->items[i].loss, i};
  qsort(all, (size_t)a->mistake_count, sizeof *all, by_loss);
  a->mistakes = cvy_new(sizeof *a->mistakes * (size_t)(a->mistake_count + 1));
  for (int64_t i = 0; i < a->mistake_count; i++) a->mistakes[i] = all[i].index;
  free(all);
}

static double calibration_error(const cvy_assessment *a) {
  double sum = 0;
  if (a->diverged || a->images == 0) return NAN;
  for (int64_t m = 0; m < CVY_BINS; m++)
    sum += fabs((double)a->bins[m].hits - (double)a->bins[m].confidence * confidence_unit);
  return sum / (double)a->images;
}

void cvy_assess(cvy_assessment *out, const cvy_verdicts *verdicts, int64_t class_count) {
  *out = (cvy_assessment){.images = verdicts->count,
                          .class_count = class_count,
                          .classes = cvy_new(sizeof *out->classes * (size_t)(class_count + 1)),
                          .cells = cvy_new(sizeof *out->cells * (size_t)(verdicts->count + 1))};
  for (int64_t i = 0; i < verdicts->count; i++) {
    const cvy_verdict *v = &verdicts->items[i];
    CVY_CHECK(v->label >= 0 && v->label < class_count);
    count_class(out, v);
    if (v->classes[0] < 0) {
      out->diverged++;
      continue;
    }
    count_confidence(out, v);
    out->cells[out->cell_count++] = (cvy_confused){v->label, v->classes[0], 1};
  }
  gather_cells(out);
  out->ece = calibration_error(out);
  sort_mistakes(out, verdicts);
}

void cvy_assessment_free(cvy_assessment *a) {
  free(a->classes);
  free(a->cells);
  free(a->mistakes);
  *a = (cvy_assessment){0};
}
