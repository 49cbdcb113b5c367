/* What this process waits for; another thread of it watches that. */
#ifndef CVY_BASE_WAIT_H
#define CVY_BASE_WAIT_H

/* Says what the calling thread waits for, a text that stays valid. One thread at a time may wait. */
void cvy_wait_begins(const char *for_what);
/* Says that it waits no more. */
void cvy_wait_ends(void);
/* Returns what is waited for, and since when (on the clock of cvy_now_s); NULL if nothing is. Any thread may
 * ask. */
const char *cvy_waits_for(double *since_s);

#endif
