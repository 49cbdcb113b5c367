/* Ranks see each other's progress through a file of one `beat` a rank, for they do not talk while they
 * work: a rank may be busy with a large picture for long. */
#include "prepare/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct beat {
  int64_t done, rejected, failed;
} beat;

static const double look_interval_s = 0.2;

static char *path_of(const cvy_prepare_job *j) {
  return cvy_pool_format(j->pool, "%s/progress", j->work_dir);
}

cvy_err cvy_prepare_start_progress(cvy_prepare_job *j) {
  const char *path = path_of(j);
  const beat none = {0};
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool good = fd >= 0;
  for (int r = 0; r < j->size && good; r++) good = write(fd, &none, sizeof none) == (ssize_t)sizeof none;
  const cvy_err err = good ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return err;
}

cvy_err cvy_prepare_join_progress(cvy_prepare_job *j) {
  const char *path = path_of(j);
  j->start_s = cvy_now_s();
  j->beats_fd = open(path, O_RDWR | O_CLOEXEC);
  if (j->beats_fd >= 0) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s (all ranks must see the same folder)", path,
                   strerror(errno));
}

void cvy_prepare_end_progress(cvy_prepare_job *j) {
  if (j->beats_fd >= 0) close(j->beats_fd);
}

static void show_progress(const cvy_prepare_job *j, const char *split, int64_t done) {
  const double elapsed_s = cvy_now_s() - j->start_s,
               rate = (double)(done - j->done_before) / (elapsed_s > 0 ? elapsed_s : 1e-9);
  const int64_t left_s = rate > 0 ? (int64_t)((double)(j->total - done) / rate + 0.5) : 0;
  cvy_progress("preparing %s: %" PRId64 " of %" PRId64 " images, %.0f images/s, ETA %" PRId64 ":%02" PRId64,
               split, done, j->total, rate, left_s / 60, left_s % 60);
}

void cvy_prepare_beat(cvy_prepare_job *j, const char *split, bool failed) {
  const beat mine = {j->done, j->rejected, failed};
  beat all = {j->done_before + j->done, j->rejected_before + j->rejected, failed};
  const double now_s = cvy_now_s();
  if (all.rejected > j->most_rejected) j->stop = true;
  if (!j->stop && !failed && now_s - j->looked_s < look_interval_s) return;
  j->looked_s = now_s;
  /* Where this cannot be written, the others only learn it later. */
  if (j->beats_fd >= 0 && pwrite(j->beats_fd, &mine, sizeof mine, (off_t)sizeof mine * j->rank) < 0) return;
  for (int r = 0; r < j->size && j->beats_fd >= 0; r++) {
    beat other;
    if (r == j->rank || pread(j->beats_fd, &other, sizeof other, (off_t)sizeof other * r) != sizeof other)
      continue;
    all.done += other.done;
    all.rejected += other.rejected;
    all.failed |= other.failed;
  }
  if (all.failed || all.rejected > j->most_rejected) j->stop = true;
  if (!failed) show_progress(j, split, all.done);
}

void cvy_prepare_show_done(const cvy_prepare_job *j) {
  show_progress(j, j->parts[j->part_count - 1].split, j->total);
  cvy_progress_end();
}
