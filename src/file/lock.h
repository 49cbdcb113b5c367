/* A lock on a folder in which one job at a time may work, on any file system.
 *
 * The lock is the file FOLDER/lock, which says who holds it. It comes to stand by link(2), which makes a name
 * on NFS too only if there is none yet. Its holder touches it every few seconds. A lock whose holder was
 * killed stays behind, so whoever finds one judges it:
 *
 * - Where the holder's process can be seen (the same boot of the same machine, the same process numbers), it
 *   is there or it is gone, and that is certain.
 * - Elsewhere the file is watched. Its holder lives if it touches the file, and is gone if it has not done so
 *   for two minutes. The age of a file is told by the clock of its own file system; even an old one is
 *   watched for a while.
 *
 * Many may judge one lock as left behind, and one of them replaces it: the one who makes the name
 * FOLDER/lock.after.TOKEN, where TOKEN is the old lock's own. If that one is killed before it has replaced
 * the lock, its claim is judged and replaced in the same way. */
#ifndef CVY_FILE_LOCK_H
#define CVY_FILE_LOCK_H

#include "base/base.h"

typedef struct cvy_lock cvy_lock;

/* These are the seconds of a lock's clock. Tests shorten them. */
typedef struct cvy_lock_times {
  double beat;        /* from one touch to the next */
  double look;        /* from one look at another's lock to the next */
  double least_watch; /* for which another's lock is watched at least */
  double gone_after;  /* after which a holder is gone that has not touched its lock */
} cvy_lock_times;
extern cvy_lock_times cvy_lock_clock;

/* Makes the folder unless it is there, and takes its lock. `work` says what will be done there, such as
 * "convoy train". It fails with CVY_E_INPUT if another process holds the lock: "FOLDER: another WORK is at
 * work there: process PID on HOST, since TIME", and which file to remove if that one is gone. It may take two
 * minutes to find out. */
cvy_err cvy_lock_take(cvy_lock **out, const char *folder, const char *work) CVY_MUST_CHECK;
/* Fails with CVY_E_RUN if the lock was taken away meanwhile: its file is gone, or is another's. It must be
 * called before what the lock protects is changed, for a process may have slept for long. */
cvy_err cvy_lock_check(cvy_lock *lock) CVY_MUST_CHECK;
/* Tells whether cvy_lock_check or the last touch has seen that the lock was taken away. It costs nothing. */
bool cvy_lock_is_lost(const cvy_lock *lock);
/* Removes the lock's file if it is still this lock's, and frees the lock. NULL is allowed. */
void cvy_lock_release(cvy_lock *lock);

#endif
