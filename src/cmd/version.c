/* `convoy --version`. */
#include "cmd/version.h"

#include "measure/software.h"
#include <convoy/base.h>

void cvy_print_version(FILE *out) {
  const cvy_software here = cvy_software_here();
  fprintf(out, "convoy %s\n", CVY_VERSION);
  fprintf(out, "MPI: %s\n", here.mpi);
  fprintf(out, "BLAS: %s, core type %s\n", here.blas, here.blas_core);
  fprintf(out, "HDF5: %s\n", here.hdf5);
  fprintf(out, "kernels: %s\n", here.kernels);
}
