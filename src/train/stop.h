/* Stopping on request: SIGTERM, SIGINT and SIGUSR1 (which mpirun and srun pass on) only raise a flag. The
 * step loop sums the flags of all ranks with the step's losses, so all stop after the same step. */
#ifndef CVY_TRAIN_STOP_H
#define CVY_TRAIN_STOP_H

#include <stdbool.h>

void cvy_stop_listen(void); /* a second SIGINT ends the process as usual */
bool cvy_stop_requested(void);

#endif
