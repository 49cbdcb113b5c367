/* A journal is lines of numbers: records and rejected records; the words of the pixel sums; and for each
 * rejected record its group, its index, and the lengths of two texts that follow: its line of
 * rejected.csv, and its reason. */
#include "prepare/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL "convoy-prepare-journal 1"

/* ---- rejected records ---- */

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

static int by_index(const void *a, const void *b) {
  const cvy_reject *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

void cvy_rejects_sort(cvy_rejects *rejects) {
  if (rejects->count > 0) qsort(rejects->items, (size_t)rejects->count, sizeof *rejects->items, by_index);
}

/* ---- text ---- */

enum { SUM_WORDS = sizeof(cvy_pixel_sums) / sizeof(uint64_t) };

void cvy_journal_print(FILE *out, const cvy_prepare_entry *entry, const cvy_rejects *rejects) {
  uint64_t words[SUM_WORDS];
  memcpy(words, &entry->sums, sizeof words);
  fprintf(out, JOURNAL "\n%" PRId64 " %" PRId64 "\n", entry->records, entry->rejected);
  for (int i = 0; i < SUM_WORDS; i++) fprintf(out, "%" PRIu64 "\n", words[i]);
  for (int64_t i = 0; i < rejects->count; i++) {
    const cvy_reject *r = &rejects->items[i];
    fprintf(out, "%" PRId64 " %" PRId64 " %zu %zu\n%s%s\n", r->group, r->index, strlen(r->line),
            strlen(r->reason), r->line, r->reason);
  }
}

/* Reads a number at *at and moves on past it. */
static bool take_number(int64_t *out, const char **at) {
  char *end;
  errno = 0;
  *out = (int64_t)strtoull(*at, &end, 10);
  const bool good = end != *at && errno == 0;
  *at = end;
  return good;
}

static bool take_reject(cvy_rejects *rejects, const char **at, const char *end) {
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

bool cvy_journal_parse(cvy_prepare_entry *entry, cvy_rejects *rejects, const char *text, size_t count) {
  uint64_t words[SUM_WORDS];
  const char *at = text + strlen(JOURNAL);
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
