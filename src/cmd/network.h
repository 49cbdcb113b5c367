/* What the subcommands share that take a network. */
#ifndef CVY_CMD_NETWORK_H
#define CVY_CMD_NETWORK_H

#include "cmd/command.h"

/* Loads the network that words[first] names, a file or one that comes with Convoy. The words after it
 * ("parameter=value") give values to its parameters. The network is in the arguments' pool. */
cvy_err cvy_network_from_words(cvy_yaml **out, const cvy_arguments *arguments, int64_t first) CVY_MUST_CHECK;
/* Lists what comes with Convoy in a `folder` ("networks", "recipes"), for a command's help. */
void cvy_print_names(FILE *out, const char *folder);
void cvy_print_networks(FILE *out);

#endif
