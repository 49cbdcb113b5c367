/* What a person reads on stderr: lines, warnings, and progress.
 *
 * Between two draws the cursor of a terminal stands at the beginning of the progress line. So a narrower
 * window, which breaks the line in two, leaves nothing of it behind: all from the cursor on is cleared
 * first. */
#include "base/base.h"
#include "base/terminal.h"
#include "base/thread.h"
#include "base/utf8.h"

#include <string.h>

enum { LINE_BYTES = 512, USUAL_COLUMNS = 80 };

static const double redraw_s = 0.1, plain_interval_s = 5, quiet_s = 8, new_work_s = 1;

/* The lock guards all the variables that follow it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool enabled = true;
static char current[LINE_BYTES]; /* the progress as last made, shown or not */
static bool current_shown;
static bool drawn;            /* something stands in the terminal's last line that the next line replaces */
static double spoke_s;        /* when something was shown last, or silence began */
static char work[LINE_BYTES]; /* what is under way; empty: nothing */
static double work_since_s;
static bool work_shown; /* the clock of the work runs where progress stood */

void cvy_log_enable(bool on) {
  pthread_mutex_lock(&lock);
  enabled = on;
  pthread_mutex_unlock(&lock);
}

/* ---- showing; the caller has the lock ---- */

static void clear_line(void) {
  if (drawn) fputs("\r\033[J", stderr);
  drawn = false;
}

static void show_line(const char *prefix, const char *text) {
  clear_line();
  fprintf(stderr, "%s%s\n", prefix, text);
  spoke_s = cvy_now_s();
  work_shown = false;
}

static int columns_that_fit(const char *text) {
  const int64_t columns = cvy_terminal_columns(stderr);
  return (int)cvy_utf8_fit(text, (columns > 0 ? columns : USUAL_COLUMNS) - 1);
}

static void draw(const char *text) {
  fprintf(stderr, "\r\033[J%.*s\r", columns_that_fit(text), text);
  fflush(stderr);
  drawn = true;
  spoke_s = cvy_now_s();
  work_shown = false;
}

static void show_current(void) {
  if (cvy_is_terminal(stderr))
    draw(current);
  else
    show_line("", current);
  current_shown = true;
}

/* Begins to measure silence, for the first progress or work; from then on show_line and draw do it. */
static void begin_silence(void) {
  if (spoke_s == 0) spoke_s = cvy_now_s();
}

static void forget_current(void) {
  current[0] = '\0';
  current_shown = false;
}

/* ---- lines ---- */

static void print_line(const char *prefix, bool everywhere, const char *format, va_list va) {
  char text[CVY_MESSAGE_BYTES], shown[CVY_MESSAGE_BYTES];
  vsnprintf(text, sizeof text, format, va);
  cvy_utf8_show_in(shown, sizeof shown, text);
  pthread_mutex_lock(&lock);
  if (enabled || everywhere) show_line(prefix, shown);
  pthread_mutex_unlock(&lock);
}

void cvy_log(const char *format, ...) {
  va_list va;
  va_start(va, format);
  print_line("convoy: ", false, format, va);
  va_end(va);
}

void cvy_warn(const char *format, ...) {
  va_list va;
  va_start(va, format);
  print_line("convoy: warning: ", false, format, va);
  va_end(va);
}

void cvy_warn_everywhere(const char *format, ...) {
  va_list va;
  va_start(va, format);
  print_line("convoy: warning: ", true, format, va);
  va_end(va);
}

/* ---- progress ---- */

static void format_line(char line[LINE_BYTES], const char *format, va_list va) {
  char text[LINE_BYTES];
  vsnprintf(text, sizeof text, format, va);
  cvy_utf8_show_in(line, LINE_BYTES, text);
}

void cvy_progress(const char *format, ...) {
  va_list va;
  va_start(va, format);
  pthread_mutex_lock(&lock);
  if (enabled) {
    format_line(current, format, va);
    current_shown = false;
    begin_silence();
    const double interval_s = cvy_is_terminal(stderr) ? redraw_s : plain_interval_s;
    if (cvy_now_s() - spoke_s >= interval_s || work_shown) show_current();
  }
  pthread_mutex_unlock(&lock);
  va_end(va);
}

void cvy_progress_show(void) {
  pthread_mutex_lock(&lock);
  if (enabled && current[0] && !current_shown) show_current();
  pthread_mutex_unlock(&lock);
}

void cvy_progress_end(void) {
  pthread_mutex_lock(&lock);
  if (current[0] && cvy_is_terminal(stderr)) {
    clear_line();
    fprintf(stderr, "%.*s\n", columns_that_fit(current), current);
  } else if (current[0] && !current_shown) {
    show_line("", current);
  }
  clear_line();
  forget_current();
  work[0] = '\0';
  pthread_mutex_unlock(&lock);
}

void cvy_progress_drop(void) {
  pthread_mutex_lock(&lock);
  clear_line();
  fflush(stderr);
  forget_current();
  work[0] = '\0';
  pthread_mutex_unlock(&lock);
}

/* ---- work that shows no progress of its own for a while ---- */

static pthread_once_t clock_once = PTHREAD_ONCE_INIT;
static pthread_cond_t work_begins = PTHREAD_COND_INITIALIZER;

static void show_work(void) {
  char text[LINE_BYTES + 32];
  snprintf(text, sizeof text, "%s: %.0f s so far", work, cvy_now_s() - work_since_s);
  if (cvy_is_terminal(stderr))
    draw(text);
  else
    show_line("", text);
  work_shown = true;
}

/* Returns how long it may be silent before the work is told. On a terminal where no other progress stands
 * the seconds are seen to pass. */
static double patience_s(void) {
  return cvy_is_terminal(stderr) && (work_shown || !current[0]) ? new_work_s : quiet_s;
}

static void *watch_the_clock(void *nothing) {
  (void)nothing;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (!work[0]) pthread_cond_wait(&work_begins, &lock);
    const double now_s = cvy_now_s();
    if (now_s - spoke_s >= patience_s() && now_s - work_since_s >= new_work_s) show_work();
    pthread_mutex_unlock(&lock);
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
  }
  return NULL;
}

/* Starts the thread of the clock, which lives as long as the process. If it cannot be started there is
 * silence, but nothing is wrong. */
static void start_the_clock(void) {
  pthread_t thread;
  if (!cvy_thread_start(&thread, watch_the_clock, NULL, "the clock of what is under way"))
    pthread_detach(thread);
}

void cvy_doing(const char *format, ...) {
  va_list va;
  va_start(va, format);
  pthread_mutex_lock(&lock);
  const bool shows = enabled;
  if (shows) {
    format_line(work, format, va);
    work_since_s = cvy_now_s();
    begin_silence();
    pthread_cond_signal(&work_begins);
  }
  pthread_mutex_unlock(&lock);
  va_end(va);
  if (shows) pthread_once(&clock_once, start_the_clock);
}
