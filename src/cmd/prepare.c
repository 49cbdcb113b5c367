/* `convoy prepare`: makes the shards of a dataset. */
#include "base/count.h"
#include "base/fit.h"
#include "base/words.h"
#include "cmd/mistaken.h"
#include "cmd/ranks.h"
#include "datasets/reader.h"
#include "prepare/prepare.h"

#include <string.h>
#include <unistd.h>

typedef struct options {
  cvy_rank_options ranks;
  const char *output, *split, *size, *max_rejected;
  int64_t shards, shard_size, quality, seed;
  int exif, tolerate, missing_classes;
  bool encoded;
} options;

static const char *const exif_words[] = {"apply", "ignore", NULL};
static const char *const missing_words[] = {"refuse", "allow", NULL};

static const cvy_option table[] = {
    {"output", CVY_STRING, offsetof(options, output), "",
     .help = "(or -o) the folder for the shards; made if it is not there"},
    {"split", CVY_STRING, offsetof(options, split), "",
     .help =
         "how images without a split of their own are divided: by fractions of the shuffled images, or by "
         "their places in the source, as train=first:3500,val=next:400,test=rest; none: train=0.9,val=0.1"},
    {"shards", CVY_INT, offsetof(options, shards), "0", 0, 99999,
     .help = "shards a split; 0: as few as keep each under --shard-size"},
    {"shard-size", CVY_INT, offsetof(options, shard_size), "256", 1, 1 << 20, .help = "MiB"},
    {"size", CVY_STRING, offsetof(options, size), "",
     .help = "WIDTHxHEIGHT to scale images to, as pixels; or N: JPEG files with a shorter side of N; none: "
             "as the source has them"},
    {"encoded", CVY_BOOL, offsetof(options, encoded), "false",
     .help = "keep JPEG and PNG files' bytes instead of pixels"},
    {"quality", CVY_INT, offsetof(options, quality), "90", 1, 100,
     .help = "of the JPEG files that --size N makes"},
    {"exif", CVY_CHOICE, offsetof(options, exif), "apply", .words = exif_words,
     .help = "turn pictures upright as their EXIF data says, or not"},
    {"tolerate", CVY_CHOICE, offsetof(options, tolerate), "nothing", .words = cvy_tolerance_words,
     .help =
         "keep pictures whose files end early, mended and listed in DIR/mended.csv: those that lack only "
         "their end marker, or also JPEG files of which a part is missing, which becomes grey (truncated)"},
    {"max-rejected", CVY_STRING, offsetof(options, max_rejected), "",
     .help = "N or N%: images that cannot be read before it is an error; none: 1 %, but at least 10"},
    {"missing-classes", CVY_CHOICE, offsetof(options, missing_classes), "refuse", .words = missing_words,
     .help = "whether a split that is an input of its own may lack classes that train has; its labels keep "
             "the numbers of all. What --split cuts may lack some, with a warning"},
    CVY_RANK_OPTIONS(options, ranks),
    {"seed", CVY_INT, offsetof(options, seed), "1", 0, 1e15, .help = "of the split and the order"},
    {0}};

static const cvy_reader *find_reader(const char *name) {
  for (int64_t i = 0; i < cvy_reader_count(); i++)
    if (strcmp(cvy_reader_at(i)->kind->name, name) == 0) return cvy_reader_at(i);
  return NULL;
}

static const cvy_kind *reader_options(const char *first_word) {
  const cvy_reader *reader = find_reader(first_word);
  return reader ? reader->kind : NULL;
}

static void list_sources(FILE *out) {
  fputs("\nsources (convoy prepare SOURCE --help tells their own options):\n", out);
  for (int64_t i = 0; i < cvy_reader_count(); i++)
    fprintf(out, "  %-16s %s\n", cvy_reader_at(i)->kind->name, cvy_reader_at(i)->kind->help);
}

/* Tells whether something stands at `path`. Of ARCHIVE:FOLDER the archive is enough. */
static bool stands(cvy_pool *pool, const char *path) {
  const char *colon = strrchr(path, ':');
  return access(path, F_OK) == 0 ||
         (colon && access(cvy_pool_format(pool, "%.*s", (int)(colon - path), path), F_OK) == 0);
}

/* Reads an input. "val=PATH" names its split, unless something of that whole name stands there. */
static cvy_err parse_input(cvy_prepare_input *out, cvy_pool *pool, const char *word) {
  const size_t letters = strspn(word, "abcdefghijklmnopqrstuvwxyz");
  *out = (cvy_prepare_input){.path = word};
  if (letters == 0 || word[letters] != '=') return CVY_OK;
  const char *rest = word + letters + 1, *split = cvy_pool_format(pool, "%.*s", (int)letters, word);
  const bool whole = stands(pool, word);
  if (whole && stands(pool, rest))
    return cvy_error(CVY_E_USAGE,
                     "'%s' and '%s' both stand there; write ./%s for the one, or %s=./%s for the other", word,
                     rest, word, split, rest);
  if (!whole && !cvy_split_called(split) && !stands(pool, rest) && !strchr(rest, '{'))
    return cvy_error(CVY_E_INPUT, "%s: no such file or folder, and no '%s' that could be the split '%s'",
                     word, rest, split);
  if (!whole) *out = (cvy_prepare_input){.split = split, .path = rest};
  return CVY_OK;
}

static cvy_err unknown_source(const char *name) {
  const char *known[64];
  const int64_t count = cvy_smaller(cvy_reader_count(), CVY_COUNT(known));
  for (int64_t i = 0; i < count; i++) known[i] = cvy_reader_at(i)->kind->name;
  return cvy_error(CVY_E_USAGE, "unknown source '%s'%s; convoy prepare --help lists them", name,
                   cvy_meant(name, known, count));
}

static void print_result(const cvy_prepare_result *result, const char *dir) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  for (int64_t i = 0; i < result->split_count; i++)
    fprintf(out,
            "%s: %" PRId64 " images of %" PRId64 " classes in %" PRId64 " shard%s, %" PRId64
            " bytes (%s/%s-*.h5)\n",
            result->splits[i].split, result->splits[i].images, result->class_count, result->splits[i].shards,
            result->splits[i].shards > 1 ? "s" : "", result->splits[i].bytes, dir, result->splits[i].split);
  if (result->mended > 0)
    fprintf(out, "%" PRId64 " image%s ended early and %s mended: %s/mended.csv says which and how\n",
            result->mended, result->mended > 1 ? "s" : "", result->mended > 1 ? "were" : "was", dir);
  if (result->rejected > 0)
    fprintf(out, "%" PRId64 " image%s could not be read: %s/rejected.csv says which and why\n",
            result->rejected, result->rejected > 1 ? "s" : "", dir);
  cvy_fit_lines(&fitted);
}

/* Reads "WIDTHxHEIGHT" or "N"; for a source that has no files, N is N x N. */
static cvy_err parse_size(cvy_prepare_config *out, const char *text) {
  long long w, h;
  char rest;
  if (!text[0]) return CVY_OK;
  const bool pair = sscanf(text, "%lldx%lld%c", &w, &h, &rest) == 2;
  if (!pair && (sscanf(text, "%lld%c", &w, &rest) != 1)) w = -1;
  if (!pair) h = w;
  if (w < 0 || h < 0 || w > 65536 || h > 65536)
    return cvy_error(CVY_E_USAGE, "--size %s: expected WIDTHxHEIGHT or one number, each up to 65536", text);
  if (pair || !out->reader->keeps_files) {
    out->w = w;
    out->h = h;
  } else {
    out->shorter = w;
  }
  return CVY_OK;
}

/* Adds to the message of an input that was refused which other reader may be the right one. */
static cvy_err hint_at_reader(cvy_err err, cvy_pool *pool, const cvy_prepare_config *config,
                              const cvy_prepare_result *result) {
  if (!err || !result->is_refused) return err;
  const char *hint = cvy_mistaken_reader(pool, config->reader->kind->name, config->inputs[0].path);
  return cvy_error(err, "%s%s", cvy_err_message(), hint);
}

static cvy_err prepare(cvy_comm *comm, const cvy_arguments *arguments, const options *o,
                       const void *reader_config) {
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "a source, then its files or folders"));
  const cvy_reader *reader = find_reader(arguments->words[0]);
  if (!reader) CVY_TRY(cvy_mistaken_source(arguments->pool, arguments->words[0]));
  if (!reader) return unknown_source(arguments->words[0]);
  if (!o->output[0]) return cvy_error(CVY_E_USAGE, "where should the shards go? name a folder with -o");
  const int64_t input_count = arguments->count - 1;
  cvy_prepare_input *inputs = cvy_pool_new(arguments->pool, sizeof *inputs * (size_t)(input_count + 1));
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < input_count && !err; i++)
    err = parse_input(&inputs[i], arguments->pool, arguments->words[1 + i]);
  CVY_TRY(cvy_comm_agree(comm, err));
  cvy_prepare_config config = {.reader = reader,
                               .reader_config = reader_config,
                               .inputs = inputs,
                               .input_count = input_count,
                               .dir = o->output,
                               .split = o->split[0] ? o->split : NULL,
                               .shards = o->shards,
                               .shard_mib = o->shard_size,
                               .quality = o->quality,
                               .encoded = o->encoded,
                               .ignore_exif = o->exif == 1,
                               .tolerance = (cvy_tolerance)o->tolerate,
                               .max_rejected = o->max_rejected[0] ? o->max_rejected : NULL,
                               .allow_missing_classes = o->missing_classes == 1,
                               .seed = (uint64_t)o->seed,
                               .comm = comm};
  cvy_prepare_result result;
  CVY_TRY(parse_size(&config, o->size));
  err = cvy_prepare(&result, &config);
  CVY_TRY(hint_at_reader(err, arguments->pool, &config, &result));
  if (cvy_comm_rank(comm) == 0) print_result(&result, o->output);
  return CVY_OK;
}

static const cvy_kind kind = {"prepare", "make a dataset's HDF5 shards", table, sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *reader_config) {
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, prepare(comm, arguments, o, reader_config), kind.name);
}

const cvy_command cvy_command_prepare = {
    .kind = &kind,
    .usage = "SOURCE INPUT... -o DIR [options]",
    .description =
        "Reads a dataset and writes its shards, DIR/train-00000-of-00004.h5 and so on: plain HDF5, see\n"
        "datasets/README.md. An input may name its split: train=FILE val=FILE, unless something of that\n"
        "whole name stands there. Images that cannot be read are left out and listed in DIR/rejected.csv.\n"
        "A run that was killed goes on where it was when it is started again with the same arguments (with\n"
        "others it starts afresh). All cores are used, and under mpirun all ranks, each making some of the\n"
        "shards; the bytes are the same with any number.\n"
        "\n"
        "  convoy prepare synthetic -o data/digits\n"
        "  convoy prepare hoda train='Train 60000.cdb.gz' val='Test 20000.cdb.gz' -o data/hoda\n"
        "  convoy prepare mnist mnist/ -o data/mnist\n"
        "  convoy prepare hoda 'Train 60000.cdb.gz' --split train=first:3500,val=next:400 -o data/hoda-3500\n"
        "  convoy prepare folder pictures/ --size 64x64 --split train=0.8,val=0.2 -o data/pictures\n"
        "  mpirun -n 8 convoy prepare folder photographs/ --size 256 -o data/photographs",
    .more_help = list_sources,
    .further = reader_options,
    .run = run};
