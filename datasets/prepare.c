/* From a source to shards.
 *
 * The inputs form groups: one a split where the splits are named (by the user, or by a source that comes in
 * parts), else a single one that is cut into splits by fractions. Each group's records are put in one order,
 * the permutation keyed by (seed, group), and the splits are cuts of that order: so they are shuffled, their
 * sizes are exact, and the same arguments give the same bytes. Everything that can be refused is refused
 * before the output folder is touched. */
#include "prepare.h"

#include "base/files.h"
#include "data/shard.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SPLITS = CVY_COUNT(((cvy_prepare_result *)0)->splits), MAX_NAME = 31 };

static const double shard_bytes = 250.0 * 1024 * 1024; /* leaves room for labels and HDF5's own */

typedef struct group {
  const char *split; /* NULL: to be cut by fractions */
  const char **inputs;
  int64_t input_count;
  bool open;
  cvy_source source;
} group;

typedef struct part {
  const char *split;
  int64_t group, first, count; /* places first ... first+count-1 of the group's order */
  int64_t shard_count;
  cvy_shards *writer;
} part;

typedef struct job {
  const cvy_prepare_config *config;
  cvy_pool *pool;
  group groups[MAX_SPLITS];
  part parts[MAX_SPLITS];
  int64_t group_count, part_count;
  bool encoded, made_dir;
  int64_t total, done; /* records */
  double start_s;
  int64_t measured; /* the part whose mean and deviation go into all shards */
  cvy_pixel_sums sums;
} job;

/* ---- which inputs make which split ---- */

static cvy_err check_split_name(const char *name, size_t length) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  if (length == 0 || length > MAX_NAME || strspn(name, allowed) < length)
    return cvy_error(CVY_E_USAGE, "split name '%.*s': expected 1 to %d letters, digits and underscores",
                     (int)length, name, MAX_NAME);
  return CVY_OK;
}

static cvy_err too_many_splits(void) {
  return cvy_error(CVY_E_USAGE, "more than %d splits", (int)MAX_SPLITS);
}

static group *group_of(job *j, const char *split, int64_t input_count) {
  for (int64_t i = 0; i < j->group_count; i++)
    if (strcmp(j->groups[i].split, split) == 0) return &j->groups[i];
  if (j->group_count == MAX_SPLITS) return NULL;
  group *g = &j->groups[j->group_count++];
  g->split = split;
  g->inputs = cvy_pool_new(j->pool, sizeof *g->inputs * (size_t)input_count);
  return g;
}

static cvy_err group_named(job *j, const cvy_prepare_input *inputs, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (!inputs[i].split)
      return cvy_error(CVY_E_USAGE,
                       "'%s' names no split, but another input does; name it for all of them or for none",
                       inputs[i].path);
    CVY_TRY(check_split_name(inputs[i].split, strlen(inputs[i].split)));
    group *g = group_of(j, inputs[i].split, count);
    if (!g) return too_many_splits();
    g->inputs[g->input_count++] = inputs[i].path;
  }
  return CVY_OK;
}

static cvy_err plan_groups(job *j) {
  const cvy_prepare_config *c = j->config;
  cvy_prepare_input *found = NULL;
  int64_t found_count = 0, named = 0;
  for (int64_t i = 0; i < c->input_count; i++) named += c->inputs[i].split != NULL;
  if (named > 0) return group_named(j, c->inputs, c->input_count);
  if (c->input_count == 1 && !c->fractions && c->reader->find_splits)
    CVY_TRY(c->reader->find_splits(&found, &found_count, j->pool, c->inputs[0].path));
  if (found_count > 0) return group_named(j, found, found_count);
  group *g = &j->groups[j->group_count++];
  g->inputs = cvy_pool_new(j->pool, sizeof *g->inputs * (size_t)c->input_count);
  for (; g->input_count < c->input_count; g->input_count++)
    g->inputs[g->input_count] = c->inputs[g->input_count].path;
  return CVY_OK;
}

/* ---- what is in them ---- */

static cvy_err check_agreement(const group *a, const group *b) {
  const cvy_source *s = &a->source, *t = &b->source;
  if (s->h != t->h || s->w != t->w || s->c != t->c)
    return cvy_error(CVY_E_INPUT, "'%s' has images of %ldx%ldx%ld, '%s' of %ldx%ldx%ld", a->split, s->w, s->h,
                     s->c, b->split, t->w, t->h, t->c);
  if (s->class_count != t->class_count)
    return cvy_error(CVY_E_INPUT, "'%s' has %ld classes, '%s' has %ld", a->split, s->class_count, b->split,
                     t->class_count);
  for (int64_t k = 0; k < s->class_count; k++)
    if (strcmp(s->class_names[k], t->class_names[k]) != 0)
      return cvy_error(CVY_E_INPUT, "class %ld is '%s' in '%s', but '%s' in '%s'", k, s->class_names[k],
                       a->split, t->class_names[k], b->split);
  return CVY_OK;
}

static cvy_err open_groups(job *j) {
  const cvy_prepare_config *c = j->config;
  const int64_t h = c->encoded ? 0 : c->h ? c->h : c->reader->default_h;
  const int64_t w = c->encoded ? 0 : c->w ? c->w : c->reader->default_w;
  for (int64_t i = 0; i < j->group_count; i++) {
    group *g = &j->groups[i];
    CVY_TRY(c->reader->open(&g->source, c->reader_config, g->inputs, g->input_count, h, w, c->seed));
    g->open = true;
    if (i > 0) CVY_TRY(check_agreement(&j->groups[0], g));
  }
  return CVY_OK;
}

static cvy_err choose_encoding(job *j) {
  const cvy_prepare_config *c = j->config;
  const cvy_source *s = &j->groups[0].source;
  j->encoded = c->encoded || s->h == 0;
  if (j->encoded && !c->encoded)
    cvy_log("the pictures vary in size and no --size is given: they stay encoded");
  return CVY_OK;
}

/* ---- the parts ---- */

static cvy_err bad_fractions(const char *text, const char *why) {
  return cvy_error(CVY_E_USAGE, "--split %s: %s; expected such as train=0.9,val=0.1", text, why);
}

/* Cuts lie at rounded sums, so the parts fill the whole exactly where the fractions do. */
static cvy_err cut_by_fractions(job *j, const char *text) {
  const int64_t total = j->groups[0].source.count;
  double sum = 0;
  int64_t first = 0;
  for (const char *p = text;; p++) {
    const size_t length = strcspn(p, "=,");
    char *end;
    if (p[length] != '=') return bad_fractions(text, "a name without a fraction");
    CVY_TRY(check_split_name(p, length));
    const double fraction = strtod(p + length + 1, &end);
    if (end == p + length + 1 || (*end && *end != ',') || !(fraction > 0 && fraction <= 1))
      return bad_fractions(text, "a fraction that is no number above 0 and up to 1");
    if (j->part_count == MAX_SPLITS) return too_many_splits();
    sum += fraction;
    if (sum > 1 + 1e-9) return bad_fractions(text, "more than 1 in all");
    const int64_t cut = (int64_t)((sum < 1 ? sum : 1) * (double)total + 0.5);
    part *q = &j->parts[j->part_count++];
    *q = (part){
        .split = cvy_pool_format(j->pool, "%.*s", (int)length, p), .first = first, .count = cut - first};
    first = cut;
    p = end;
    if (!*p) return CVY_OK;
  }
}

static cvy_err plan_parts(job *j) {
  const char *fractions = j->config->fractions ? j->config->fractions : "train=0.9,val=0.1";
  if (!j->groups[0].split) return cut_by_fractions(j, fractions);
  for (int64_t i = 0; i < j->group_count; i++)
    j->parts[j->part_count++] = (part){
        .split = j->groups[i].split, .group = i, .count = j->groups[i].source.count};
  return CVY_OK;
}

static int64_t enough_shards(const job *j, const part *p) {
  const cvy_source *s = &j->groups[p->group].source;
  const double all = j->encoded ? (double)s->encoded_bytes : (double)s->count * (double)(s->h * s->w * s->c);
  const int64_t shards = 1 + (int64_t)(all * ((double)p->count / (double)s->count) / shard_bytes);
  return shards < p->count ? shards : p->count;
}

static cvy_err check_parts(job *j) {
  for (int64_t i = 0; i < j->part_count; i++) {
    part *p = &j->parts[i];
    for (int64_t k = 0; k < i; k++)
      if (strcmp(p->split, j->parts[k].split) == 0)
        return cvy_error(CVY_E_USAGE, "split '%s' is named twice", p->split);
    if (p->count == 0)
      return cvy_error(CVY_E_USAGE, "split '%s' gets none of the %ld images", p->split,
                       j->groups[p->group].source.count);
    if (j->config->shards > p->count)
      return cvy_error(CVY_E_USAGE, "--shards %ld: split '%s' has only %ld images", j->config->shards,
                       p->split, p->count);
    p->shard_count = j->config->shards ? j->config->shards : enough_shards(j, p);
    j->total += p->count;
    if (strcmp(p->split, "train") == 0) j->measured = i;
  }
  return CVY_OK;
}

/* ---- writing ---- */

static void show_progress(const job *j, const part *p) {
  const double elapsed_s = cvy_now_s() - j->start_s,
               rate = (double)j->done / (elapsed_s > 0 ? elapsed_s : 1e-9);
  const int64_t left_s = (int64_t)((double)(j->total - j->done) / rate + 0.5);
  cvy_progress("preparing %s: %ld of %ld images, %.0f images/s, ETA %ld:%02ld", p->split, j->done, j->total,
               rate, left_s / 60, left_s % 60);
}

static cvy_err write_record(job *j, part *p, int64_t index) {
  cvy_source *source = &j->groups[p->group].source;
  cvy_record record;
  CVY_TRY(j->config->reader->read(&record, source, index));
  if (p == &j->parts[j->measured]) cvy_pixel_sums_add(&j->sums, &record.image);
  const cvy_image *image = &record.image;
  const void *bytes = j->encoded ? record.encoded : image->px;
  const size_t count = j->encoded ? record.encoded_bytes : (size_t)(image->h * image->w * image->c);
  CVY_TRY_IN(cvy_shards_add(p->writer, bytes, count, record.label), "%s", record.name);
  return CVY_OK;
}

static cvy_err write_part(job *j, part *p) {
  const cvy_source *s = &j->groups[p->group].source;
  const cvy_shards_config config = {.dir = j->config->dir,
                                    .split = p->split,
                                    .shard_count = p->shard_count,
                                    .record_count = p->count,
                                    .encoding = j->encoded ? CVY_ENCODED : CVY_RAW,
                                    .h = s->h,
                                    .w = s->w,
                                    .c = s->c,
                                    .class_count = s->class_count,
                                    .class_names = s->class_names};
  const cvy_random order = {.seed = j->config->seed, .purpose = CVY_FOR_SPLIT, .layer = (uint32_t)p->group};
  CVY_TRY(cvy_shards_create(&p->writer, &config));
  for (int64_t i = 0; i < p->count; i++) {
    CVY_TRY(write_record(j, p, cvy_random_permute(&order, p->first + i, s->count)));
    j->done++;
    if (j->done % 16 == 0 || j->done == j->total) show_progress(j, p);
  }
  return CVY_OK;
}

/* ---- finishing ---- */

static void remove_shards(const job *j, const part *p) {
  for (int64_t k = 0; k < p->shard_count; k++) {
    char *path = cvy_format("%s/%s-%05ld-of-%05ld.h5", j->config->dir, p->split, k, p->shard_count);
    unlink(path);
    free(path);
  }
}

/* Is `name` a shard of this split from an earlier run, with another number of shards? */
static bool is_stale(const char *name, const part *p) {
  char expected[MAX_NAME + 64];
  long shard, count;
  const size_t length = strlen(p->split);
  if (strncmp(name, p->split, length) != 0 || sscanf(name + length, "-%ld-of-%ld.h5", &shard, &count) != 2)
    return false;
  snprintf(expected, sizeof expected, "%s-%05ld-of-%05ld.h5", p->split, shard, count);
  return strcmp(name, expected) == 0 && count != p->shard_count;
}

static void remove_stale(const job *j, const part *p) {
  int64_t removed = 0;
  DIR *dir = opendir(j->config->dir);
  if (!dir) return;
  for (const struct dirent *entry; (entry = readdir(dir));)
    if (is_stale(entry->d_name, p)) removed += unlinkat(dirfd(dir), entry->d_name, 0) == 0;
  closedir(dir);
  if (removed > 0) cvy_log("removed %ld shards of an earlier '%s'", removed, p->split);
}

static cvy_err finish_parts(job *j, cvy_prepare_result *out) {
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  cvy_pixel_sums_result(mean, deviation, &j->sums);
  for (int64_t i = 0; i < j->part_count; i++) CVY_TRY(cvy_shards_seal(j->parts[i].writer, mean, deviation));
  for (int64_t i = 0; i < j->part_count; i++) {
    part *p = &j->parts[i];
    cvy_shards *writer = p->writer;
    int64_t bytes;
    p->writer = NULL;
    const cvy_err err = cvy_shards_finish(writer, &bytes, mean, deviation);
    if (err) {
      for (int64_t k = 0; k <= i; k++) remove_shards(j, &j->parts[k]);
      return err;
    }
    snprintf(out->splits[i].split, sizeof out->splits[i].split, "%s", p->split);
    out->splits[i].images = p->count;
    out->splits[i].shards = p->shard_count;
    out->splits[i].bytes = bytes;
  }
  out->split_count = j->part_count;
  out->class_count = j->groups[0].source.class_count;
  for (int64_t i = 0; i < j->part_count; i++) remove_stale(j, &j->parts[i]);
  return CVY_OK;
}

/* ---- the whole ---- */

static cvy_err check_config(const cvy_prepare_config *c) {
  if (c->encoded && !c->reader->keeps_files)
    return cvy_error(CVY_E_USAGE, "--encoded: %s has no JPEG or PNG files to keep", c->reader->kind->name);
  if (c->encoded && c->h > 0)
    return cvy_error(CVY_E_USAGE, "--encoded keeps the files as they are; it does not go with --size");
  if ((c->h > 0) != (c->w > 0))
    return cvy_error(CVY_E_USAGE, "--size %ldx%ld: width and height must both be at least 1, or both 0", c->w,
                     c->h);
  CVY_CHECK(c->shards >= 0);
  return CVY_OK;
}

static cvy_err plan(job *j) {
  CVY_TRY(check_config(j->config));
  CVY_TRY(plan_groups(j));
  CVY_TRY(open_groups(j));
  CVY_TRY(choose_encoding(j));
  CVY_TRY(plan_parts(j));
  return check_parts(j);
}

static cvy_err write_all(job *j, cvy_prepare_result *out) {
  CVY_TRY(cvy_make_folder(&j->made_dir, j->config->dir));
  j->start_s = cvy_now_s();
  for (int64_t i = 0; i < j->part_count; i++) {
    const cvy_err err = write_part(j, &j->parts[i]);
    if (err || i == j->part_count - 1) cvy_progress_end();
    if (err) return err == CVY_E_INPUT ? CVY_E_RUN : err; /* found too late to say that nothing was started */
  }
  return finish_parts(j, out);
}

cvy_err cvy_prepare(cvy_prepare_result *out, const cvy_prepare_config *config) {
  job j = {.config = config, .pool = cvy_pool_create()};
  *out = (cvy_prepare_result){0};
  cvy_err err = plan(&j);
  if (!err) err = write_all(&j, out);
  for (int64_t i = 0; i < j.part_count; i++) cvy_shards_abandon(j.parts[i].writer);
  for (int64_t i = 0; i < j.group_count; i++)
    if (j.groups[i].open) config->reader->close(&j.groups[i].source);
  if (err && j.made_dir) rmdir(config->dir);
  cvy_pool_destroy(j.pool);
  return err;
}
