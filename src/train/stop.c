/* Catches the signals that ask a run to stop, and has those ignored that would end it without a word. */
#include "train/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t requested;

static void on_signal(int signal_number) {
  (void)signal_number;
  requested = 1;
}

/* Tells whether whoever started the program had it ignore the signal, as nohup does with SIGHUP. */
static bool is_ignored(int signal_number) {
  struct sigaction action;
  return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void cvy_stop_listen(void) {
  const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
  struct sigaction action = {.sa_handler = on_signal};
  sigemptyset(&action.sa_mask);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    if (signals[i] == SIGHUP && is_ignored(SIGHUP)) continue;
    action.sa_flags = SA_RESTART | (signals[i] == SIGINT ? (int)SA_RESETHAND : 0);
    sigaction(signals[i], &action, NULL);
  }
}

bool cvy_stop_requested(void) {
  return requested;
}
