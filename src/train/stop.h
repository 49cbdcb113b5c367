/* Stopping on request: SIGTERM, SIGINT and SIGUSR1 (which mpirun and srun pass on) only raise a flag. So
 * does SIGHUP, which comes when the terminal or its connection is gone, unless nohup has it ignored. The
 * step loop sums the flags of all ranks with the step's losses, so all stop after the same step.
 *
 * Whoever reads what a run tells may go away (`convoy train ... 2>&1 | head`, a viewer that ends). The
 * run does not end by that, for its hours would be lost: it goes on untold, and metrics.jsonl has what it
 * would have said. */
#ifndef CVY_TRAIN_STOP_H
#define CVY_TRAIN_STOP_H

#include <stdbool.h>

/* Makes the signals raise the flag from now on, and has SIGPIPE and SIGXFSZ (a file as large as `ulimit -f`
 * allows) ignored: a write fails instead, and says why. A second SIGINT ends the process as usual. */
void cvy_stop_listen(void);
bool cvy_stop_requested(void);

#endif
