#include "cmd/command.h"
#include "datasets/prepare.h"

#include <string.h>

typedef struct options {
  const char *output, *split;
  int64_t shards, size[2], seed;
  bool encoded;
} options;

static const cvy_option table[] = {
    {"output", CVY_STRING, offsetof(options, output), "",
     .help = "(or -o) the folder for the shards; made if it is not there"},
    {"split", CVY_STRING, offsetof(options, split), "",
     .help = "how images without a split of their own are divided; none: train=0.9,val=0.1"},
    {"shards", CVY_INT, offsetof(options, shards), "0", 0, 99999,
     .help = "shards a split; 0: as few as keep each under 256 MiB"},
    {"size", CVY_PAIR, offsetof(options, size), "0", 0, 65536,
     .help = "WIDTHxHEIGHT to scale images to; 0: as the source has them"},
    {"encoded", CVY_BOOL, offsetof(options, encoded), "false",
     .help = "keep JPEG and PNG files' bytes instead of pixels"},
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

/* "val=PATH" names the split, unless a file of that whole name is meant: then write ./val=PATH. */
static cvy_prepare_input parse_input(cvy_pool *pool, const char *word) {
  const size_t letters = strspn(word, "abcdefghijklmnopqrstuvwxyz");
  if (letters == 0 || word[letters] != '=') return (cvy_prepare_input){.path = word};
  return (cvy_prepare_input){.split = cvy_pool_format(pool, "%.*s", (int)letters, word),
                             .path = word + letters + 1};
}

static cvy_err unknown_source(const char *name) {
  const char *known[64];
  const int64_t count = cvy_reader_count();
  for (int64_t i = 0; i < count && i < 64; i++) known[i] = cvy_reader_at(i)->kind->name;
  const char *nearest = cvy_nearest_word(name, known, count);
  return cvy_error(CVY_E_USAGE, "unknown source '%s'%s%s%s; convoy prepare --help lists them", name,
                   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static void print_result(const cvy_prepare_result *result, const char *dir) {
  for (int64_t i = 0; i < result->split_count; i++)
    printf("%s: %lld images of %lld classes in %lld shard%s, %lld bytes (%s/%s-*.h5)\n",
           result->splits[i].split, (long long)result->splits[i].images, (long long)result->class_count,
           (long long)result->splits[i].shards, result->splits[i].shards > 1 ? "s" : "",
           (long long)result->splits[i].bytes, dir, result->splits[i].split);
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *reader_config) {
  const options *o = config;
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "a source, then its files or folders"));
  const cvy_reader *reader = find_reader(arguments->words[0]);
  if (!reader) return unknown_source(arguments->words[0]);
  if (!o->output[0]) return cvy_error(CVY_E_USAGE, "where should the shards go? name a folder with -o");
  const int64_t input_count = arguments->count - 1;
  cvy_prepare_input *inputs = cvy_pool_new(arguments->pool, sizeof *inputs * (size_t)(input_count + 1));
  for (int64_t i = 0; i < input_count; i++) inputs[i] = parse_input(arguments->pool, arguments->words[1 + i]);
  const cvy_prepare_config prepare = {.reader = reader,
                                      .reader_config = reader_config,
                                      .inputs = inputs,
                                      .input_count = input_count,
                                      .dir = o->output,
                                      .fractions = o->split[0] ? o->split : NULL,
                                      .shards = o->shards,
                                      .h = o->size[0],
                                      .w = o->size[1],
                                      .encoded = o->encoded,
                                      .seed = (uint64_t)o->seed};
  cvy_prepare_result result;
  CVY_TRY(cvy_prepare(&result, &prepare));
  print_result(&result, o->output);
  return CVY_OK;
}

static const cvy_kind kind = {"prepare", "make a dataset's HDF5 shards", table, sizeof(options)};

const cvy_command cvy_command_prepare = {
    .kind = &kind,
    .usage = "SOURCE INPUT... -o DIR [options]",
    .description =
        "Reads a dataset and writes its shards, DIR/train-00000-of-00004.h5 and so on: plain HDF5, see datasets/README.md.\n"
        "An input may name its split: train=FILE val=FILE.\n"
        "\n"
        "  convoy prepare synthetic -o data/digits\n"
        "  convoy prepare hoda train='Train 60000.cdb.gz' val='Test 20000.cdb.gz' -o data/hoda\n"
        "  convoy prepare mnist mnist/ -o data/mnist\n"
        "  convoy prepare folder pictures/ --size 64x64 --split train=0.8,val=0.2 -o data/pictures",
    .more_help = list_sources,
    .further = reader_options,
    .run = run};
