/* Finds the files of the pictures that a list names. */
#ifndef CVY_DATASETS_LIST_PATHS_H
#define CVY_DATASETS_LIST_PATHS_H

#include "base/base.h"

typedef struct cvy_list_paths {
  cvy_pool *pool;
  const char *root;     /* paths are relative to this folder */
  bool root_is_said;    /* the user said it: then it goes first, also for paths that begin with '/' */
  const char *encoding; /* of the list, which names of files may have too; NULL or "": UTF-8 */
} cvy_list_paths;

/* Finds the file that a field means: *file is its path as the disk has it, *name the path in UTF-8. Tried in
 * turn are the field itself; the field with '/' for each '\'; and, if the field has no ending of a picture,
 * the field with .jpg, .jpeg or .png behind. Each is tried below the root and, if it begins with '/', as it
 * is, in UTF-8 and in the list's encoding, or in Latin-1 where that is UTF-8. It is an error if there is no
 * file, or if two endings would do. */
cvy_err cvy_list_find(const char **file, const char **name, const cvy_list_paths *paths,
                      const char *field) CVY_MUST_CHECK;
/* Tells whether a field ends as a picture's file does, also of a format that cannot be decoded. */
bool cvy_list_has_ending(const cvy_list_paths *paths, const char *field);
/* Tells whether a field names a picture, by its ending or because there is such a file. */
bool cvy_list_names_picture(const cvy_list_paths *paths, const char *field);

#endif
