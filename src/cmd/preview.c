/* `convoy preview`: a contact sheet of a dataset, or of all augmentations. */
#include "cmd/command.h"
#include "data/dataset.h"
#include "report/preview.h"
#include "report/sheet.h"
#include "train/find.h"
#include "train/recipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_ROWS = 8, USUAL_GRID = 48, MOST_RECORDS = 4096 };

typedef struct options {
  const char *output, *recipe, *split, *records, *image;
  int64_t samples, epochs, first_epoch, tile, columns;
  bool evaluation, augmentations;
} options;

static const cvy_option table[] = {
    {"output", CVY_STRING, offsetof(options, output), "",
     .help = "(or -o) the sheet, a file that ends in .png, .jpg or .jpeg"},
    {"recipe", CVY_STRING, offsetof(options, recipe), "",
     .help = "whose augmentations are shown, with its seed; none: the pictures as they are, in a grid"},
    {"split", CVY_STRING, offsetof(options, split), "train", .help = "of the dataset: train, val, ..."},
    {"evaluation", CVY_BOOL, offsetof(options, evaluation), "false",
     .help = "what the recipe's evaluation makes of the pictures, instead of its training"},
    {"samples", CVY_INT, offsetof(options, samples), "0", 0, MOST_RECORDS,
     .help = "how many records, spread evenly over the split; 0: 8, or 48 in a grid"},
    {"records", CVY_STRING, offsetof(options, records), "",
     .help = "instead: which records, numbers from 0 and ranges of them: 0,5,17-20"},
    {"epochs", CVY_INT, offsetof(options, epochs), "6", 1, 100, .help = "how many, a column each"},
    {"first-epoch", CVY_INT, offsetof(options, first_epoch), "0", 0, 1e9, .help = "the first of them"},
    {"tile", CVY_INT, offsetof(options, tile), "0", 0, 2048,
     .help = "pixels of the longer side of a picture on the sheet; small ones are magnified a whole number "
             "of times; 0: as suits them"},
    {"columns", CVY_INT, offsetof(options, columns), "8", 1, 100, .help = "of the grid without a recipe"},
    {"augmentations", CVY_BOOL, offsetof(options, augmentations), "false",
     .help = "instead of a dataset: what every augmentation makes of one picture"},
    {"image", CVY_STRING, offsetof(options, image), "",
     .help = "that picture, a JPEG or PNG file; none: one drawn for it"},
    {0}};

/* ---- which records ---- */

typedef struct numbers {
  int64_t count, values[MOST_RECORDS];
} numbers;

static cvy_err too_many(void) {
  return cvy_error(CVY_E_USAGE, "--records: more than %d", MOST_RECORDS);
}

/* Reads "17" or "17-20"; `text` moves on past it. */
static cvy_err read_range(int64_t *from, int64_t *to, const char **text) {
  const char *at = *text;
  char *end = NULL;
  errno = 0;
  *from = *to = *at >= '0' && *at <= '9' ? strtoll(at, &end, 10) : -1;
  if (end && *end == '-') {
    at = end + 1;
    *to = *at >= '0' && *at <= '9' ? strtoll(at, &end, 10) : -1;
  }
  if (*from < 0 || *to < *from || errno || (*end && *end != ','))
    return cvy_error(CVY_E_USAGE, "--records: expected numbers and ranges as 0,5,17-20, not '%s'", *text);
  *text = end + (*end == ',');
  return CVY_OK;
}

static cvy_err read_records(numbers *out, const char *text) {
  out->count = 0;
  while (*text) {
    int64_t from, to;
    CVY_TRY(read_range(&from, &to, &text));
    if (to - from >= MOST_RECORDS - out->count) return too_many();
    for (int64_t i = from; i <= to; i++) out->values[out->count++] = i;
  }
  return CVY_OK;
}

/* ---- a dataset ---- */

typedef struct preview {
  cvy_recipe *recipe;
  cvy_dataset *dataset;
  cvy_augment *augment;
  numbers records;
  cvy_preview sheet;
} preview;

/* The first word is the folder. If it changes the recipe instead ("seed=2"), the recipe's own data is
 * taken. */
static cvy_err read_words(preview *p, const char **path, const cvy_arguments *arguments, const options *o) {
  const bool has_path = arguments->count > 0 && (!o->recipe[0] || !strchr(arguments->words[0], '='));
  const char **changes = arguments->words + has_path;
  if (o->recipe[0]) {
    CVY_TRY(cvy_recipe_load(&p->recipe, o->recipe, changes, arguments->count - has_path));
    *path = strcmp(o->split, "val") == 0 ? p->recipe->data.val : p->recipe->data.train;
  } else {
    CVY_TRY(cvy_expect_words(arguments, 1, 1, "the folder, prefix or file of a dataset"));
    if (o->evaluation) return cvy_error(CVY_E_USAGE, "--evaluation is of a recipe; name it by --recipe");
  }
  if (has_path) *path = arguments->words[0];
  if (!(*path)[0])
    return cvy_error(CVY_E_USAGE, "the recipe has no data.val; expected the folder of a dataset");
  return CVY_OK;
}

static cvy_err open_chain(preview *p, const options *o) {
  const cvy_recipe *r = p->recipe;
  int64_t h, w;
  if (!r) return CVY_OK;
  cvy_dataset_common_size(&h, &w, p->dataset);
  CVY_TRY(cvy_augment_create(&p->augment, o->evaluation ? cvy_recipe_evaluation(r) : r->data.augment, h, w,
                             &h, &w));
  if (o->evaluation) return CVY_OK;
  return cvy_augment_check_training(p->augment, r->microbatch, cvy_dataset_source(p->dataset));
}

static cvy_err plan(preview *p, const cvy_arguments *arguments, const options *o) {
  const char *path = NULL;
  CVY_TRY(read_words(p, &path, arguments, o));
  CVY_TRY(cvy_dataset_open_said(&p->dataset, path, o->split, p->recipe ? &p->recipe->data.arrays : NULL));
  CVY_TRY(open_chain(p, o));
  const int64_t usual = p->recipe ? USUAL_ROWS : USUAL_GRID;
  if (o->records[0])
    CVY_TRY(read_records(&p->records, o->records));
  else
    p->records.count = cvy_preview_spread(p->records.values, o->samples ? o->samples : usual,
                                          cvy_dataset_describe(p->dataset)->count);
  if (p->records.count == 0) return cvy_error(CVY_E_INPUT, "%s: no records", path);
  p->sheet = (cvy_preview){.dataset = p->dataset,
                           .title = cvy_pool_format(arguments->pool, "%s, %s", path, o->split),
                           .augment = p->augment,
                           .training = !o->evaluation,
                           .first_epoch = o->evaluation ? 0 : o->first_epoch,
                           .epoch_count = o->evaluation ? cvy_augment_views(p->augment) : o->epochs,
                           .records = p->records.values,
                           .record_count = p->records.count,
                           .tile = o->tile,
                           .columns = o->columns};
  if (!p->recipe) return CVY_OK;
  p->sheet.seed = (uint64_t)p->recipe->seed;
  p->sheet.chain = cvy_pool_format(arguments->pool, "%s of recipe %s, seed %" PRId64,
                                   o->evaluation ? "evaluation" : "augmentation", o->recipe, p->recipe->seed);
  return CVY_OK;
}

static cvy_err draw_dataset(cvy_image *sheet, const cvy_arguments *arguments, const options *o) {
  preview p = {0};
  cvy_err err = plan(&p, arguments, o);
  if (!err) err = cvy_preview_draw(sheet, &p.sheet);
  cvy_augment_destroy(p.augment);
  cvy_dataset_close(p.dataset);
  cvy_recipe_destroy(p.recipe);
  return err;
}

/* ---- one picture ---- */

static cvy_err draw_augmentations(cvy_image *sheet, const cvy_arguments *arguments, const options *o) {
  cvy_image picture = {0};
  CVY_TRY(cvy_expect_words(arguments, 0, 0, "no dataset beside --augmentations"));
  if (o->recipe[0] || o->records[0] || o->evaluation)
    return cvy_error(CVY_E_USAGE,
                     "--augmentations shows each of them by itself; --recipe, --records and --evaluation are "
                     "for datasets");
  if (o->image[0]) CVY_TRY(cvy_sheet_read(&picture, o->image));
  const cvy_err err = cvy_preview_augmentations(sheet, o->image[0] ? &picture : NULL);
  cvy_image_free(&picture);
  return err;
}

/* ---- the command ---- */

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_image sheet = {0};
  const char *first = arguments->count > 0 ? arguments->words[0] : "";
  if (!o->recipe[0] && cvy_holds_recipe(arguments->pool, first))
    return cvy_error(CVY_E_USAGE,
                     "%s is a recipe, which is named by --recipe: convoy preview --recipe %s -o SHEET.png",
                     first, first);
  if (!o->output[0]) return cvy_error(CVY_E_USAGE, "-o is missing: a file that ends in .png, .jpg or .jpeg");
  CVY_TRY(cvy_sheet_check_name(o->output));
  if (o->image[0] && !o->augmentations)
    return cvy_error(CVY_E_USAGE, "--image is for --augmentations; a dataset has its own pictures");
  cvy_err err = o->augmentations ? draw_augmentations(&sheet, arguments, o)
                                 : draw_dataset(&sheet, arguments, o);
  if (!err) err = cvy_sheet_save(&sheet, o->output);
  if (!err) printf("%s: %" PRId64 " pixels wide, %" PRId64 " high\n", o->output, sheet.w, sheet.h);
  cvy_image_free(&sheet);
  return err;
}

static const cvy_kind kind = {"preview", "a picture of what augmentation makes of a dataset's pictures",
                              table, sizeof(options)};

const cvy_command cvy_command_preview = {
    .kind = &kind,
    .usage = "DIR -o SHEET.png [--recipe RECIPE [key=value ...]] [options], or --augmentations -o SHEET.png",
    .description =
        "Draws a contact sheet: a row a record, with the original, and then exactly what a training run by\n"
        "the recipe gives to the network of it in epoch 0, 1, 2, ..., before it is normalised, pixel for\n"
        "pixel. DIR may be left out: then it is the recipe's data.train, or data.val with --split val.\n"
        "key=value changes the recipe.\n"
        "\n"
        "  convoy preview data/digits -o digits.png\n"
        "  convoy preview --recipe lenet5-digits -o augmented.png\n"
        "  convoy preview data/photos --recipe my.yaml seed=2 --records 0,5,17-20 --epochs 10 -o sheet.png\n"
        "  convoy preview data/photos --recipe my.yaml --split val --evaluation -o evaluation.png\n"
        "  convoy preview --augmentations -o all.png",
    .run = run};
