/* What the subcommands share that take a network. */
#ifndef CVY_CMD_NETWORK_H
#define CVY_CMD_NETWORK_H

#include "cmd/command.h"
#include "comm/tree.h"
#include "layer/layer.h"

/* From words[first], a file or the name of one that comes with Convoy, and "parameter=value" after it. */
cvy_err cvy_network_from_words(cvy_yaml **out, const cvy_arguments *arguments, int64_t first) CVY_MUST_CHECK;
/* Nobody to talk to, for a plan alone. The tree must outlive them. */
cvy_peers cvy_network_peers(const cvy_tree *tree, int64_t ranks);
/* For the help. */
void cvy_print_networks(FILE *out);

#endif
