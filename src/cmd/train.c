/* `convoy train`: words, options and the result of a run. */
#include "augment/augmentation.h"
#include "base/fit.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/mistaken.h"
#include "cmd/network.h"
#include "cmd/outline.h"
#include "cmd/ranks.h"
#include "model/tally.h"
#include "report/curve.h"
#include "train/recipe.h"
#include "train/stop.h"
#include <convoy/train.h>

typedef struct options {
  cvy_rank_options ranks;
  bool resume, change, overwrite, assume_classes, json, dry_run;
  const char *plot;
  int64_t stop_after;
  const char *trace;
  int64_t trace_from, trace_steps, trace_mib;
} options;

static const cvy_option table[] = {
    CVY_RANK_OPTIONS(options, ranks),
    {"resume", CVY_BOOL, offsetof(options, resume), "false", .help = "go on from the run folder's last.h5"},
    {"change", CVY_BOOL, offsetof(options, change), "false",
     .help =
         "with --resume: another learning_rate, warmup, clip, unfreeze or epochs, or other options of the "
         "solver, hold from here on, which the log and the checkpoint say"},
    {"overwrite", CVY_BOOL, offsetof(options, overwrite), "false",
     .help = "replace the run that stands in the run folder"},
    {"assume-classes", CVY_BOOL, offsetof(options, assume_classes), "false",
     .help = "the same as data.assume_classes=true: class names on one side only do not matter"},
    {"dry-run", CVY_BOOL, offsetof(options, dry_run), "false",
     .help = "check all that a new run needs, print its steps and learning rates, and train nothing; a run "
             "that stands in the folder, and so --overwrite, plays no part"},
    {"plot", CVY_STRING, offsetof(options, plot), "",
     .help = "with --dry-run: a file that ends in .svg for a picture of the rates"},
    {"stop-after", CVY_INT, offsetof(options, stop_after), "0", 0, CVY_NO_LIMIT,
     .help = "write a checkpoint and stop (exit 75) after step N; 0: never"},
    {"trace", CVY_STRING, offsetof(options, trace), "",
     .help =
         "a file for what each thread of each rank did when; Perfetto (ui.perfetto.dev) and chrome://tracing "
         "open it"},
    {"trace-from", CVY_INT, offsetof(options, trace_from), "1", 1, CVY_NO_LIMIT,
     .help = "the first step that is traced"},
    {"trace-steps", CVY_INT, offsetof(options, trace_steps), "0", 0, CVY_NO_LIMIT,
     .help = "how many are, with what happens in between; 0: all that follow"},
    {"trace-memory", CVY_INT, offsetof(options, trace_mib), "64", 1, 1 << 16,
     .help = "MiB of each rank, 32,000 events in each; what comes later is left out and counted"},
    {"json", CVY_BOOL, offsetof(options, json), "false",
     .help = "the last line on stdout is one JSON object"},
    {0}};

static void explain(FILE *out, const char *what, const cvy_kind *kind) {
  fprintf(out, "\n%s %s: %s\n", what, kind->name, kind->help);
  cvy_options_help(out, kind->options, "  ");
}

static void explain_recipes(FILE *out) {
  cvy_print_names(out, "recipes");
  fputs("\nkeys of a recipe:\n", out);
  cvy_options_help(out, cvy_recipe_options, "");
  for (int64_t i = 0; i < cvy_rule_count(); i++) explain(out, "solver", cvy_rule_at(i)->kind);
  for (int64_t i = 0; i < cvy_schedule_count(); i++) explain(out, "learning_rate", cvy_schedule_at(i)->kind);
  for (int64_t i = 0; i < cvy_augmentation_count(); i++)
    explain(out, "augmentation", &cvy_augmentation_at(i)->kind);
}

static void print_json_of_average(cvy_json *json, const cvy_score *ema) {
  cvy_json_number(json, "ema_loss", ema->loss, 17);
  cvy_json_number(json, "ema_top1", ema->top1, 17);
  if (cvy_score_has_top5(ema)) cvy_json_number(json, "ema_top5", ema->top5, 17);
}

static void print_json(const cvy_train_result *r, const cvy_comm *comm) {
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_int(&json, "steps", r->steps);
  cvy_json_number(&json, "epochs", r->epochs, 17);
  cvy_json_number(&json, "train_loss", r->train_loss, 17);
  if (r->val.images) {
    cvy_json_number(&json, "val_loss", r->val.loss, 17);
    cvy_json_number(&json, "val_top1", r->val.top1, 17);
    if (cvy_score_has_top5(&r->val)) cvy_json_number(&json, "val_top5", r->val.top5, 17);
    if (r->ema.images) print_json_of_average(&json, &r->ema);
    cvy_json_number(&json, "best_top1", r->best_top1, 17);
    cvy_json_int(&json, "best_step", r->best_step);
  }
  cvy_json_int(&json, "skipped", r->skipped);
  cvy_json_int(&json, "roll_backs", r->roll_backs);
  if (r->ended[0]) cvy_json_text(&json, "ended", r->ended);
  cvy_json_text(&json, "weights", r->weights.hex);
  if (r->ema_weights.hex[0]) cvy_json_text(&json, "ema_weights", r->ema_weights.hex);
  cvy_json_number(&json, "img_s", r->images_per_s, 6);
  cvy_json_number(&json, "seconds", r->seconds, 6);
  cvy_json_number(&json, "waited_s", r->waited_s, 4);
  cvy_json_number(&json, "exposed_s", r->exposed_s, 4);
  cvy_json_number(&json, "exchange_cpu_s", r->exchange_cpu_s, 4);
  cvy_json_int(&json, "ranks", cvy_comm_size(comm));
  cvy_json_int(&json, "threads", cvy_threads());
  cvy_json_close(&json, '}');
  putchar('\n');
}

static void print_line(const cvy_train_result *r, const cvy_comm *comm) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "done: %" PRId64 " steps, ", r->steps);
  if (r->ended[0]) fprintf(out, "%s, ", r->ended);
  fprintf(out, "training loss %.4f", r->train_loss);
  if (r->roll_backs)
    fprintf(out, ", gone back %" PRId64 " time%s", r->roll_backs, r->roll_backs > 1 ? "s" : "");
  if (r->val.images) fprintf(out, ", validation top-1 %.2f %%", 100 * r->val.top1);
  if (r->ema.images) fprintf(out, ", of the average (EMA) %.2f %%", 100 * r->ema.top1);
  if (r->val.images) fprintf(out, " (best %.2f %% at step %" PRId64 ")", 100 * r->best_top1, r->best_step);
  if (r->skipped) fprintf(out, ", %" PRId64 " bad records replaced", r->skipped);
  fprintf(out, ", %.0f img/s, waited for data %.1f s", r->images_per_s, r->waited_s);
  if (cvy_comm_size(comm) > 1) fprintf(out, ", for gradients %.1f s", r->exposed_s);
  fprintf(out, " of %.1f, weights %s\n", r->seconds, r->weights.hex);
  cvy_fit_lines(&fitted);
}

/* Checks the words after the recipe. They are key=value, but some people write options without dashes, or
 * blanks around '='. */
static cvy_err check_words(const cvy_arguments *arguments) {
  for (int64_t i = 1; i < arguments->count; i++) {
    const char *next = i + 1 < arguments->count ? arguments->words[i + 1] : "";
    if (next[0] == '=')
      return cvy_error(CVY_E_USAGE, "'%s %s': key=value is one word, without blanks around '='",
                       arguments->words[i], next);
    for (const cvy_option *option = table; option->name; option++)
      if (cvy_same_word(arguments->words[i], option->name))
        return cvy_error(CVY_E_USAGE, "'%s': expected key=value; did you mean --%s?", arguments->words[i],
                         option->name);
  }
  return CVY_OK;
}

static cvy_err load(cvy_recipe **out, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(check_words(arguments));
  CVY_TRY(cvy_mistaken_recipe(arguments->pool, arguments->words[0]));
  const char **settings = cvy_pool_new(arguments->pool, sizeof *settings * (size_t)(arguments->count + 1));
  int64_t count = 0;
  for (int64_t i = 1; i < arguments->count; i++) settings[count++] = arguments->words[i];
  if (o->assume_classes) settings[count++] = "data.assume_classes=true";
  return cvy_recipe_load(out, arguments->words[0], settings, count);
}

static cvy_err check_options(const options *o) {
  if (o->resume && o->overwrite)
    return cvy_error(CVY_E_USAGE,
                     "--resume goes on with a run and --overwrite replaces it: which of the two?");
  if (o->change && !o->resume)
    return cvy_error(CVY_E_USAGE, "--change goes with --resume: a new run takes its recipe as it is");
  if (o->dry_run && (o->resume || o->stop_after > 0 || o->trace[0]))
    return cvy_error(CVY_E_USAGE,
                     "--dry-run tells of the whole run from its first step: leave out %s, or --dry-run",
                     o->resume           ? "--resume"
                     : o->stop_after > 0 ? "--stop-after"
                                         : "--trace");
  if (o->plot[0] && !o->dry_run)
    return cvy_error(CVY_E_USAGE, "--plot %s draws what --dry-run tells; name both", o->plot);
  return o->plot[0] ? cvy_curve_check(o->plot) : CVY_OK;
}

static cvy_err train(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_comm_expect_all(comm));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX,
                           "a recipe ('convoy recipes' lists some), then key=value ..."));
  CVY_TRY(check_options(o));
  cvy_recipe *recipe;
  CVY_TRY(cvy_comm_agree(comm, load(&recipe, arguments, o)));
  if (o->dry_run) {
    const cvy_err shown = cvy_outline_show(comm, recipe, o->json, o->plot);
    cvy_recipe_destroy(recipe);
    return shown;
  }
  const cvy_train_options train_options = {.resume = o->resume,
                                           .change = o->change,
                                           .overwrite = o->overwrite,
                                           .stop_after = o->stop_after,
                                           .trace = o->trace[0] ? o->trace : NULL,
                                           .trace_from = o->trace_from,
                                           .trace_steps = o->trace_steps,
                                           .trace_bytes = (size_t)o->trace_mib << 20};
  cvy_train_result result;
  const cvy_err err = cvy_train(&result, comm, recipe, &train_options);
  cvy_recipe_destroy(recipe);
  if (err || cvy_comm_rank(comm) != 0) return err;
  if (o->json)
    print_json(&result, comm);
  else
    print_line(&result, comm);
  return CVY_OK;
}

static const cvy_kind kind = {"train", "train a network as a recipe says", table, sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  if (!o->dry_run) cvy_stop_listen(); /* starting MPI takes a while */
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, train(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_train = {
    .kind = &kind,
    .usage = "RECIPE [key=value ...] [options]",
    .description =
        "Trains on all ranks that mpirun starts; without mpirun on one, but in a job of Slurm for several\n"
        "tasks 'mpirun -n 1' must say that one is meant. RECIPE is a YAML file or the name of one that\n"
        "comes with convoy ('convoy recipes' lists them). key=value sets a key of\n"
        "the recipe: epochs=3, learning_rate.step.rate=0.02. The run folder receives recipe.yaml (all\n"
        "options written out), metrics.jsonl, last.h5 and best.h5. SIGUSR1, SIGTERM, SIGHUP and SIGINT to\n"
        "a rank end all of them after the step with a checkpoint (exit 75), a second SIGINT at once. Send\n"
        "mpirun SIGUSR1, which it passes on; on SIGTERM and Ctrl-C it kills the ranks after two seconds.\n"
        "\n"
        "  convoy train lenet5-hoda --dry-run --plot rates.svg\n"
        "  mpirun -n 2 convoy train lenet5-hoda\n"
        "  mpirun -n 2 convoy train my.yaml init_from=runs/lenet5-hoda freeze_until=c5 run=runs/fine\n"
        "  mpirun -n 4 convoy train my.yaml epochs=20 run=runs/longer --resume\n"
        "  mpirun -n 4 convoy train my.yaml --overwrite --trace trace.json --trace-from 10 --trace-steps 3",
    .keys = cvy_recipe_options,
    .more_help = explain_recipes,
    .run = run};
