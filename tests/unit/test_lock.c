/* Tests the lock of a folder: it has one holder at a time, whoever comes, is killed, sleeps or loses it. */
#define _GNU_SOURCE
#include "file/lock.h"

#include "base/base.h"
#include "scratch.h"
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static char dir[400], lock_path[420];

static void new_dir(const char *name) {
  snprintf(dir, sizeof dir, "%s/%s", scratch_folder(), name);
  snprintf(lock_path, sizeof lock_path, "%s/lock", dir);
  mkdir(dir, 0777);
}

/* Starts a process. A failure ends the test: it must never become a -1 that kill takes for everybody. */
static pid_t start_process(void) {
  const pid_t child = fork();
  if (child >= 0) return child;
  perror("fork");
  _exit(102);
}

static int wait_for(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Takes the lock in another process, which then ends without a release. It returns 0 if that process had the
 * lock, 1 if it was refused with `text`, else 2. */
static int take_elsewhere(const char *text) {
  const pid_t child = start_process();
  if (child == 0) {
    cvy_lock *lock;
    const cvy_err err = cvy_lock_take(&lock, dir, "test");
    _exit(!err ? 0 : err == CVY_E_INPUT && !lock && says(text) ? 1 : 2);
  }
  return wait_for(child);
}

/* Starts a process that takes the lock and sleeps. It returns once that process has the lock. */
static pid_t hold_elsewhere(void) {
  int ready[2];
  char byte = 0;
  CU_ASSERT_FATAL(pipe(ready) == 0);
  const pid_t child = start_process();
  if (child == 0) {
    cvy_lock *lock;
    byte = cvy_lock_take(&lock, dir, "train") ? 'n' : 'y';
    if (write(ready[1], &byte, 1) == 1) pause();
    _exit(1);
  }
  CU_ASSERT_FATAL(read(ready[0], &byte, 1) == 1);
  CU_ASSERT_EQUAL(byte, 'y');
  close(ready[0]);
  close(ready[1]);
  return child;
}

/* Writes a lock as another machine's process would. */
static void write_foreign_lock(const char *token) {
  char *text = cvy_format("work train\nhost far\npid %d\nstart 1\nboot another\npids here\nsince some time\n"
                          "job 99\ntoken %s\n",
                          getpid(), token);
  scratch_write(lock_path, text, strlen(text));
  free(text);
}

#define TOKEN "0123456789abcdef0123456789abcdef"

/* ---- tests ---- */

static void one_at_a_time(void) {
  new_dir("time");
  cvy_lock *lock;
  char expected[200], host[100] = "";
  gethostname(host, sizeof host - 1);
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  snprintf(expected, sizeof expected, "time: another test is at work there: process %d on %s, since 20",
           getpid(), host);
  CU_ASSERT_EQUAL(take_elsewhere(expected), 1);
  CU_ASSERT_EQUAL(cvy_lock_check(lock), CVY_OK);
  CU_ASSERT_FALSE(cvy_lock_is_lost(lock));
  CU_ASSERT_EQUAL(scratch_count(dir), 1);
  size_t count;
  char *text = scratch_read(lock_path, &count);
  CU_ASSERT(memcmp(text, "# convoy is at work in this folder; remove", 42) == 0);
  free(text);
  cvy_lock_release(lock);
  CU_ASSERT_EQUAL(scratch_count(dir), 0);
  cvy_lock_release(NULL);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0); /* whoever ends without a release is gone */
}

static void the_job_is_named(void) {
  new_dir("job");
  cvy_lock *lock;
  setenv("SLURM_JOB_ID", "4711", 1);
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  unsetenv("SLURM_JOB_ID");
  CU_ASSERT_EQUAL(take_elsewhere("UTC, job 4711"), 1);
  cvy_lock_release(lock);
}

static void a_killed_holder(void) {
  new_dir("killed");
  char expected[600];
  const pid_t holder = hold_elsewhere();
  CU_ASSERT_EQUAL(take_elsewhere("another train is at work there"), 1);
  CU_ASSERT_EQUAL(take_elsewhere("stopped"), 2);
  kill(holder, SIGSTOP);
  siginfo_t stopped;
  waitid(P_PID, (id_t)holder, &stopped, WSTOPPED | WNOWAIT);
  snprintf(expected, sizeof expected,
           "(it is stopped; kill -CONT %d wakes it); if it is surely gone, remove %s", holder, lock_path);
  CU_ASSERT_EQUAL(take_elsewhere(expected), 1);
  kill(holder, SIGKILL);
  siginfo_t info;
  waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0); /* also while nobody has asked how it ended */
  wait_for(holder);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
}

/* A process of the same number that began at another time is another. */
static void a_number_used_again(void) {
  new_dir("again");
  cvy_lock *lock;
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  size_t count;
  char *text = scratch_read(lock_path, &count);
  text[count] = '\0';
  char *start = strstr(text, "\nstart ") + 7;
  start[0] = start[0] == '9' ? '8' : (char)(start[0] + 1);
  cvy_lock_release(lock);
  scratch_write(lock_path, text, count);
  free(text);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
}

/* A process that cannot be seen lives if it touches its lock. */
static void another_machine(void) {
  new_dir("machine");
  write_foreign_lock(TOKEN);
  const pid_t far = start_process();
  if (far == 0) {
    for (;; nap(0.1)) utimensat(AT_FDCWD, lock_path, NULL, 0);
  }
  CU_ASSERT_EQUAL(take_elsewhere("process"), 1);
  CU_ASSERT_EQUAL(take_elsewhere("on far, since some time, job 99 (it renews"), 1);
  CU_ASSERT_EQUAL(take_elsewhere("machine/lock; if it is certainly gone, remove that file)"), 1);
  kill(far, SIGKILL);
  wait_for(far);
  const double start_s = cvy_now_s();
  utimensat(AT_FDCWD, lock_path, NULL, 0);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
  CU_ASSERT(cvy_now_s() - start_s > 0.9);
  CU_ASSERT_EQUAL(scratch_count(dir), 1);
  /* One that was not touched for long is watched for a shorter time. */
  write_foreign_lock(TOKEN);
  const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  utimensat(AT_FDCWD, lock_path, long_ago, 0);
  const double again_s = cvy_now_s(), usual_s = cvy_lock_clock.gone_after;
  cvy_lock_clock.gone_after = 60;
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
  CU_ASSERT(cvy_now_s() - again_s < 30);
  cvy_lock_clock.gone_after = usual_s;
}

/* Nobody knows whose an empty file, or one of another program, is. */
static void files_that_say_nothing(void) {
  new_dir("nothing");
  const char *const texts[] = {"", "token ../../etc\n", "\n\n\nwork\npid x\nwork \n\xff\xfe"};
  for (int64_t i = 0; i < CVY_COUNT(texts); i++) {
    scratch_write(lock_path, texts[i], strlen(texts[i]));
    CU_ASSERT_EQUAL(take_elsewhere(""), 0);
    CU_ASSERT_EQUAL(scratch_count(dir), 1);
  }
  remove(lock_path);
  mkdir(lock_path, 0777);
  cvy_lock *lock;
  CU_ASSERT_EQUAL(cvy_lock_take(&lock, dir, "test"), CVY_E_SYSTEM);
  CU_ASSERT(says("nothing/lock: a folder has this name, which convoy's lock needs: rename or remove it"));
  rmdir(lock_path);
  const char *const targets[] = {"nowhere", "other"};
  char *other = cvy_format("%s/other", dir);
  scratch_write(other, "", 0);
  for (int64_t i = 0; i < CVY_COUNT(targets); i++) {
    CU_ASSERT_EQUAL(symlink(targets[i], lock_path), 0);
    CU_ASSERT_EQUAL(cvy_lock_take(&lock, dir, "test"), CVY_E_SYSTEM);
    CU_ASSERT(says("nothing/lock: a symbolic link has this name"));
    remove(lock_path);
  }
  CU_ASSERT_EQUAL(mkfifo(lock_path, 0666), 0);
  CU_ASSERT_EQUAL(cvy_lock_take(&lock, dir, "test"), CVY_E_SYSTEM);
  CU_ASSERT(says("nothing/lock: something that is no file has this name"));
  free(other);
}

static void a_lock_that_is_removed(void) {
  new_dir("removed");
  cvy_lock *lock;
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  remove(lock_path);
  CU_ASSERT_EQUAL(cvy_lock_check(lock), CVY_E_RUN);
  CU_ASSERT(says("removed/lock: somebody has removed this lock"));
  CU_ASSERT(cvy_lock_is_lost(lock));
  cvy_lock_release(lock);
}

/* The holder sees it without asking, and leaves the other's lock alone. */
static void a_lock_that_another_takes(void) {
  new_dir("taken");
  cvy_lock *lock;
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  remove(lock_path);
  write_foreign_lock(TOKEN);
  for (int i = 0; i < 50 && !cvy_lock_is_lost(lock); i++) nap(0.1);
  CU_ASSERT(cvy_lock_is_lost(lock));
  CU_ASSERT_EQUAL(cvy_lock_check(lock), CVY_E_RUN);
  CU_ASSERT(says("taken/lock: another train has taken the folder over: process"));
  cvy_lock_release(lock);
  CU_ASSERT(scratch_exists(lock_path));
}

static void a_holder_touches_its_lock(void) {
  new_dir("touched");
  cvy_lock *lock;
  struct stat info;
  CU_ASSERT_EQUAL_FATAL(cvy_lock_take(&lock, dir, "test"), CVY_OK);
  const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  utimensat(AT_FDCWD, lock_path, long_ago, 0);
  for (int i = 0; i < 50 && stat(lock_path, &info) == 0 && info.st_mtim.tv_sec == 1000; i++) nap(0.1);
  CU_ASSERT(stat(lock_path, &info) == 0 && info.st_mtim.tv_sec > 1000);
  cvy_lock_release(lock);
}

/* ---- many ---- */

enum { STARTERS = 24, ROUNDS = 8 };

/* Starts processes that all want the lock at once and stay until each has had its answer. It returns how many
 * have had the lock. */
static int start_many(void) {
  int go[2], answers[2], winners = 0;
  char byte;
  pid_t children[STARTERS];
  CU_ASSERT_FATAL(pipe(go) == 0 && pipe(answers) == 0);
  for (int i = 0; i < STARTERS; i++) {
    if ((children[i] = start_process()) != 0) continue;
    cvy_lock *lock;
    close(go[1]);
    if (read(go[0], &byte, 1) < 0) _exit(1);
    const cvy_err err = cvy_lock_take(&lock, dir, "test");
    byte = !err ? 'y' : err == CVY_E_INPUT && says("another test is at work there: process") ? 'n' : '?';
    if (write(answers[1], &byte, 1) == 1) pause();
    _exit(1);
  }
  close(go[0]);
  close(go[1]);
  for (int i = 0; i < STARTERS; i++) {
    CU_ASSERT_FATAL(read(answers[0], &byte, 1) == 1);
    CU_ASSERT(byte == 'y' || byte == 'n');
    winners += byte == 'y';
  }
  for (int i = 0; i < STARTERS; i++) kill(children[i], SIGKILL);
  for (int i = 0; i < STARTERS; i++) wait_for(children[i]);
  close(answers[0]);
  close(answers[1]);
  return winners;
}

/* In the first round there is no lock; later rounds find that of a killed process. */
static void of_many_one_has_it(void) {
  new_dir("many");
  for (int i = 0; i < ROUNDS; i++) CU_ASSERT_EQUAL(start_many(), 1);
}

/* Whoever wanted to replace a lock may have been killed before it did. */
static void a_claim_that_is_left(void) {
  new_dir("claim");
  char claim[500], token[64] = "";
  for (int i = 0; i < ROUNDS; i++) {
    CU_ASSERT_EQUAL(take_elsewhere(""), 0);
    size_t count;
    char *text = scratch_read(lock_path, &count);
    text[count] = '\0';
    snprintf(token, sizeof token, "%.32s", strstr(text, "token ") + 6);
    snprintf(claim, sizeof claim, "%s.after.%s", lock_path, token);
    /* The claim is of a process that is gone as well, with a lock of its own. */
    strstr(text, "token ")[6] = text[count - 2] == '0' ? '1' : '0';
    memcpy(strstr(text, "token ") + 7, "00000000", 8);
    scratch_write(claim, text, count);
    free(text);
    if (i % 2) {
      CU_ASSERT_EQUAL(start_many(), 1);
    } else {
      CU_ASSERT_EQUAL(take_elsewhere(""), 0);
    }
    CU_ASSERT_EQUAL(scratch_count(dir), 1);
  }
}

/* Takes the lock once, and holds it for a moment. Nobody else may be inside meanwhile: being inside is a lock
 * of the kernel, which a killed process has no more. */
static void visit(const char *inside, bool releases) {
  cvy_lock *lock;
  if (cvy_lock_take(&lock, dir, "test")) _exit(says("at work there") ? 1 : 3);
  const int fd = open(inside, O_CREAT | O_RDWR, 0600);
  if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) _exit(2);
  nap(0.002);
  close(fd);
  if (releases) cvy_lock_release(lock);
  _exit(0);
}

/* Visits again and again, by a new process each time. Some of these end without a release, and some are
 * killed at any moment. It exits with how often the lock was had, or with 101 if two were inside. */
static void come_and_go(const char *inside, int me, double until_s) {
  int had = 0;
  unsigned random = (unsigned)me;
  while (cvy_now_s() < until_s) {
    int status = -1;
    const pid_t child = start_process();
    if (child == 0) visit(inside, me % 3 == 0);
    if (me % 3 == 1) {
      nap(1e-6 * (rand_r(&random) % 5000));
      kill(child, SIGKILL);
    }
    wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) > 1) _exit(101);
    had += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    nap(1e-6 * (rand_r(&random) % 20000));
  }
  _exit(had < 100 ? had : 100);
}

static void never_two(void) {
  new_dir("never");
  char inside[440];
  pid_t children[STARTERS];
  int had = 0;
  snprintf(inside, sizeof inside, "%s/inside", scratch_folder());
  const double until_s = cvy_now_s() + 3;
  for (int i = 0; i < STARTERS; i++)
    if ((children[i] = start_process()) == 0) come_and_go(inside, i, until_s);
  for (int i = 0; i < STARTERS; i++) {
    const int mine = wait_for(children[i]);
    CU_ASSERT(mine >= 0 && mine <= 100);
    had += mine;
  }
  CU_ASSERT(had > 0);
  CU_ASSERT_EQUAL(take_elsewhere(""), 0);
  char claims[500];
  snprintf(claims, sizeof claims, "ls %s/lock.after.* 2>/dev/null", dir);
  CU_ASSERT(system(claims) != 0); /* what the killed ones have left is swept away */
}

int main(void) {
  cvy_lock_clock = (cvy_lock_times){.beat = 0.2, .look = 0.05, .least_watch = 0.3, .gone_after = 1};
  cvy_log_enable(false);
  CU_TestInfo tests[] = {TEST(one_at_a_time),
                         TEST(the_job_is_named),
                         TEST(a_killed_holder),
                         TEST(a_number_used_again),
                         TEST(another_machine),
                         TEST(files_that_say_nothing),
                         TEST(a_lock_that_is_removed),
                         TEST(a_lock_that_another_takes),
                         TEST(a_holder_touches_its_lock),
                         TEST(of_many_one_has_it),
                         TEST(a_claim_that_is_left),
                         TEST(never_two),
                         CU_TEST_INFO_NULL};
  return run_suite("lock", tests);
}
