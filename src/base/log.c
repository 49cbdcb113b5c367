/* What a person reads on stderr: lines, warnings, and progress that rewrites one line on a terminal. */
#include "base/base.h"

#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 512 };

static bool enabled = true;
static const double plain_interval_s = 5.0;
static double last_shown_s = -1e9;
static char current[LINE_BYTES]; /* the progress line as last made, shown or not */
static bool current_shown;

void cvy_log_enable(bool on) {
  enabled = on;
}

static void clear_progress_line(void) {
  if (current[0] && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

static void print_line(const char *prefix, const char *format, va_list va) {
  if (!enabled) return;
  clear_progress_line();
  fputs(prefix, stderr);
  vfprintf(stderr, format, va);
  fputc('\n', stderr);
}

void cvy_log(const char *format, ...) {
  va_list va;
  va_start(va, format);
  print_line("convoy: ", format, va);
  va_end(va);
}

void cvy_warn(const char *format, ...) {
  va_list va;
  va_start(va, format);
  print_line("convoy: warning: ", format, va);
  va_end(va);
}

void cvy_progress(const char *format, ...) {
  if (!enabled) return;
  va_list va;
  va_start(va, format);
  vsnprintf(current, sizeof current, format, va);
  va_end(va);
  const bool terminal = isatty(STDERR_FILENO);
  const double now_s = cvy_now_s();
  current_shown = now_s - last_shown_s >= (terminal ? 0.1 : plain_interval_s);
  if (!current_shown) return;
  last_shown_s = now_s;
  fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", current);
  fflush(stderr);
}

void cvy_progress_end(void) {
  if (!enabled || !current[0]) return;
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%s\033[K\n", current);
  else if (!current_shown)
    fprintf(stderr, "%s\n", current);
  fflush(stderr);
  current[0] = '\0';
  last_shown_s = -1e9;
}
