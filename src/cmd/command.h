/* A subcommand: one file in src/cmd and one line in commands.def. It reads the command line, calls the
 * library and prints what came out: it has words and printing only. What it would have to compute belongs to
 * another room. */
#ifndef CVY_CMD_COMMAND_H
#define CVY_CMD_COMMAND_H

#include "base/options.h"

typedef struct cvy_arguments {
  cvy_pool *pool;
  int64_t count;
  const char **words; /* [count], what is no option */
  cvy_hash asked;     /* hash of words and options but --threads, in which ranks may differ */
} cvy_arguments;

typedef struct cvy_command {
  const cvy_kind *kind;    /* name, one line of help, options, bytes of the config */
  const char *usage;       /* "RECIPE [key=value ...]" */
  const char *description; /* paragraphs and examples for --help */
  /* NULL, or the keys that words "key=value" may set. Who writes one as an option is told so. */
  const cvy_option *keys;
  /* NULL, or prints more help: the lists that registries know. */
  void (*more_help)(FILE *out);
  /* Returns further options that depend on the first word, such as a dataset reader's. It may be NULL. */
  const cvy_kind *(*further)(const char *first_word);
  /* Prints its own results; cvy_command_main prints an error. `further` is the config of the further
   * options. */
  cvy_err (*run)(const cvy_arguments *arguments, const void *config, const void *further_config);
} cvy_command;

/* Runs `convoy argv[1] ...`; returns the exit code. */
int cvy_command_main(int argc, const char *const *argv);

/* Checks the number of words. It fails with CVY_E_USAGE, which says what is `expected`. */
cvy_err cvy_expect_words(const cvy_arguments *arguments, int64_t least, int64_t most,
                         const char *expected) CVY_MUST_CHECK;

#endif
