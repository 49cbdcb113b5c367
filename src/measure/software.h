/* What Convoy computes, talks and stores with in this process. */
#ifndef CVY_MEASURE_SOFTWARE_H
#define CVY_MEASURE_SOFTWARE_H

typedef struct cvy_software {
  const char *mpi;       /* the library and its version */
  const char *blas;      /* how OpenBLAS was built */
  const char *blas_core; /* the processor type that it has kernels for */
  const char *hdf5;      /* its version */
  const char *kernels;   /* the instruction set of Convoy's own */
} cvy_software;

/* The texts belong to their libraries. This call is not collective, and MPI need not run. */
cvy_software cvy_software_here(void);

#endif
