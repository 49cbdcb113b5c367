/* Option tables: one table parses YAML or the command line, checks ranges, prints the help, and writes the
 * resolved values back.
 *
 * A table describes the fields of a configuration struct and ends with an entry without a name. An option
 * whose `fallback` is NULL must be given. The struct's fields have these C types:
 *
 *   CVY_INT     int64_t      min <= value <= max
 *   CVY_FLOAT   double       min <= value <= max, or 0 if `or_zero`
 *   CVY_BOOL    bool         true, false; on the command line a bare --name
 *   CVY_STRING  const char * (in the caller's pool)
 *   CVY_CHOICE  int          index into `words`, below max unless that is 0
 *   CVY_PAIR    int64_t[2]   [height, width], or one number for both; or one of `words`, as -1-index twice
 *   CVY_INTS    cvy_ints     a list of whole numbers, each in the range; on the command line 3,4,5
 *   CVY_FLOATS  cvy_floats   a list of numbers, likewise
 *   CVY_TABLE   a struct     described by `table`
 *   CVY_NODE    const cvy_yaml *   the YAML below, read by somebody else; NULL if not given */
#ifndef CVY_BASE_OPTIONS_H
#define CVY_BASE_OPTIONS_H

#include "base/words.h"
#include "base/yaml.h"

typedef enum cvy_option_type {
  CVY_INT,
  CVY_FLOAT,
  CVY_BOOL,
  CVY_STRING,
  CVY_CHOICE,
  CVY_PAIR,
  CVY_INTS,
  CVY_FLOATS,
  CVY_TABLE,
  CVY_NODE
} cvy_option_type;

typedef struct cvy_ints {
  int64_t count;
  const int64_t *values;
} cvy_ints;

typedef struct cvy_floats {
  int64_t count;
  const double *values;
} cvy_floats;

/* What another value does to a run. It decides which keys of a recipe may change where a run is resumed, and
 * which may differ between its ranks. */
typedef enum cvy_effect {
  CVY_EFFECT_UNSAID,  /* it counts as CVY_CHANGES_BITS; each key of a recipe says another one */
  CVY_CHANGES_BITS,   /* another value changes the bits of what is trained */
  CVY_CHANGES_TOTAL,  /* it changes the number of steps, hence bits where a schedule looks ahead to it */
  CVY_CHANGES_NO_BIT, /* it changes no bit, but all ranks must have the same value */
  CVY_LOCAL           /* it changes no bit; each rank may have another text, but all or none have one */
} cvy_effect;

typedef struct cvy_option {
  const char *name;
  cvy_option_type type;
  size_t offset; /* where the field lies in the struct */
  /* The YAML text of the default; NULL: it must be given (CVY_NODE, CVY_TABLE: never needed). */
  const char *fallback;
  double min, max;          /* CVY_INT, CVY_FLOAT, CVY_PAIR, CVY_INTS, CVY_FLOATS */
  const char *const *words; /* CVY_CHOICE, CVY_PAIR: NULL-terminated; CVY_NODE: how help writes the value */
  const struct cvy_option *table;
  const char *help; /* one line, with the unit */
  /* The key of the same table without which this one has no effect: it is an error to give this one alone. */
  const char *needs;
  bool or_zero; /* CVY_FLOAT: 0 may be given too, where min is above it */
  cvy_effect effect;
  bool on_request; /* a run that is resumed may have another value if that is asked for; so with a table's */
} cvy_option;

#define CVY_NO_LIMIT 9e15

/* A type that can be chosen by name: a layer type, an update rule, an augmentation, a dataset reader, a
 * subcommand. Each such struct begins with its cvy_kind, and each registry lists them. */
typedef struct cvy_kind {
  const char *name;
  const char *help; /* one line */
  const cvy_option *options;
  size_t config_bytes;
} cvy_kind;

/* Sets every field to its default; fields that must be given are left alone. */
cvy_err cvy_options_defaults(void *config, cvy_pool *pool, const cvy_option *table) CVY_MUST_CHECK;

/* Sets the defaults, then reads the keys of `mapping` (NULL, or an empty scalar: none). Errors point at the
 * node: unknown keys (with the nearest known one), wrong types, values out of range, missing keys. `what`
 * names the thing configured: "conv". */
cvy_err cvy_options_read(void *config, cvy_pool *pool, const cvy_option *table, const cvy_yaml *mapping,
                         const cvy_yaml *at, const char *what) CVY_MUST_CHECK;
/* Sets one field from text, as given on the command line by --name. */
cvy_err cvy_option_set(void *config, cvy_pool *pool, const cvy_option *option,
                       const char *text) CVY_MUST_CHECK;
/* Makes the mapping of all values, for the resolved recipe. */
cvy_yaml *cvy_options_dump(const void *config, cvy_pool *pool, const cvy_option *table);

/* Prints one line an option: prefix (such as "--"), name, default, range, help. */
void cvy_options_help(FILE *out, const cvy_option *table, const char *prefix);
/* Prints the options as a table in Markdown. */
void cvy_options_markdown(FILE *out, const cvy_option *table);
/* Returns what a value looks like: "N", "N|[H,W]|same|valid", "true|false". It is in a buffer of this
 * thread. */
const char *cvy_option_values(const cvy_option *option);

/* Reads "name" or "{name: {options}}" as a choice among `kinds`. It gives the index of the kind, and its
 * configuration in the pool. `what` is the word for the errors: "layer". */
cvy_err cvy_kind_read(int64_t *index, void **config, cvy_pool *pool, const cvy_kind *const *kinds,
                      int64_t kind_count, const cvy_yaml *node, const char *what) CVY_MUST_CHECK;
/* Makes {name: {all options resolved}}. */
cvy_yaml *cvy_kind_dump(const cvy_kind *kind, const void *config, cvy_pool *pool);

/* Returns what to say of an unknown key `word` with this value (NULL: none), as cvy_meant does. If the value
 * belongs below another key, it is written out there, as on the command line if `typed` is true. `mapping` is
 * where the key was found, or NULL. The text is in a buffer of this thread. */
const char *cvy_meant_key(const char *word, const char *value, bool typed, const cvy_yaml *mapping,
                          const cvy_option *table);

#endif
