/* Chooses names, tells the figures, and writes the files of an evaluation. */
#include "report/report.h"

#include "base/text.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "file/whole.h"
#include "report/report_parts.h"
#include "report/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static bool are_numbers(const char *const *names, int64_t count) {
  char number[32];
  for (int64_t k = 0; k < count; k++) {
    snprintf(number, sizeof number, "%" PRId64, k);
    if (strcmp(names[k], number) != 0) return false;
  }
  return true;
}

const char *const *cvy_report_names(cvy_pool *pool, const cvy_model_info *model,
                                    const cvy_dataset_info *data) {
  const bool of_data = are_numbers(model->class_names, model->name_count);
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(model->class_count + 1));
  for (int64_t k = 0; k < model->class_count; k++) {
    if (of_data && k < data->class_count)
      names[k] = cvy_pool_format(pool, "%s", data->class_names[k]);
    else if (k < model->name_count)
      names[k] = cvy_pool_format(pool, "%s", model->class_names[k]);
  }
  return names;
}

/* ---- figures ---- */

/* The accuracies of the classes that have images. */
typedef struct by_class {
  int64_t count, worst; /* worst is -1 if there are none */
  double mean;
} by_class;

static double accuracy_of(const cvy_class_score *c) {
  return (double)c->top1 / (double)c->images;
}

static by_class look_at_classes(const cvy_assessment *a) {
  by_class all = {.worst = -1};
  for (int64_t k = 0; k < a->class_count; k++) {
    const cvy_class_score *c = &a->classes[k];
    if (c->images == 0) continue;
    all.count++;
    all.mean += accuracy_of(c);
    if (all.worst < 0 || accuracy_of(c) < accuracy_of(&a->classes[all.worst])) all.worst = k;
  }
  all.mean = all.count > 0 ? all.mean / (double)all.count : NAN;
  return all;
}

static void print_bins(cvy_json *json, const cvy_assessment *a) {
  cvy_json_open(json, "calibration", '[');
  for (int64_t m = 0; m < CVY_BINS; m++) {
    const cvy_bin *bin = &a->bins[m];
    cvy_json_open(json, NULL, '{');
    cvy_json_int(json, "bin_images", bin->images);
    cvy_json_number(json, "confidence", bin->images ? cvy_bin_confidence(bin) : NAN, 17);
    cvy_json_number(json, "accuracy", bin->images ? cvy_bin_accuracy(bin) : NAN, 17);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
}

void cvy_report_json(cvy_json *json, const cvy_report *f) {
  const cvy_score *score = f->score;
  cvy_json_int(json, "images", score->images);
  cvy_json_number(json, "loss", score->loss, 17);
  cvy_json_number(json, "top1", score->top1, 17);
  if (cvy_score_has_top5(score)) cvy_json_number(json, "top5", score->top5, 17);
  cvy_json_number(json, "mean_class_accuracy", look_at_classes(f->assessment).mean, 17);
  cvy_json_number(json, "ece", f->assessment->ece, 17);
  cvy_json_int(json, "views", f->views);
  cvy_json_int(json, "skipped", score->skipped);
  print_bins(json, f->assessment);
}

void cvy_report_print(FILE *out, const cvy_report *f) {
  enum { PAIRS = 3 };
  const cvy_confused *pairs[PAIRS];
  const by_class all = look_at_classes(f->assessment);
  char class[CVY_CLASS_TEXT], other[CVY_CLASS_TEXT];
  if (f->score->images == 0) return;
  const cvy_class_score *worst = &f->assessment->classes[all.worst];
  fprintf(
      out,
      "expected calibration error %.2f %%; accuracy of a class %.2f %% in the mean, %.2f %% of %s at worst\n",
      100 * f->assessment->ece, 100 * all.mean, 100 * accuracy_of(worst),
      cvy_class_text(class, f, all.worst));
  const int64_t count = cvy_most_confused(pairs, PAIRS, f->assessment);
  for (int64_t i = 0; i < count; i++)
    fprintf(out, "%s%s for %s (%" PRId64 ")",
            i ? ", " : "most often taken for another: ", cvy_class_text(class, f, pairs[i]->label),
            cvy_class_text(other, f, pairs[i]->predicted), pairs[i]->images);
  if (count) fputc('\n', out);
}

static void print_score(FILE *out, const cvy_report *f) {
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  cvy_report_json(&json, f);
  cvy_json_close(&json, '}');
  fputc('\n', out);
}

/* ---- files ---- */

cvy_err cvy_report_begin(cvy_report_files *out, const char *folder, const char *predictions) {
  *out = (cvy_report_files){.folder = folder};
  if (folder) CVY_TRY(cvy_make_folder(NULL, folder));
  const cvy_err err = predictions ? cvy_whole_begin(&out->predictions, predictions) : CVY_OK;
  return err ? CVY_E_INPUT : CVY_OK; /* nothing was evaluated yet */
}

void cvy_report_drop(cvy_report_files *files) {
  cvy_whole_rollback(files->predictions);
  *files = (cvy_report_files){0};
}

static cvy_err write_predictions(cvy_report_files *files, const cvy_report *f, const cvy_sources *sources) {
  cvy_whole *file = files->predictions;
  files->predictions = NULL;
  if (!file) return CVY_OK;
  cvy_predictions_print(file->stream, f, sources);
  return cvy_whole_commit(file);
}

static cvy_err begin_in(cvy_whole **out, const char *folder, const char *name) {
  char *path = cvy_format("%s/%s", folder, name);
  const cvy_err err = cvy_whole_begin(out, path);
  free(path);
  return err;
}

static cvy_err write_text(const char *folder, const char *name, void (*print)(FILE *, const cvy_report *),
                          const cvy_report *f) {
  cvy_whole *file;
  CVY_TRY(begin_in(&file, folder, name));
  print(file->stream, f);
  return cvy_whole_commit(file);
}

static cvy_err write_list(const char *folder, const char *name,
                          void (*print)(FILE *, const cvy_report *, const cvy_sources *), const cvy_report *f,
                          const cvy_sources *sources) {
  cvy_whole *file;
  CVY_TRY(begin_in(&file, folder, name));
  print(file->stream, f, sources);
  return cvy_whole_commit(file);
}

static cvy_err write_sheet(const char *folder, const cvy_report *f, const cvy_sources *sources) {
  cvy_image sheet = {0};
  char *path = cvy_format("%s/mistakes.png", folder);
  cvy_err err = cvy_mistakes_draw(&sheet, f, sources);
  if (!err) err = cvy_sheet_save(&sheet, path);
  cvy_image_free(&sheet);
  free(path);
  return err;
}

static cvy_err write_folder(const char *folder, const cvy_report *f, const cvy_sources *sources) {
  CVY_TRY(write_list(folder, "predictions.csv", cvy_predictions_print, f, sources));
  CVY_TRY(write_text(folder, "classes.csv", cvy_classes_print, f));
  CVY_TRY(write_text(folder, "confusion.csv", cvy_confusion_print, f));
  CVY_TRY(write_text(folder, "confusion.svg", cvy_confusion_draw, f));
  CVY_TRY(write_list(folder, "mistakes.csv", cvy_mistakes_print, f, sources));
  CVY_TRY(write_sheet(folder, f, sources));
  CVY_TRY(write_text(folder, "reliability.svg", cvy_reliability_draw, f));
  return write_text(folder, "score.json", print_score, f);
}

cvy_err cvy_report_write(cvy_report_files *files, const cvy_report *f) {
  if (!files->folder && !files->predictions) return CVY_OK;
  cvy_pool *pool = cvy_pool_create();
  const cvy_sources sources = cvy_sources_of(pool, f->dataset);
  cvy_err err = write_predictions(files, f, &sources);
  if (!err && files->folder) err = write_folder(files->folder, f, &sources);
  cvy_pool_destroy(pool);
  return err;
}
