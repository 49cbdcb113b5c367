/* Catches the signals that ask a run to stop. */
#include "train/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t requested;

static void on_signal(int signal_number) {
  (void)signal_number;
  requested = 1;
}

void cvy_stop_listen(void) {
  const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
  struct sigaction action = {.sa_handler = on_signal};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    action.sa_flags = SA_RESTART | (signals[i] == SIGINT ? (int)SA_RESETHAND : 0);
    sigaction(signals[i], &action, NULL);
  }
}

bool cvy_stop_requested(void) {
  return requested;
}
