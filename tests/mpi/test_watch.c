/* ranks: 2 3 */
/* Tests that a rank that is stopped is told of by the others, and its return too, but a busy one is not. */
#define _GNU_SOURCE
#include "base/wait.h"
#include "comm/comm.h"
#include "comm/watch.h"

#include "unit/suite.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static cvy_comm *comm;

/* Sends what this process writes to stderr into a file without a name. */
static int catch_stderr(int *before) {
  const int file = memfd_create("stderr", 0);
  *before = dup(STDERR_FILENO);
  CU_ASSERT_FATAL(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
  return file;
}

static void release_stderr(char *text, size_t bytes, int file, int before) {
  dup2(before, STDERR_FILENO);
  close(before);
  const ssize_t got = pread(file, text, bytes - 1, 0);
  text[got < 0 ? 0 : got] = '\0';
  close(file);
}

static int count(const char *text, const char *part) {
  int found = 0;
  for (; (text = strstr(text, part)); text++) found++;
  return found;
}

/* Stops this process; its child lets it go on after some seconds. */
static void stop_for(double seconds) {
  const pid_t me = getpid(), child = fork();
  CVY_CHECK(child >= 0);
  if (child == 0) {
    nap(seconds);
    kill(me, SIGCONT);
    _exit(0);
  }
  kill(me, SIGSTOP);
  waitpid(child, NULL, 0);
}

/* Makes everybody wait while rank `who` is stopped. */
static void stop_rank(int who) {
  char text[4096], missing[64];
  int before;
  cvy_comm_wait(comm);
  nap(0.5); /* all have answered */
  const int file = catch_stderr(&before);
  if (cvy_comm_rank(comm) == who) stop_for(3.5);
  cvy_comm_wait(comm);
  nap(0.5);
  release_stderr(text, sizeof text, file, before);
  snprintf(missing, sizeof missing, "warning: rank %d on ", who);
  const bool asks = cvy_comm_rank(comm) == (who == 0 ? 1 : 0);
  const int told = count(text, "has not answered for"), back = count(text, "answers again, after ");
  CU_ASSERT(asks ? told >= 1 && told <= 3 && back == 1 : told + back == 0);
  CU_ASSERT_EQUAL(count(text, missing), told + back);
  CU_ASSERT_EQUAL(count(text, "s: it is stopped, or its node hangs"), told);
}

static void another_rank_is_stopped(void) {
  stop_rank(cvy_comm_size(comm) - 1);
}

static void rank_0_is_stopped(void) {
  stop_rank(0);
}

/* A rank that computes is not told of, however long it takes. */
static void a_busy_rank(void) {
  char text[4096];
  int before;
  const int file = catch_stderr(&before);
  const double until_s = cvy_now_s() + 2.5;
  if (cvy_comm_rank(comm) == 0) {
    while (cvy_now_s() < until_s) {
    }
  }
  cvy_comm_wait(comm);
  release_stderr(text, sizeof text, file, before);
  CU_ASSERT_STRING_EQUAL(text, "");
}

static void a_rank_that_waits_for_data(void) {
  char text[4096], expected[64];
  int before;
  const int file = catch_stderr(&before);
  if (cvy_comm_rank(comm) == 1) {
    cvy_wait_begins("its data");
    nap(2);
    cvy_wait_ends();
  }
  cvy_comm_wait(comm);
  release_stderr(text, sizeof text, file, before);
  snprintf(expected, sizeof expected, "warning: rank %d on ", cvy_comm_rank(comm));
  CU_ASSERT_EQUAL(count(text, expected), cvy_comm_rank(comm) == 1);
  CU_ASSERT_EQUAL(count(text, "has been waiting for its data for "), cvy_comm_rank(comm) == 1);
}

int main(void) {
  cvy_watch_clock = (cvy_watch_times){.ask = 0.1, .miss = 1.5, .again = 1};
  comm = cvy_comm_start();
  CU_TestInfo tests[] = {TEST(another_rank_is_stopped), TEST(rank_0_is_stopped), TEST(a_busy_rank),
                         TEST(a_rank_that_waits_for_data), CU_TEST_INFO_NULL};
  const int failed = run_suite("watch", tests);
  cvy_comm_finish(comm);
  return failed;
}
