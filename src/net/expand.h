/* Blocks, parameters and repetition: from a description to a flat list of named layers. */
#ifndef CVY_NET_EXPAND_H
#define CVY_NET_EXPAND_H

#include "net/node.h"

/* Fills net->nodes with every layer's type, configuration, name, inputs and place in the description `body`,
 * whose `parameters` and `blocks` may be NULL. */
cvy_err cvy_net_expand(cvy_net *net, const cvy_yaml *parameters, const cvy_yaml *blocks,
                       const cvy_yaml *layers, const cvy_yaml *body) CVY_MUST_CHECK;

/* Copies `from` with each $name replaced by that parameter of the network. */
cvy_err cvy_net_substitute(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *from, const cvy_yaml *parameters,
                           const cvy_yaml *body) CVY_MUST_CHECK;

/* Appends to the present error message in which blocks it was met: ", in block 'residual' used on line
 * 16". */
cvy_err cvy_net_error_within(cvy_err err, const cvy_net_use *use) CVY_MUST_CHECK;

#endif
