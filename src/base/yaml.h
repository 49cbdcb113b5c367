/* YAML as a tree that remembers where each word stood, so that errors can point at it.
 *
 * libyaml parses; anchors and aliases are refused (repetition has its own, clearer means), and so are two
 * equal keys in one mapping. The text of a scalar may be any bytes, for it may be a path: one that is not
 * UTF-8 is written as !bytes 'caf\xE9/train'. Nodes and texts live in the caller's pool. */
#ifndef CVY_BASE_YAML_H
#define CVY_BASE_YAML_H

#include "base/base.h"

typedef enum cvy_yaml_kind { CVY_YAML_SCALAR, CVY_YAML_SEQUENCE, CVY_YAML_MAPPING } cvy_yaml_kind;

typedef struct cvy_yaml {
  cvy_yaml_kind kind;
  const char *file;        /* as the user named it; or "command line, key=value" */
  int line, column;        /* counted from 1; 0: the node was made, and stands nowhere in the file */
  const char *text;        /* scalar: its text; else NULL */
  bool plain;              /* scalar: written without quotes */
  int64_t count;           /* sequence, mapping: children */
  struct cvy_yaml **keys;  /* mapping: scalars */
  struct cvy_yaml **items; /* sequence: children; mapping: values */
} cvy_yaml;

/* Reads the tree of a file. Errors name the file and, where the text is wrong, the place in it. */
cvy_err cvy_yaml_load(cvy_yaml **out, cvy_pool *pool, const char *path) CVY_MUST_CHECK;
/* Reads the tree of a text. `name` stands for the file in errors. */
cvy_err cvy_yaml_parse(cvy_yaml **out, cvy_pool *pool, const char *text, const char *name) CVY_MUST_CHECK;

/* These make a plain scalar, an empty mapping and an empty sequence. In errors `file` stands for where they
 * come from, without a line. */
cvy_yaml *cvy_yaml_new_scalar(cvy_pool *pool, const char *file, const char *text);
cvy_yaml *cvy_yaml_new_mapping(cvy_pool *pool, const char *file);
cvy_yaml *cvy_yaml_new_sequence(cvy_pool *pool, const char *file);
/* Adds to a mapping (key given) or a sequence (key NULL). */
void cvy_yaml_add(cvy_pool *pool, cvy_yaml *parent, const char *key, cvy_yaml *child);

/* Returns the value of `key`; NULL if the mapping has none. */
cvy_yaml *cvy_yaml_get(const cvy_yaml *mapping, const char *key);
/* Sets "a.b.c=value"; mappings on the way are made where they are missing. The value is YAML, or a plain text
 * if it has letters or bytes that YAML does not know. */
cvy_err cvy_yaml_override(cvy_yaml *root, cvy_pool *pool, const char *assignment) CVY_MUST_CHECK;

/* Tells whether a node comes from cvy_yaml_override, hence from the command line. */
bool cvy_yaml_is_typed(const cvy_yaml *node);
/* Makes the error "file:line:column: message", or "file: message" for a node that was made or comes from the
 * command line ("command line, key=value: message"). */
cvy_err cvy_yaml_error(const cvy_yaml *at, const char *format, ...) CVY_PRINTF(2, 3) CVY_MUST_CHECK;
/* Returns what a person calls the node: "a list", "'abc'". A long text is cut off between two letters. It is
 * in a buffer of this thread. */
const char *cvy_yaml_describe(const cvy_yaml *node);

/* Returns YAML text that parses to the same tree; free() it. */
char *cvy_yaml_text(const cvy_yaml *root);

#endif
