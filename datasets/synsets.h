/* ImageNet's classes: WordNet's synsets, "n01440764", and the words for them. */
#ifndef CVY_DATASETS_SYNSETS_H
#define CVY_DATASETS_SYNSETS_H

#include "base/base.h"

/* One line of a text, cut at the first blank, tab or comma. */
typedef struct cvy_line {
  int64_t number; /* counted from 1 */
  const char *first, *rest;
} cvy_line;

typedef struct cvy_lines {
  cvy_line *items;
  int64_t count;
} cvy_lines;

typedef struct cvy_synset {
  const char *id;
  const char *name; /* "n01440764 tench": with the first word, or the id alone */
} cvy_synset;

typedef struct cvy_synsets {
  cvy_synset *items; /* classes in the order of the ids, which is that of ImageNet's class numbers */
  int64_t count;
} cvy_synsets;

/* Finds the lines of a text that are not blank; they are in `pool`. */
void cvy_lines_read(cvy_lines *out, cvy_pool *pool, const void *bytes, size_t count);

bool cvy_is_synset(const char *text); /* n and eight digits */
cvy_synset cvy_synset_of(cvy_pool *pool, const char *id, const char *words);
/* Reads lines "n01440764 tench, Tinca tinca", or ids alone. A line without an id, and an id that comes twice,
 * are errors of the form "path:line: ...". */
cvy_err cvy_synsets_read(cvy_synsets *out, cvy_pool *pool, const cvy_lines *lines,
                         const char *path) CVY_MUST_CHECK;
/* Sorts `items`, which the caller has filled; false if an id comes twice. */
bool cvy_synsets_sort(cvy_synsets *synsets);
int64_t cvy_synsets_find(const cvy_synsets *synsets, const char *id); /* -1: none */
/* Returns the classes' names, for cvy_source.class_names. */
const char **cvy_synsets_names(cvy_pool *pool, const cvy_synsets *synsets);

#endif
