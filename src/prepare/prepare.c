/* From a source to shards.
 *
 * The inputs form groups: one a split where the splits are named (by the user, or by a source that comes in
 * parts), else a single one that is cut into splits by fractions. Each group's records are put in one order,
 * the permutation keyed by (seed, group), and the splits are cuts of that order: so they are shuffled, their
 * sizes are exact, and the same arguments give the same bytes. Everything that can be refused is refused
 * before the output folder is touched.
 *
 * Every rank plans the same. Then rank 0 opens the work folder, each rank makes its share of the shards that are
 * not there yet, the ranks add up what they know of them, seal them, and rank 0 gives them their names. */
#define _DEFAULT_SOURCE /* realpath */
#include "base/text.h"
#include "data/dataset.h"
#include "file/bytes.h"
#include "file/whole.h"
#include "prepare/job.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_SPLITS = CVY_PREPARE_SPLITS, MAX_NAME = CVY_PREPARE_SPLIT_NAME };

typedef cvy_prepare_group group;
typedef cvy_prepare_part part;
typedef cvy_prepare_job job;
typedef cvy_prepare_entry entry;

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

/* Two classes of one name could not be told apart. */
static cvy_err check_class_names(const cvy_source *s) {
  const char **sorted = cvy_new(sizeof *sorted * (size_t)(s->class_count + 1));
  cvy_err err = CVY_OK;
  memcpy(sorted, s->class_names, sizeof *sorted * (size_t)s->class_count);
  cvy_sort_by_text(sorted, s->class_count, sizeof *sorted);
  for (int64_t k = 1; k < s->class_count && !err; k++)
    if (strcmp(sorted[k - 1], sorted[k]) == 0)
      err = cvy_error(CVY_E_INPUT, "two classes are called '%s'", sorted[k]);
  free(sorted);
  return err;
}

/* What the records' names are left without: the input if it is a folder, else the folder that it is in. */
static void find_folders(job *j, group *g) {
  g->folders = cvy_pool_new(j->pool, sizeof *g->folders * (size_t)(g->input_count + 1));
  for (int64_t i = 0; i < g->input_count; i++) {
    const char *input = g->inputs[i], *slash = strrchr(input, '/');
    size_t length = strlen(input);
    if (cvy_is_folder(input))
      g->folders[i] = cvy_pool_format(j->pool, "%s%s", input, length && input[length - 1] == '/' ? "" : "/");
    else
      g->folders[i] = slash ? cvy_pool_format(j->pool, "%.*s", (int)(slash - input + 1), input) : "";
  }
}

/* `path` with its links followed as far as it exists. In `pool`. */
static const char *real_path(cvy_pool *pool, const char *path) {
  char *head = cvy_pool_format(pool, "%s%s", path[0] == '/' ? "" : "./", path);
  const char *whole = cvy_pool_format(pool, "%s", head);
  char *real = realpath(head, NULL);
  for (char *slash; !real && (slash = strrchr(head, '/')) != NULL && slash > head;
       real = realpath(head, NULL))
    *slash = '\0';
  const char *out = real ? cvy_pool_format(pool, "%s%s", real, whole + strlen(head)) : path;
  free(real);
  return out;
}

/* Shards among the classes would be taken for one of them the next time. */
static cvy_err check_place(const job *j, const char *input) {
  const char *from = real_path(j->pool, input), *to = real_path(j->pool, j->config->dir);
  const size_t length = strlen(from);
  if (!j->config->reader->walks || strncmp(from, to, length) != 0 || to[length] != '/') return CVY_OK;
  return cvy_error(CVY_E_USAGE, "-o %s lies inside %s, whose folders are classes; choose a folder elsewhere",
                   j->config->dir, input);
}

static cvy_err open_groups(job *j) {
  const cvy_prepare_config *c = j->config;
  const bool keeps_size = c->encoded || c->shorter > 0;
  const int64_t h = keeps_size ? 0 : c->h ? c->h : c->reader->default_h;
  const int64_t w = keeps_size ? 0 : c->w ? c->w : c->reader->default_w;
  for (int64_t i = 0; i < j->group_count; i++) {
    group *g = &j->groups[i];
    for (int64_t k = 0; k < g->input_count; k++) CVY_TRY(check_place(j, g->inputs[k]));
    CVY_TRY(c->reader->open(&g->source, c->reader_config, g->inputs, g->input_count, h, w, c->seed));
    g->open = true;
    g->source.bytes_only = c->reader->keeps_files;
    find_folders(j, g);
    if (i > 0) CVY_TRY(check_agreement(&j->groups[0], g));
    CVY_TRY(check_class_names(&g->source));
  }
  return CVY_OK;
}

/* A thread holds several records at a time. */
static cvy_err check_size(const cvy_source *s) {
  const int64_t most = (int64_t)1 << 28;
  if (s->h * s->w * s->c <= most) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "--size %ldx%ld: %ld bytes an image; at most %ld", s->w, s->h,
                   s->h * s->w * s->c, most);
}

static cvy_err choose_encoding(job *j) {
  const cvy_prepare_config *c = j->config;
  const cvy_source *s = &j->groups[0].source;
  CVY_TRY(check_size(s));
  j->encoded = c->encoded || c->shorter > 0 || s->h == 0;
  j->shorter = c->shorter;
  j->quality = c->quality > 0 ? c->quality : 90;
  if (j->encoded && !c->encoded && c->shorter == 0)
    cvy_log("no --size is given, so the pictures stay encoded, each of its own size");
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

/* Of a record as it will be stored; JPEG files of photographs need less than half a byte a pixel. */
static double record_bytes(const job *j, const cvy_source *s) {
  if (!j->encoded) return (double)(s->h * s->w * s->c);
  const double came = (double)s->encoded_bytes / (double)s->count,
               scaled = 0.5 * 1.5 * (double)j->shorter * (double)j->shorter;
  return j->shorter > 0 && scaled < came ? scaled : came;
}

static int64_t enough_shards(const job *j, const part *p) {
  const cvy_source *s = &j->groups[p->group].source;
  const int64_t mib = j->config->shard_mib > 0 ? j->config->shard_mib : 256;
  const double most = (double)(mib << 20) * 250 / 256; /* leaves room for labels and HDF5's own */
  const int64_t shards = 1 + (int64_t)(record_bytes(j, s) * (double)p->count / most);
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
    p->first_shard = j->shard_count;
    j->shard_count += p->shard_count;
    j->total += p->count;
    if (strcmp(p->split, "train") == 0) j->measured = i;
  }
  return CVY_OK;
}

const part *cvy_prepare_part_of(const job *j, int64_t shard) {
  int64_t i = j->part_count - 1;
  while (j->parts[i].first_shard > shard) i--;
  return &j->parts[i];
}

/* ---- what else decides about the bytes ---- */

static cvy_err set_most_rejected(job *j) {
  enum { FEW = 10 };
  const char *text = j->config->max_rejected;
  char *end = NULL;
  if (!text) {
    j->most_rejected = j->total / 100 > FEW ? j->total / 100 : FEW;
    return CVY_OK;
  }
  const double value = strtod(text, &end);
  const bool percent = end != text && *end == '%';
  if (end == text || end[percent] != '\0' || !(value >= 0 && value <= (percent ? 100 : CVY_NO_LIMIT)))
    return cvy_error(CVY_E_USAGE, "--max-rejected %s: expected a number of records or a share such as 0.5%%",
                     text);
  j->most_rejected = (int64_t)(percent ? value / 100 * (double)j->total : value);
  return CVY_OK;
}

static void describe_inputs(const job *j, FILE *out) {
  for (int64_t i = 0; i < j->group_count; i++) {
    const group *g = &j->groups[i];
    const cvy_source *s = &g->source;
    fprintf(out, "group: %s, %lld records of %lld bytes, %lldx%lldx%lld\n", g->split ? g->split : "",
            (long long)s->count, (long long)s->encoded_bytes, (long long)s->w, (long long)s->h,
            (long long)s->c);
    for (int64_t k = 0; k < g->input_count; k++) {
      char *path = realpath(g->inputs[k], NULL);
      fprintf(out, "input: %s\n", path ? path : g->inputs[k]);
      free(path);
    }
  }
}

static void describe(const job *j, FILE *out) {
  const cvy_prepare_config *c = j->config;
  const cvy_source *s = &j->groups[0].source;
  fprintf(out, "convoy prepare %s, shards of version %d\n", c->reader->kind->name, CVY_SHARD_VERSION);
  fprintf(out, "seed %llu, encoded %d, shorter side %lld, quality %lld, exif %s\n",
          (unsigned long long)c->seed, j->encoded, (long long)j->shorter, (long long)j->quality,
          c->ignore_exif ? "ignore" : "apply");
  if (c->reader->kind->options && c->reader_config) {
    char *options = cvy_yaml_text(cvy_options_dump(c->reader_config, j->pool, c->reader->kind->options));
    fprintf(out, "options:\n%s\n", options);
    free(options);
  }
  describe_inputs(j, out);
  for (int64_t i = 0; i < j->part_count; i++) {
    const part *p = &j->parts[i];
    fprintf(out, "split %s: group %lld, %lld records from %lld in %lld shards\n", p->split,
            (long long)p->group, (long long)p->count, (long long)p->first, (long long)p->shard_count);
  }
  for (int64_t k = 0; k < s->class_count; k++) fprintf(out, "class %s\n", s->class_names[k]);
}

static cvy_err describe_plan(job *j) {
  char *text = NULL;
  size_t count = 0;
  FILE *out = open_memstream(&text, &count);
  if (!out) return cvy_error(CVY_E_SYSTEM, "out of memory for the plan");
  describe(j, out);
  fclose(out);
  j->plan = cvy_pool_format(j->pool, "%s", text);
  j->work_dir = cvy_pool_format(j->pool, "%s/.convoy-prepare", j->config->dir);
  j->entries = cvy_pool_new(j->pool, sizeof *j->entries * (size_t)j->shard_count);
  free(text);
  return CVY_OK;
}

static cvy_err check_config(const cvy_prepare_config *c) {
  if ((c->encoded || c->shorter > 0) && !c->reader->keeps_files)
    return cvy_error(CVY_E_USAGE, "--encoded: %s has no JPEG or PNG files to keep", c->reader->kind->name);
  if (c->encoded && c->h > 0)
    return cvy_error(
        CVY_E_USAGE,
        "--encoded keeps JPEG and PNG files; it does not go with --size WIDTHxHEIGHT, which stores "
        "pixels (--size N keeps files of that shorter side)");
  if ((c->h > 0) != (c->w > 0))
    return cvy_error(CVY_E_USAGE, "--size %ldx%ld: width and height must both be at least 1, or both 0", c->w,
                     c->h);
  CVY_CHECK(c->shards >= 0 && c->shorter >= 0 && (c->shorter == 0 || c->h == 0));
  return CVY_OK;
}

static cvy_err plan(job *j) {
  CVY_TRY(check_config(j->config));
  CVY_TRY(plan_groups(j));
  CVY_TRY(open_groups(j));
  CVY_TRY(choose_encoding(j));
  CVY_TRY(plan_parts(j));
  CVY_TRY(check_parts(j));
  CVY_TRY(set_most_rejected(j));
  return describe_plan(j);
}

/* ---- together ---- */

static cvy_err agree(const job *j, cvy_err err) {
  return j->config->comm ? cvy_comm_agree(j->config->comm, err) : err;
}

static cvy_err check_same_plan(const job *j) {
  if (!j->config->comm) return CVY_OK;
  const int other = cvy_comm_first_different(j->config->comm, cvy_hash_of_text(j->plan).hex);
  if (other < 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "rank %d has other arguments, or sees other files, than rank 0", other);
}

/* Every rank learns what every other has made. */
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
  for (int64_t k = 0; k < j->shard_count && !err; k++)
    if (j->entries[k].stage == CVY_SHARD_MISSING && unfinished++ % j->size == j->rank)
      err = cvy_prepare_write_shard(j, k);
  if (err) cvy_prepare_beat(j, "", true);
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

static cvy_err none_left(const job *j, const part *p, const cvy_rejects *rejects) {
  const cvy_reject *first = NULL;
  for (int64_t i = 0; i < rejects->count && !first; i++)
    if (rejects->items[i].group == p->group) first = &rejects->items[i];
  return cvy_error(CVY_E_RUN,
                   "none of the %lld images of '%s' can be read; the first: %s (%s/rejected.csv has all)",
                   (long long)p->count, p->split, first ? first->reason : "", j->config->dir);
}

static cvy_err check_rejects(job *j, const cvy_rejects *rejects) {
  CVY_TRY(cvy_prepare_write_rejects(j, rejects));
  if (rejects->count > j->most_rejected)
    return cvy_error(
        CVY_E_RUN,
        "%lld images cannot be read, more than --max-rejected allows (%lld of %lld); the first: %s "
        "(%s/rejected.csv has those found so far)",
        (long long)rejects->count, (long long)j->most_rejected, (long long)j->total, rejects->items[0].reason,
        j->config->dir);
  for (int64_t i = 0; i < j->part_count; i++)
    if (records_of(j, &j->parts[i]) == 0) return none_left(j, &j->parts[i], rejects);
  return CVY_OK;
}

/* By rank 0. */
static cvy_err look_at_rejects(job *j) {
  cvy_rejects rejects = cvy_prepare_all_rejects(j);
  const cvy_err err = check_rejects(j, &rejects);
  cvy_rejects_free(&rejects);
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
    }
  }
  out->split_count = j->part_count;
  out->class_count = j->groups[0].source.class_count;
}

/* Of what was written: pictures that could not be read may have been all that a class had. */
static cvy_err warn_of_empty_classes(const job *j) {
  const part *p = &j->parts[j->measured];
  cvy_dataset *set;
  CVY_TRY(cvy_dataset_open(&set, j->config->dir, p->split));
  const cvy_dataset_info *info = cvy_dataset_describe(set);
  int64_t *counts = cvy_pool_new(j->pool, sizeof *counts * (size_t)info->class_count);
  cvy_dataset_count_classes(counts, set);
  char names[200];
  cvy_text list = cvy_text_in(names, sizeof names);
  int64_t empty = 0;
  for (int64_t k = 0; k < info->class_count; k++) {
    if (counts[k] > 0) continue;
    if (empty++ < 3) cvy_text_item(&list, ", ", "'%.40s'", info->class_names[k]);
  }
  if (empty > 0)
    cvy_warn("no picture of %lld of %lld classes is in '%s': %s%s", (long long)empty,
             (long long)info->class_count, p->split, names, empty > 3 ? ", ..." : "");
  cvy_dataset_close(set);
  return CVY_OK;
}

/* From here on it is too late to say that nothing was started. */
static cvy_err begun(cvy_err err) {
  return err == CVY_E_INPUT ? CVY_E_RUN : err;
}

static cvy_err make(job *j) {
  CVY_TRY(agree(j, cvy_prepare_join_work(j)));
  CVY_TRY(begun(write_shards(j)));
  CVY_TRY(begun(agree(j, j->rank == 0 ? look_at_rejects(j) : CVY_OK)));
  CVY_TRY(begun(agree(j, seal_mine(j))));
  return begun(agree(j, j->rank == 0 ? cvy_prepare_publish(j) : CVY_OK));
}

static cvy_err prepare(job *j, cvy_prepare_result *out) {
  CVY_TRY(agree(j, plan(j)));
  CVY_TRY(check_same_plan(j));
  cvy_err err = agree(j, j->rank == 0 ? cvy_prepare_open_work(j) : CVY_OK);
  if (!err) err = make(j);
  if (err && j->rank == 0) cvy_prepare_leave_work(j);
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
           .lock_fd = -1,
           .beats_fd = -1};
  *out = (cvy_prepare_result){0};
  const cvy_err err = prepare(&j, out);
  cvy_prepare_free_workers(&j);
  for (int64_t i = 0; i < j.group_count; i++)
    if (j.groups[i].open) config->reader->close(&j.groups[i].source);
  cvy_pool_destroy(j.pool);
  return err;
}
