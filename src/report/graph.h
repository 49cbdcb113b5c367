/* A picture of a network. */
#ifndef CVY_REPORT_GRAPH_H
#define CVY_REPORT_GRAPH_H

#include "net/net.h"

/* Writes FILE.dot in Graphviz' language, or FILE.svg, .pdf or .png, which Graphviz' program dot makes of it.
 * CVY_E_USAGE for another ending, CVY_E_RUN if dot is not there. */
cvy_err cvy_graph_check(const char *path) CVY_MUST_CHECK; /* the ending alone */
cvy_err cvy_graph_write(const cvy_net_info *net, const char *path) CVY_MUST_CHECK;

#endif
