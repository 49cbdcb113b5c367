/* The results of a command are what it prints on standard output. One that could not be written is an
 * error of the command, whatever it has found out: who reads a file that was cut off by a full disk must
 * know it.
 *
 * A reader who goes away (`convoy layers | head -1`) ends a command by SIGPIPE, without a word, as it
 * ends cat. Training goes on without its reader (train/stop.h). */
#ifndef CVY_CMD_RESULTS_H
#define CVY_CMD_RESULTS_H

#include "base/base.h"

/* Sees to it, before any file is opened, that none can take the place of a standard stream that is
 * closed: its contents would be mixed with what the command prints. */
void cvy_results_begin(void);
/* Writes what still waits in the buffer. CVY_E_SYSTEM if any of the results is lost; said once, so that a
 * second call finds nothing wrong. */
cvy_err cvy_results_flush(void) CVY_MUST_CHECK;
/* Does so at the end of a command, tells of an error, and returns the exit code: `code`, or 1 in place of
 * 0. */
int cvy_results_end(int code, const char *command);

#endif
