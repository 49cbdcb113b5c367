/* Whether a cluster is fit for training: what it is, how fast, what is wrong, and how to start it better. */
#ifndef CVY_MEASURE_DOCTOR_H
#define CVY_MEASURE_DOCTOR_H

#include "comm/layout.h"
#include "comm/measure.h"
#include "data/probe.h"

typedef struct cvy_diagnosis {
  cvy_layout *layout;
  /* Each of these has [ranks]. farthest is NULL if its links are the nearest; both are NULL for one rank. */
  cvy_link *nearest, *farthest;
  cvy_clock_offset *clocks; /* [ranks] */
  cvy_reading *readings;    /* [ranks], filled in for the lowest rank of each node; NULL without data */
  char tcp_links[16], single_copy[16]; /* values that Open MPI has; "" if it does not say */
  cvy_findings findings;
  char advice[160]; /* the mpirun line without the faults that another one ends; "" if there are none */
} cvy_diagnosis;

/* Measures for some seconds, with the cvy_threads() that training would use. `data` says what to read from,
 * or is NULL. *out is NULL but on rank 0. This call is collective, and fails with CVY_E_INPUT if the data is
 * not there for a rank. */
cvy_err cvy_diagnose(cvy_diagnosis **out, cvy_comm *comm, const char *data) CVY_MUST_CHECK;
void cvy_diagnosis_destroy(cvy_diagnosis *diagnosis);

/* Lists the lower rank of each pair that `links`, nearest or farthest, tells of; lower[ranks] has room for
 * them. They are in the order of ranks or, if there are more than `many`, the slowest first. Returns how many
 * there are. */
int cvy_diagnosis_pairs(int *lower, const cvy_diagnosis *diagnosis, const cvy_link *links, int many);

#endif
