/* Takes, keeps, checks and releases the lock of a folder. */
#include "file/lock.h"

#include "base/thread.h"
#include "file/lock_holder.h"
#include "file/whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

cvy_lock_times cvy_lock_clock = {.beat = 5, .look = 0.5, .least_watch = 15, .gone_after = 120};

enum { MOST_ATTEMPTS = 1000 }; /* how many locks may come and go while one is wanted */

struct cvy_lock {
  char *folder, *path;
  char *draft; /* a file of this process's own, which gets its further name by link */
  cvy_holder me;
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t mutex;
  pthread_cond_t ends;
  bool ending; /* under the mutex */
  atomic_bool is_lost;
};

static cvy_err cannot(const char *path, const char *verb) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* ---- files ---- */

/* Writes a new file that says who the holder is. An error leaves `errno`. */
static bool write_holder(const char *path, const cvy_holder *holder) {
  char text[CVY_HOLDER_BYTES];
  const size_t count = cvy_holder_print(text, holder);
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  const ssize_t written = write(fd, text, count);
  int reason = written == (ssize_t)count ? 0 : written < 0 ? errno : ENOSPC;
  if (close(fd) != 0 && !reason) reason = errno; /* where NFS tells of a full disk */
  if (reason) unlink(path);
  errno = reason;
  return !reason;
}

/* Tells whether the error of link(2) means that the file system has one name a file. */
static bool links_are_unknown(int reason) {
  return reason == EPERM || reason == ENOSYS || reason == EOPNOTSUPP || reason == EMLINK;
}

/* Gives this process's file the name `path`, if there is none of that name. NFS may repeat what it has done
 * already and then call it an error, so what stands there decides. */
static bool put(cvy_lock *lock, const char *path) {
  cvy_holder found;
  bool is_put = link(lock->draft, path) == 0;
  if (!is_put && errno == ENOENT && write_holder(lock->draft, &lock->me))
    is_put = link(lock->draft, path) == 0;
  if (!is_put && links_are_unknown(errno)) is_put = write_holder(path, &lock->me);
  const int reason = errno;
  if (!is_put && reason == EEXIST)
    is_put = cvy_holder_read(&found, path) == 0 && cvy_holder_is(&found, &lock->me);
  errno = reason;
  return is_put;
}

/* ---- another's lock ---- */

/* Returns how long ago the holder's file was touched, by the clock of its own file system, which this process
 * reads by touching its own file. */
static double age_s(const cvy_lock *lock, const cvy_holder *holder) {
  struct stat now;
  if (utimensat(AT_FDCWD, lock->draft, NULL, 0) != 0 || stat(lock->draft, &now) != 0) return 0;
  return (double)(now.st_mtim.tv_sec - holder->touched.tv_sec) +
         1e-9 * (double)(now.st_mtim.tv_nsec - holder->touched.tv_nsec);
}

static bool is_touched(const cvy_holder *now, const cvy_holder *before) {
  return now->touched.tv_sec != before->touched.tv_sec || now->touched.tv_nsec != before->touched.tv_nsec;
}

/* Watches a lock whose holder cannot be seen. Returns CVY_HOLDER_UNKNOWN if it is no longer the same lock. */
static cvy_holder_state watch(const cvy_lock *lock, const char *path, const cvy_holder *holder) {
  const cvy_lock_times *clock = &cvy_lock_clock;
  double watch_s = clock->gone_after - age_s(lock, holder);
  if (watch_s < clock->least_watch) watch_s = clock->least_watch;
  if (watch_s > clock->gone_after) watch_s = clock->gone_after;
  const double until_s = cvy_now_s() + watch_s;
  char who[CVY_HOLDER_BYTES];
  cvy_holder_describe(who, holder);
  cvy_log(
      "%s: looking for up to %.0f s whether its holder still lives: %s; if no job is at work there, remove "
      "that file",
      path, watch_s, who);
  cvy_doing("waiting up to %.0f s for %s", watch_s, path);
  while (cvy_now_s() < until_s) {
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * clock->look)}, NULL);
    cvy_holder now;
    const int reason = cvy_holder_read(&now, path);
    if (reason == ENOENT) return CVY_HOLDER_UNKNOWN;
    if (reason != 0) continue; /* a server that does not answer says nothing about the holder */
    if (!cvy_holder_is(&now, holder)) return CVY_HOLDER_UNKNOWN;
    if (is_touched(&now, holder)) return CVY_HOLDER_LIVES;
  }
  return CVY_HOLDER_GONE;
}

static cvy_err refuse(const cvy_lock *lock, const char *path, const cvy_holder *holder, bool is_seen) {
  char who[CVY_HOLDER_BYTES], stopped[64] = "";
  const char *work = holder->work[0] ? holder->work : "job";
  cvy_holder_describe(who, holder);
  if (is_seen && cvy_holder_is_stopped(holder))
    snprintf(stopped, sizeof stopped, " (it is stopped; kill -CONT %" PRId64 " wakes it)", holder->pid);
  if (is_seen)
    return cvy_error(CVY_E_INPUT, "%s: another %s is at work there: %s%s; if it is surely gone, remove %s",
                     lock->folder, work, who, stopped, path);
  return cvy_error(
      CVY_E_INPUT,
      "%s: another %s is at work there: %s (it renews %s; if it is certainly gone, remove that file)",
      lock->folder, work, who, path);
}

static char *claim_path(const cvy_lock *lock, const cvy_holder *after) {
  return cvy_format("%s.after.%s", lock->path, after->token);
}

/* Finds the holder who counts: the lock's holder, or the one who claims to come after him, and so on to the
 * end of the chain. *path, to be freed, is that holder's file. It returns 0, ENOENT if there is no lock, or
 * another `errno`. */
static int find_last(const cvy_lock *lock, cvy_holder *last, char **path) {
  *path = cvy_format("%s", lock->path);
  int reason = cvy_holder_read(last, *path);
  while (reason == 0) {
    cvy_holder next;
    char *claim = claim_path(lock, last);
    if (cvy_holder_read(&next, claim) != 0) {
      free(claim);
      break;
    }
    free(*path);
    *path = claim;
    *last = next;
  }
  return reason;
}

/* Removes the claims from the lock of `from` up to this process's own. */
static void remove_claims(const cvy_lock *lock, cvy_holder from) {
  for (bool more = true; more && !cvy_holder_is(&from, &lock->me);) {
    char *claim = claim_path(lock, &from);
    more = cvy_holder_read(&from, claim) == 0;
    unlink(claim);
    free(claim);
  }
}

/* Tells whether this process is the last in the chain of claims. *first is the holder whose lock stands there
 * now. */
static bool is_next(const cvy_lock *lock, cvy_holder *first) {
  cvy_holder last;
  char *path;
  const bool is_known = cvy_holder_read(first, lock->path) == 0;
  const bool is_last = find_last(lock, &last, &path) == 0 && cvy_holder_is(&last, &lock->me);
  free(path);
  return is_known && is_last;
}

/* Replaces the lock of `last`, who is gone, and tells whether the lock is now this process's. Only one of all
 * processes that know `last` to be gone can make the claim's name. The claim is worth nothing if `last` was
 * replaced in the meantime. */
static bool replace(cvy_lock *lock, const cvy_holder *last) {
  char *claim = claim_path(lock, last);
  cvy_holder first;
  const bool is_put = put(lock, claim);
  const bool is_mine = is_put && is_next(lock, &first) && rename(lock->draft, lock->path) == 0;
  if (is_mine)
    remove_claims(lock, first);
  else if (is_put)
    unlink(claim);
  free(claim);
  return is_mine;
}

/* ---- taking ---- */

/* Fails if something else than a file stands under the lock's name, which no job has made. */
static cvy_err check_kind(const cvy_lock *lock) {
  struct stat info;
  if (lstat(lock->path, &info) != 0 || S_ISREG(info.st_mode)) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: %s has this name, which convoy's lock needs: rename or remove it",
                   lock->path,
                   S_ISDIR(info.st_mode)   ? "a folder"
                   : S_ISLNK(info.st_mode) ? "a symbolic link"
                                           : "something that is no file");
}

/* Attempts once to take the lock. If it succeeds and *taken is false, another attempt is worth while. */
static cvy_err attempt(cvy_lock *lock, bool *taken) {
  cvy_holder last;
  char *path;
  *taken = put(lock, lock->path);
  if (*taken) return CVY_OK;
  if (errno != EEXIST && errno != ENOENT) return cannot(lock->path, "create");
  if (errno == ENOENT) return cvy_make_folder(NULL, lock->folder); /* who was there before has removed it */
  CVY_TRY(check_kind(lock));
  const int reason = find_last(lock, &last, &path);
  errno = reason;
  cvy_err err = reason && reason != ENOENT ? cannot(lock->path, "read") : CVY_OK;
  if (reason == 0) {
    cvy_holder_state state = cvy_holder_judge(&last, &lock->me);
    const bool is_seen = state != CVY_HOLDER_UNKNOWN;
    if (!is_seen) state = watch(lock, path, &last);
    if (state == CVY_HOLDER_LIVES) err = refuse(lock, path, &last, is_seen);
    if (state == CVY_HOLDER_GONE) *taken = replace(lock, &last);
    if (!err && !is_seen) cvy_doing("going on in %s", lock->folder);
  }
  free(path);
  return err;
}

static cvy_err take(cvy_lock *lock) {
  bool taken = false;
  if (!write_holder(lock->draft, &lock->me)) return cannot(lock->path, "create");
  for (int i = 0; i < MOST_ATTEMPTS && !taken; i++) CVY_TRY(attempt(lock, &taken));
  return taken ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: locks come and go there all the time", lock->path);
}

/* Removes the drafts and claims of processes that are certainly gone. */
static void sweep(const cvy_lock *lock) {
  DIR *dir = opendir(lock->folder);
  if (!dir) return;
  for (const struct dirent *entry; (entry = readdir(dir));) {
    if (strncmp(entry->d_name, "lock.", 5) != 0) continue;
    cvy_holder left;
    char *path = cvy_format("%s/%s", lock->folder, entry->d_name);
    if (cvy_holder_read(&left, path) == 0 && cvy_holder_judge(&left, &lock->me) == CVY_HOLDER_GONE)
      unlink(path);
    free(path);
  }
  closedir(dir);
}

/* ---- keeping ---- */

/* Tells whether the lock's file is gone or another's (*is_there). It must be gone twice, for a name may be on
 * its way over a network. Other errors say nothing. */
static bool is_taken_away(const cvy_lock *lock, cvy_holder *by, bool *is_there) {
  int reason = cvy_holder_read(by, lock->path);
  if (reason == ENOENT) {
    nanosleep(&(struct timespec){.tv_nsec = 100000000L}, NULL);
    reason = cvy_holder_read(by, lock->path);
  }
  *is_there = reason == 0;
  return reason == ENOENT || (reason == 0 && !cvy_holder_is(by, &lock->me));
}

static struct timespec next_beat(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  const int64_t ns = at.tv_nsec + (int64_t)(1e9 * cvy_lock_clock.beat);
  at.tv_sec += ns / 1000000000;
  at.tv_nsec = ns % 1000000000;
  return at;
}

static void beat(cvy_lock *lock) {
  cvy_holder by;
  bool is_there;
  if (is_taken_away(lock, &by, &is_there))
    atomic_store(&lock->is_lost, true);
  else
    utimensat(AT_FDCWD, lock->path, NULL, 0);
}

static void *keep(void *context) {
  cvy_lock *lock = context;
  pthread_mutex_lock(&lock->mutex);
  while (!lock->ending) {
    const struct timespec at = next_beat();
    while (!lock->ending && pthread_cond_timedwait(&lock->ends, &lock->mutex, &at) == 0) {
    }
    if (lock->ending) break;
    pthread_mutex_unlock(&lock->mutex);
    beat(lock);
    pthread_mutex_lock(&lock->mutex);
  }
  pthread_mutex_unlock(&lock->mutex);
  return NULL;
}

static cvy_err start_keeping(cvy_lock *lock) {
  CVY_TRY(cvy_thread_start(&lock->thread, keep, lock, "the thread that keeps a lock"));
  lock->has_thread = true;
  return CVY_OK;
}

static void stop_keeping(cvy_lock *lock) {
  if (!lock->has_thread) return;
  pthread_mutex_lock(&lock->mutex);
  lock->ending = true;
  pthread_cond_signal(&lock->ends);
  pthread_mutex_unlock(&lock->mutex);
  pthread_join(lock->thread, NULL);
  lock->has_thread = false;
}

/* ---- from outside ---- */

static cvy_lock *new_lock(const char *folder, const char *work) {
  cvy_lock *lock = cvy_new(sizeof *lock);
  pthread_condattr_t clock;
  lock->folder = cvy_format("%s", folder);
  lock->path = cvy_format("%s/lock", folder);
  cvy_holder_here(&lock->me, work);
  lock->draft = cvy_format("%s.new.%s", lock->path, lock->me.token);
  pthread_mutex_init(&lock->mutex, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&lock->ends, &clock);
  pthread_condattr_destroy(&clock);
  return lock;
}

static void free_lock(cvy_lock *lock) {
  pthread_cond_destroy(&lock->ends);
  pthread_mutex_destroy(&lock->mutex);
  free(lock->folder);
  free(lock->path);
  free(lock->draft);
  free(lock);
}

cvy_err cvy_lock_take(cvy_lock **out, const char *folder, const char *work) {
  *out = NULL;
  CVY_TRY(cvy_make_folder(NULL, folder));
  cvy_lock *lock = new_lock(folder, work);
  cvy_err err = take(lock);
  unlink(lock->draft);
  if (!err) sweep(lock);
  if (!err && (err = start_keeping(lock))) unlink(lock->path);
  if (err)
    free_lock(lock);
  else
    *out = lock;
  return err;
}

cvy_err cvy_lock_check(cvy_lock *lock) {
  cvy_holder by;
  bool is_there;
  if (!is_taken_away(lock, &by, &is_there)) return CVY_OK;
  atomic_store(&lock->is_lost, true);
  if (!is_there)
    return cvy_error(
        CVY_E_RUN,
        "%s: somebody has removed this lock, so another job may be at work in the folder: this one "
        "writes nothing more there",
        lock->path);
  char who[CVY_HOLDER_BYTES];
  cvy_holder_describe(who, &by);
  return cvy_error(CVY_E_RUN,
                   "%s: another %s has taken the folder over: %s; this one writes nothing more there",
                   lock->path, by.work, who);
}

bool cvy_lock_is_lost(const cvy_lock *lock) {
  return atomic_load(&lock->is_lost);
}

void cvy_lock_release(cvy_lock *lock) {
  if (!lock) return;
  cvy_holder by;
  stop_keeping(lock);
  if (cvy_holder_read(&by, lock->path) == 0 && cvy_holder_is(&by, &lock->me)) unlink(lock->path);
  free_lock(lock);
}
