/* The journal of a shard as text: what is known of it, and which records were rejected. */
#ifndef CVY_PREPARE_JOURNAL_H
#define CVY_PREPARE_JOURNAL_H

#include "prepare/job.h"

/* Adds the item, and takes over its texts. */
void cvy_rejects_add(cvy_rejects *rejects, const cvy_reject *item);
/* Puts them in the order of the source. */
void cvy_rejects_sort(cvy_rejects *rejects);
void cvy_rejects_free(cvy_rejects *rejects);

void cvy_journal_print(FILE *out, const cvy_prepare_entry *entry, const cvy_rejects *rejects);
/* Reads a journal, and adds to `rejects`. `text` has `count` bytes and a zero behind them. Returns false if
 * it is no journal of this version. */
bool cvy_journal_parse(cvy_prepare_entry *entry, cvy_rejects *rejects, const char *text, size_t count);

#endif
