/* The places where networks and recipes may stand. */
#ifndef CVY_TRAIN_PLACES_H
#define CVY_TRAIN_PLACES_H

#include "base/base.h"

/* Folders that may hold folders "networks" and "recipes". A file is taken from the first one that has it. */
typedef struct cvy_places {
  int64_t count;
  const char **folders;
} cvy_places;

/* Makes the list of places in `pool`:
 *
 *   1. the folders that CONVOY_PATH lists, divided by colons, and the launch and share/convoy of each;
 *   2. share/convoy of where the program, or the shared library, is installed (the tree may have been moved);
 *   3. launch in the source that this was built from, as the compiler was told;
 *   4. launch above a build folder inside the source (the source may have been moved with it);
 *   5. where CMake was told to install. */
cvy_places cvy_places_list(cvy_pool *pool);
/* Returns the places' folders of the name `folder` as a message tells them: "A, B (not there)". */
const char *cvy_places_tell(cvy_pool *pool, const char *folder);

#endif
