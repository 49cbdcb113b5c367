/* The journal of a shard as text: what is known of it, and of which records there is something to say. */
#ifndef CVY_PREPARE_JOURNAL_H
#define CVY_PREPARE_JOURNAL_H

#include "prepare/job.h"

/* Adds the item, and takes over its texts. */
void cvy_notes_add(cvy_notes *notes, const cvy_note *item);
/* Puts both lists in the order of the source. */
void cvy_remarks_sort(cvy_remarks *remarks);
void cvy_remarks_free(cvy_remarks *remarks);

void cvy_journal_print(FILE *out, const cvy_prepare_entry *entry, const cvy_remarks *remarks);
/* Reads a journal, and adds to `remarks`. `text` has `count` bytes and a zero behind them. Returns false if
 * it is no journal of this version. */
bool cvy_journal_parse(cvy_prepare_entry *entry, cvy_remarks *remarks, const char *text, size_t count);

#endif
