/* Tells people which rank does not answer, while the others wait for it.
 *
 * A thread of each rank answers questions of others by UDP, beside MPI and apart from what computes. So a
 * rank that computes, evaluates or writes for long answers, and one that is stopped, or whose node hangs,
 * does not. Rank 0 asks all others every few seconds, and another rank, on another node if there is one, asks
 * rank 0. Only a rank that has answered before can be missed, so that a firewall between nodes is no alarm. A
 * rank that waits for its data for long, as it does where a file system hangs, says so itself. */
#ifndef CVY_COMM_WATCH_H
#define CVY_COMM_WATCH_H

#include "comm/comm.h"

/* The times of the watch, in seconds. Tests shorten them. */
typedef struct cvy_watch_times {
  double ask;   /* from one question to the next */
  double miss;  /* from the last answer to the warning */
  double again; /* from one warning to the next */
} cvy_watch_times;
extern cvy_watch_times cvy_watch_clock;

typedef struct cvy_watch cvy_watch;

/* Starts watching. It returns NULL if there is one rank, or where the system lets nobody ask. This call is
 * collective. */
cvy_watch *cvy_watch_start(cvy_comm *comm);
void cvy_watch_stop(cvy_watch *watch); /* NULL is allowed */

#endif
