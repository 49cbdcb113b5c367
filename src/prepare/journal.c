/* Writes and reads journals. A journal is lines of numbers: how many records there are, how many were
 * rejected and how many mended; then the words of the pixel sums; then for each rejected record, and after
 * that for each mended one, its group, its index, whether it is mendable, and the lengths of two texts that
 * follow: its line of rejected.csv or mended.csv, and its reason. */
#include "prepare/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL "convoy-prepare-journal 3"

/* ---- notes ---- */

void cvy_notes_add(cvy_notes *notes, const cvy_note *item) {
  if (notes->count == notes->capacity) {
    notes->capacity = 2 * notes->capacity + 16;
    cvy_note *more = cvy_new(sizeof *more * (size_t)notes->capacity);
    if (notes->count) memcpy(more, notes->items, sizeof *more * (size_t)notes->count);
    free(notes->items);
    notes->items = more;
  }
  notes->items[notes->count++] = *item;
}

static void free_notes(cvy_notes *notes) {
  for (int64_t i = 0; i < notes->count; i++) {
    free(notes->items[i].line);
    free(notes->items[i].reason);
  }
  free(notes->items);
  *notes = (cvy_notes){0};
}

void cvy_remarks_free(cvy_remarks *remarks) {
  free_notes(&remarks->rejected);
  free_notes(&remarks->mended);
}

static int by_index(const void *a, const void *b) {
  const cvy_note *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static void sort(cvy_notes *notes) {
  if (notes->count > 0) qsort(notes->items, (size_t)notes->count, sizeof *notes->items, by_index);
}

void cvy_remarks_sort(cvy_remarks *remarks) {
  sort(&remarks->rejected);
  sort(&remarks->mended);
}

/* ---- text ---- */

enum { SUM_WORDS = sizeof(cvy_pixel_sums) / sizeof(uint64_t) };

static void print_notes(FILE *out, const cvy_notes *notes) {
  for (int64_t i = 0; i < notes->count; i++) {
    const cvy_note *n = &notes->items[i];
    fprintf(out, "%" PRId64 " %" PRId64 " %d %zu %zu\n%s%s\n", n->group, n->index, n->mendable,
            strlen(n->line), strlen(n->reason), n->line, n->reason);
  }
}

void cvy_journal_print(FILE *out, const cvy_prepare_entry *entry, const cvy_remarks *remarks) {
  uint64_t words[SUM_WORDS];
  memcpy(words, &entry->sums, sizeof words);
  fprintf(out, JOURNAL "\n%" PRId64 " %" PRId64 " %" PRId64 "\n", entry->records, entry->rejected,
          entry->mended);
  for (int i = 0; i < SUM_WORDS; i++) fprintf(out, "%" PRIu64 "\n", words[i]);
  print_notes(out, &remarks->rejected);
  print_notes(out, &remarks->mended);
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

static bool take_note(cvy_notes *notes, const char **at, const char *end) {
  int64_t group, index, mendable, line, reason;
  if (!take_number(&group, at) || !take_number(&index, at) || !take_number(&mendable, at) ||
      !take_number(&line, at) || !take_number(&reason, at))
    return false;
  const int64_t left = end - *at - 2; /* without the ends of the two lines */
  if (line < 0 || reason < 0 || line > left || reason > left - line) return false;
  const char *text = *at + 1;
  const cvy_note item = {.group = group,
                         .index = index,
                         .mendable = mendable != 0,
                         .line = cvy_format("%.*s", (int)line, text),
                         .reason = cvy_format("%.*s", (int)reason, text + line)};
  cvy_notes_add(notes, &item);
  *at += line + reason + 2;
  return true;
}

bool cvy_journal_parse(cvy_prepare_entry *entry, cvy_remarks *remarks, const char *text, size_t count) {
  uint64_t words[SUM_WORDS];
  const char *at = text + strlen(JOURNAL);
  const char *end = text + count;
  if (strncmp(text, JOURNAL "\n", strlen(JOURNAL) + 1) != 0) return false;
  if (!take_number(&entry->records, &at) || !take_number(&entry->rejected, &at) ||
      !take_number(&entry->mended, &at))
    return false;
  for (int i = 0; i < SUM_WORDS; i++)
    if (!take_number((int64_t *)&words[i], &at)) return false;
  memcpy(&entry->sums, words, sizeof words);
  for (int64_t i = 0; i < entry->rejected; i++)
    if (!take_note(&remarks->rejected, &at, end)) return false;
  for (int64_t i = 0; i < entry->mended; i++)
    if (!take_note(&remarks->mended, &at, end)) return false;
  return true;
}
