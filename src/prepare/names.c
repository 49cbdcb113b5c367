/* Names, which may come in any encoding: how shards hold them, and what people are told of them. */
#include "prepare/names.h"

#include "base/utf8.h"
#include "file/bytes.h"

#include <string.h>

typedef cvy_prepare_group group;
typedef cvy_prepare_job job;

/* ---- of classes ---- */

/* Makes UTF-8 of the names of the classes, which shards hold. */
static void write_out_class_names(const job *j, cvy_source *s) {
  const char **names = cvy_pool_new(j->pool, sizeof *names * (size_t)(s->class_count + 1));
  for (int64_t k = 0; k < s->class_count; k++) names[k] = cvy_utf8_shown(j->pool, s->class_names[k]);
  s->class_names = names;
}

const char *cvy_prepare_encoding(const cvy_prepare_config *c) {
  for (const cvy_option *o = c->reader->kind->options; o && o->name && c->reader_config; o++)
    if (strcmp(o->name, "encoding") == 0)
      return *(const char *const *)((const char *)c->reader_config + o->offset);
  return NULL;
}

static cvy_err check_encoding(const job *j, const cvy_source *s) {
  static const char path[] = "a/1.png";
  char *read;
  const char *asked = cvy_prepare_encoding(j->config);
  if (!asked || !asked[0] || !s->encoding) return CVY_OK;
  const cvy_err err = cvy_utf8_convert(&read, j->pool, asked, "");
  if (err) return cvy_error(CVY_E_USAGE, "--encoding: %s", cvy_err_message());
  if (cvy_utf8_convert(&read, j->pool, asked, path) == CVY_OK && strcmp(read, path) == 0) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "--encoding %s: no names of files are in it, for ASCII is no part of it; latin-1 and cp1252 "
      "are what Western names mostly are in",
      asked);
}

/* Tells which names of classes had to be escaped, and how else they could be read. */
static void tell_of_escapes(const job *j, const cvy_source *s) {
  const char *first = NULL;
  char *bytes, *read = NULL;
  int64_t count = 0;
  for (int64_t k = 0; k < s->class_count; k++) {
    if (!cvy_utf8_was_other(s->class_names[k])) continue;
    if (count++ == 0) first = s->class_names[k];
  }
  if (count == 0) return;
  bytes = cvy_utf8_unescape(j->pool, first);
  const bool helps = cvy_prepare_encoding(j->config) &&
                     cvy_utf8_convert(&read, j->pool, "latin-1", bytes) == CVY_OK;
  cvy_warn("the name%s of %" PRId64 " class%s %s not UTF-8, and stand%s escaped as in '%s'%s%s%s",
           count > 1 ? "s" : "", count, count > 1 ? "es" : "", count > 1 ? "are" : "is", count > 1 ? "" : "s",
           first, helps ? "; --encoding latin-1 reads that as '" : "",
           helps ? cvy_utf8_shown(j->pool, read) : "", helps ? "'" : "");
}

/* Tells which names of classes hold control characters, which are escaped too. */
static void tell_of_controls(const job *j, const cvy_source *s) {
  const char *first = NULL;
  int64_t count = 0;
  for (int64_t k = 0; k < s->class_count; k++) {
    const char *name = s->class_names[k];
    if (!strchr(name, '\\') || cvy_utf8_was_other(name)) continue;
    if (cvy_utf8_is_clean(cvy_utf8_unescape(j->pool, name))) continue;
    if (count++ == 0) first = name;
  }
  if (count > 0)
    cvy_warn("the name%s of %" PRId64 " class%s hold%s control characters, which stand escaped as in '%s'",
             count > 1 ? "s" : "", count, count > 1 ? "es" : "", count > 1 ? "" : "s", first);
}

/* ---- of records ---- */

/* Finds what is left off the records' names: the input if it is a folder, else the folder that it is in. */
static void find_folders(const job *j, group *g) {
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

/* Returns a name without the part of its path that the command line named. */
static const char *short_name(const group *g, const char *name) {
  for (int64_t i = 0; i < g->input_count; i++) {
    const size_t length = strlen(g->folders[i]);
    if (strncmp(name, g->folders[i], length) == 0) return name + length;
  }
  return name;
}

char *cvy_prepare_record_name(const group *g, const char *name) {
  cvy_pool *pool = cvy_pool_create();
  char *kept = cvy_format("%s", cvy_utf8_name(pool, short_name(g, name), g->source.encoding));
  cvy_pool_destroy(pool);
  return kept;
}

/* ---- of a group ---- */

cvy_err cvy_prepare_set_names(const job *j, group *g) {
  CVY_TRY(check_encoding(j, &g->source));
  write_out_class_names(j, &g->source);
  if (g == &j->groups[0]) tell_of_escapes(j, &g->source);
  if (g == &j->groups[0]) tell_of_controls(j, &g->source);
  find_folders(j, g);
  return CVY_OK;
}
