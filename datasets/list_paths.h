/* Where the pictures lie that a list names. */
#ifndef CVY_DATASETS_LIST_PATHS_H
#define CVY_DATASETS_LIST_PATHS_H

#include "base/base.h"

typedef struct cvy_list_paths {
  cvy_pool *pool;
  const char *root;     /* paths are relative to this folder */
  bool root_is_said;    /* by the user: then it goes first, also for paths that begin with '/' */
  const char *encoding; /* the list's: names of files may have kept it */
} cvy_list_paths;

/* Finds the file that a field means, as its bytes are on the disk; *name is it in UTF-8. These are tried in
 * turn: the field itself, then with '/' for each '\', then with .jpg, .jpeg or .png behind a name that has no
 * such ending; each below the root and, if it begins with '/', as it is; each in UTF-8 and in the list's
 * encoding. It is an error if there is none, or if an ending is to be added and two would do. */
cvy_err cvy_list_find(const char **file, const char **name, const cvy_list_paths *paths,
                      const char *field) CVY_MUST_CHECK;
/* Whether a field names a picture: by its ending, or because there is one. */
bool cvy_list_names_picture(const cvy_list_paths *paths, const char *field);

#endif
