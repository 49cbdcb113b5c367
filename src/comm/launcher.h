/* What the environment says about who has started this program, and how many of it. */
#ifndef CVY_COMM_LAUNCHER_H
#define CVY_COMM_LAUNCHER_H

#include "base/base.h"

/* Writes the sign that several programs were started, such as "PMI_SIZE=3: mpirun of another MPI (MPICH,
 * Intel MPI) has started several programs"; "" if nothing does, or if an mpirun of Open MPI has started one.
 * If the running MPI then finds one rank, it does not understand that launcher. This must be called before
 * MPI starts. */
void cvy_launcher_look(char *out, size_t bytes);
/* Writes the sign that a job of Slurm is meant to have several programs, such as "SLURM_NTASKS=4"; "" if
 * there is none, or if mpirun or srun has started one program. This must be called before MPI starts. */
void cvy_launcher_look_at_job(char *out, size_t bytes);
/* Makes Open MPI start where srun has started the program without telling MPI of it; it would refuse to. This
 * must be called before MPI starts. */
void cvy_launcher_prepare(void);

#endif
