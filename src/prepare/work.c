/* The work folder, DIR/.convoy-prepare, in which a run's shards stand until all are there.
 *
 *   plan                            what decides about the bytes; a run with another plan starts afresh
 *   train-00000-of-00004.h5.tmp     a shard
 *   train-00000-of-00004.written    its journal: counts, sums, what was rejected; the shard is whole but for what
 *                                   depends on the others
 *   train-00000-of-00004.sealing    the same journal while that is added: if the run is killed here, the shard is made
 *                                   again, for HDF5 cannot take back half a change
 *   train-00000-of-00004.sealed     the same journal: the shard is ready
 *   train-00000-of-00004.rejected   what was rejected of a shard that was not finished
 *   publishing                      shards are being renamed to DIR/train-00000-of-00004.h5; older ones are gone
 *   lock                            held by the run at work
 *   progress                        [rank] of `beat`
 *
 * Everything is written under another name, synced and renamed, so a file that is there is whole. */
#define _DEFAULT_SOURCE /* flock */
#include "file/whole.h"
#include "prepare/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL "convoy-prepare-journal 1"

typedef struct beat {
  int64_t done, rejected, failed;
} beat;

static const double look_interval_s = 0.2;

/* ---- files ---- */

static cvy_err cannot(const char *path, const char *verb) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* "DIR/.convoy-prepare/train-00000-of-00004" + ending. */
static char *file_of(const cvy_prepare_job *j, int64_t shard, const char *ending) {
  const cvy_prepare_part *p = cvy_prepare_part_of(j, shard);
  return cvy_pool_format(j->pool, "%s/%s-%05lld-of-%05lld%s", j->work_dir, p->split,
                         (long long)(shard - p->first_shard), (long long)p->shard_count, ending);
}

static char *final_path(const cvy_prepare_job *j, int64_t shard) {
  const cvy_prepare_part *p = cvy_prepare_part_of(j, shard);
  return cvy_shard_path(j->pool, j->config->dir, p->split, shard - p->first_shard, p->shard_count);
}

static char *in_work(const cvy_prepare_job *j, const char *name) {
  return cvy_pool_format(j->pool, "%s/%s", j->work_dir, name);
}

static bool exists(const char *path) {
  return access(path, F_OK) == 0;
}

static cvy_err write_whole(const cvy_prepare_job *j, const char *path, const char *text, size_t count) {
  const char *temporary = cvy_pool_format(j->pool, "%s.new", path);
  FILE *file = fopen(temporary, "wb");
  if (!file) return cannot(path, "create");
  bool good = fwrite(text, 1, count, file) == count && fflush(file) == 0 && fsync(fileno(file)) == 0;
  if (fclose(file) != 0) good = false;
  if (good && rename(temporary, path) == 0) return CVY_OK;
  const cvy_err err = cannot(path, "write");
  unlink(temporary);
  return err;
}

/* The whole file with a zero byte behind it, free(); NULL if there is none. */
static char *read_whole(const char *path, size_t *count) {
  struct stat info;
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = fstat(fileno(file), &info) == 0 ? malloc((size_t)info.st_size + 1) : NULL;
  *count = text ? fread(text, 1, (size_t)info.st_size, file) : 0;
  fclose(file);
  if (text) text[*count] = '\0';
  return text;
}

static cvy_err sync_folder(const char *path) {
  const int fd = open(path, O_RDONLY | O_DIRECTORY);
  const bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: it cannot be synced */
  const cvy_err err = synced ? CVY_OK : cannot(path, "sync");
  if (fd >= 0) close(fd);
  return err;
}

/* Everything but the lock. */
static void empty_work(const cvy_prepare_job *j) {
  DIR *dir = opendir(j->work_dir);
  if (!dir) return;
  unlinkat(dirfd(dir), "plan", 0); /* first: what is left without it counts for nothing */
  for (const struct dirent *entry; (entry = readdir(dir));)
    if (strcmp(entry->d_name, "lock") != 0) unlinkat(dirfd(dir), entry->d_name, 0);
  closedir(dir);
}

static void remove_work(const cvy_prepare_job *j) {
  empty_work(j);
  unlink(in_work(j, "lock"));
  rmdir(j->work_dir);
}

/* ---- the journal of a shard ---- */

void cvy_rejects_add(cvy_rejects *rejects, const cvy_reject *item) {
  if (rejects->count == rejects->capacity) {
    rejects->capacity = 2 * rejects->capacity + 16;
    cvy_reject *more = cvy_new(sizeof *more * (size_t)rejects->capacity);
    if (rejects->count) memcpy(more, rejects->items, sizeof *more * (size_t)rejects->count);
    free(rejects->items);
    rejects->items = more;
  }
  rejects->items[rejects->count++] = *item;
}

void cvy_rejects_free(cvy_rejects *rejects) {
  for (int64_t i = 0; i < rejects->count; i++) {
    free(rejects->items[i].line);
    free(rejects->items[i].reason);
  }
  free(rejects->items);
  *rejects = (cvy_rejects){0};
}

/* The sums as numbers in a row: channels, count, sums, products. */
enum { SUM_WORDS = sizeof(cvy_pixel_sums) / sizeof(uint64_t) };

static void print_journal(FILE *out, const cvy_prepare_entry *entry, const cvy_rejects *rejects) {
  uint64_t words[SUM_WORDS];
  memcpy(words, &entry->sums, sizeof words);
  fprintf(out, JOURNAL "\n%lld %lld\n", (long long)entry->records, (long long)entry->rejected);
  for (int i = 0; i < SUM_WORDS; i++) fprintf(out, "%llu\n", (unsigned long long)words[i]);
  for (int64_t i = 0; i < rejects->count; i++) {
    const cvy_reject *r = &rejects->items[i];
    fprintf(out, "%lld %lld %zu %zu\n%s%s\n", (long long)r->group, (long long)r->index, strlen(r->line),
            strlen(r->reason), r->line, r->reason);
  }
}

cvy_err cvy_prepare_write_journal(const cvy_prepare_job *j, int64_t shard, const cvy_rejects *rejects,
                                  bool finished) {
  char *text = NULL;
  size_t count = 0;
  FILE *out = open_memstream(&text, &count);
  if (!out) return cannot(j->work_dir, "write");
  print_journal(out, &j->entries[shard], rejects);
  fclose(out);
  const cvy_err err = write_whole(j, file_of(j, shard, finished ? ".written" : ".rejected"), text, count);
  free(text);
  return err;
}

/* "NUMBER" up to `end`; moves on past it. */
static bool take_number(int64_t *out, char **at) {
  char *end;
  errno = 0;
  *out = (int64_t)strtoull(*at, &end, 10);
  const bool good = end != *at && errno == 0;
  *at = end;
  return good;
}

static bool take_reject(cvy_rejects *rejects, char **at, const char *end) {
  int64_t group, index, line, reason;
  if (!take_number(&group, at) || !take_number(&index, at) || !take_number(&line, at) ||
      !take_number(&reason, at) || line < 0 || reason < 0 || end - *at < line + reason + 2)
    return false;
  const char *text = *at + 1;
  const cvy_reject item = {.group = group,
                           .index = index,
                           .line = cvy_format("%.*s", (int)line, text),
                           .reason = cvy_format("%.*s", (int)reason, text + line)};
  cvy_rejects_add(rejects, &item);
  *at += line + reason + 2;
  return true;
}

static bool parse_journal(cvy_prepare_entry *entry, cvy_rejects *rejects, char *text, size_t count) {
  uint64_t words[SUM_WORDS];
  char *at = text + strlen(JOURNAL);
  const char *end = text + count;
  if (strncmp(text, JOURNAL "\n", strlen(JOURNAL) + 1) != 0) return false;
  if (!take_number(&entry->records, &at) || !take_number(&entry->rejected, &at)) return false;
  for (int i = 0; i < SUM_WORDS; i++)
    if (!take_number((int64_t *)&words[i], &at)) return false;
  memcpy(&entry->sums, words, sizeof words);
  for (int64_t i = 0; i < entry->rejected; i++)
    if (!take_reject(rejects, &at, end)) return false;
  return true;
}

static bool read_journal(cvy_prepare_entry *entry, cvy_rejects *rejects, const cvy_prepare_job *j,
                         int64_t shard, const char *ending) {
  size_t count;
  char *text = read_whole(file_of(j, shard, ending), &count);
  *entry = (cvy_prepare_entry){0};
  const bool good = text && parse_journal(entry, rejects, text, count);
  free(text);
  return good;
}

/* ---- what was rejected ---- */

static int by_index(const void *a, const void *b) {
  const cvy_reject *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

cvy_rejects cvy_prepare_all_rejects(const cvy_prepare_job *j) {
  static const char *const endings[] = {".written", ".sealed", ".rejected"};
  cvy_rejects all = {0};
  cvy_prepare_entry entry;
  for (int64_t k = 0; k < j->shard_count; k++)
    for (int64_t i = 0; i < CVY_COUNT(endings); i++) (void)read_journal(&entry, &all, j, k, endings[i]);
  if (all.count > 0) qsort(all.items, (size_t)all.count, sizeof *all.items, by_index);
  return all;
}

cvy_err cvy_prepare_write_rejects(const cvy_prepare_job *j, const cvy_rejects *rejects) {
  const char *path = cvy_pool_format(j->pool, "%s/rejected.csv", j->config->dir);
  char *text = NULL;
  size_t count = 0;
  if (rejects->count == 0) {
    if (unlink(path) != 0 && errno != ENOENT) return cannot(path, "remove");
    return CVY_OK;
  }
  FILE *out = open_memstream(&text, &count);
  if (!out) return cannot(path, "write");
  fputs("name,reason\n", out);
  for (int64_t i = 0; i < rejects->count; i++) fputs(rejects->items[i].line, out);
  fclose(out);
  const cvy_err err = write_whole(j, path, text, count);
  free(text);
  return err;
}

/* ---- finding what is there ---- */

/* Only one run at a time; file systems that know no locks are trusted. */
static cvy_err lock_work(cvy_prepare_job *j) {
  const char *path = in_work(j, "lock");
  j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (j->lock_fd < 0) return cannot(path, "create");
  if (flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return CVY_OK;
  close(j->lock_fd);
  j->lock_fd = -1;
  return cvy_error(CVY_E_INPUT, "%s: another convoy prepare is at work there", j->config->dir);
}

/* A journal without its shard, and a shard that was being sealed, are made again. */
static void find_shard(cvy_prepare_job *j, int64_t shard, bool publishing) {
  cvy_prepare_entry *entry = &j->entries[shard];
  cvy_rejects rejects = {0};
  const bool here = exists(file_of(j, shard, ".h5.tmp"));
  unlink(file_of(j, shard, ".sealing"));
  unlink(file_of(j, shard, ".rejected"));
  if (read_journal(entry, &rejects, j, shard, ".sealed") &&
      (here || (publishing && exists(final_path(j, shard)))))
    entry->stage = CVY_SHARD_SEALED;
  else if (here && read_journal(entry, &rejects, j, shard, ".written"))
    entry->stage = CVY_SHARD_WRITTEN;
  else
    *entry = (cvy_prepare_entry){0};
  cvy_rejects_free(&rejects);
}

static void find_shards(cvy_prepare_job *j) {
  const bool publishing = exists(in_work(j, "publishing"));
  int64_t found = 0;
  for (int64_t k = 0; k < j->shard_count; k++) {
    find_shard(j, k, publishing);
    found += j->entries[k].stage != CVY_SHARD_MISSING;
  }
  if (found > 0)
    cvy_log("%s: going on with an earlier run; %lld of %lld shards are ready", j->config->dir,
            (long long)found, (long long)j->shard_count);
}

static cvy_err find_work(cvy_prepare_job *j) {
  size_t count = 0;
  const char *path = in_work(j, "plan");
  char *found = read_whole(path, &count);
  const bool same = found && strcmp(found, j->plan) == 0;
  free(found);
  if (same) {
    find_shards(j);
    return CVY_OK;
  }
  if (found) cvy_log("%s: an unfinished run with other arguments or sources is removed", j->config->dir);
  empty_work(j);
  return write_whole(j, path, j->plan, strlen(j->plan));
}

static cvy_err start_beats(const cvy_prepare_job *j) {
  const char *path = in_work(j, "progress");
  const beat none = {0};
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool good = fd >= 0;
  for (int r = 0; r < j->size && good; r++) good = write(fd, &none, sizeof none) == (ssize_t)sizeof none;
  const cvy_err err = good ? CVY_OK : cannot(path, "write");
  if (fd >= 0) close(fd);
  return err;
}

cvy_err cvy_prepare_open_work(cvy_prepare_job *j) {
  CVY_TRY(cvy_make_folder(&j->made_dir, j->config->dir));
  CVY_TRY(cvy_make_folder(NULL, j->work_dir));
  CVY_TRY(lock_work(j));
  CVY_TRY(find_work(j));
  return start_beats(j);
}

cvy_err cvy_prepare_join_work(cvy_prepare_job *j) {
  const char *path = in_work(j, "progress");
  j->start_s = cvy_now_s();
  j->beats_fd = open(path, O_RDWR | O_CLOEXEC);
  if (j->beats_fd >= 0) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s (all ranks must see the same folder)", path,
                   strerror(errno));
}

/* ---- progress ---- */

static void show_progress(const cvy_prepare_job *j, const char *split, int64_t done) {
  const double elapsed_s = cvy_now_s() - j->start_s,
               rate = (double)(done - j->done_before) / (elapsed_s > 0 ? elapsed_s : 1e-9);
  const int64_t left_s = rate > 0 ? (int64_t)((double)(j->total - done) / rate + 0.5) : 0;
  cvy_progress("preparing %s: %lld of %lld images, %.0f images/s, ETA %lld:%02lld", split, (long long)done,
               (long long)j->total, rate, (long long)(left_s / 60), (long long)(left_s % 60));
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

/* ---- the end ---- */

cvy_err cvy_prepare_seal_shard(cvy_prepare_job *j, int64_t shard, int64_t first_record,
                               const cvy_shard_statistics *statistics) {
  const cvy_prepare_part *p = cvy_prepare_part_of(j, shard);
  const char *written = file_of(j, shard, ".written"), *sealing = file_of(j, shard, ".sealing");
  if (rename(written, sealing) != 0) return cannot(written, "rename");
  CVY_TRY(cvy_shard_seal(file_of(j, shard, ".h5"), first_record, statistics, j->groups[p->group].source.c));
  if (rename(sealing, file_of(j, shard, ".sealed")) != 0) return cannot(sealing, "rename");
  j->entries[shard].stage = CVY_SHARD_SEALED;
  return CVY_OK;
}

/* Is `name` a shard of this split, of whatever run? *count: of how many. */
static bool is_shard_of(const char *name, const char *split, long *count) {
  char expected[CVY_PREPARE_SPLIT_NAME + 64];
  long shard;
  const size_t length = strlen(split);
  if (strncmp(name, split, length) != 0 || sscanf(name + length, "-%9ld-of-%9ld.h5", &shard, count) != 2)
    return false;
  snprintf(expected, sizeof expected, "%s-%05ld-of-%05ld.h5", split, shard, *count);
  return strcmp(name, expected) == 0;
}

static cvy_err remove_old(const cvy_prepare_job *j, const cvy_prepare_part *p) {
  int64_t removed = 0;
  long count;
  DIR *dir = opendir(j->config->dir);
  if (!dir) return cannot(j->config->dir, "read");
  cvy_err err = CVY_OK;
  for (const struct dirent *entry; !err && (entry = readdir(dir));) {
    if (!is_shard_of(entry->d_name, p->split, &count)) continue;
    if (unlinkat(dirfd(dir), entry->d_name, 0) != 0) err = cannot(entry->d_name, "remove");
    removed += count != p->shard_count;
  }
  closedir(dir);
  if (removed > 0) cvy_log("removed %lld shards of an earlier '%s'", (long long)removed, p->split);
  return err;
}

static cvy_err rename_shards(const cvy_prepare_job *j) {
  for (int64_t k = 0; k < j->shard_count; k++) {
    const char *from = file_of(j, k, ".h5.tmp"), *to = final_path(j, k);
    if (rename(from, to) == 0 || (errno == ENOENT && exists(to))) continue;
    const cvy_err err = cannot(from, "rename to its final name");
    for (int64_t back = 0; back < k; back++) rename(final_path(j, back), file_of(j, back, ".h5.tmp"));
    return err;
  }
  return CVY_OK;
}

cvy_err cvy_prepare_publish(cvy_prepare_job *j) {
  const char *marker = in_work(j, "publishing");
  if (!exists(marker)) {
    for (int64_t i = 0; i < j->part_count; i++) CVY_TRY(remove_old(j, &j->parts[i]));
    CVY_TRY(write_whole(j, marker, "", 0));
  }
  CVY_TRY(rename_shards(j));
  CVY_TRY(sync_folder(j->config->dir));
  remove_work(j);
  return CVY_OK;
}

/* A record that was refused may be mended before the next run, so shards with one are made again. */
void cvy_prepare_leave_work(cvy_prepare_job *j) {
  int64_t kept = 0;
  cvy_prepare_entry entry;
  if (j->lock_fd < 0) {
    rmdir(j->work_dir); /* goes only if nobody has put anything into it */
    if (j->made_dir) rmdir(j->config->dir);
    return;
  }
  for (int64_t k = 0; k < j->shard_count; k++) {
    cvy_rejects rejects = {0};
    const bool written = read_journal(&entry, &rejects, j, k, ".written") ||
                         read_journal(&entry, &rejects, j, k, ".sealed");
    cvy_rejects_free(&rejects);
    if (written && entry.rejected > 0) {
      unlink(file_of(j, k, ".written"));
      unlink(file_of(j, k, ".sealed"));
      unlink(file_of(j, k, ".h5.tmp"));
    } else {
      kept += written;
    }
  }
  if (kept > 0) {
    cvy_log("%lld of %lld shards are ready and wait in %s; the same command goes on with them",
            (long long)kept, (long long)j->shard_count, j->work_dir);
    return;
  }
  remove_work(j);
  if (j->made_dir) rmdir(j->config->dir);
}

void cvy_prepare_close_work(cvy_prepare_job *j) {
  if (j->beats_fd >= 0) close(j->beats_fd);
  if (j->lock_fd >= 0) close(j->lock_fd);
}
