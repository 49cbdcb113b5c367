/* What Open MPI is told about its messages before it starts. */
#ifndef CVY_COMM_TRANSPORT_H
#define CVY_COMM_TRANSPORT_H

#include "base/base.h"

/* Sets Open MPI's parameters where Convoy knows better than their defaults and the user has not chosen:
 * neither by mpirun --mca or OMPI_MCA_... in the environment, nor in a file of parameters. It must be called
 * before MPI starts. It is not collective. */
void cvy_transport_prepare(void);
/* Writes "btl_tcp_links=4 ...": what cvy_transport_prepare set, as far as it has to do with messages between
 * nodes, or within one; "" if it set nothing. */
void cvy_transport_tell(char *out, size_t bytes, bool between_nodes, bool within_node);
/* Writes the value that the running MPI has for one of its parameters, as it prints. It returns false if
 * there is none of that name. It is not collective. */
bool cvy_transport_value(const char *name, char *out, size_t bytes);

#endif
