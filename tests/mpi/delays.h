/* Random delays of ranks and messages. They are linked into a program, or loaded before one (LD_PRELOAD). Its
 * MPI calls and matrix products then come late now and then; what it computes must not change. */
#ifndef CVY_TESTS_DELAYS_H
#define CVY_TESTS_DELAYS_H

#include <stdatomic.h>

extern atomic_bool delays_on; /* false when linked, true when loaded */

void delay(void); /* waits up to 0.3 ms when delays are on */

#endif
