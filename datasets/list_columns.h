/* Reads the table of a list of pictures, and finds which column holds what. */
#ifndef CVY_DATASETS_LIST_COLUMNS_H
#define CVY_DATASETS_LIST_COLUMNS_H

#include "archive/table.h"
#include "datasets/list_paths.h"

typedef struct cvy_list_options {
  int separator;                          /* 0: found; else one more than a cvy_separator */
  int header;                             /* 0: found, 1: there is one, 2: there is none */
  const char *path_column, *label_column; /* a header's word, or a number from 1; "": found */
} cvy_list_options;

typedef struct cvy_list {
  const char *path; /* of the list itself, for errors */
  cvy_list_paths paths;
  cvy_table table;
  int64_t first; /* the first row that is a picture */
  int64_t path_column;
  int64_t label_column;    /* -1: the labels are one-hot */
  int64_t split_column;    /* -1: no column says of which split a row is */
  const char **hot_labels; /* one-hot: for each column the class that a 1 means, or NULL */
} cvy_list;

/* Reads the table of a list in UTF-8 and finds its columns. The caller has set `path` and `paths` of *list.
 * Errors name the list, the line, and what was found. */
cvy_err cvy_list_read(cvy_list *list, const void *bytes, size_t count,
                      const cvy_list_options *options) CVY_MUST_CHECK;
/* Finds the splits that the list's column of splits tells, as they first occur; returns how many. */
enum { CVY_LIST_SPLITS = 3 };
int64_t cvy_list_splits(const char *out[CVY_LIST_SPLITS], const cvy_list *list);
/* Keeps the rows of a split, train, val or test. If `split` is NULL, the list must not have several. */
cvy_err cvy_list_keep_split(cvy_list *list, const char *split) CVY_MUST_CHECK;
/* Returns the label of a row, without blanks around; "" if it has none. */
const char *cvy_list_label(const cvy_list *list, int64_t row);

#endif
