/* What `convoy --version` prints. */
#ifndef CVY_CMD_VERSION_H
#define CVY_CMD_VERSION_H

#include <stdio.h>

/* Prints Convoy's version and those of what it is built on, a line each. */
void cvy_print_version(FILE *out);

#endif
