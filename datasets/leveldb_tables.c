/* Reads a MANIFEST: a log of edits, each of which adds tables and removes others.
 *
 * The log has blocks of 32 KiB, which hold pieces of records: a checksum (4 bytes), a length (2), a type (1:
 * all of a record, 2: its first piece, 3: one in the midst, 4: its last), the bytes. An edit is a row of
 * numbers and texts, each with a tag in front (LevelDB's doc/log_format.md and db/version_edit.cc). */
#include "datasets/leveldb_tables.h"

#include <string.h>

enum { BLOCK = 32768, HEAD = 7, WHOLE = 1, FIRST = 2, MIDDLE = 3, LAST = 4 };

/* ---- an edit ---- */

typedef struct cursor {
  const uint8_t *at, *end;
  bool good;
} cursor;

static uint64_t take_number(cursor *c) {
  uint64_t value = 0;
  for (int shift = 0; c->good && shift < 64; shift += 7) {
    if (c->at == c->end) break;
    const uint8_t byte = *c->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  c->good = false;
  return 0;
}

static void pass_text(cursor *c) {
  const uint64_t length = take_number(c);
  if (length > (uint64_t)(c->end - c->at)) c->good = false;
  if (c->good) c->at += length;
}

static void add(cvy_leveldb_tables *t, cvy_pool *pool, uint64_t number) {
  if (t->count == t->capacity) {
    t->capacity = 2 * t->capacity + 64;
    uint64_t *more = cvy_pool_new(pool, sizeof *more * (size_t)t->capacity);
    if (t->count > 0) memcpy(more, t->numbers, sizeof *more * (size_t)t->count);
    t->numbers = more;
  }
  t->numbers[t->count++] = number;
}

/* Removes a table, looking from the end, for most are removed soon after they were added. */
static void drop(cvy_leveldb_tables *t, uint64_t number) {
  for (int64_t i = t->count - 1; i >= 0; i--)
    if (t->numbers[i] == number) {
      t->numbers[i] = t->numbers[--t->count];
      return;
    }
}

static bool take_edit(cvy_leveldb_tables *t, cvy_pool *pool, const uint8_t *bytes, size_t count) {
  enum { COMPARATOR = 1, LOG, NEXT_FILE, LAST_SEQUENCE, COMPACT_POINTER, DELETED, NEW, PREVIOUS_LOG = 9 };
  cursor c = {bytes, bytes + count, true};
  while (c.good && c.at < c.end) {
    const uint64_t tag = take_number(&c);
    if (tag == COMPARATOR) {
      pass_text(&c);
    } else if (tag == LOG || tag == NEXT_FILE || tag == LAST_SEQUENCE || tag == PREVIOUS_LOG) {
      take_number(&c);
    } else if (tag == COMPACT_POINTER) {
      take_number(&c);
      pass_text(&c);
    } else if (tag == DELETED) {
      take_number(&c);
      const uint64_t number = take_number(&c);
      if (c.good) drop(t, number);
    } else if (tag == NEW) {
      take_number(&c);
      const uint64_t number = take_number(&c);
      take_number(&c);
      pass_text(&c);
      pass_text(&c);
      if (c.good) add(t, pool, number);
    } else {
      return false;
    }
  }
  return c.good;
}

/* ---- the log ---- */

bool cvy_leveldb_tables_read(cvy_leveldb_tables *out, cvy_pool *pool, const void *manifest, size_t count) {
  const uint8_t *bytes = manifest;
  uint8_t *record = cvy_pool_new(pool, count + 1);
  size_t length = 0;
  int64_t edits = 0;
  *out = (cvy_leveldb_tables){0};
  for (size_t at = 0; at + HEAD <= count;) {
    const size_t left = BLOCK - at % BLOCK, size = bytes[at + 4] | (size_t)bytes[at + 5] << 8;
    const int type = bytes[at + 6];
    if (left < HEAD || type < WHOLE || type > LAST || size > left - HEAD || size > count - at - HEAD) {
      at += left; /* the end of the block is empty, or damaged */
      length = 0;
      continue;
    }
    if (type == WHOLE || type == FIRST) length = 0;
    memcpy(record + length, bytes + at + HEAD, size);
    length += size;
    at += HEAD + size;
    if ((type == WHOLE || type == LAST) && take_edit(out, pool, record, length)) edits++;
  }
  return edits > 0;
}

bool cvy_leveldb_tables_have(const cvy_leveldb_tables *t, uint64_t number) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->numbers[i] == number) return true;
  return false;
}
