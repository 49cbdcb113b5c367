/* `convoy verify`: reads every record of a dataset's shards, and writes them anew without the bad ones. */
#include "base/fit.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cmd/command.h"
#include "prepare/verify.h"

enum { MOST_CLASSES = 100 /* that are listed one a line */ };

typedef struct options {
  const char *split;
  int64_t threads;
  bool json, repair;
} options;

static const cvy_option table[] = {
    {"split", CVY_STRING, offsetof(options, split), "", .help = "only this one; none: all that are there"},
    {"repair", CVY_BOOL, offsetof(options, repair), "false",
     .help = "write the shards anew without the bad records"},
    {"threads", CVY_INT, offsetof(options, threads), "0", 0, 1024, .help = "reading threads; 0: all cores"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

static void print_classes(FILE *out, const cvy_dataset_info *info, const int64_t *of_class) {
  for (int64_t k = 0; k < info->class_count; k++) {
    char name[512];
    cvy_utf8_show_in(name, sizeof name, info->class_names[k]);
    fprintf(out, "  %-*s %" PRId64 "\n", cvy_utf8_pad(name, 32), name, of_class[k]);
  }
}

static void print_extremes(FILE *out, const cvy_dataset_info *info, const int64_t *of_class) {
  int64_t fewest = 0, most = 0;
  char names[2][512];
  for (int64_t k = 1; k < info->class_count; k++) {
    if (of_class[k] < of_class[fewest]) fewest = k;
    if (of_class[k] > of_class[most]) most = k;
  }
  cvy_utf8_show_in(names[0], sizeof names[0], info->class_names[fewest]);
  cvy_utf8_show_in(names[1], sizeof names[1], info->class_names[most]);
  fprintf(out,
          "  each of the %" PRId64 " classes has at least %" PRId64 " images ('%s') and at most %" PRId64
          " ('%s'); --json tells how many\n",
          info->class_count, of_class[fewest], names[0], of_class[most], names[1]);
}

static void print_text(const cvy_verification *v, const char *split, bool repaired) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  const cvy_dataset_info *info = cvy_dataset_describe(v->dataset);
  for (int64_t i = 0; i < v->bad_count; i++) fprintf(out, "%s\n", v->bad[i].message);
  fprintf(out, "%s: %" PRId64 " images in %" PRId64 " shard%s, %" PRId64 " bad%s\n", split, v->images,
          info->shard_count, info->shard_count > 1 ? "s" : "", v->bad_count, repaired ? ", dropped" : "");
  if (info->class_count > MOST_CLASSES)
    print_extremes(out, info, v->of_class);
  else
    print_classes(out, info, v->of_class);
  cvy_fit_lines(&fitted);
}

static void print_json(cvy_json *json, const cvy_verification *v, const char *split, bool repaired) {
  const cvy_dataset_info *info = cvy_dataset_describe(v->dataset);
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "split", split);
  cvy_json_int(json, "images", v->images);
  cvy_json_int(json, "shards", info->shard_count);
  cvy_json_int(json, "bad", v->bad_count);
  cvy_json_int(json, "dropped", repaired ? v->bad_count : 0);
  cvy_json_open(json, "classes", '{');
  for (int64_t k = 0; k < info->class_count; k++) cvy_json_int(json, info->class_names[k], v->of_class[k]);
  cvy_json_close(json, '}');
  cvy_json_open(json, "bad_records", '[');
  for (int64_t i = 0; i < v->bad_count; i++) {
    cvy_json_open(json, NULL, '{');
    cvy_json_int(json, "record", v->bad[i].index);
    cvy_json_text(json, "message", v->bad[i].message);
    cvy_json_close(json, '}');
  }
  cvy_json_close(json, ']');
  cvy_json_close(json, '}');
}

static cvy_err verify_split(int64_t *left, const options *o, cvy_json *json, const char *folder,
                            const char *split) {
  cvy_verification *v;
  if (o->repair) CVY_TRY(cvy_verify_finish_repair(folder, split));
  CVY_TRY(cvy_verify(&v, folder, split));
  const bool repair = o->repair && v->bad_count > 0;
  const cvy_err err = repair ? cvy_verify_repair(v, folder, split) : CVY_OK;
  const bool repaired = repair && !err;
  if (o->json)
    print_json(json, v, split, repaired);
  else
    print_text(v, split, repaired);
  if (!repaired) *left += v->bad_count;
  cvy_verification_free(v);
  return err;
}

static cvy_err verify_all(int64_t *left, const options *o, cvy_json *json, cvy_pool *pool,
                          const char *folder) {
  const char **splits = (const char *[]){o->split};
  int64_t count = 1;
  if (!o->split[0]) CVY_TRY(cvy_verify_splits(&splits, &count, pool, folder));
  struct cvy_lock *lock = NULL;
  if (o->repair) CVY_TRY(cvy_verify_lock(&lock, folder));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count && !err; i++) err = verify_split(left, o, json, folder, splits[i]);
  cvy_verify_unlock(lock, folder);
  return err;
}

/* Sets as many threads as were asked for; 0 means one for each core that the process may use. */
static void use_threads(int64_t threads) {
  uint64_t cores[CVY_CORE_WORDS];
  cvy_cores_allowed(cores);
  cvy_threads_set(threads > 0 ? cvy_int(threads) : cvy_cores_count(cores));
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  int64_t left = 0;
  cvy_json json = {.out = stdout};
  CVY_TRY(cvy_expect_words(arguments, 1, 1, "a folder of shards"));
  use_threads(o->threads);
  if (o->json) {
    cvy_json_open(&json, NULL, '{');
    cvy_json_open(&json, "splits", '[');
  }
  const cvy_err err = verify_all(&left, o, &json, arguments->pool, arguments->words[0]);
  if (o->json) {
    cvy_json_close(&json, ']');
    cvy_json_close(&json, '}');
    putchar('\n');
  }
  if (err) return err;
  return left == 0 ? CVY_OK
                   : cvy_error(CVY_E_RUN, "%" PRId64 " bad record%s; --repair writes the shards anew without",
                               left, left > 1 ? "s" : "");
}

static const cvy_kind kind = {"verify", "read every record of a dataset's shards", table, sizeof(options)};

const cvy_command cvy_command_verify = {
    .kind = &kind,
    .usage = "DIR [options]",
    .description =
        "Reads all shards in DIR, checks every checksum, decodes every picture, counts the classes, and\n"
        "names the records that are bad (exit 1). --repair puts shards without them in the set's place, all\n"
        "at once.\n"
        "\n"
        "  convoy verify data/hoda\n"
        "  convoy verify data/photographs --split train --repair",
    .run = run};
