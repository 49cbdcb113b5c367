/* Leads a run of `convoy prepare`, from a source to shards.
 *
 * Every rank plans the same. Then rank 0 opens the work folder, and each rank makes its share of the
 * shards that are not there yet. The ranks add up what they know of them, seal them, and rank 0 gives them
 * their names. */
#include "prepare/prepare.h"

#include "base/text.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "prepare/journal.h"
#include "prepare/plan.h"
#include "prepare/progress.h"
#include "prepare/work.h"
#include "prepare/write.h"

#include <string.h>
#include <sys/stat.h>

typedef cvy_prepare_part part;
typedef cvy_prepare_job job;
typedef cvy_prepare_entry entry;

static cvy_err agree(const job *j, cvy_err err) {
  return j->config->comm ? cvy_comm_agree(j->config->comm, err) : err;
}

static cvy_err check_same_plan(const job *j) {
  if (!j->config->comm) return CVY_OK;
  const int other = cvy_comm_first_different(j->config->comm, cvy_hash_of_text(j->plan).hex);
  if (other < 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "rank %d has other arguments, or sees other files, than rank 0", other);
}

/* Tells every rank what every other has made. */
static void share_entries(job *j, const entry *before) {
  enum { WORDS = sizeof(entry) / sizeof(int64_t) };
  if (!j->config->comm) return;
  for (int64_t k = 0; k < j->shard_count; k++)
    if (before[k].stage != CVY_SHARD_MISSING) j->entries[k] = j->rank == 0 ? before[k] : (entry){0};
  cvy_comm_sum(j->config->comm, (int64_t *)j->entries, WORDS * j->shard_count);
}

static cvy_err write_mine(job *j) {
  int64_t unfinished = 0;
  cvy_err err = CVY_OK;
  for (int64_t k = 0; k < j->shard_count && !err; k++) {
    if (j->entries[k].stage != CVY_SHARD_MISSING || unfinished++ % j->size != j->rank) continue;
    cvy_doing("making shard %" PRId64 " of %" PRId64, k + 1, j->shard_count);
    err = cvy_prepare_write_shard(j, k);
  }
  if (err) cvy_prepare_beat(j, "", true);
  if (j->size > 1) cvy_doing("waiting for the shards of the other ranks");
  return err;
}

static cvy_err write_shards(job *j) {
  const size_t bytes = sizeof *j->entries * (size_t)j->shard_count;
  entry *before = cvy_pool_new(j->pool, bytes);
  if (j->config->comm) cvy_comm_broadcast(j->config->comm, j->entries, bytes);
  memcpy(before, j->entries, bytes);
  for (int64_t k = 0; k < j->shard_count; k++) {
    j->done_before += before[k].records + before[k].rejected;
    j->rejected_before += before[k].rejected;
  }
  const cvy_err err = agree(j, write_mine(j));
  if (err || j->stop) {
    cvy_progress_end();
    return err;
  }
  cvy_prepare_show_done(j);
  share_entries(j, before);
  return CVY_OK;
}

static int64_t records_of(const job *j, const part *p) {
  int64_t records = 0;
  for (int64_t k = 0; k < p->shard_count; k++) records += j->entries[p->first_shard + k].records;
  return records;
}

static cvy_err none_left(const job *j, const part *p, const cvy_notes *rejects) {
  const cvy_note *first = NULL;
  for (int64_t i = 0; i < rejects->count && !first; i++)
    if (rejects->items[i].group == p->group) first = &rejects->items[i];
  return cvy_error(CVY_E_RUN,
                   "none of the %" PRId64
                   " images of '%s' can be read; the first: %s (%s/rejected.csv has all)",
                   p->count, p->split, first ? first->reason : "", j->config->dir);
}

static bool any_mendable(const cvy_notes *rejects) {
  for (int64_t i = 0; i < rejects->count; i++)
    if (rejects->items[i].mendable) return true;
  return false;
}

static cvy_err check_rejects(const job *j, const cvy_notes *rejects) {
  if (rejects->count > j->most_rejected)
    return cvy_error(CVY_E_RUN,
                     "%" PRId64 " images cannot be read, more than --max-rejected allows (%" PRId64
                     " of %" PRId64 "); the first: %s "
                     "(%s/rejected.csv has those found so far)%s",
                     rejects->count, j->most_rejected, j->total, rejects->items[0].reason, j->config->dir,
                     any_mendable(rejects) ? "; --tolerate truncated would keep pictures that end early"
                                           : "");
  for (int64_t i = 0; i < j->part_count; i++)
    if (records_of(j, &j->parts[i]) == 0) return none_left(j, &j->parts[i], rejects);
  return CVY_OK;
}

static void warn_of_rejects(const job *j, const cvy_notes *rejects) {
  if (rejects->count == 0) return;
  cvy_warn("%" PRId64 " of %" PRId64 " images %s left out; the first: %s (%s/rejected.csv has all)",
           rejects->count, j->total, rejects->count > 1 ? "are" : "is", rejects->items[0].reason,
           j->config->dir);
}

/* Writes rejected.csv and mended.csv, and fails if too much was rejected. Rank 0 alone calls it. */
static cvy_err look_at_remarks(const job *j) {
  cvy_remarks remarks;
  cvy_err err = cvy_prepare_all_remarks(&remarks, j);
  if (!err) err = cvy_prepare_write_remarks(j, &remarks);
  if (!err) err = check_rejects(j, &remarks.rejected);
  if (!err) warn_of_rejects(j, &remarks.rejected);
  cvy_remarks_free(&remarks);
  return err;
}

static cvy_err seal_mine(job *j) {
  const part *measured = &j->parts[j->measured];
  cvy_pixel_sums sums = {0};
  cvy_shard_statistics statistics;
  for (int64_t k = 0; k < measured->shard_count; k++)
    cvy_pixel_sums_merge(&sums, &j->entries[measured->first_shard + k].sums);
  cvy_pixel_sums_statistics(&statistics, &sums);
  for (int64_t i = 0; i < j->part_count; i++) {
    const part *p = &j->parts[i];
    int64_t first_record = 0;
    for (int64_t k = p->first_shard; k < p->first_shard + p->shard_count; k++) {
      if (j->entries[k].stage != CVY_SHARD_SEALED && k % j->size == j->rank)
        CVY_TRY(cvy_prepare_seal_shard(j, k, first_record, &statistics));
      first_record += j->entries[k].records;
    }
  }
  return CVY_OK;
}

static void tell(const job *j, cvy_prepare_result *out) {
  for (int64_t i = 0; i < j->part_count; i++) {
    const part *p = &j->parts[i];
    snprintf(out->splits[i].split, sizeof out->splits[i].split, "%s", p->split);
    out->splits[i].images = records_of(j, p);
    out->splits[i].shards = p->shard_count;
    for (int64_t k = 0; k < p->shard_count; k++) {
      struct stat info;
      if (stat(cvy_shard_path(j->pool, j->config->dir, p->split, k, p->shard_count), &info) == 0)
        out->splits[i].bytes += info.st_size;
      out->rejected += j->entries[p->first_shard + k].rejected;
      out->mended += j->entries[p->first_shard + k].mended;
    }
  }
  out->split_count = j->part_count;
  out->class_count = j->class_count;
}

static cvy_err warn_of_split(const job *j, const char *split, bool is_by_place) {
  static const char by_place[] = "; where the source has one class behind the other, fractions (--split "
                                 "train=0.9,val=0.1), which shuffle first, are right";
  cvy_dataset *set;
  CVY_TRY(cvy_dataset_open(&set, j->config->dir, split));
  const cvy_dataset_info *info = cvy_dataset_describe(set);
  int64_t *counts = cvy_pool_new(j->pool, sizeof *counts * (size_t)info->class_count);
  cvy_dataset_count_classes(counts, set);
  char names[200];
  cvy_text list = cvy_text_in(names, sizeof names);
  int64_t empty = 0;
  for (int64_t k = 0; k < info->class_count; k++) {
    if (counts[k] > 0) continue;
    if (empty++ < 3)
      cvy_text_item(&list, ", ", "'%.*s'", (int)cvy_utf8_fit(info->class_names[k], 40), info->class_names[k]);
  }
  if (empty > 0)
    cvy_warn("no picture of %" PRId64 " of %" PRId64 " classes is in '%s': %s%s%s", empty, info->class_count,
             split, names, empty > 3 ? ", ..." : "", is_by_place ? by_place : "");
  cvy_dataset_close(set);
  return CVY_OK;
}

/* Warns of classes of which nothing was written. One may be missing by permission or by the cut into splits,
 * or all of its pictures may have been unreadable. */
static cvy_err warn_of_empty_classes(const job *j) {
  for (int64_t i = 0; i < j->part_count; i++)
    CVY_TRY(warn_of_split(j, j->parts[i].split, j->parts[i].by_place));
  return CVY_OK;
}

/* Makes an input error one of the run: from here on it is too late to say that nothing was started. */
static cvy_err begun(cvy_err err) {
  return err == CVY_E_INPUT ? CVY_E_RUN : err;
}

static cvy_err make(job *j) {
  CVY_TRY(agree(j, cvy_prepare_join_progress(j)));
  CVY_TRY(begun(write_shards(j)));
  CVY_TRY(begun(agree(j, j->rank == 0 ? look_at_remarks(j) : CVY_OK)));
  cvy_doing("adding the statistics to the shards");
  CVY_TRY(begun(agree(j, seal_mine(j))));
  return begun(agree(j, j->rank == 0 ? cvy_prepare_publish(j) : CVY_OK));
}

static cvy_err open_work(job *j) {
  CVY_TRY(cvy_prepare_open_work(j));
  return cvy_prepare_start_progress(j);
}

static cvy_err prepare(job *j, cvy_prepare_result *out) {
  cvy_doing("looking at what there is to prepare");
  CVY_TRY(agree(j, cvy_prepare_plan(j)));
  CVY_TRY(check_same_plan(j));
  cvy_err err = agree(j, j->rank == 0 ? open_work(j) : CVY_OK);
  if (!err) err = make(j);
  if (err && j->rank == 0) cvy_prepare_leave_work(j);
  cvy_prepare_end_progress(j);
  cvy_prepare_close_work(j);
  if (!err) tell(j, out);
  if (!err && j->rank == 0) err = begun(warn_of_empty_classes(j));
  return err;
}

cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) {
  job j = {.config = config,
           .pool = cvy_pool_create(),
           .rank = config->comm ? cvy_comm_rank(config->comm) : 0,
           .size = config->comm ? cvy_comm_size(config->comm) : 1,
           .beats_fd = -1};
  *out = (cvy_prepare_result){0};
  const cvy_err err = prepare(&j, out);
  out->is_refused = j.is_refused;
  cvy_progress_drop();
  cvy_prepare_free_workers(&j);
  cvy_prepare_close_sources(&j);
  cvy_pool_destroy(j.pool);
  return err;
}
