/* The tables of an evaluation: a line an image, a class, a pair of classes, a mistake. */
#include "base/count.h"
#include "base/csv.h"
#include "report/report_parts.h"

#include <math.h>
#include <stdlib.h>

static void print_class(FILE *out, const cvy_report *f, int64_t class) {
  if (class < 0) {
    fputs(",", out);
    return;
  }
  fprintf(out, "%" PRId64 ",", class);
  cvy_csv_text(out, f->class_names[class]);
}

/* Begins a line with the record, where it came from, and its label. */
static void print_image(FILE *out, const cvy_report *f, const cvy_sources *sources, const cvy_verdict *v) {
  fprintf(out, "%" PRId64 ",", v->record);
  cvy_csv_text(out, cvy_source_of(sources, v->record));
  fputc(',', out);
  print_class(out, f, v->label);
}

void cvy_predictions_print(FILE *out, const cvy_report *f, const cvy_sources *sources) {
  const int64_t shown = cvy_smaller(f->assessment->class_count, CVY_VERDICT_CLASSES);
  fputs("record,source,label,label_name", out);
  for (int64_t k = 1; k <= shown; k++)
    fprintf(out, ",class_%" PRId64 ",name_%" PRId64 ",probability_%" PRId64, k, k, k);
  fputc('\n', out);
  for (int64_t i = 0; i < f->verdicts->count; i++) {
    const cvy_verdict *v = &f->verdicts->items[i];
    print_image(out, f, sources, v);
    for (int64_t k = 0; k < shown; k++) {
      fputc(',', out);
      print_class(out, f, v->classes[k]);
      fputc(',', out);
      if (v->classes[k] >= 0) cvy_csv_number(out, (double)v->probabilities[k]);
    }
    fputc('\n', out);
  }
}

static void print_share(FILE *out, int64_t part, int64_t whole) {
  fputc(',', out);
  cvy_csv_number(out, whole ? (double)part / (double)whole : NAN);
}

void cvy_classes_print(FILE *out, const cvy_report *f) {
  const bool has_top5 = cvy_score_has_top5(f->score);
  fprintf(out, "class,name,images,hits,accuracy%s,predicted,precision\n", has_top5 ? ",top5_accuracy" : "");
  for (int64_t k = 0; k < f->assessment->class_count; k++) {
    const cvy_class_score *c = &f->assessment->classes[k];
    print_class(out, f, k);
    fprintf(out, ",%" PRId64 ",%" PRId64, c->images, c->top1);
    print_share(out, c->top1, c->images);
    if (has_top5) print_share(out, c->top5, c->images);
    fprintf(out, ",%" PRId64, c->predicted);
    print_share(out, c->top1, c->predicted);
    fputc('\n', out);
  }
}

void cvy_confusion_print(FILE *out, const cvy_report *f) {
  const cvy_assessment *a = f->assessment;
  char name[CVY_CLASS_TEXT];
  int64_t *row = cvy_new(sizeof *row * (size_t)(a->class_count + 1));
  fputs("label", out);
  for (int64_t k = 0; k < a->class_count; k++) {
    fputc(',', out);
    cvy_csv_text(out, cvy_class_text(name, f, k));
  }
  fputc('\n', out);
  for (int64_t k = 0, next = 0; k < a->class_count; k++) {
    const int64_t first = next;
    for (; next < a->cell_count && a->cells[next].label == k; next++)
      row[a->cells[next].predicted] = a->cells[next].images;
    cvy_csv_text(out, cvy_class_text(name, f, k));
    for (int64_t p = 0; p < a->class_count; p++) fprintf(out, ",%" PRId64, row[p]);
    fputc('\n', out);
    for (int64_t i = first; i < next; i++) row[a->cells[i].predicted] = 0;
  }
  free(row);
}

void cvy_mistakes_print(FILE *out, const cvy_report *f, const cvy_sources *sources) {
  fputs("record,source,label,label_name,predicted,predicted_name,probability,probability_of_label,loss\n",
        out);
  for (int64_t i = 0; i < f->assessment->mistake_count; i++) {
    const cvy_verdict *v = &f->verdicts->items[f->assessment->mistakes[i]];
    print_image(out, f, sources, v);
    fputc(',', out);
    print_class(out, f, v->classes[0]);
    fputc(',', out);
    if (v->classes[0] >= 0) cvy_csv_number(out, (double)v->probabilities[0]);
    fputc(',', out);
    cvy_csv_number(out, v->of_label);
    fputc(',', out);
    cvy_csv_number(out, v->loss);
    fputc('\n', out);
  }
}
