/* Draws the pictures of the worst mistakes: what they are, what they were taken for, and where they came
 * from. */
#include "base/count.h"
#include "data/dataset.h"
#include "report/preview.h"
#include "report/report_parts.h"
#include "report/tiles.h"

typedef struct mistakes {
  const cvy_report *report;
  const cvy_sources *sources;
} mistakes;

static const char *class_on_sheet(char out[CVY_SHEET_CLASS], const cvy_report *f, int64_t class) {
  char name[CVY_CLASS_TEXT];
  return cvy_sheet_class(out, class, cvy_class_text(name, f, class));
}

static void write_caption(cvy_tile *tile, const mistakes *m, const cvy_verdict *v) {
  char name[CVY_SHEET_CLASS];
  const char *source = cvy_source_of(m->sources, v->record);
  tile->colours[1] = (cvy_colour){190, 60, 10};
  snprintf(tile->lines[0], CVY_TILE_TEXT, "is %s", class_on_sheet(name, m->report, v->label));
  if (v->classes[0] >= 0)
    snprintf(tile->lines[1], CVY_TILE_TEXT, "%.1f %% for %s", 100 * (double)v->probabilities[0],
             class_on_sheet(name, m->report, v->classes[0]));
  else
    snprintf(tile->lines[1], CVY_TILE_TEXT, "no number");
  if (source)
    snprintf(tile->lines[2], CVY_TILE_TEXT, "%s", source);
  else
    snprintf(tile->lines[2], CVY_TILE_TEXT, "record %" PRId64, v->record);
}

static cvy_err make(cvy_image *out, cvy_tile *tile, const void *context, int64_t i) {
  const mistakes *m = context;
  const cvy_report *f = m->report;
  const cvy_verdict *v = &f->verdicts->items[f->assessment->mistakes[i]];
  const cvy_preview original = {.dataset = f->dataset};
  write_caption(tile, m, v);
  return cvy_preview_sample(out, &original, v->record, 0);
}

cvy_err cvy_mistakes_draw(cvy_image *sheet, const cvy_report *f, const cvy_sources *sources) {
  const int64_t shown = cvy_smaller(f->assessment->mistake_count, CVY_MOST_TILES);
  const mistakes m = {f, sources};
  char about[200];
  snprintf(about, sizeof about, "the %" PRId64 " worst of %" PRId64 " mistakes in %" PRId64 " images", shown,
           f->assessment->mistake_count, f->assessment->images);
  if (f->assessment->mistake_count == 0) snprintf(about, sizeof about, "no mistakes");
  return cvy_tiles_draw(sheet, f->title, about, shown, make, &m);
}
