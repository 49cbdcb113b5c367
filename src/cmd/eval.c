/* `convoy eval`: the score of a checkpoint on a dataset, and what is behind it. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/members.h"
#include "cmd/ranks.h"
#include "data/dataset.h"
#include "model/assess.h"
#include "report/report.h"
#include "train/evaluate.h"

typedef struct options {
  cvy_rank_options ranks;
  const char *data, *split, *predictions, *report;
  int64_t crops;
  cvy_ints scales;
  int weights;
  bool assume_classes, dense, no_mirror, json;
} options;

static const cvy_option table[] = {
    CVY_RANK_OPTIONS(options, ranks),
    {"data", CVY_STRING, offsetof(options, data), "",
     .help = "shards: a folder (its val-*.h5), a prefix, or a file; none: the recipe's validation data"},
    {"assume-classes", CVY_BOOL, offsetof(options, assume_classes), "false",
     .help =
         "where only the checkpoint or the dataset names its classes, and the other's are numbers from 0 on: "
         "these are taken for the same"},
    {"split", CVY_STRING, offsetof(options, split), "",
     .help =
         "which shards of a folder: train, val, test, or whatever the files' names begin with; none: val"},
    {"weights", CVY_CHOICE, offsetof(options, weights), "auto", .words = cvy_weights_words,
     .help = "of a run that averages its weights (recipe key ema): the averaged ones, or the raw ones; auto: "
             "those by which it chose its best"},
    {"crops", CVY_INT, offsetof(options, crops), "0", 0, 10,
     .help = "1: the centre of each picture; 10: its corners, its centre and their mirror images, whose "
             "probabilities are averaged (Krizhevsky et al. 2012); 0: as the checkpoint's chain says"},
    {"dense", CVY_BOOL, offsetof(options, dense), "false",
     .help =
         "apply the network to whole pictures, its fully connected layers as convolutions, and average the "
         "probabilities over all scales and mirror images (Simonyan & Zisserman 2015, section 3.2)"},
    {"scales", CVY_INTS, offsetof(options, scales), "[]", 1, 8192,
     .help =
         "shorter sides to which --dense scales each picture, pixels; none: 256,384,512. Pictures are those "
         "of the shards: what prepare has cut off is gone, and what it has made small stays coarse"},
    {"no-mirror", CVY_BOOL, offsetof(options, no_mirror), "false",
     .help = "--dense sees no mirror images, which would be another class, or none (digits, text)"},
    {"predictions", CVY_STRING, offsetof(options, predictions), "",
     .help = "a CSV file for a line an image: record, where it came from, label, and the five likeliest "
             "classes with their probabilities"},
    {"report", CVY_STRING, offsetof(options, report), "",
     .help = "a folder for predictions.csv, classes.csv (accuracy by class), confusion.csv and .svg, "
             "mistakes.csv and .png (the worst first), reliability.svg (calibration) and score.json"},
    {"json", CVY_BOOL, offsetof(options, json), "false",
     .help =
         "print one JSON object; of five classes or fewer it has no top5. ece is the expected calibration "
         "error (Guo et al. 2017), whose 15 bins are 'calibration'"},
    {0}};

static void print_json(const cvy_report *report, const cvy_comm *comm) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_report_json(&json, report);
  cvy_json_int(&json, "ranks", cvy_comm_size(comm));
  cvy_json_close(&json, '}');
  putchar('\n');
}

static void print_lines(const cvy_report *report) {
  const cvy_score *score = report->score;
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%" PRId64 " images: loss %.4f, top-1 %.2f %%", score->images, score->loss, 100 * score->top1);
  if (cvy_score_has_top5(score)) fprintf(out, ", top-5 %.2f %%", 100 * score->top5);
  if (report->views > 1) fprintf(out, ", by %" PRId64 " views of each", report->views);
  if (score->skipped) fprintf(out, ", %" PRId64 " bad records replaced", score->skipped);
  fputc('\n', out);
  cvy_report_print(out, report);
  cvy_fit_lines(&fitted);
}

/* ---- options ---- */

static cvy_err choose_scales(cvy_evaluate_options *out, const options *o) {
  enum { MOST_SCALES = 32 };
  static const int64_t usual[] = {256, 384, 512};
  if (!o->dense && (o->scales.count > 0 || o->no_mirror))
    return cvy_error(CVY_E_USAGE, "%s is about --dense: name both",
                     o->scales.count > 0 ? "--scales" : "--no-mirror");
  if (o->scales.count > MOST_SCALES)
    return cvy_error(CVY_E_USAGE, "--scales names %" PRId64 " shorter sides; expected at most %d",
                     o->scales.count, MOST_SCALES);
  for (int64_t i = 0; i < o->scales.count; i++)
    for (int64_t k = 0; k < i; k++)
      if (o->scales.values[i] == o->scales.values[k])
        return cvy_error(CVY_E_USAGE, "--scales names %" PRId64 " twice", o->scales.values[i]);
  if (!o->dense) return CVY_OK;
  const bool given = o->scales.count > 0;
  out->scales = given ? o->scales.values : usual;
  out->scale_count = given ? o->scales.count : CVY_COUNT(usual);
  return CVY_OK;
}

/* `paths` are those of the models, which are the first words. */
static cvy_err read_options(cvy_evaluate_options *out, const cvy_arguments *arguments,
                            const char *const *paths, int64_t models, const options *o) {
  *out = (cvy_evaluate_options){.members = paths + 1,
                                .member_count = models - 1,
                                .data = o->data[0] ? o->data : NULL,
                                .split = o->split[0] ? o->split : NULL,
                                .weights = o->weights == CVY_WEIGHTS_AUTO ? NULL
                                                                          : cvy_weights_words[o->weights],
                                .assume_classes = o->assume_classes,
                                .settings = arguments->words + models,
                                .setting_count = arguments->count - models,
                                .crops = o->crops,
                                .no_mirror = o->no_mirror};
  if (o->crops != 0 && o->crops != 1 && o->crops != 10)
    return cvy_error(CVY_E_USAGE, "--crops %" PRId64 ": expected 1 (the centre) or 10", o->crops);
  return choose_scales(out, o);
}

/* ---- the command ---- */

/* Prints what was found, and writes the files. This is for rank 0. */
static cvy_err tell(const cvy_evaluation *e, cvy_report_files *files, cvy_comm *comm, cvy_pool *pool,
                    const options *o) {
  cvy_assessment assessment;
  cvy_assess(&assessment, &e->verdicts, e->score.classes);
  const char *who = e->model_count > 1 ? cvy_pool_format(pool, "%" PRId64 " models", e->model_count)
                                       : cvy_model_describe(e->model)->name;
  const cvy_report report = {
      .title = cvy_pool_format(pool, "%s on %s, %s", who, e->from, e->split),
      .dataset = e->data.data,
      .class_names = cvy_report_names(pool, cvy_model_describe(e->model), cvy_dataset_describe(e->data.data)),
      .views = e->views,
      .score = &e->score,
      .verdicts = &e->verdicts,
      .assessment = &assessment};
  if (o->json)
    print_json(&report, comm);
  else
    print_lines(&report);
  const cvy_err err = cvy_report_write(files, &report);
  cvy_assessment_free(&assessment);
  return err;
}

static cvy_err begin_files(cvy_report_files *files, const cvy_comm *comm, const options *o) {
  if (cvy_comm_rank(comm) != 0) return CVY_OK;
  return cvy_report_begin(files, o->report[0] ? o->report : NULL, o->predictions[0] ? o->predictions : NULL);
}

static cvy_err evaluate_into(cvy_report_files *files, cvy_comm *comm, const cvy_arguments *arguments,
                             const options *o) {
  cvy_evaluation e;
  cvy_evaluate_options asked;
  const char *const *paths;
  int64_t models;
  CVY_TRY(cvy_comm_agree(comm, cvy_members_of(&paths, &models, arguments)));
  CVY_TRY(read_options(&asked, arguments, paths, models, o));
  for (int64_t i = 0; i < models; i++)
    if (paths[i] != arguments->words[i]) cvy_log("evaluating %s", paths[i]);
  CVY_TRY(cvy_comm_agree(comm, begin_files(files, comm, o)));
  cvy_err err = cvy_evaluation_run(&e, comm, paths[0], &asked);
  if (!err)
    err = cvy_comm_agree(comm, cvy_comm_rank(comm) == 0 ? tell(&e, files, comm, arguments->pool, o) : CVY_OK);
  cvy_evaluation_close(&e);
  return err;
}

static cvy_err evaluate(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  cvy_report_files files = {0};
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "a checkpoint or run folder, then data.key=value ..."));
  const cvy_err err = evaluate_into(&files, comm, arguments, o);
  cvy_report_drop(&files);
  return err;
}

static const cvy_kind kind = {"eval", "how good a checkpoint is on a dataset, and where it errs", table,
                              sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, evaluate(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_eval = {
    .kind = &kind,
    .usage = "CHECKPOINT|RUNFOLDER... [--data SHARDS] [--split NAME] [--weights ema|raw] "
             "[data.key=value ...] [options]",
    .description =
        "Every image is counted once; with data.on_bad_record=skip the next one is counted in a bad one's\n"
        "place. The network, its input normalisation and its evaluation chain come from the checkpoint. A\n"
        "run folder stands for its best.h5, or else its last.h5. data.key=value says how the data are read,\n"
        "where the recipe says otherwise, and data.evaluation=... what pictures go through ('convoy train\n"
        "--help' explains the keys). The numbers are the same at any number of ranks, and all files have\n"
        "the same bytes. Several checkpoints are an ensemble, whose probabilities are the mean over them.\n"
        "Each has its own input size and chain, and all must tell apart the same classes, in the same\n"
        "order. The data are those of the first, and read as its recipe says.\n"
        "\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda --split train\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda --weights raw\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda/best.h5 --data data/hoda\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda --report runs/lenet5-hoda/report\n"
        "  mpirun -n 2 convoy eval runs/alexnet --crops 10 --predictions predictions.csv\n"
        "  mpirun -n 2 convoy eval runs/alexnet-1 runs/alexnet-2 runs/alexnet-3\n"
        "  mpirun -n 2 convoy eval runs/vgg-d --dense --scales 256,384,512\n"
        "  convoy eval runs/lenet5-hoda --data scans.h5:test data.images=x data.labels=y",
    .run = run};
