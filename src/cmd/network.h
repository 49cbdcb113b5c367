/* What the subcommands share that take a network. */
#ifndef CVY_CMD_NETWORK_H
#define CVY_CMD_NETWORK_H

#include "cmd/command.h"

/* From words[first], a file or the name of one that comes with Convoy, and "parameter=value" after it. */
cvy_err cvy_network_from_words(cvy_yaml **out, const cvy_arguments *arguments, int64_t first) CVY_MUST_CHECK;
/* For the help. */
void cvy_print_networks(FILE *out);

#endif
