/* The work folder, DIR/.convoy-prepare, in which a run's shards stand until all are there.
 *
 *   plan                            what decides about the bytes; a run with another plan starts afresh
 *   train-00000-of-00004.h5.tmp     a shard
 *   train-00000-of-00004.written    its journal (journal.c); the shard lacks what depends on the others
 *   train-00000-of-00004.sealing    the same journal while that is added
 *   train-00000-of-00004.sealed     the same journal: the shard is ready
 *   train-00000-of-00004.rejected   what was rejected of a shard that was not finished
 *   publishing                      older shards are gone; these are on their way to their final names
 *   lock                            held by the run at work
 *   progress                        how far each rank is (progress.c)
 *
 * All but the last two are whole files (file/whole.h). A shard whose run was killed while it was sealed is
 * made again, for HDF5 cannot take back half a change. */
#include "prepare/work.h"

#include "file/bytes.h"
#include "file/lock.h"
#include "file/whole.h"
#include "prepare/journal.h"
#include "prepare/plan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files ---- */

static cvy_err cannot(const char *path, const char *verb) {
  return cvy_error(CVY_E_SYSTEM, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* Returns "DIR/.convoy-prepare/train-00000-of-00004" with the ending. */
static char *file_of(const cvy_prepare_job *j, int64_t shard, const char *ending) {
  const cvy_prepare_part *p = cvy_prepare_part_of(j, shard);
  return cvy_pool_format(j->pool, "%s/%s-%05" PRId64 "-of-%05" PRId64 "%s", j->work_dir, p->split,
                         shard - p->first_shard, p->shard_count, ending);
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

/* Reads a whole file, with a zero byte behind it that does not count. Where there is none, *found is
 * false. */
static cvy_err read_text(cvy_bytes *out, bool *found, const char *path) {
  *found = exists(path);
  if (!*found) return CVY_OK;
  CVY_TRY(cvy_bytes_read(out, path));
  CVY_TRY(cvy_bytes_reserve(out, out->count + 1, path));
  out->data[out->count] = '\0';
  return CVY_OK;
}

/* Removes everything but the lock. */
static void empty_work(const cvy_prepare_job *j) {
  DIR *dir = opendir(j->work_dir);
  if (!dir) return;
  unlinkat(dirfd(dir), "plan", 0); /* first: what is left without it counts for nothing */
  for (const struct dirent *entry; (entry = readdir(dir));)
    if (strcmp(entry->d_name, "lock") != 0) unlinkat(dirfd(dir), entry->d_name, 0);
  closedir(dir);
}

static void remove_work(cvy_prepare_job *j) {
  empty_work(j);
  cvy_prepare_close_work(j);
  rmdir(j->work_dir); /* goes only if nobody has put anything into it */
}

/* ---- the journal of a shard ---- */

cvy_err cvy_prepare_write_journal(const cvy_prepare_job *j, int64_t shard, const cvy_remarks *remarks,
                                  bool finished) {
  cvy_whole *file;
  CVY_TRY(cvy_whole_begin(&file, file_of(j, shard, finished ? ".written" : ".rejected")));
  cvy_journal_print(file->stream, &j->entries[shard], remarks);
  return cvy_whole_commit(file);
}

/* Reads a journal, and adds to the remarks. *good is false if there is none, or none of this version. */
static cvy_err read_journal(bool *good, cvy_prepare_entry *entry, cvy_remarks *remarks,
                            const cvy_prepare_job *j, int64_t shard, const char *ending) {
  cvy_bytes text = {0};
  const cvy_err err = read_text(&text, good, file_of(j, shard, ending));
  *entry = (cvy_prepare_entry){0};
  *good = !err && *good && cvy_journal_parse(entry, remarks, (const char *)text.data, text.count);
  cvy_bytes_free(&text);
  return err;
}

/* ---- what was rejected or mended ---- */

cvy_err cvy_prepare_all_remarks(cvy_remarks *out, const cvy_prepare_job *j) {
  static const char *const endings[] = {".written", ".sealed", ".rejected"};
  cvy_prepare_entry entry;
  bool good;
  *out = (cvy_remarks){0};
  for (int64_t k = 0; k < j->shard_count; k++)
    for (int64_t i = 0; i < CVY_COUNT(endings); i++)
      CVY_TRY(read_journal(&good, &entry, out, j, k, endings[i]));
  cvy_remarks_sort(out);
  return CVY_OK;
}

static cvy_err write_table(const cvy_prepare_job *j, const char *name, const cvy_notes *notes) {
  const char *path = cvy_pool_format(j->pool, "%s/%s", j->config->dir, name);
  cvy_whole *file;
  CVY_TRY(cvy_lock_check(j->lock));
  if (notes->count == 0) {
    if (unlink(path) != 0 && errno != ENOENT) return cannot(path, "remove");
    return CVY_OK;
  }
  CVY_TRY(cvy_whole_begin(&file, path));
  fputs("name,reason\n", file->stream);
  for (int64_t i = 0; i < notes->count; i++) fputs(notes->items[i].line, file->stream);
  return cvy_whole_commit(file);
}

cvy_err cvy_prepare_write_remarks(const cvy_prepare_job *j, const cvy_remarks *remarks) {
  CVY_TRY(write_table(j, "rejected.csv", &remarks->rejected));
  return write_table(j, "mended.csv", &remarks->mended);
}

/* ---- finding what is there ---- */

/* Finds what is there of a shard. A journal without its shard, and a shard that was being sealed, count for
 * nothing, so that the shard is made again. */
static cvy_err find_stage(cvy_prepare_entry *entry, cvy_remarks *remarks, const cvy_prepare_job *j,
                          int64_t shard, bool publishing) {
  const bool here = exists(file_of(j, shard, ".h5.tmp"));
  bool good;
  CVY_TRY(read_journal(&good, entry, remarks, j, shard, ".sealed"));
  entry->stage = CVY_SHARD_SEALED;
  if (good && (here || (publishing && exists(final_path(j, shard))))) return CVY_OK;
  CVY_TRY(read_journal(&good, entry, remarks, j, shard, ".written"));
  entry->stage = CVY_SHARD_WRITTEN;
  if (!good || !here) *entry = (cvy_prepare_entry){0};
  return CVY_OK;
}

static cvy_err find_shard(cvy_prepare_job *j, int64_t shard, bool publishing) {
  cvy_remarks remarks = {0};
  unlink(file_of(j, shard, ".sealing"));
  unlink(file_of(j, shard, ".rejected"));
  const cvy_err err = find_stage(&j->entries[shard], &remarks, j, shard, publishing);
  cvy_remarks_free(&remarks);
  return err;
}

static cvy_err find_shards(cvy_prepare_job *j) {
  const bool publishing = exists(in_work(j, "publishing"));
  int64_t found = 0;
  for (int64_t k = 0; k < j->shard_count; k++) {
    CVY_TRY(find_shard(j, k, publishing));
    found += j->entries[k].stage != CVY_SHARD_MISSING;
  }
  if (found > 0)
    cvy_log("%s: going on with an earlier run; %" PRId64 " of %" PRId64 " shards are ready", j->config->dir,
            found, j->shard_count);
  return CVY_OK;
}

static cvy_err find_work(cvy_prepare_job *j) {
  const char *path = in_work(j, "plan");
  cvy_bytes plan = {0};
  bool found;
  const cvy_err err = read_text(&plan, &found, path);
  const bool same = !err && found && strcmp((const char *)plan.data, j->plan) == 0;
  cvy_bytes_free(&plan);
  if (err) return err;
  if (same) return find_shards(j);
  if (found) cvy_log("%s: an unfinished run with other arguments or sources is removed", j->config->dir);
  empty_work(j);
  return cvy_whole_write_text(path, j->plan);
}

cvy_err cvy_prepare_open_work(cvy_prepare_job *j) {
  CVY_TRY(cvy_make_folder(&j->made_dir, j->config->dir));
  CVY_TRY(cvy_lock_take(&j->lock, j->work_dir, "convoy prepare"));
  return find_work(j);
}

/* ---- the end ---- */

cvy_err cvy_prepare_seal_shard(cvy_prepare_job *j, int64_t shard, int64_t first_record,
                               const cvy_shard_statistics *statistics) {
  const cvy_prepare_part *p = cvy_prepare_part_of(j, shard);
  const char *written = file_of(j, shard, ".written"), *sealing = file_of(j, shard, ".sealing");
  if (rename(written, sealing) != 0) return cannot(written, "rename");
  CVY_TRY(cvy_sync_folder(j->work_dir)); /* or a crash could leave the old name beside a shard half changed */
  CVY_TRY(cvy_shard_seal(file_of(j, shard, ".h5"), first_record, statistics, j->groups[p->group].source.c));
  if (rename(sealing, file_of(j, shard, ".sealed")) != 0) return cannot(sealing, "rename");
  j->entries[shard].stage = CVY_SHARD_SEALED;
  return CVY_OK;
}

/* Tells whether `name` is a shard of this split, of whatever run. *count receives the number of its
 * shards. */
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
  if (removed > 0) cvy_log("removed %" PRId64 " shards of an earlier '%s'", removed, p->split);
  return err;
}

static cvy_err rename_shards(const cvy_prepare_job *j) {
  for (int64_t k = 0; k < j->shard_count; k++) {
    const char *from = file_of(j, k, ".h5.tmp"), *to = final_path(j, k);
    if (!exists(from) && exists(to)) continue; /* a run that was killed here has renamed it */
    const cvy_err err = cvy_whole_rename(from, to);
    if (!err) continue;
    for (int64_t back = 0; back < k; back++) rename(final_path(j, back), file_of(j, back, ".h5.tmp"));
    return err;
  }
  return CVY_OK;
}

cvy_err cvy_prepare_publish(cvy_prepare_job *j) {
  const char *marker = in_work(j, "publishing");
  CVY_TRY(cvy_lock_check(j->lock));
  if (!exists(marker)) {
    for (int64_t i = 0; i < j->part_count; i++) CVY_TRY(remove_old(j, &j->parts[i]));
    CVY_TRY(cvy_whole_write_text(marker, ""));
  }
  CVY_TRY(rename_shards(j));
  CVY_TRY(cvy_sync_folder(j->config->dir));
  remove_work(j);
  return CVY_OK;
}

/* Keeps finished shards, but not those with rejected records, for people may mend these before the next
 * run. */
void cvy_prepare_leave_work(cvy_prepare_job *j) {
  int64_t kept = 0;
  cvy_prepare_entry entry;
  if (!j->lock) {
    rmdir(j->work_dir); /* goes only if nobody has put anything into it */
    if (j->made_dir) rmdir(j->config->dir);
    return;
  }
  if (cvy_lock_is_lost(j->lock)) return; /* what is there is another's now */
  for (int64_t k = 0; k < j->shard_count; k++) {
    cvy_remarks remarks = {0};
    bool written;
    /* A journal that cannot be read counts as none: the error that has led here matters more. */
    if ((read_journal(&written, &entry, &remarks, j, k, ".written") || !written) &&
        read_journal(&written, &entry, &remarks, j, k, ".sealed"))
      written = false;
    cvy_remarks_free(&remarks);
    if (written && entry.rejected > 0) {
      unlink(file_of(j, k, ".written"));
      unlink(file_of(j, k, ".sealed"));
      unlink(file_of(j, k, ".h5.tmp"));
    } else {
      kept += written;
    }
  }
  if (kept > 0) {
    cvy_log("%" PRId64 " of %" PRId64 " shards are ready and wait in %s; the same command goes on with them",
            kept, j->shard_count, j->work_dir);
    return;
  }
  remove_work(j);
  if (j->made_dir) rmdir(j->config->dir);
}

void cvy_prepare_close_work(cvy_prepare_job *j) {
  cvy_lock_release(j->lock);
  j->lock = NULL;
}
