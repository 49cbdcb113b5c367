/* Prints predictions and draws them. A pool of its own for each picture keeps memory small. */
#include "cmd/predicted.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/utf8.h"
#include "report/preview.h"
#include "report/tiles.h"

enum { NAME = 200 };

const char *cvy_predicted_name(const cvy_predicted *p, cvy_pool *pool, int64_t index) {
  if (p->pictures) return cvy_pictures_name(p->pictures, pool, index);
  const char *name = cvy_dataset_name(pool, p->source->dataset, index);
  return name ? name : cvy_pool_format(pool, "record %" PRId64, index);
}

static const char *class_shown(char out[NAME], const cvy_predicted *p, int64_t class) {
  if (p->class_names[class])
    cvy_utf8_show_in(out, NAME, p->class_names[class]);
  else
    snprintf(out, NAME, "%" PRId64, class);
  return out;
}

/* Calls `tell` for each picture that was read, with its name. */
static void for_each(const cvy_predicted *p, bool read,
                     void (*tell)(void *context, const cvy_predicted *p, int64_t index, const char *name,
                                  const cvy_prediction *said),
                     void *context) {
  for (int64_t i = 0; i < p->predictions->count; i++) {
    const cvy_prediction said = cvy_prediction_at(p->predictions, i);
    if (said.is_read != read) continue;
    cvy_pool *pool = cvy_pool_create();
    tell(context, p, i, cvy_predicted_name(p, pool, i), &said);
    cvy_pool_destroy(pool);
  }
}

/* ---- lines ---- */

static void print_lines_of(void *context, const cvy_predicted *p, int64_t index, const char *name,
                           const cvy_prediction *said) {
  FILE *out = context;
  char shown[4096], class[NAME];
  (void)index;
  cvy_utf8_show_in(shown, sizeof shown, name);
  fprintf(out, "%s\n", shown);
  for (int64_t i = 0; i < p->predictions->top; i++)
    fprintf(out, "  %6.2f %%  %s\n", 100 * (double)said->probabilities[i],
            class_shown(class, p, said->classes[i]));
}

void cvy_predicted_print_lines(FILE *out, const cvy_predicted *p) {
  for_each(p, true, print_lines_of, out);
}

/* ---- CSV ---- */

static void print_row(void *context, const cvy_predicted *p, int64_t index, const char *name,
                      const cvy_prediction *said) {
  FILE *out = context;
  fprintf(out, "%" PRId64 ",", index);
  cvy_csv_text(out, name);
  for (int64_t i = 0; i < p->predictions->top; i++) {
    fprintf(out, ",%d,", said->classes[i]);
    cvy_csv_text(out, p->class_names[said->classes[i]]);
    fputc(',', out);
    cvy_csv_number(out, (double)said->probabilities[i]);
  }
  fputc('\n', out);
}

void cvy_predicted_print_csv(FILE *out, const cvy_predicted *p) {
  fputs("record,source", out);
  for (int64_t k = 1; k <= p->predictions->top; k++)
    fprintf(out, ",class_%" PRId64 ",name_%" PRId64 ",probability_%" PRId64, k, k, k);
  fputc('\n', out);
  for_each(p, true, print_row, out);
}

/* ---- JSON ---- */

static void print_object(void *context, const cvy_predicted *p, int64_t index, const char *name,
                         const cvy_prediction *said) {
  cvy_json *json = context;
  cvy_json_open(json, NULL, '{');
  cvy_json_int(json, "record", index);
  cvy_json_text(json, "source", name);
  cvy_json_open(json, "classes", '[');
  for (int64_t i = 0; i < p->predictions->top; i++) {
    const char *class = p->class_names[said->classes[i]];
    cvy_json_open(json, NULL, '{');
    cvy_json_int(json, "class", said->classes[i]);
    if (class) cvy_json_text(json, "name", class);
    cvy_json_number(json, "probability", (double)said->probabilities[i], 9);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
  cvy_json_close(json, '}');
}

static void print_unread(void *context, const cvy_predicted *p, int64_t index, const char *name,
                         const cvy_prediction *said) {
  cvy_json *json = context;
  (void)p;
  cvy_json_open(json, NULL, '{');
  cvy_json_int(json, "record", index);
  cvy_json_text(json, "source", name);
  cvy_json_text(json, "reason", said->reason);
  cvy_json_close(json, '}');
}

void cvy_predicted_print_json(FILE *out, const cvy_predicted *p) {
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "model", p->title);
  cvy_json_int(&json, "views", p->views);
  cvy_json_open(&json, "pictures", '[');
  for_each(p, true, print_object, &json);
  cvy_json_close(&json, ']');
  cvy_json_open(&json, "unread", '[');
  for_each(p, false, print_unread, &json);
  cvy_json_close(&json, ']');
  cvy_json_close(&json, '}');
  fputc('\n', out);
}

/* ---- the sheet ---- */

typedef struct shown {
  const cvy_predicted *p;
  int64_t count, records[CVY_MOST_TILES];
} shown;

static cvy_err read_picture(cvy_image *out, const cvy_predicted *p, int64_t record) {
  cvy_bytes file = {0};
  if (!p->pictures) {
    const cvy_preview original = {.dataset = p->source->dataset};
    return cvy_preview_sample(out, &original, record, 0);
  }
  cvy_err err = p->source->read(&file, p->source->context, record);
  if (!err) err = cvy_sheet_decode(out, file.data, file.count);
  cvy_bytes_free(&file);
  return err;
}

static cvy_err make_tile(cvy_image *out, cvy_tile *tile, const void *context, int64_t i) {
  const shown *s = context;
  const cvy_prediction said = cvy_prediction_at(s->p->predictions, s->records[i]);
  cvy_pool *pool = cvy_pool_create();
  char class[NAME], letters[CVY_SHEET_CLASS];
  for (int64_t k = 0; k < 2 && k < s->p->predictions->top; k++)
    snprintf(tile->lines[k], CVY_TILE_TEXT, "%.1f %% %s", 100 * (double)said.probabilities[k],
             cvy_sheet_class(letters, said.classes[k], class_shown(class, s->p, said.classes[k])));
  tile->colours[1] = cvy_faint_ink;
  snprintf(tile->lines[2], CVY_TILE_TEXT, "%s", cvy_predicted_name(s->p, pool, s->records[i]));
  cvy_pool_destroy(pool);
  return read_picture(out, s->p, s->records[i]);
}

cvy_err cvy_predicted_draw(const char *path, const cvy_predicted *p) {
  shown s = {.p = p};
  cvy_image sheet = {0};
  char about[200];
  const int64_t read = p->predictions->count - p->predictions->unread;
  for (int64_t i = 0; i < p->predictions->count && s.count < CVY_MOST_TILES; i++)
    if (cvy_prediction_at(p->predictions, i).is_read) s.records[s.count++] = i;
  snprintf(about, sizeof about,
           s.count < read ? "the first %" PRId64 " of %" PRId64 " pictures" : "%" PRId64 " pictures", s.count,
           read);
  cvy_err err = cvy_tiles_draw(&sheet, p->title, about, s.count, make_tile, &s);
  if (!err) err = cvy_sheet_save(&sheet, path);
  cvy_image_free(&sheet);
  return err;
}
