/* Who holds a lock: a process, told from every other that was or will be, as text in the lock's file. */
#ifndef CVY_FILE_LOCK_HOLDER_H
#define CVY_FILE_LOCK_HOLDER_H

#include "base/base.h"

#include <time.h>

enum { CVY_HOLDER_BYTES = 1024 };

typedef struct cvy_holder {
  char token[33]; /* 128 random bits, of this lock alone */
  char work[64];  /* "convoy train" */
  char host[128];
  int64_t pid, start; /* start: ticks from the boot to the process's start, 0 if not known */
  char boot[64];      /* the boot's own name */
  char pids[64];      /* the name of the space in which the pid counts, which containers have of their own */
  char since[40];     /* "2026-11-30 09:41:22 UTC" */
  char job[64];       /* the scheduler's number, or "" */
  struct timespec touched; /* the file's time, where it was read */
} cvy_holder;

typedef enum cvy_holder_state { CVY_HOLDER_UNKNOWN, CVY_HOLDER_LIVES, CVY_HOLDER_GONE } cvy_holder_state;

/* Describes this process, with a new token. */
void cvy_holder_here(cvy_holder *out, const char *work);
/* Tells whether two holders are of one lock. */
bool cvy_holder_is(const cvy_holder *a, const cvy_holder *b);
/* Tells whether the holder's process lives, as seen from `here`: UNKNOWN if it cannot be seen from here. */
cvy_holder_state cvy_holder_judge(const cvy_holder *holder, const cvy_holder *here);

/* Tells whether a holder that can be seen from here is stopped, as by SIGSTOP. */
bool cvy_holder_is_stopped(const cvy_holder *holder);

/* Writes the text of a lock's file, and returns its length. Its first line is for people. */
size_t cvy_holder_print(char out[CVY_HOLDER_BYTES], const cvy_holder *holder);
/* Reads a lock's file, and returns 0 or `errno`. A file of another content counts as the lock of a holder of
 * whom nothing is known; its token is made from the file's inode. Nothing is allocated. */
int cvy_holder_read(cvy_holder *out, const char *path);
/* Writes "process 17 on node3, since 2026-11-30 09:41:22 UTC, job 99". */
void cvy_holder_describe(char out[CVY_HOLDER_BYTES], const cvy_holder *holder);

#endif
