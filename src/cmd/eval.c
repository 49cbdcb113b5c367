/* `convoy eval`: the score of a checkpoint on a dataset. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/mistaken.h"
#include "cmd/ranks.h"
#include "train/score.h"
#include <convoy/train.h>

typedef struct options {
  cvy_rank_options ranks;
  const char *data, *split;
  int weights;
  bool assume_classes, json;
} options;

enum { AUTO };
static const char *const weights_words[] = {[AUTO] = "auto", "ema", "raw", NULL};

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
    {"weights", CVY_CHOICE, offsetof(options, weights), "auto", .words = weights_words,
     .help = "of a run that averages its weights (recipe key ema): the averaged ones, or the raw ones; auto: "
             "those by which it chose its best"},
    {"json", CVY_BOOL, offsetof(options, json), "false",
     .help = "print one JSON object; of five classes or fewer it has no top5"},
    {0}};

static void print_json(const cvy_score *score, const cvy_comm *comm) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "images", score->images);
  cvy_json_number(&json, "loss", score->loss, 17);
  cvy_json_number(&json, "top1", score->top1, 17);
  if (cvy_score_has_top5(score)) cvy_json_number(&json, "top5", score->top5, 17);
  cvy_json_int(&json, "skipped", score->skipped);
  cvy_json_int(&json, "ranks", cvy_comm_size(comm));
  cvy_json_close(&json, '}');
  putchar('\n');
}

static void print_line(const cvy_score *score) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "%" PRId64 " images: loss %.4f, top-1 %.2f %%", score->images, score->loss, 100 * score->top1);
  if (cvy_score_has_top5(score)) fprintf(out, ", top-5 %.2f %%", 100 * score->top5);
  if (score->skipped) fprintf(out, ", %" PRId64 " bad records replaced", score->skipped);
  fputc('\n', out);
  cvy_fit_lines(&fitted);
}

static cvy_err evaluate(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "a checkpoint or run folder, then data.key=value ..."));
  cvy_score score;
  const char *checkpoint, *word = arguments->words[0];
  CVY_TRY(cvy_comm_agree(comm, cvy_checkpoint_of(&checkpoint, arguments->pool, word)));
  if (checkpoint != word) cvy_log("evaluating %s", checkpoint);
  const cvy_evaluate_options evaluate_options = {.data = o->data[0] ? o->data : NULL,
                                                 .split = o->split[0] ? o->split : NULL,
                                                 .weights = o->weights == AUTO ? NULL
                                                                               : weights_words[o->weights],
                                                 .assume_classes = o->assume_classes,
                                                 .settings = arguments->words + 1,
                                                 .setting_count = arguments->count - 1};
  CVY_TRY(cvy_evaluate(&score, comm, checkpoint, &evaluate_options));
  if (cvy_comm_rank(comm) != 0) return CVY_OK;
  if (o->json)
    print_json(&score, comm);
  else
    print_line(&score);
  return CVY_OK;
}

static const cvy_kind kind = {"eval", "loss, top-1 and top-5 of a checkpoint on a dataset", table,
                              sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, evaluate(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_eval = {
    .kind = &kind,
    .usage = "CHECKPOINT|RUNFOLDER [--data SHARDS] [--split NAME] [--weights ema|raw] "
             "[data.key=value ...] [options]",
    .description =
        "Every image is counted once, and the numbers are the same at any number of ranks. The "
        "network, its input\n"
        "normalisation and its evaluation chain come from the checkpoint. A run folder stands for its\n"
        "best.h5, or else its last.h5. data.key=value says how the data are read, where the recipe says\n"
        "otherwise ('convoy train --help' explains the keys).\n"
        "\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda --split train\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda --weights raw\n"
        "  mpirun -n 2 convoy eval runs/lenet5-hoda/best.h5 --data data/hoda\n"
        "  convoy eval runs/lenet5-hoda --data scans.h5:test data.images=x data.labels=y",
    .run = run};
