/* Errors: one message buffer a thread, one fatal hook a process. */
#include "base/base.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local char message[CVY_MESSAGE_BYTES];
static void (*fatal_hook)(int exit_code);

cvy_err cvy_error(cvy_err code, const char *format, ...) {
  /* The arguments may point into the old message, so the new one is made beside it. */
  char text[CVY_MESSAGE_BYTES];
  va_list va;
  va_start(va, format);
  vsnprintf(text, sizeof text, format, va);
  va_end(va);
  cvy_utf8_show_in(message, sizeof message, text); /* names in it may hold anything */
  return code;
}

void cvy_error_save(cvy_saved_error *out, cvy_err code) {
  out->code = code;
  memcpy(out->message, message, sizeof message);
}

cvy_err cvy_error_restore(const cvy_saved_error *saved) {
  if (saved->code) memcpy(message, saved->message, sizeof message);
  return saved->code;
}

cvy_err cvy_error_in(cvy_err code, const char *format, ...) {
  char place[CVY_MESSAGE_BYTES / 2];
  va_list va;
  va_start(va, format);
  vsnprintf(place, sizeof place, format, va);
  va_end(va);
  return cvy_error(code, "%s: %s", place, message);
}

const char *cvy_err_message(void) {
  return message;
}

int cvy_err_exit_code(cvy_err code) {
  switch (code) {
  case CVY_OK:
    return 0;
  case CVY_E_USAGE:
  case CVY_E_INPUT:
    return 2;
  case CVY_E_STOPPED:
    return 75;
  case CVY_E_SYSTEM:
  case CVY_E_RUN:
    return 1;
  }
  return 1;
}

void cvy_set_fatal_hook(void (*hook)(int exit_code)) {
  fatal_hook = hook;
}

CVY_NORETURN static void end_job(void) {
  fflush(NULL);
  if (fatal_hook) fatal_hook(1);
  _Exit(1);
}

static void print_last(const char *before, const char *text) {
  char shown[CVY_MESSAGE_BYTES];
  cvy_utf8_show_in(shown, sizeof shown, text);
  fprintf(stderr, "\nconvoy: %s%s\n", before, shown);
}

void cvy_fatal(const char *format, ...) {
  char text[CVY_MESSAGE_BYTES];
  va_list va;
  va_start(va, format);
  vsnprintf(text, sizeof text, format, va);
  va_end(va);
  print_last("", text);
  end_job();
}

void cvy_check_failed(const char *file, int line, const char *condition, const char *format, ...) {
  char text[CVY_MESSAGE_BYTES], place[CVY_MESSAGE_BYTES];
  va_list va;
  va_start(va, format);
  vsnprintf(text, sizeof text, format, va);
  va_end(va);
  snprintf(place, sizeof place, "%s:%d: this should always hold: %s;", file, line, condition);
  print_last(place, text);
  end_job();
}
