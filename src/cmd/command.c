/* The command line: which subcommand, which options, what to print when it is wrong. */
#include "cmd/command.h"

#include "base/fit.h"
#include "base/words.h"
#include "cmd/mistaken.h"
#include "cmd/results.h"
#include "cmd/version.h"

#include <stdlib.h>
#include <string.h>

#define CVY_COMMAND(name) extern const cvy_command cvy_command_##name;
#include "cmd/commands.def"
#undef CVY_COMMAND

static const cvy_command *const commands[] = {
#define CVY_COMMAND(name) &cvy_command_##name,
#include "cmd/commands.def"
#undef CVY_COMMAND
};

enum { MOST_OPTIONS = 128 };

/* ---- help ---- */

static void print_help(FILE *out) {
  fputs("Convoy trains convolutional networks data-parallel over MPI, with the same bits at any number of "
        "ranks.\n\n"
        "usage: convoy COMMAND ...\n"
        "       mpirun -n RANKS convoy train RECIPE ...\n\n",
        out);
  for (int64_t i = 0; i < CVY_COUNT(commands); i++)
    fprintf(out, "  %-13s %s\n", commands[i]->kind->name, commands[i]->kind->help);
  fputs("\nconvoy help COMMAND tells a command's options; convoy --version what it is built on.\n"
        "exit codes: 0 done; 1 failed while running; 2 wrong usage, recipe or input, nothing was started;\n"
        "            75 stopped on request with a checkpoint written (run it again with --resume to go on)\n",
        out);
}

static void print_command_help(const cvy_command *command, const cvy_kind *further) {
  cvy_fitted fitted;
  FILE *out = cvy_fit_begin(&fitted, stdout);
  fprintf(out, "usage: convoy %s %s\n\n%s\n\noptions:\n", command->kind->name, command->usage,
          command->description);
  cvy_options_help(out, command->kind->options, "--");
  if (further && further->options && further->options[0].name) {
    fprintf(out, "\noptions of '%s':\n", further->name);
    cvy_options_help(out, further->options, "--");
  }
  if (command->more_help) command->more_help(out);
  cvy_fit_lines(&fitted);
}

/* ---- parsing ---- */

typedef struct target {
  const cvy_kind *kind;
  void *config;
} target;

static const cvy_option *find_option(const target *targets, int64_t count, const char *name, size_t length,
                                     void **config) {
  for (int64_t i = 0; i < count; i++)
    for (const cvy_option *o = targets[i].kind->options; o && o->name; o++)
      if (strlen(o->name) == length && strncmp(o->name, name, length) == 0) {
        *config = targets[i].config;
        return o;
      }
  return NULL;
}

/* Returns the value that was meant for an option: behind its '=', or the next word, if that is no option or
 * setting itself. */
static const char *value_of(const char *equals, const char *next) {
  if (*equals == '=') return equals + 1;
  return next && next[0] != '-' && !strchr(next, '=') ? next : "...";
}

static cvy_err unknown_option(const cvy_command *command, const target *targets, int64_t count,
                              cvy_pool *pool, int argc, const char *const *argv, int at) {
  const char *word = argv[at];
  const char *known[MOST_OPTIONS];
  int64_t known_count = 0;
  for (int64_t i = 0; i < count; i++)
    for (const cvy_option *o = targets[i].kind->options; o && o->name && known_count < MOST_OPTIONS; o++)
      known[known_count++] = o->name;
  const char *letters = word + strspn(word, "-");
  char name[64];
  const size_t length = strcspn(letters, "=");
  snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), letters);
  const char *value = value_of(letters + length, at + 1 < argc ? argv[at + 1] : NULL);
  const cvy_habit *habit = cvy_habit_of(name, known, known_count);
  const char *nearest = habit ? cvy_habit_key(habit) : cvy_nearest_word(name, known, known_count);
  if (habit && habit->say) return cvy_error(CVY_E_USAGE, "unknown option %s; %s", word, habit->say);
  if (nearest)
    return cvy_error(CVY_E_USAGE, "unknown option %s; did you mean --%s? --help lists them all", word,
                     nearest);
  return cvy_error(CVY_E_USAGE, "unknown option %s%s; --help lists them all", word,
                   cvy_mistaken_option(pool, name, value, command->keys, argv + 2, argc - 2));
}

/* Sets the option argv[*at], and moves on past its value. */
static cvy_err parse_option(const cvy_command *command, const target *targets, int64_t count, cvy_pool *pool,
                            int argc, const char *const *argv, int *at) {
  const char *word = strcmp(argv[*at], "-o") == 0 ? "--output" : argv[*at];
  const size_t length = strcspn(word + 2, "=");
  void *config = NULL;
  const cvy_option *option = word[1] == '-' ? find_option(targets, count, word + 2, length, &config) : NULL;
  if (!option) return unknown_option(command, targets, count, pool, argc, argv, *at);
  const char *value = word[2 + length] == '=' ? word + 3 + length : NULL;
  if (!value && option->type == CVY_BOOL) value = "true";
  if (!value && *at + 1 >= argc) return cvy_error(CVY_E_USAGE, "%s needs a value: %s", word, option->help);
  if (!value) value = argv[++*at];
  return cvy_option_set(config, pool, option, value);
}

static cvy_err parse(cvy_arguments *out, const cvy_command *command, const target *targets, int64_t count,
                     int argc, const char *const *argv) {
  for (int64_t i = 0; i < count; i++)
    CVY_TRY(cvy_options_defaults(targets[i].config, out->pool, targets[i].kind->options));
  out->words = cvy_pool_new(out->pool, sizeof *out->words * (size_t)(argc + 1));
  for (int i = 2; i < argc; i++) {
    if (argv[i][0] == '-' && argv[i][1] != '\0')
      CVY_TRY(parse_option(command, targets, count, out->pool, argc, argv, &i));
    else
      out->words[out->count++] = argv[i];
  }
  return CVY_OK;
}

static void hash_text(cvy_hasher *hasher, const char *text) {
  cvy_hasher_add(hasher, text, strlen(text) + 1);
}

static void hash_options(cvy_hasher *hasher, cvy_pool *pool, const target *t) {
  const cvy_yaml *options = cvy_options_dump(t->config, pool, t->kind->options);
  for (int64_t i = 0; i < options->count; i++) {
    if (strcmp(options->keys[i]->text, "threads") == 0) continue;
    char *value = cvy_yaml_text(options->items[i]);
    hash_text(hasher, options->keys[i]->text);
    hash_text(hasher, value);
    free(value);
  }
}

static cvy_hash hash_asked(const cvy_arguments *arguments, const target *targets, int64_t count) {
  cvy_hasher *hasher = cvy_hasher_create();
  hash_text(hasher, targets[0].kind->name);
  for (int64_t i = 0; i < arguments->count; i++) hash_text(hasher, arguments->words[i]);
  for (int64_t i = 0; i < count; i++) hash_options(hasher, arguments->pool, &targets[i]);
  const cvy_hash hash = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  return hash;
}

cvy_err cvy_expect_words(const cvy_arguments *arguments, int64_t least, int64_t most, const char *expected) {
  if (arguments->count < least)
    return cvy_error(CVY_E_USAGE, "something is missing: expected %s; --help tells more", expected);
  if (arguments->count > most)
    return cvy_error(CVY_E_USAGE, "'%s' is one word too many: expected %s; --help tells more",
                     arguments->words[most], expected);
  return CVY_OK;
}

/* ---- running ---- */

static bool asks_for_help(int argc, const char *const *argv) {
  for (int i = 2; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
  return argc == 3 && strcmp(argv[2], "help") == 0;
}

/* Returns the first word that is neither an option of the command's own nor such an option's value. */
static const char *first_word(const cvy_command *command, int argc, const char *const *argv) {
  for (int i = 2; i < argc; i++) {
    if (argv[i][0] != '-') return argv[i];
    void *config;
    const target own = {command->kind, NULL};
    const char *name = strcmp(argv[i], "-o") == 0 ? "output" : argv[i][1] == '-' ? argv[i] + 2 : "";
    const cvy_option *option = find_option(&own, 1, name, strlen(name), &config);
    if (option && option->type != CVY_BOOL) i++;
  }
  return NULL;
}

static cvy_err run(const cvy_command *command, cvy_pool *pool, int argc, const char *const *argv) {
  const char *first = first_word(command, argc, argv);
  const cvy_kind *further = first && command->further ? command->further(first) : NULL;
  if (asks_for_help(argc, argv)) {
    print_command_help(command, further);
    return CVY_OK;
  }
  target targets[2] = {{command->kind, cvy_pool_new(pool, command->kind->config_bytes)}};
  if (further) targets[1] = (target){further, cvy_pool_new(pool, further->config_bytes)};
  cvy_arguments arguments = {.pool = pool};
  CVY_TRY(parse(&arguments, command, targets, further ? 2 : 1, argc, argv));
  if (further && strcmp(arguments.words[0], first) != 0)
    return cvy_error(CVY_E_USAGE, "name '%s' before its options", further->name);
  arguments.asked = hash_asked(&arguments, targets, further ? 2 : 1);
  return command->run(&arguments, targets[0].config, targets[1].config);
}

static int report(cvy_err err, const char *command) {
  if (!err) return 0;
  const char *message = cvy_err_message();
  cvy_progress_drop();
  if (message[0]) fprintf(stderr, "convoy %s: %s\n", command, message);
  return cvy_err_exit_code(err);
}

static const cvy_command *find_command(const char *name) {
  for (int64_t i = 0; i < CVY_COUNT(commands); i++)
    if (strcmp(commands[i]->kind->name, name) == 0) return commands[i];
  return NULL;
}

static int unknown_command(const char *name) {
  const char *known[CVY_COUNT(commands)];
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(commands); i++) known[i] = commands[i]->kind->name;
  const char *thing = cvy_mistaken_command(pool, name);
  const cvy_err err = cvy_error(CVY_E_USAGE, "unknown command '%s'%s; convoy --help lists them", name,
                                thing ? thing : cvy_meant(name, known, CVY_COUNT(commands)));
  fprintf(stderr, "convoy: %s\n", cvy_err_message());
  cvy_pool_destroy(pool);
  return cvy_err_exit_code(err);
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* Prints the help of `convoy help`; that of `convoy help COMMAND` is the one of `convoy COMMAND --help`. */
static int help(int argc, const char *const *argv) {
  if (argc < 3 || argv[2][0] == '-') {
    cvy_fitted fitted;
    print_help(cvy_fit_begin(&fitted, stdout));
    cvy_fit_lines(&fitted);
    return 0;
  }
  const cvy_command *command = find_command(argv[2]);
  if (!command) return unknown_command(argv[2]);
  const cvy_kind *further = argc > 3 && command->further ? command->further(argv[3]) : NULL;
  if (argc > 3 && !further) {
    fprintf(stderr, "convoy help: '%s' is one word too many: expected one command%s\n", argv[3],
            command->further ? ", or a source behind 'prepare'" : "");
    return 2;
  }
  print_command_help(command, further);
  return 0;
}

static int run_words(int argc, const char *const *argv) {
  if (argc < 2) {
    print_help(stderr);
    return 2;
  }
  if (is_one_of(argv[1], "--help", "-h", "help")) return help(argc, argv);
  if (is_one_of(argv[1], "--version", "-V", "version")) {
    cvy_fitted fitted;
    cvy_print_version(cvy_fit_begin(&fitted, stdout));
    cvy_fit_lines(&fitted);
    return 0;
  }
  const cvy_command *command = find_command(argv[1]);
  if (!command) return unknown_command(argv[1]);
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = run(command, pool, argc, argv);
  cvy_pool_destroy(pool);
  return report(err, argv[1]);
}

int cvy_command_main(int argc, const char *const *argv) {
  cvy_results_begin();
  const int code = run_words(argc, argv);
  return cvy_results_end(code, argc < 2 ? "" : argv[1]);
}
