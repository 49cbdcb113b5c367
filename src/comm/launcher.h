/* What the environment says about who has started this program, and how many of it. */
#ifndef CVY_COMM_LAUNCHER_H
#define CVY_COMM_LAUNCHER_H

#include "base/base.h"

/* Writes what speaks for several programs, such as "PMI_SIZE=3: mpirun of another MPI (MPICH, Intel MPI) has
 * started several programs"; "" if nothing does, or if an mpirun of Open MPI has started one. If the running
 * MPI then finds one rank, they do not understand each other. To be called before MPI starts. */
void cvy_launcher_look(char *out, size_t bytes);
/* Lets a program start alone that srun has started without telling MPI of it: Open MPI would refuse to. To be
 * called before MPI starts. */
void cvy_launcher_prepare(void);

#endif
