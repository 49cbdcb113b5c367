/* Finds the width of a terminal. It is asked anew each time, for people change it. */
#define _DEFAULT_SOURCE /* struct winsize */
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool cvy_is_terminal(FILE *out) {
  const char *kind = getenv("TERM");
  const int fd = fileno(out); /* a text in memory has none */
  return fd >= 0 && isatty(fd) && !(kind && strcmp(kind, "dumb") == 0);
}

int64_t cvy_terminal_columns(FILE *out) {
  const char *wanted = getenv("COLUMNS");
  struct winsize size = {0};
  const int fd = fileno(out);
  if (fd < 0 || !isatty(fd)) return 0;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  const int64_t said = wanted ? strtol(wanted, NULL, 10) : 0;
  if (said > 0 && (size.ws_col == 0 || said < size.ws_col)) return said;
  return size.ws_col;
}
