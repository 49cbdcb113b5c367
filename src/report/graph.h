/* A picture of a network. */
#ifndef CVY_REPORT_GRAPH_H
#define CVY_REPORT_GRAPH_H

#include "net/net.h"

/* Fails with CVY_E_USAGE unless `path` ends in .dot, .svg, .pdf or .png. */
cvy_err cvy_graph_check(const char *path) CVY_MUST_CHECK;
/* Writes FILE.dot in Graphviz' language, or FILE.svg, .pdf or .png, which Graphviz' program dot makes of
 * that. It fails as cvy_graph_check does, and with CVY_E_RUN if dot is not there. */
cvy_err cvy_graph_write(const cvy_net_info *net, const char *path) CVY_MUST_CHECK;

#endif
