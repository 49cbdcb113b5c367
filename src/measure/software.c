/* One place that asks every library for its name and version. */
#include "measure/software.h"

#include "comm/comm.h"
#include "file/h5.h"
#include "math/gemm.h"
#include "math/kernels.h"

cvy_software cvy_software_here(void) {
  return (cvy_software){.mpi = cvy_comm_library_version(),
                        .blas = cvy_blas_config(),
                        .blas_core = cvy_blas_core(),
                        .hdf5 = cvy_h5_version(),
                        .kernels = cvy_kernels_get()->name};
}
