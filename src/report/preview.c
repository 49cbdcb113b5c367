/* The contact sheet of a dataset: reads and augments records as the loader does, and lays them out. */
#include "report/preview.h"

#include "augment/augmentation.h"
#include "augment/chain.h"
#include "base/count.h"
#include "base/text.h"
#include "data/dataset.h"
#include "report/sheet.h"

#include <math.h>
#include <stdlib.h>

enum {
  MARGIN = 16,
  GAP = 8,
  LEAST_W = 560, /* so that a title has room */
  /* Where the user does not say, small pictures are magnified to about the first size, and large ones are
   * shrunk to the second. */
  SMALL_TILE = 128,
  LARGE_TILE = 256,
  VARYING_TILE = 192,
  MOST_PICTURES = 4096,
  MANY_TILES = 4 /* where a row has more, captions are larger */
};

/* ---- samples ---- */

/* The samples that are shown as black and as white. */
typedef struct tones {
  float low, high;
} tones;

static tones tones_of(const cvy_dataset *dataset) {
  const cvy_dataset_info *info = cvy_dataset_describe(dataset);
  tones t = {0, 255};
  if (!cvy_dataset_is_float(dataset)) return t;
  t = (tones){INFINITY, -INFINITY};
  for (int64_t k = 0; k < info->c; k++) {
    t.low = fminf(t.low, info->mean[k] - 2 * info->deviation[k]);
    t.high = fmaxf(t.high, info->mean[k] + 2 * info->deviation[k]);
  }
  return t;
}

static void to_bytes(cvy_image *out, const float *samples, const cvy_picture *p, tones t) {
  cvy_image_resize_buffer(out, p->h, p->w, p->c);
  for (int64_t i = 0; i < p->h * p->w * p->c; i++) {
    const float tone = (samples[i] - t.low) * (255 / (t.high - t.low));
    out->px[i] = (uint8_t)fminf(fmaxf(floorf(tone + 0.5f), 0), 255);
  }
}

/* This is what is needed to read a record and to draw it. */
typedef struct desk {
  cvy_read_buffer buffer;
  cvy_canvas canvas;
  cvy_picture picture;
  int32_t label;
} desk;

static void clear_desk(desk *d) {
  cvy_read_buffer_free(&d->buffer);
  cvy_canvas_free(&d->canvas);
}

static cvy_err read_record(desk *d, const cvy_preview *p, int64_t record) {
  CVY_TRY(cvy_read_buffer_create(&d->buffer, p->dataset));
  return cvy_dataset_read(&d->picture, &d->label, p->dataset, &d->buffer, record,
                          cvy_dataset_describe(p->dataset)->c);
}

static cvy_err draw_picture(cvy_image *out, desk *d, const cvy_preview *p) {
  float *samples;
  CVY_TRY(cvy_picture_draw(&d->picture, &samples, &d->canvas));
  to_bytes(out, samples, &d->picture, tones_of(p->dataset));
  return CVY_OK;
}

/* Augments with random numbers that are keyed as in the loader (src/data/loader.c, make_sample). */
static cvy_err augment(cvy_image *out, desk *d, const cvy_preview *p, int64_t record, int64_t time) {
  const cvy_dataset_info *info = cvy_dataset_describe(p->dataset);
  const int64_t epoch = p->training ? time : 0, view = p->training ? 0 : time;
  cvy_augment_call call = {.training = p->training,
                           .random = {.seed = p->seed, .step = (uint32_t)epoch, .sample = (uint32_t)record},
                           .mean = info->mean,
                           .source = cvy_dataset_source(p->dataset),
                           .view = view,
                           .canvas = &d->canvas};
  CVY_TRY(cvy_augment_apply(&d->picture, p->augment, &call));
  return draw_picture(out, d, p);
}

cvy_err cvy_preview_sample(cvy_image *out, const cvy_preview *p, int64_t record, int64_t time) {
  desk d = {0};
  cvy_err err = read_record(&d, p, record);
  if (!err && (err = augment(out, &d, p, record, time))) err = cvy_dataset_error_in(err, p->dataset, record);
  clear_desk(&d);
  return err;
}

/* ---- tiles ---- */

typedef struct row {
  int64_t record;
  int32_t label;
  int64_t h, w;     /* size of the original */
  cvy_image *tiles; /* the original, then one an epoch, or a view */
} row;

typedef struct plan {
  const cvy_preview *preview;
  const cvy_dataset_info *info;
  int64_t out_h, out_w;           /* after augmentation; 0: varies */
  int64_t tile, times;            /* the box, and how many times as large small pictures are shown in it */
  int64_t scale, line_h, title_h; /* sizes of captions */
  int64_t row_count, tile_count;
  row *rows;
} plan;

/* All pictures are shown at one scale where that can be, so that one sees a crop as a part of its picture. */
static cvy_err choose_tile(plan *l) {
  const cvy_preview *p = l->preview;
  cvy_dataset_common_size(&l->out_h, &l->out_w, p->dataset);
  if (p->augment) CVY_TRY(cvy_augment_size(&l->out_h, &l->out_w, p->augment, l->out_h, l->out_w));
  const int64_t longer = cvy_larger(cvy_larger(l->out_h, l->out_w), cvy_larger(l->info->h, l->info->w));
  l->tile = p->tile;
  if (l->tile == 0 && longer == 0)
    l->tile = VARYING_TILE;
  else if (l->tile == 0)
    l->tile = longer > LARGE_TILE ? LARGE_TILE : longer * cvy_sheet_times(longer, longer, SMALL_TILE);
  l->scale = l->tile > SMALL_TILE && (!p->chain || l->tile_count > MANY_TILES) ? 2 : 1;
  l->line_h = CVY_TEXT_H * l->scale + 4;
  l->title_h = CVY_TEXT_H * (l->scale + 1) + 6;
  l->times = longer == 0 ? l->tile : cvy_sheet_times(longer, longer, l->tile);
  return CVY_OK;
}

/* A large picture is decoded and scaled only as far as it is shown. */
static cvy_err shrink(desk *d, int64_t box) {
  cvy_picture *picture = &d->picture;
  const int64_t h = picture->h, w = picture->w, longer = cvy_larger(h, w);
  if (longer <= box) return CVY_OK;
  const int64_t shown_h = (h * box + longer / 2) / longer, shown_w = (w * box + longer / 2) / longer;
  return cvy_picture_scale(picture, &d->canvas, cvy_larger(shown_h, 1), cvy_larger(shown_w, 1), 0, 0,
                           (double)h, (double)w);
}

static cvy_err draw_original(cvy_image *out, row *r, const plan *l) {
  desk d = {0};
  cvy_image shown = {0};
  cvy_err err = read_record(&d, l->preview, r->record);
  if (!err) {
    r->h = d.picture.h, r->w = d.picture.w;
    r->label = d.label;
    err = shrink(&d, l->tile);
    if (!err) err = draw_picture(&shown, &d, l->preview);
    if (err) err = cvy_dataset_error_in(err, l->preview->dataset, r->record);
  }
  if (!err) cvy_sheet_fit(out, &shown, l->tile, l->times);
  cvy_image_free(&shown);
  clear_desk(&d);
  return err;
}

static cvy_err draw_row(row *r, const plan *l, cvy_image *sample) {
  CVY_TRY(draw_original(&r->tiles[0], r, l));
  for (int64_t i = 1; i < l->tile_count; i++) {
    CVY_TRY(cvy_preview_sample(sample, l->preview, r->record, l->preview->first_epoch + i - 1));
    cvy_sheet_fit(&r->tiles[i], sample, l->tile, l->times);
  }
  return CVY_OK;
}

static cvy_err draw_rows(plan *l) {
  cvy_image sample = {0};
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < l->row_count && !err; i++) err = draw_row(&l->rows[i], l, &sample);
  cvy_image_free(&sample);
  return err;
}

/* ---- captions ---- */

/* Says how large h x w pixels stand on the sheet: ", shown 4 times as large". */
static void scale_text(char out[64], const plan *l, int64_t h, int64_t w) {
  const int64_t longer = cvy_larger(h, w), room = l->tile / longer, times = cvy_smaller(l->times, room);
  out[0] = '\0';
  if (times > 1) snprintf(out, 64, ", shown %" PRId64 " times as large", times);
  if (times < 1) snprintf(out, 64, ", shown %.2g times as large", (double)l->tile / (double)longer);
}

static void describe(char out[400], const plan *l) {
  char scale[64];
  const cvy_preview *p = l->preview;
  cvy_text text = cvy_text_in(out, 400);
  cvy_text_add(&text, "%" PRId64 " of %" PRId64 " records", l->row_count, l->info->count);
  if (p->chain && l->out_h > 0) {
    scale_text(scale, l, l->out_h, l->out_w);
    cvy_text_add(&text, "; the network's input is %" PRId64 "x%" PRId64 "x%" PRId64 "%s", l->out_h, l->out_w,
                 l->info->c, scale);
  } else if (!p->chain && l->info->h > 0) {
    scale_text(scale, l, l->info->h, l->info->w);
    cvy_text_add(&text, " of %" PRId64 "x%" PRId64 "x%" PRId64 "%s", l->info->h, l->info->w, l->info->c,
                 scale);
  }
  if (p->training && cvy_augment_mixes(p->augment)) cvy_text_add(&text, ", before it is mixed with another");
  if (!p->chain && l->info->h == 0) cvy_text_add(&text, "; sizes are height x width");
  const tones t = tones_of(p->dataset);
  if (cvy_dataset_is_float(p->dataset))
    cvy_text_add(&text, "; black is %g, white %g", (double)t.low, (double)t.high);
}

static int64_t write_heading(cvy_image *sheet, const plan *l) {
  const cvy_preview *p = l->preview;
  char text[400];
  const int64_t room = sheet->w - 2 * MARGIN;
  cvy_sheet_write(sheet, MARGIN, MARGIN, room, p->title, cvy_ink, l->scale + 1);
  describe(text, l);
  int64_t top = MARGIN + l->title_h;
  if (p->chain) {
    char chain[400];
    snprintf(chain, sizeof chain, "%s; sizes are height x width", p->chain);
    cvy_sheet_write(sheet, top, MARGIN, room, chain, cvy_faint_ink, l->scale);
    top += l->line_h;
  }
  cvy_sheet_write(sheet, top, MARGIN, room, text, cvy_faint_ink, l->scale);
  return top + l->line_h + GAP;
}

/* Writes "record 1234: cat" and, fainter, its size and where it came from. */
static void write_caption(cvy_image *sheet, int64_t top, int64_t left, int64_t room, const row *r,
                          const plan *l) {
  char class[CVY_SHEET_CLASS], text[300];
  cvy_pool *pool = cvy_pool_create();
  const char *name = cvy_dataset_name(pool, l->preview->dataset, r->record);
  snprintf(text, sizeof text, "record %" PRId64 ": %s", r->record,
           cvy_sheet_class(class, r->label, l->info->class_names[r->label]));
  const int64_t used = cvy_sheet_write(sheet, top, left, room, text, cvy_ink, l->scale) +
                       2 * CVY_TEXT_H * l->scale;
  snprintf(text, sizeof text, "%" PRId64 "x%" PRId64 "  %s", r->h, r->w, name ? name : "");
  if (used < room) cvy_sheet_write(sheet, top, left + used, room - used, text, cvy_faint_ink, l->scale);
  cvy_pool_destroy(pool);
}

/* ---- a row a record ---- */

static int64_t row_height(const row *r, int64_t tile_count) {
  int64_t h = 0;
  for (int64_t i = 0; i < tile_count; i++) h = cvy_larger(h, r->tiles[i].h);
  return h;
}

/* `out` becomes the width of the column of originals, and that of each other column. */
static void column_widths(int64_t out[2], const plan *l) {
  out[0] = out[1] = cvy_sheet_text_w("epoch 123", l->scale);
  for (int64_t i = 0; i < l->row_count; i++)
    for (int64_t k = 0; k < l->tile_count; k++) out[k > 0] = cvy_larger(out[k > 0], l->rows[i].tiles[k].w);
}

static void write_columns(cvy_image *sheet, int64_t top, const plan *l, const int64_t widths[2]) {
  char text[64];
  int64_t left = MARGIN;
  for (int64_t k = 0; k < l->tile_count; k++) {
    if (k == 0)
      snprintf(text, sizeof text, "original");
    else if (l->preview->training)
      snprintf(text, sizeof text, "epoch %" PRId64, l->preview->first_epoch + k - 1);
    else if (l->tile_count > 2)
      snprintf(text, sizeof text, "view %" PRId64, k - 1);
    else
      snprintf(text, sizeof text, "evaluation");
    cvy_sheet_write(sheet, top, left, widths[k > 0] + GAP, text, cvy_ink, l->scale);
    left += widths[k > 0] + (k == 0 ? 2 * GAP : GAP);
  }
}

static void put_row(cvy_image *sheet, int64_t top, const row *r, const plan *l, const int64_t widths[2]) {
  int64_t left = MARGIN;
  write_caption(sheet, top, left, sheet->w - 2 * MARGIN, r, l);
  for (int64_t k = 0; k < l->tile_count; k++) {
    cvy_sheet_put(sheet, top + l->line_h, left, &r->tiles[k]);
    left += widths[k > 0] + (k == 0 ? 2 * GAP : GAP);
  }
}

static cvy_err lay_out_rows(cvy_image *sheet, const plan *l) {
  int64_t widths[2], h = MARGIN + l->title_h + 2 * l->line_h + GAP + l->line_h + MARGIN;
  column_widths(widths, l);
  for (int64_t i = 0; i < l->row_count; i++)
    h += l->line_h + row_height(&l->rows[i], l->tile_count) + 2 * GAP;
  const int64_t w = 2 * MARGIN + widths[0] + GAP + (l->tile_count - 1) * (widths[1] + GAP);
  CVY_TRY(cvy_sheet_begin(sheet, h, cvy_larger(w, LEAST_W)));
  int64_t top = write_heading(sheet, l);
  write_columns(sheet, top, l, widths);
  top += l->line_h;
  for (int64_t i = 0; i < l->row_count; i++) {
    cvy_sheet_fill(sheet, top, MARGIN, 1, sheet->w - 2 * MARGIN, cvy_line);
    put_row(sheet, top + GAP, &l->rows[i], l, widths);
    top += l->line_h + row_height(&l->rows[i], l->tile_count) + 2 * GAP;
  }
  return CVY_OK;
}

/* ---- a grid of originals ---- */

static void put_cell(cvy_image *sheet, int64_t top, int64_t left, const row *r, const plan *l, int64_t box) {
  char class[CVY_SHEET_CLASS], text[300];
  snprintf(text, sizeof text, "%" PRId64 ": %s", r->record,
           cvy_sheet_class(class, r->label, l->info->class_names[r->label]));
  cvy_sheet_write(sheet, top, left, box, text, cvy_ink, l->scale);
  if (l->info->h == 0) {
    snprintf(text, sizeof text, "%" PRId64 "x%" PRId64, r->h, r->w);
    cvy_sheet_write(sheet, top + l->line_h, left, box, text, cvy_faint_ink, l->scale);
  }
}

static cvy_err lay_out_grid(cvy_image *sheet, const plan *l) {
  const int64_t columns = cvy_smaller(l->row_count, l->preview->columns);
  const int64_t lines = cvy_pieces(l->row_count, columns);
  const int64_t caption_h = l->info->h == 0 ? 2 * l->line_h : l->line_h;
  int64_t box_h = 0, box_w = cvy_sheet_text_w("12345: cat", l->scale);
  for (int64_t i = 0; i < l->row_count; i++) {
    box_h = cvy_larger(box_h, l->rows[i].tiles[0].h);
    box_w = cvy_larger(box_w, l->rows[i].tiles[0].w);
  }
  const int64_t cell_h = caption_h + box_h + 2 * GAP, cell_w = box_w + GAP;
  const int64_t w = 2 * MARGIN + columns * cell_w - GAP;
  CVY_TRY(cvy_sheet_begin(sheet, MARGIN + l->title_h + l->line_h + GAP + lines * cell_h - 2 * GAP + MARGIN,
                          cvy_larger(w, LEAST_W)));
  const int64_t head = write_heading(sheet, l);
  for (int64_t i = 0; i < l->row_count; i++) {
    const int64_t top = head + i / columns * cell_h, left = MARGIN + i % columns * cell_w;
    put_cell(sheet, top, left, &l->rows[i], l, cell_w);
    cvy_sheet_put(sheet, top + caption_h, left, &l->rows[i].tiles[0]);
  }
  return CVY_OK;
}

/* ---- all of it ---- */

int64_t cvy_preview_spread(int64_t *records, int64_t wanted, int64_t count) {
  const int64_t shown = cvy_smaller(wanted, count);
  for (int64_t i = 0; i < shown; i++) records[i] = i * count / shown;
  return shown;
}

static cvy_err check_records(const cvy_preview *p) {
  const cvy_dataset_info *info = cvy_dataset_describe(p->dataset);
  const int64_t pictures = p->record_count * (p->chain ? 1 + p->epoch_count : 1);
  if (pictures > MOST_PICTURES)
    return cvy_error(CVY_E_USAGE,
                     "%" PRId64 " pictures on a sheet; at most %d: fewer records or epochs would do",
                     pictures, MOST_PICTURES);
  for (int64_t i = 0; i < p->record_count; i++)
    if (p->records[i] < 0 || p->records[i] >= info->count)
      return cvy_error(CVY_E_INPUT,
                       "%s: there is no record %" PRId64 "; they are numbered from 0 to %" PRId64, p->title,
                       p->records[i], info->count - 1);
  return CVY_OK;
}

static void begin(plan *l, const cvy_preview *p) {
  *l = (plan){.preview = p, .info = cvy_dataset_describe(p->dataset), .row_count = p->record_count};
  l->tile_count = p->chain ? 1 + p->epoch_count : 1;
  l->rows = cvy_new(sizeof *l->rows * (size_t)l->row_count);
  for (int64_t i = 0; i < l->row_count; i++) {
    l->rows[i].record = p->records[i];
    l->rows[i].tiles = cvy_new(sizeof(cvy_image) * (size_t)l->tile_count);
  }
}

static void end(plan *l) {
  for (int64_t i = 0; i < l->row_count; i++) {
    for (int64_t k = 0; k < l->tile_count; k++) cvy_image_free(&l->rows[i].tiles[k]);
    free(l->rows[i].tiles);
  }
  free(l->rows);
}

cvy_err cvy_preview_draw(cvy_image *sheet, const cvy_preview *preview) {
  plan l;
  CVY_CHECK(preview->record_count > 0);
  CVY_TRY(check_records(preview));
  CVY_TRY(cvy_augment_check_channels(preview->augment, cvy_dataset_describe(preview->dataset)->c));
  begin(&l, preview);
  cvy_err err = choose_tile(&l);
  if (!err) err = draw_rows(&l);
  if (!err) err = preview->chain ? lay_out_rows(sheet, &l) : lay_out_grid(sheet, &l);
  end(&l);
  return err;
}
