/* The results of a command are what it prints on standard output. If a part of them cannot be written the
 * command fails, whatever it has found out: who reads a file that a full disk has cut off must know it. So it
 * is with a reader who goes away (`convoy layers | head -1`) and a file as large as `ulimit -f` allows: their
 * signals, SIGPIPE and SIGXFSZ, would end a command without a word, and are ignored. */
#ifndef CVY_CMD_RESULTS_H
#define CVY_CMD_RESULTS_H

#include "base/base.h"

/* Has SIGPIPE and SIGXFSZ ignored, and opens something harmless in the place of each standard stream that is
 * closed. It must be called before any file is opened, for that would take the place, and what the command
 * prints would be written into it. */
void cvy_results_begin(void);
/* Writes what still waits in the buffer. It fails with CVY_E_SYSTEM if any of the results is lost. It says so
 * once; a second call finds nothing wrong. */
cvy_err cvy_results_flush(void) CVY_MUST_CHECK;
/* Calls cvy_results_flush at the end of a command, and prints the error if it fails. Returns the exit code:
 * `code`, but 1 in place of 0 if it failed. */
int cvy_results_end(int code, const char *command);

#endif
