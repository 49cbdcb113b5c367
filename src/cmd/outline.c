/* `convoy train --dry-run`: what a run would be. */
#include "cmd/outline.h"

#include "base/count.h"
#include "base/fit.h"
#include "base/json.h"
#include "comm/comm.h"
#include "report/curve.h"

#include <stdlib.h>

/* Steps first ... end-1 are those of epochs from ... to, counted from 1. */
typedef struct rates_line {
  int64_t from, to, first, end;
  bool is_level; /* all steps have the same rate */
} rates_line;

static int64_t step_of_epoch(const cvy_train_outline *o, int64_t epoch) {
  return cvy_smaller(cvy_pieces(epoch * o->images, o->batch), o->total_steps);
}

static bool is_level(const double *rates, int64_t first, int64_t end) {
  for (int64_t i = first + 1; i < end; i++)
    if (rates[i] != rates[first]) return false;
  return true;
}

/* Finds lines of one epoch each, but puts neighbours together that have one rate. Returns how many there
 * are. */
static int64_t find_lines(rates_line *lines, const cvy_train_outline *o) {
  int64_t count = 0;
  for (int64_t epoch = 0; epoch < o->epochs; epoch++) {
    rates_line *last = count > 0 ? &lines[count - 1] : NULL;
    rates_line line = {epoch + 1, epoch + 1, step_of_epoch(o, epoch), step_of_epoch(o, epoch + 1), false};
    if (line.first == line.end) continue;
    line.is_level = is_level(o->rates, line.first, line.end);
    if (last && last->is_level && line.is_level && o->rates[last->first] == o->rates[line.first]) {
      last->to = line.to;
      last->end = line.end;
    } else {
      lines[count++] = line;
    }
  }
  return count;
}

static void print_rates_line(FILE *out, const rates_line *line, const double *rates) {
  char epochs[48], steps[48];
  snprintf(epochs, sizeof epochs, line->from < line->to ? "%" PRId64 " - %" PRId64 : "%" PRId64, line->from,
           line->to);
  snprintf(steps, sizeof steps, "%" PRId64 " - %" PRId64, line->first + 1, line->end);
  fprintf(out, "%-12s  %-20s  %.6g", epochs, steps, rates[line->first]);
  if (rates[line->end - 1] != rates[line->first]) fprintf(out, " to %.6g", rates[line->end - 1]);
  fputc('\n', out);
}

static void print_phase(FILE *out, const cvy_train_phase *p, int64_t parameters) {
  fprintf(out,
          "after epoch %" PRId64 ", from step %" PRId64 " on, %" PRId64 " of %" PRId64
          " learn: %s too, at %g of the rate\n",
          p->at, p->step + 1, p->learnt, parameters, p->layers, p->rate);
}

static void print_outline(const cvy_train_outline *o) {
  enum { MOST_LINES = 24 };
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  rates_line *lines = cvy_new(sizeof *lines * (size_t)(o->epochs + 1));
  const int64_t count = find_lines(lines, o), stride = cvy_pieces(count, MOST_LINES);
  if (o->initial) fputs(o->initial, out);
  fprintf(out,
          "%" PRId64 " images of %" PRId64 " classes, batch %" PRId64 " = %" PRId64
          " microbatches of %" PRId64 "\n",
          o->images, o->classes, o->batch, o->microbatches, o->batch / o->microbatches);
  if (o->learnt < o->parameters)
    fprintf(out, "%" PRId64 " of %" PRId64 " parameters learn; the others are frozen\n", o->learnt,
            o->parameters);
  for (int64_t k = 0; k < o->phase_count; k++) print_phase(out, &o->phases[k], o->parameters);
  fprintf(out, "%" PRId64 " epochs, %" PRId64 " steps\n\n%-12s  %-20s  %s\n", o->epochs, o->total_steps,
          "epochs", "steps", "learning rate");
  for (int64_t i = 0; i < count; i++)
    if (i % stride == 0 || i == count - 1) print_rates_line(out, &lines[i], o->rates);
  if (stride > 1) fprintf(out, "(one line in %" PRId64 "; --json has the rate of each epoch)\n", stride);
  if (o->depends) fputs("The rate falls when validation stops improving, which nobody knows before.\n", out);
  cvy_fit_lines(&fitted);
  free(lines);
}

static void print_initial_json(cvy_json *json, const cvy_train_outline *o) {
  cvy_json_open(json, "init_from", '{');
  cvy_json_int(json, "loaded", o->loaded);
  cvy_json_int(json, "made_anew", o->tensors - o->loaded);
  cvy_json_int(json, "left_out", o->left_out);
  cvy_json_close(json, '}');
}

static void print_phases_json(cvy_json *json, const cvy_train_outline *o) {
  cvy_json_open(json, "unfreeze", '[');
  for (int64_t k = 0; k < o->phase_count; k++) {
    cvy_json_open(json, NULL, '{');
    cvy_json_int(json, "at", o->phases[k].at);
    cvy_json_int(json, "step", o->phases[k].step + 1);
    cvy_json_text(json, "layers", o->phases[k].layers);
    cvy_json_int(json, "learnt", o->phases[k].learnt);
    cvy_json_number(json, "rate", o->phases[k].rate, 17);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
}

static void print_outline_json(const cvy_train_outline *o) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "images", o->images);
  cvy_json_int(&json, "val_images", o->val_images);
  cvy_json_int(&json, "classes", o->classes);
  cvy_json_int(&json, "parameters", o->parameters);
  cvy_json_int(&json, "learnt", o->learnt);
  cvy_json_int(&json, "batch", o->batch);
  cvy_json_int(&json, "microbatches", o->microbatches);
  cvy_json_int(&json, "epochs", o->epochs);
  cvy_json_int(&json, "steps", o->total_steps);
  if (o->initial) print_initial_json(&json, o);
  if (o->phase_count > 0) print_phases_json(&json, o);
  cvy_json_open(&json, "rates", '[');
  for (int64_t epoch = 0; epoch < o->epochs && step_of_epoch(o, epoch) < o->total_steps; epoch++)
    cvy_json_number(&json, NULL, o->rates[step_of_epoch(o, epoch)], 17);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* Returns where layers begin to learn. */
static cvy_curve_mark *marks_of(const cvy_train_outline *o) {
  cvy_curve_mark *marks = cvy_new(sizeof *marks * (size_t)(o->phase_count + 1));
  for (int64_t k = 0; k < o->phase_count; k++)
    marks[k] = (cvy_curve_mark){(double)o->phases[k].at, cvy_format("%s learns", o->phases[k].layers)};
  return marks;
}

static void free_marks(cvy_curve_mark *marks, int64_t count) {
  for (int64_t k = 0; k < count; k++) free((char *)marks[k].text);
  free(marks);
}

cvy_err cvy_outline_show(cvy_comm *comm, const cvy_recipe *recipe, bool json, const char *plot) {
  cvy_train_outline outline;
  CVY_TRY(cvy_train_outline_create(&outline, comm, recipe));
  cvy_err err = CVY_OK;
  if (cvy_comm_rank(comm) == 0) {
    json ? print_outline_json(&outline) : print_outline(&outline);
    cvy_curve_mark *marks = marks_of(&outline);
    const cvy_curve curve = {.title = "learning rate",
                             .across = "epochs",
                             .up = "rate",
                             .values = outline.rates,
                             .count = outline.total_steps,
                             .end = (double)outline.epochs,
                             .marks = marks,
                             .mark_count = outline.phase_count};
    if (plot[0]) err = cvy_curve_write(&curve, plot);
    free_marks(marks, outline.phase_count);
  }
  cvy_train_outline_free(&outline);
  return cvy_comm_agree(comm, err);
}
