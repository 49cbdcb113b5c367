/* Looks after standard output and what may go wrong with it, so that each command need not. */
#include "cmd/results.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void cvy_results_begin(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    /* open takes the lowest free number, which is fd. In this mode using it fails, as it does when closed. */
    if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return;
  }
}

cvy_err cvy_results_flush(void) {
  static bool is_told;
  const bool fails = fflush(stdout) != 0;
  const int reason = errno;
  if ((!fails && !ferror(stdout)) || is_told) return CVY_OK;
  is_told = true;
  /* The reason of a write that failed before is gone, unless the rest fails too. */
  return cvy_error(CVY_E_SYSTEM, "the results cannot be written to standard output: %s",
                   fails ? strerror(reason) : "a part of them is lost");
}

int cvy_results_end(int code, const char *command) {
  if (!cvy_results_flush()) return code;
  fprintf(stderr, "convoy %s: %s\n", command, cvy_err_message());
  return code ? code : 1;
}
