/* Draws the pictures of the worst mistakes: what they are, what they were taken for, and where they came
 * from. */
#include "base/count.h"
#include "data/dataset.h"
#include "report/report_parts.h"
#include "report/preview.h"
#include "report/sheet.h"

#include <stdlib.h>

enum { MARGIN = 16, GAP = 12, COLUMNS = 6, MOST = 30, TILE = 160, LINE_H = CVY_TEXT_H + 4, LINES = 3 };

static int64_t top_of(int64_t i) {
  const int64_t heading = MARGIN + 2 * CVY_TEXT_H + 6 + LINE_H + GAP;
  return heading + i / COLUMNS * (LINES * LINE_H + TILE + GAP);
}

static void write_heading(cvy_image *sheet, const cvy_report *f, int64_t shown) {
  char text[200];
  const int64_t room = sheet->w - 2 * MARGIN;
  snprintf(text, sizeof text, "the %" PRId64 " worst of %" PRId64 " mistakes in %" PRId64 " images", shown,
           f->assessment->mistake_count, f->assessment->images);
  if (f->assessment->mistake_count == 0) snprintf(text, sizeof text, "no mistakes");
  cvy_sheet_write(sheet, MARGIN, MARGIN, room, f->title, cvy_ink, 2);
  cvy_sheet_write(sheet, MARGIN + 2 * CVY_TEXT_H + 6, MARGIN, room, text, cvy_faint_ink, 1);
}

static const char *class_on_sheet(char out[CVY_SHEET_CLASS], const cvy_report *f, int64_t class) {
  char name[CVY_CLASS_TEXT];
  return cvy_sheet_class(out, class, cvy_class_text(name, f, class));
}

static void write_caption(cvy_image *sheet, int64_t top, int64_t left, const cvy_report *f,
                          const cvy_sources *sources, const cvy_verdict *v) {
  char of_label[CVY_SHEET_CLASS], taken_for[CVY_SHEET_CLASS], text[CVY_SHEET_CLASS + 60];
  const char *source = cvy_source_of(sources, v->record);
  const cvy_colour wrong = {190, 60, 10};
  snprintf(text, sizeof text, "is %s", class_on_sheet(of_label, f, v->label));
  cvy_sheet_write(sheet, top, left, TILE, text, cvy_ink, 1);
  if (v->classes[0] >= 0)
    snprintf(text, sizeof text, "%.1f %% for %s", 100 * (double)v->probabilities[0],
             class_on_sheet(taken_for, f, v->classes[0]));
  else
    snprintf(text, sizeof text, "no number");
  cvy_sheet_write(sheet, top + LINE_H, left, TILE, text, wrong, 1);
  snprintf(text, sizeof text, "record %" PRId64, v->record);
  cvy_sheet_write(sheet, top + 2 * LINE_H, left, TILE, source ? source : text, cvy_faint_ink, 1);
}

static cvy_err draw_mistake(cvy_image *sheet, cvy_image *sample, cvy_image *tile, const cvy_report *f,
                            const cvy_sources *sources, int64_t i) {
  const cvy_verdict *v = &f->verdicts->items[f->assessment->mistakes[i]];
  const cvy_preview original = {.dataset = f->dataset};
  const int64_t top = top_of(i), left = MARGIN + i % COLUMNS * (TILE + GAP);
  CVY_TRY(cvy_preview_sample(sample, &original, v->record, 0));
  cvy_sheet_fit(tile, sample, TILE, cvy_sheet_times(sample->h, sample->w, TILE));
  write_caption(sheet, top, left, f, sources, v);
  cvy_sheet_put(sheet, top + LINES * LINE_H, left, tile);
  return CVY_OK;
}

cvy_err cvy_mistakes_draw(cvy_image *sheet, const cvy_report *f, const cvy_sources *sources) {
  const int64_t shown = cvy_smaller(f->assessment->mistake_count, MOST);
  cvy_image sample = {0}, tile = {0};
  const int64_t w = 2 * MARGIN + COLUMNS * (TILE + GAP) - GAP;
  CVY_TRY(cvy_sheet_begin(sheet, top_of(shown + COLUMNS - 1) + MARGIN - GAP, w));
  write_heading(sheet, f, shown);
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < shown && !err; i++) err = draw_mistake(sheet, &sample, &tile, f, sources, i);
  cvy_image_free(&sample);
  cvy_image_free(&tile);
  return err;
}
