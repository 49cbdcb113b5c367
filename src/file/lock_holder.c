/* Describes, writes, reads and judges the holder of a lock. */
#define _GNU_SOURCE /* getrandom */
#include "file/lock_holder.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files of the system ---- */

/* Reads a small file, puts a zero behind it, and returns 0 or `errno`. *number is the file's inode. */
static int read_small(char *out, size_t bytes, const char *path, struct timespec *touched, uint64_t *number) {
  struct stat info = {0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* which asks the server of NFS anew */
  if (fd < 0) return errno;
  const ssize_t got = read(fd, out, bytes - 1);
  const int reason = got < 0 ? errno : fstat(fd, &info) != 0 ? errno : 0;
  close(fd);
  out[got < 0 ? 0 : got] = '\0';
  if (touched) *touched = info.st_mtim;
  if (number) *number = (uint64_t)info.st_ino;
  return reason;
}

/* Reads state and start of a process, and returns 0 or `errno`. */
static int read_process(int64_t pid, char *state, int64_t *start) {
  char path[64], text[1024];
  long long ticks = 0;
  snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
  const int reason = read_small(text, sizeof text, path, NULL, NULL);
  if (reason) return reason;
  const char *after = strrchr(text, ')'); /* the program's name before it may hold anything */
  if (!after ||
      sscanf(after + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld",
             state, &ticks) != 2)
    return EINVAL;
  *start = ticks;
  return 0;
}

static void first_line(char *out, size_t bytes, const char *path) {
  if (read_small(out, bytes, path, NULL, NULL)) out[0] = '\0';
  out[strcspn(out, "\n")] = '\0';
}

/* ---- this process ---- */

static void set_token(char out[33]) {
  unsigned char random[16];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
    memset(random, 0, sizeof random);
    memcpy(random, &now.tv_nsec, sizeof now.tv_nsec);
    memcpy(random + 8, &(pid_t){getpid()}, sizeof(pid_t));
  }
  for (int i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static void set_time(char *out, size_t bytes) {
  const time_t now = time(NULL);
  struct tm utc;
  if (!gmtime_r(&now, &utc) || !strftime(out, bytes, "%Y-%m-%d %H:%M:%S UTC", &utc)) out[0] = '\0';
}

static void set_job(char *out, size_t bytes) {
  static const char *const names[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"};
  const char *job = NULL;
  for (int64_t i = 0; i < CVY_COUNT(names) && !job; i++) job = getenv(names[i]);
  snprintf(out, bytes, "%s", job ? job : "");
  out[strcspn(out, "\r\n")] = '\0';
}

void cvy_holder_here(cvy_holder *out, const char *work) {
  char state;
  *out = (cvy_holder){.pid = getpid()};
  set_token(out->token);
  snprintf(out->work, sizeof out->work, "%s", work);
  if (gethostname(out->host, sizeof out->host - 1)) snprintf(out->host, sizeof out->host, "unknown");
  if (read_process(out->pid, &state, &out->start)) out->start = 0;
  first_line(out->boot, sizeof out->boot, "/proc/sys/kernel/random/boot_id");
  if (readlink("/proc/self/ns/pid", out->pids, sizeof out->pids - 1) < 0) out->pids[0] = '\0';
  set_time(out->since, sizeof out->since);
  set_job(out->job, sizeof out->job);
}

/* ---- judging ---- */

bool cvy_holder_is(const cvy_holder *a, const cvy_holder *b) {
  return strcmp(a->token, b->token) == 0;
}

cvy_holder_state cvy_holder_judge(const cvy_holder *holder, const cvy_holder *here) {
  char state = 0;
  int64_t start = 0;
  if (!here->boot[0] || strcmp(holder->boot, here->boot) != 0 || strcmp(holder->pids, here->pids) != 0 ||
      holder->pid <= 0 || holder->pid > INT32_MAX)
    return CVY_HOLDER_UNKNOWN;
  if (read_process(holder->pid, &state, &start) == 0) {
    const bool is_dead = state == 'Z' || state == 'X'; /* and only waits for its parent to notice */
    return is_dead || (holder->start && start != holder->start) ? CVY_HOLDER_GONE : CVY_HOLDER_LIVES;
  }
  /* Some systems hide the processes of others. */
  return kill((pid_t)holder->pid, 0) != 0 && errno == ESRCH ? CVY_HOLDER_GONE : CVY_HOLDER_UNKNOWN;
}

bool cvy_holder_is_stopped(const cvy_holder *holder) {
  char state = 0;
  int64_t start;
  return read_process(holder->pid, &state, &start) == 0 && (state == 'T' || state == 't');
}

/* ---- as text ---- */

typedef struct field {
  const char *name;
  size_t offset, bytes; /* bytes 0: an int64_t */
} field;

#define TEXT(name)  #name, offsetof(cvy_holder, name), sizeof(((cvy_holder *)0)->name)
#define WHOLE(name) #name, offsetof(cvy_holder, name), 0

static const field fields[] = {{TEXT(work)}, {TEXT(host)},  {WHOLE(pid)}, {WHOLE(start)}, {TEXT(boot)},
                               {TEXT(pids)}, {TEXT(since)}, {TEXT(job)},  {TEXT(token)}};

size_t cvy_holder_print(char out[CVY_HOLDER_BYTES], const cvy_holder *holder) {
  cvy_text text = cvy_text_in(out, CVY_HOLDER_BYTES);
  cvy_text_add(&text,
               "# convoy is at work in this folder; remove this file only if that process is surely gone\n");
  for (int64_t i = 0; i < CVY_COUNT(fields); i++) {
    const char *value = (const char *)holder + fields[i].offset;
    if (fields[i].bytes)
      cvy_text_add(&text, "%s %s\n", fields[i].name, value);
    else
      cvy_text_add(&text, "%s %" PRId64 "\n", fields[i].name, *(const int64_t *)value);
  }
  return strlen(out);
}

static void set_field(cvy_holder *holder, const char *line) {
  for (int64_t i = 0; i < CVY_COUNT(fields); i++) {
    const size_t length = strlen(fields[i].name);
    char *value = (char *)holder + fields[i].offset;
    if (strncmp(line, fields[i].name, length) != 0 || line[length] != ' ') continue;
    if (fields[i].bytes)
      snprintf(value, fields[i].bytes, "%s", line + length + 1);
    else
      *(int64_t *)value = strtoll(line + length + 1, NULL, 10);
  }
}

/* Tells whether a text is a token, which may become part of a file's name. */
static bool is_token(const char *token) {
  return strlen(token) == 32 && strspn(token, "0123456789abcdef") == 32;
}

int cvy_holder_read(cvy_holder *out, const char *path) {
  char text[CVY_HOLDER_BYTES];
  uint64_t number;
  *out = (cvy_holder){0};
  const int reason = read_small(text, sizeof text, path, &out->touched, &number);
  if (reason) return reason;
  for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
    set_field(out, line);
  if (!is_token(out->token)) snprintf(out->token, sizeof out->token, "unknown-%016" PRIx64, number);
  return 0;
}

void cvy_holder_describe(char out[CVY_HOLDER_BYTES], const cvy_holder *holder) {
  cvy_text text = cvy_text_in(out, CVY_HOLDER_BYTES);
  if (!holder->pid) {
    cvy_text_add(&text, "a process of which the lock says nothing");
    return;
  }
  cvy_text_add(&text, "process %" PRId64 " on %s, since %s", holder->pid, holder->host, holder->since);
  if (holder->job[0]) cvy_text_add(&text, ", job %s", holder->job);
}
