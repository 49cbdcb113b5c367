/* The plan: which inputs make which split, and how many shards of how many records.
 *
 * The inputs form groups: one a split where the splits are named (by the user, or by a source that comes
 * in parts), else a single one that is cut into splits, by fractions or by places. For fractions the group's
 * records are put in one order, the permutation keyed by (seed, group), and the splits are cuts of that
 * order. For places the splits are cuts of the source's own order, and each is put in such an order by
 * itself. So splits are shuffled, their sizes are exact, and the same arguments give the same bytes. */
#define _DEFAULT_SOURCE /* realpath */
#include "prepare/plan.h"

#include "base/count.h"
#include "base/text.h"
#include "file/descriptors.h"
#include "file/numbered.h"
#include "prepare/agree.h"
#include "prepare/names.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SPLITS = CVY_PREPARE_SPLITS, MAX_NAME = CVY_PREPARE_SPLIT_NAME };

typedef cvy_prepare_group group;
typedef cvy_prepare_part part;
typedef cvy_prepare_job job;

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
    const cvy_reader *reader = j->config->reader;
    g->inputs[g->input_count++] = reader->part_for ? reader->part_for(j->pool, j->config->reader_config,
                                                                      inputs[i].path, inputs[i].split)
                                                   : inputs[i].path;
  }
  return CVY_OK;
}

/* Adds to a reader's error the name of the reader that the input is for, where that is sure. */
static cvy_err name_reader(cvy_err err, job *j, const char *input) {
  if (err != CVY_E_INPUT) return err;
  const cvy_reader *other = cvy_reader_that_fits(input);
  j->is_refused = !other || other == j->config->reader;
  if (j->is_refused) return err;
  return cvy_error(err, "%s; 'convoy prepare %s' reads what this seems to be", cvy_err_message(),
                   other->kind->name);
}

/* Warns where the inputs are some files of a set that has more, as their names tell. */
static void warn_of_missing_files(const job *j) {
  const int64_t count = j->config->input_count;
  const char **paths = cvy_pool_new(j->pool, sizeof *paths * (size_t)(count + 1));
  for (int64_t i = 0; i < count; i++) paths[i] = j->config->inputs[i].path;
  if (cvy_check_numbered(paths, count)) cvy_warn("%s", cvy_err_message());
}

static cvy_err plan_groups(job *j) {
  const cvy_prepare_config *c = j->config;
  cvy_prepare_input *found = NULL;
  int64_t found_count = 0, named = 0;
  for (int64_t i = 0; i < c->input_count; i++) named += c->inputs[i].split != NULL;
  warn_of_missing_files(j);
  if (named > 0 && c->split)
    return cvy_error(CVY_E_USAGE,
                     "--split %s cuts inputs that name no split, but '%s' names its own; leave one away",
                     c->split, c->inputs[0].path);
  if (named > 0) return group_named(j, c->inputs, c->input_count);
  if (c->input_count == 1 && !c->split && c->reader->find_splits)
    CVY_TRY(name_reader(c->reader->find_splits(&found, &found_count, j->pool, c->inputs[0].path), j,
                        c->inputs[0].path));
  if (found_count > 0) return group_named(j, found, found_count);
  group *g = &j->groups[j->group_count++];
  g->inputs = cvy_pool_new(j->pool, sizeof *g->inputs * (size_t)c->input_count);
  for (; g->input_count < c->input_count; g->input_count++)
    g->inputs[g->input_count] = c->inputs[g->input_count].path;
  return CVY_OK;
}

/* ---- what is in them ---- */

static cvy_err check_sizes(const group *a, const group *b) {
  const cvy_source *s = &a->source, *t = &b->source;
  if (s->h != t->h || s->w != t->w || s->c != t->c)
    return cvy_error(CVY_E_INPUT,
                     "'%s' has images of %" PRId64 "x%" PRId64 "x%" PRId64 ", '%s' of %" PRId64 "x%" PRId64
                     "x%" PRId64,
                     a->split, s->w, s->h, s->c, b->split, t->w, t->h, t->c);
  return CVY_OK;
}

/* Returns `path` with its links followed as far as it exists, in `pool`. */
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

/* Refuses to write among the folders of classes, where the shards would be taken for a class the next
 * time. */
static cvy_err check_place(const job *j, const char *input) {
  const char *from = real_path(j->pool, input), *to = real_path(j->pool, j->config->dir);
  const size_t length = strlen(from);
  if (!j->config->reader->walks || strncmp(from, to, length) != 0 || to[length] != '/') return CVY_OK;
  return cvy_error(CVY_E_USAGE, "-o %s lies inside %s, whose folders are classes; choose a folder elsewhere",
                   j->config->dir, input);
}

/* Refuses to keep the files of a source that turns out to hold pixels, as some databases do. */
static cvy_err check_files(const cvy_prepare_config *c, const cvy_source *s, const char *input) {
  if ((!c->encoded && c->shorter == 0) || s->h == 0) return CVY_OK;
  return cvy_error(CVY_E_USAGE,
                   "%s: it has pixels of %" PRId64 "x%" PRId64
                   ", no JPEG or PNG files to keep; leave --encoded away, or give --size WIDTHxHEIGHT",
                   input, s->w, s->h);
}

static cvy_err open_groups(job *j) {
  const cvy_prepare_config *c = j->config;
  const bool keeps_size = c->encoded || c->shorter > 0;
  const int64_t h = keeps_size ? 0 : c->h ? c->h : c->reader->default_h;
  const int64_t w = keeps_size ? 0 : c->w ? c->w : c->reader->default_w;
  for (int64_t i = 0; i < j->group_count; i++) {
    group *g = &j->groups[i];
    for (int64_t k = 0; k < g->input_count; k++) CVY_TRY(check_place(j, g->inputs[k]));
    cvy_descriptors_reserve(g->input_count * (1 + cvy_threads())); /* each thread may open them all */
    cvy_err err = c->reader->open(&g->source, c->reader_config, g->inputs, g->input_count, h, w, c->seed);
    if (g->input_count > 0) err = name_reader(err, j, g->inputs[0]);
    if (err) return err;
    g->open = true;
    CVY_TRY(cvy_prepare_set_names(j, g));
    g->source.bytes_only = c->reader->keeps_files;
    CVY_TRY(check_files(c, &g->source, g->input_count > 0 ? g->inputs[0] : ""));
    if (i > 0) CVY_TRY(check_sizes(&j->groups[0], g));
  }
  return cvy_prepare_agree_classes(j);
}

/* Refuses images that are so large that a thread could not hold several at a time. */
static cvy_err check_size(const cvy_source *s) {
  const int64_t most = (int64_t)1 << 28;
  if (s->h * s->w * s->c <= most) return CVY_OK;
  return cvy_error(CVY_E_USAGE,
                   "--size %" PRId64 "x%" PRId64 ": %" PRId64 " bytes an image; at most %" PRId64, s->w, s->h,
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

static cvy_err bad_split(const char *text, const char *why) {
  return cvy_error(CVY_E_USAGE,
                   "--split %s: %s; expected such as train=0.9,val=0.1 or train=first:3500,val=next:400",
                   text, why);
}

/* What stands behind the name of a split: a fraction of all images, how many by place, or the rest. */
typedef enum cut_kind { CUT_FRACTION, CUT_FIRST, CUT_NEXT, CUT_REST } cut_kind;

typedef struct cut {
  cut_kind kind;
  double fraction;
  int64_t count;
} cut;

static const char *const places[] = {[CUT_FIRST] = "first:", [CUT_NEXT] = "next:"};

static cvy_err bad_cut(const char *text, size_t length, const char *whole, const char *what) {
  char why[200];
  snprintf(why, sizeof why, "'%.*s' is no %s", (int)cvy_smaller((int64_t)length, 60), text, what);
  return bad_split(whole, why);
}

/* Reads the value that begins at `text` and ends at a comma or with the text. */
static cvy_err read_cut(cut *out, const char *text, const char *whole) {
  enum { MOST_DIGITS = 15 };
  const size_t length = strcspn(text, ",");
  char *end = NULL;
  *out = (cut){.kind = CUT_FRACTION};
  if (length == 4 && strncmp(text, "rest", length) == 0) {
    out->kind = CUT_REST;
    return CVY_OK;
  }
  for (cut_kind kind = CUT_FIRST; kind <= CUT_NEXT; kind++) {
    const size_t letters = strlen(places[kind]);
    if (strncmp(text, places[kind], letters) != 0) continue;
    const char *digits = text + letters;
    const size_t digit_count = strspn(digits, "0123456789");
    *out = (cut){.kind = kind, .count = digit_count <= MOST_DIGITS ? strtoll(digits, &end, 10) : 0};
    if (out->count > 0 && digit_count > 0 && end == text + length) return CVY_OK;
    return bad_cut(digits, length - letters, whole,
                   "number of images, which is whole, from 1 to 999999999999999");
  }
  out->fraction = strtod(text, &end);
  if (end != text + length || length == 0 || !(out->fraction > 0 && out->fraction <= 1))
    return bad_cut(text, length, whole, "fraction above 0 and up to 1, and none of first:N, next:N, rest");
  return CVY_OK;
}

/* Adds a split of `count` records behind those before it. */
static cvy_err add_part(job *j, const char *name, size_t length, int64_t first, int64_t count,
                        bool by_place) {
  if (j->part_count == MAX_SPLITS) return too_many_splits();
  j->parts[j->part_count++] = (part){.split = cvy_pool_format(j->pool, "%.*s", (int)length, name),
                                     .first = first,
                                     .count = count,
                                     .by_place = by_place};
  return CVY_OK;
}

/* Checks that a place follows those of the splits before it. */
static cvy_err check_place_order(const job *j, const cut *c, bool had_rest, const char *whole) {
  if (c->kind == CUT_FIRST && j->part_count > 0)
    return bad_split(whole, "'first' is of the first split; those behind it are 'next'");
  if (c->kind != CUT_FIRST && j->part_count == 0)
    return bad_split(whole, "the first split by place begins at the first image: 'first'");
  return had_rest ? bad_split(whole, "'rest' leaves nothing to the splits behind it") : CVY_OK;
}

/* Adds the split that a place means, and moves *first behind it. */
static cvy_err cut_by_place(job *j, const cut *c, const char *name, size_t length, int64_t *first) {
  const int64_t total = j->groups[0].source.count, left = total - *first;
  const int64_t count = c->kind == CUT_REST ? left : c->count;
  if (count > left)
    return cvy_error(CVY_E_USAGE,
                     "--split: '%.*s' is to have %" PRId64 " images from number %" PRId64
                     " on, but the source has %" PRId64 " images in all, %" PRId64 " too few",
                     (int)length, name, count, *first + 1, total, count - left);
  CVY_TRY(add_part(j, name, length, *first, count, true));
  *first += count;
  return CVY_OK;
}

/* Adds the split that a fraction means. Cuts lie at rounded sums, so the parts fill the whole exactly where
 * the fractions do. */
static cvy_err cut_by_fraction(job *j, double fraction, const char *name, size_t length, double *sum) {
  const double total = (double)j->groups[0].source.count;
  const int64_t first = (int64_t)(*sum * total + 0.5);
  *sum = *sum + fraction < 1 ? *sum + fraction : 1;
  return add_part(j, name, length, first, (int64_t)(*sum * total + 0.5) - first, false);
}

static cvy_err cut_splits(job *j, const char *text) {
  double sum = 0;
  int64_t first = 0;
  bool by_place = false, had_rest = false;
  for (const char *p = text;;) {
    const size_t length = strcspn(p, "=,");
    const char *value = p + length + 1;
    cut c;
    if (p[length] != '=') return bad_split(text, "a name without a fraction");
    CVY_TRY(check_split_name(p, length));
    CVY_TRY(read_cut(&c, value, text));
    if (j->part_count > 0 && by_place != (c.kind != CUT_FRACTION))
      return bad_split(text, "splits are cut by fractions or by places, not some by each");
    by_place = c.kind != CUT_FRACTION;
    if (by_place) CVY_TRY(check_place_order(j, &c, had_rest, text));
    if (!by_place && sum + c.fraction > 1 + 1e-9) return bad_split(text, "more than 1 in all");
    CVY_TRY(by_place ? cut_by_place(j, &c, p, length, &first)
                     : cut_by_fraction(j, c.fraction, p, length, &sum));
    had_rest = c.kind == CUT_REST;
    p = value + strcspn(value, ",");
    if (!*p++) return CVY_OK;
  }
}

static cvy_err plan_parts(job *j) {
  const char *split = j->config->split ? j->config->split : "train=0.9,val=0.1";
  if (!j->groups[0].split) return cut_splits(j, split);
  for (int64_t i = 0; i < j->group_count; i++)
    j->parts[j->part_count++] = (part){
        .split = j->groups[i].split, .group = i, .count = j->groups[i].source.count};
  return CVY_OK;
}

/* Estimates a record as it will be stored. JPEG files of photographs need less than half a byte a pixel. */
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
      return cvy_error(CVY_E_USAGE, "split '%s' gets none of the %" PRId64 " images", p->split,
                       j->groups[p->group].source.count);
    if (j->config->shards > p->count)
      return cvy_error(CVY_E_USAGE, "--shards %" PRId64 ": split '%s' has only %" PRId64 " images",
                       j->config->shards, p->split, p->count);
    p->shard_count = j->config->shards ? j->config->shards : enough_shards(j, p);
    p->first_shard = j->shard_count;
    j->shard_count += p->shard_count;
    j->total += p->count;
    if (strcmp(p->split, "train") == 0) j->measured = i;
  }
  return CVY_OK;
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
    fprintf(out, "group: %s, %" PRId64 " records of %" PRId64 " bytes, %" PRId64 "x%" PRId64 "x%" PRId64 "\n",
            g->split ? g->split : "", s->count, s->encoded_bytes, s->w, s->h, s->c);
    for (int64_t k = 0; k < g->input_count; k++) {
      char *path = realpath(g->inputs[k], NULL);
      fprintf(out, "input: %s\n", path ? path : g->inputs[k]);
      free(path);
    }
    for (int64_t k = 0; g->labels && k < s->class_count; k++)
      fprintf(out, "class %" PRId64 " of its own is %" PRId32 "\n", k, g->labels[k]);
  }
}

static void describe(const job *j, FILE *out) {
  const cvy_prepare_config *c = j->config;
  fprintf(out, "convoy prepare %s, shards of version %d\n", c->reader->kind->name, CVY_SHARD_VERSION);
  fprintf(out, "seed %" PRIu64 ", encoded %d, shorter side %" PRId64 ", quality %" PRId64 ", exif %s\n",
          c->seed, j->encoded, j->shorter, j->quality, c->ignore_exif ? "ignore" : "apply");
  fprintf(out, "tolerate %s\n", cvy_tolerance_words[c->tolerance]);
  if (c->reader->kind->options && c->reader_config) {
    char *options = cvy_yaml_text(cvy_options_dump(c->reader_config, j->pool, c->reader->kind->options));
    fprintf(out, "options:\n%s\n", options);
    free(options);
  }
  describe_inputs(j, out);
  for (int64_t i = 0; i < j->part_count; i++) {
    const part *p = &j->parts[i];
    fprintf(out,
            "split %s: group %" PRId64 ", %" PRId64 " records from %" PRId64 "%s in %" PRId64 " shards\n",
            p->split, p->group, p->count, p->first, p->by_place ? " by place" : "", p->shard_count);
  }
  for (int64_t k = 0; k < j->class_count; k++) fprintf(out, "class %s\n", j->class_names[k]);
}

static void describe_plan(job *j) {
  cvy_text_stream stream;
  cvy_text_stream_begin(&stream);
  describe(j, stream.out);
  char *text = cvy_text_stream_end(&stream, NULL);
  j->plan = cvy_pool_format(j->pool, "%s", text);
  j->work_dir = cvy_pool_format(j->pool, "%s/.convoy-prepare", j->config->dir);
  j->entries = cvy_pool_new(j->pool, sizeof *j->entries * (size_t)j->shard_count);
  free(text);
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
    return cvy_error(CVY_E_USAGE,
                     "--size %" PRId64 "x%" PRId64 ": width and height must both be at least 1, or both 0",
                     c->w, c->h);
  CVY_CHECK(c->shards >= 0 && c->shorter >= 0 && (c->shorter == 0 || c->h == 0));
  return CVY_OK;
}

cvy_err cvy_prepare_plan(job *j) {
  CVY_TRY(check_config(j->config));
  CVY_TRY(plan_groups(j));
  CVY_TRY(open_groups(j));
  CVY_TRY(choose_encoding(j));
  CVY_TRY(plan_parts(j));
  CVY_TRY(check_parts(j));
  CVY_TRY(set_most_rejected(j));
  describe_plan(j);
  return CVY_OK;
}

const part *cvy_prepare_part_of(const job *j, int64_t shard) {
  int64_t i = j->part_count - 1;
  while (j->parts[i].first_shard > shard) i--;
  return &j->parts[i];
}

void cvy_prepare_close_sources(job *j) {
  for (int64_t i = 0; i < j->group_count; i++)
    if (j->groups[i].open) j->config->reader->close(&j->groups[i].source);
}
