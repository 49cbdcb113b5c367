/* How many files this process may have open. */
#ifndef CVY_FILE_DESCRIPTORS_H
#define CVY_FILE_DESCRIPTORS_H

#include <stdint.h>

/* Prepares for `count` further open files: raises the soft limit of descriptors as far as that needs and the
 * hard limit allows. Some are left for others, such as connections to other ranks. It returns for how many
 * of the files there is room. */
int64_t cvy_descriptors_reserve(int64_t count);

#endif
