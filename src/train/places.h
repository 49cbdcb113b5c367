/* Where networks and recipes may stand. */
#ifndef CVY_TRAIN_PLACES_H
#define CVY_TRAIN_PLACES_H

#include "base/base.h"

/* Folders that may hold folders "networks" and "recipes". The first one that has a file is the one that
 * counts. */
typedef struct cvy_places {
  int64_t count;
  const char **folders;
} cvy_places;

/* Makes the list of places in `pool`:
 *
 *   1. what CONVOY_PATH lists, divided by colons: each itself, and its launch and share/convoy;
 *   2. what is installed with the program, or with the shared library (the tree may have been moved);
 *   3. launch in the source that this was built from, as the compiler was told;
 *   4. launch above a build folder inside the source (the source may have been moved with it);
 *   5. where CMake was told to install. */
cvy_places cvy_places_list(cvy_pool *pool);
/* Returns "A, B (not there)": the `folder`s of the places, for a message. */
const char *cvy_places_tell(cvy_pool *pool, const char *folder);

#endif
