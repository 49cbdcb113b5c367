#include "cmd/version.h"

#include "comm/comm.h"
#include "file/h5.h"
#include "math/gemm.h"
#include "math/kernels.h"

void cvy_print_version(FILE *out) {
  fprintf(out, "convoy %s\n", CVY_VERSION);
  fprintf(out, "MPI: %s\n", cvy_comm_library_version());
  fprintf(out, "BLAS: %s, core type %s\n", cvy_blas_config(), cvy_blas_core());
  fprintf(out, "HDF5: %s\n", cvy_h5_version());
  fprintf(out, "kernels: %s\n", cvy_kernels_get()->name);
}
