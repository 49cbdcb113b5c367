/* `convoy predict`: what a model, or several, say of pictures. */
#include "base/fit.h"
#include "cmd/members.h"
#include "cmd/predicted.h"
#include "cmd/ranks.h"
#include "data/dataset.h"
#include "report/report.h"
#include "report/sheet.h"
#include "report/whatis.h"

#include <string.h>

typedef struct options {
  cvy_rank_options ranks;
  const char *split, *size, *image_sheet;
  int64_t top, crops, microbatch;
  int weights;
  bool json, csv;
} options;

static const cvy_option table[] = {
    CVY_RANK_OPTIONS(options, ranks),
    {"top", CVY_INT, offsetof(options, top), "5", 1, 100000,
     .help = "how many of the likeliest classes are told"},
    {"crops", CVY_INT, offsetof(options, crops), "0", 0, 10,
     .help = "1: the centre of each picture; 10: its corners, its centre and their mirror images, whose "
             "probabilities are averaged (Krizhevsky et al. 2012); 0: as the model's chain says"},
    {"size", CVY_STRING, offsetof(options, size), "",
     .help = "WIDTHxHEIGHT, or N for larger pictures' shorter side: to which files are scaled before the "
             "model's chain, as with convoy prepare; none: as those were that the model learnt from"},
    {"split", CVY_STRING, offsetof(options, split), "",
     .help = "which shards of a folder of shards: train, val, test; none: val"},
    {"microbatch", CVY_INT, offsetof(options, microbatch), "0", 0, 65536,
     .help =
         "images that are computed at a time; 0: as many as in the model's training, which gives the bits of "
         "its evaluation. 1 is the quickest for a single picture"},
    {"weights", CVY_CHOICE, offsetof(options, weights), "auto", .words = cvy_weights_words,
     .help = "of a run that averages its weights (recipe key ema): the averaged ones, or the raw ones; auto: "
             "those by which it chose its best"},
    {"image-sheet", CVY_STRING, offsetof(options, image_sheet), "",
     .help = "a PNG or JPEG file that shows the first pictures with their likeliest classes"},
    {"json", CVY_BOOL, offsetof(options, json), "false",
     .help = "print one JSON object; 'unread' has the pictures that could not be read"},
    {"csv", CVY_BOOL, offsetof(options, csv), "false",
     .help = "print a line a picture, with the columns of convoy eval --predictions but for the label"},
    {0}};

/* All that is open while the command runs. */
typedef struct work {
  const char *const *paths; /* of the models */
  int64_t model_count;
  cvy_model **models;
  const char *const *inputs;
  int64_t input_count;
  const char *chain; /* what stands behind data.evaluation=; NULL: nothing does */
  cvy_bytes input;   /* standard input, if one of the inputs is "-" */
  cvy_pictures *pictures;
  cvy_dataset *dataset;
  cvy_picture_source source;
  cvy_ensemble *ensemble;
  cvy_predictions predictions;
} work;

static void close_all(work *w) {
  cvy_predictions_free(&w->predictions);
  cvy_ensemble_destroy(w->ensemble);
  cvy_pictures_close(w->pictures);
  cvy_dataset_close(w->dataset);
  for (int64_t i = 0; i < w->model_count; i++) cvy_model_close(w->models[i]);
  cvy_bytes_free(&w->input);
}

/* ---- what is asked ---- */

static cvy_err parse_size(cvy_preprocessor_options *out, const char *text) {
  long long w, h;
  char rest;
  if (!text[0]) return CVY_OK;
  const bool pair = sscanf(text, "%lldx%lld%c", &w, &h, &rest) == 2;
  if (!pair && sscanf(text, "%lld%c", &w, &rest) != 1) w = -1;
  if (!pair) h = w;
  if (w < 1 || h < 1 || w > 65536 || h > 65536)
    return cvy_error(CVY_E_USAGE, "--size %s: expected WIDTHxHEIGHT or one number, each from 1 to 65536",
                     text);
  if (pair)
    out->w = w, out->h = h;
  else
    out->shorter = w;
  return CVY_OK;
}

static cvy_err check_options(const options *o) {
  if (o->crops != 0 && o->crops != 1 && o->crops != 10)
    return cvy_error(CVY_E_USAGE, "--crops %" PRId64 ": expected 1 (the centre) or 10", o->crops);
  if (o->json && o->csv)
    return cvy_error(CVY_E_USAGE, "--json and --csv are two forms of the same: name one of them");
  return o->image_sheet[0] ? cvy_sheet_check_name(o->image_sheet) : CVY_OK;
}

static const char chain_key[] = "data.evaluation=";

static cvy_err find_words(work *w, const cvy_arguments *arguments) {
  CVY_TRY(cvy_members_of(&w->paths, &w->model_count, arguments));
  w->inputs = arguments->words + w->model_count;
  w->input_count = arguments->count - w->model_count;
  const size_t letters = sizeof chain_key - 1;
  if (w->input_count > 0 && strncmp(w->inputs[w->input_count - 1], chain_key, letters) == 0)
    w->chain = w->inputs[--w->input_count] + letters;
  if (w->input_count == 0) {
    w->model_count = 0;
    return cvy_error(CVY_E_USAGE,
                     "no pictures are named: expected a picture, a folder, a tar or shards behind "
                     "the model; - is a picture or a tar on standard input");
  }
  w->models = cvy_pool_new(arguments->pool, sizeof(cvy_model *) * (size_t)w->model_count);
  return CVY_OK;
}

static bool has_input(const work *w) {
  bool has = false;
  for (int64_t i = 0; i < w->input_count; i++) has = has || strcmp(w->inputs[i], "-") == 0;
  return has;
}

/* ---- opening ---- */

static bool is_dataset(cvy_pool *pool, const char *word) {
  const cvy_thing thing = cvy_what_is(pool, word);
  return thing == CVY_IS_SHARD || thing == CVY_IS_SHARDS || thing == CVY_IS_HDF5;
}

/* A folder of shards, a shard or another HDF5 file stands alone; "data/train" is a prefix of shards. */
static cvy_err open_pictures(work *w, cvy_pool *pool, const options *o) {
  const char *first = w->inputs[0];
  const bool is_prefix = cvy_what_is(pool, first) == CVY_IS_NOTHING && cvy_dataset_stands(first);
  if (w->input_count == 1 && (is_dataset(pool, first) || is_prefix)) {
    CVY_TRY(cvy_dataset_open(&w->dataset, first, o->split[0] ? o->split : "val"));
    w->source = (cvy_picture_source){
        .count = cvy_dataset_describe(w->dataset)->count, .dataset = w->dataset, .notes_bad = true};
    return CVY_OK;
  }
  for (int64_t i = 0; i < w->input_count; i++)
    if (is_dataset(pool, w->inputs[i]))
      return cvy_error(CVY_E_USAGE, "%s: a dataset is predicted by itself, without other pictures",
                       w->inputs[i]);
  if (o->split[0])
    return cvy_error(CVY_E_USAGE,
                     "--split %s: a split is chosen among the shards of a folder, and %s has none", o->split,
                     first);
  CVY_TRY(cvy_pictures_open(&w->pictures, w->inputs, w->input_count, &w->input));
  w->source = cvy_pictures_source(w->pictures);
  return CVY_OK;
}

/* Reads another chain for evaluation, for all members. */
static cvy_err read_chain(cvy_preprocessor_options *out, const work *w, cvy_pool *pool) {
  cvy_yaml *chain;
  if (!w->chain) return CVY_OK;
  CVY_TRY(cvy_yaml_parse(&chain, pool, w->chain, "data.evaluation"));
  out->chain = chain;
  return CVY_OK;
}

static cvy_err open_all(work *w, cvy_pool *pool, const options *o) {
  cvy_ensemble_options asked = {.preprocess = {.crops = o->crops}, .microbatch = o->microbatch};
  CVY_TRY(parse_size(&asked.preprocess, o->size));
  CVY_TRY(read_chain(&asked.preprocess, w, pool));
  CVY_TRY(open_pictures(w, pool, o));
  if (o->size[0] && w->dataset)
    return cvy_error(CVY_E_USAGE, "--size %s: the pictures of a dataset are scaled already", o->size);
  asked.preprocess.dataset = w->dataset;
  for (int64_t i = 0; i < w->model_count; i++)
    CVY_TRY(cvy_model_open_weights(&w->models[i], w->paths[i], (cvy_weights)o->weights));
  return cvy_ensemble_create(&w->ensemble, w->models, w->model_count, &asked);
}

static cvy_err compare_ranks(const work *w, cvy_comm *comm) {
  for (int64_t i = 0; i < w->model_count; i++)
    CVY_TRY(cvy_comm_expect_same(comm, cvy_model_hash(w->models[i]).hex, "another model"));
  const cvy_hash hash = w->dataset ? cvy_dataset_fingerprint(w->dataset) : cvy_pictures_hash(w->pictures);
  return cvy_comm_expect_same(comm, hash.hex, "other pictures");
}

/* ---- telling ---- */

static const char *const *names_of(const work *w, cvy_pool *pool) {
  const cvy_model_info *info = cvy_model_describe(w->models[0]);
  const cvy_dataset_info none = {0};
  return cvy_report_names(pool, info, w->dataset ? cvy_dataset_describe(w->dataset) : &none);
}

static void warn_of_unread(const cvy_predicted *p, cvy_pool *pool) {
  for (int64_t i = 0; i < p->predictions->count; i++) {
    const cvy_prediction said = cvy_prediction_at(p->predictions, i);
    if (said.is_read) continue;
    if (p->pictures)
      cvy_warn("%s: %s; it is passed over", cvy_predicted_name(p, pool, i), said.reason);
    else
      cvy_warn("%s; it is passed over", said.reason); /* which names the record */
  }
}

/* Prints what was found, and writes the sheet. This is for rank 0. */
static cvy_err tell(const work *w, cvy_pool *pool, const options *o) {
  const char *title = w->model_count == 1
                          ? cvy_model_describe(w->models[0])->name
                          : cvy_pool_format(pool, "the mean of %" PRId64 " models", w->model_count);
  const cvy_predicted p = {
      title, cvy_ensemble_views(w->ensemble), names_of(w, pool), &w->predictions, &w->source, w->pictures};
  warn_of_unread(&p, pool);
  if (w->pictures && cvy_pictures_left_out(w->pictures) > 0)
    cvy_log("%" PRId64 " other files, whose names are not those of pictures, are left out",
            cvy_pictures_left_out(w->pictures));
  if (o->json) {
    cvy_predicted_print_json(stdout, &p);
  } else if (o->csv) {
    cvy_predicted_print_csv(stdout, &p);
  } else {
    cvy_fitted fitted;
    cvy_predicted_print_lines(cvy_fit_begin(&fitted, stdout), &p);
    cvy_fit_lines(&fitted);
  }
  if (w->predictions.unread == w->predictions.count)
    return cvy_error(CVY_E_RUN, "none of the pictures could be read");
  return o->image_sheet[0] ? cvy_predicted_draw(o->image_sheet, &p) : CVY_OK;
}

/* ---- the command ---- */

static cvy_err predict_with(work *w, cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(check_options(o));
  CVY_TRY(cvy_comm_agree(comm, find_words(w, arguments)));
  if (has_input(w)) CVY_TRY(cvy_read_standard_input(&w->input, comm));
  CVY_TRY(cvy_comm_agree(comm, open_all(w, arguments->pool, o)));
  CVY_TRY(compare_ranks(w, comm));
  CVY_TRY(cvy_predict(&w->predictions, comm, w->ensemble, &w->source, o->top));
  return cvy_comm_agree(comm, cvy_comm_rank(comm) == 0 ? tell(w, arguments->pool, o) : CVY_OK);
}

static cvy_err predict(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  work w = {0};
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "a model, then pictures"));
  const cvy_err err = predict_with(&w, comm, arguments, o);
  close_all(&w);
  return err;
}

static const cvy_kind kind = {"predict", "what a model says of pictures", table, sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, predict(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_predict = {
    .kind = &kind,
    .usage = "MODEL... PICTURE|FOLDER|TAR|SHARDS|- [data.evaluation=CHAIN] [options]",
    .description =
        "A model is a checkpoint, or a run folder for its best.h5. Several models predict together: the\n"
        "probabilities are the mean over them, each with its own preprocessing. They must tell apart the\n"
        "same classes, in the same order.\n"
        "\n"
        "Pictures are JPEG or PNG files. Those of folders and archives come in the order of their paths;\n"
        "- is a picture or a tar on standard input. A picture goes through what it went through in\n"
        "training's evaluation: it is turned upright and scaled as 'convoy prepare' scaled the training\n"
        "data, then it goes through the model's chain for evaluation, or through that of\n"
        "data.evaluation=CHAIN. So files and their shards give the same numbers, but for the last digit,\n"
        "which depends on the place in the microbatch, and for the JPEG files that prepare --size N wrote.\n"
        "A picture that cannot be read is named in a warning and passed over; it is an error if none can be\n"
        "read. The numbers are the same at any number of ranks. SHARDS are predicted as by 'convoy eval\n"
        "--predictions', to the last digit.\n"
        "\n"
        "  convoy predict runs/lenet5-hoda scan.png\n"
        "  convoy predict runs/a runs/b runs/c pictures/ --csv > predictions.csv\n"
        "  mpirun -n 4 convoy predict runs/alexnet photographs.tar --crops 10 --json\n"
        "  convoy predict runs/lenet5-hoda data/hoda --split test --image-sheet test.png\n"
        "  curl -s https://example.org/cat.jpg | convoy predict runs/catdog-cnn -",
    .run = run};
