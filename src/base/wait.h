/* What this process waits for, for whoever watches it from another thread. */
#ifndef CVY_BASE_WAIT_H
#define CVY_BASE_WAIT_H

/* One thread at a time says what it waits for, a text that stays, and then that it waits no more. */
void cvy_wait_begins(const char *for_what);
void cvy_wait_ends(void);
/* Returns the text, and since when (on the clock of cvy_now_s). NULL: it waits for nothing. Any thread may
 * ask. */
const char *cvy_waits_for(double *since_s);

#endif
