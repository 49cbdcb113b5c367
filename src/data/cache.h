/* Records or pictures that stay in memory once they were read. An epoch comes by every record once, so
 * whatever was thrown out to make room would be missed just as much. So what came first stays, and nothing is
 * thrown out.
 *
 * The memory is one arena, taken at creation and touched as it fills; each entry is published by one
 * atomic word, so that finding it takes no lock. */
#ifndef CVY_DATA_CACHE_H
#define CVY_DATA_CACHE_H

#include "picture/picture.h"

/* What stays in memory once it was read: records as they are stored, or pictures decoded whole at each
 * scale that was asked for. */
typedef enum cvy_keep { CVY_KEEP_NOTHING, CVY_KEEP_RECORDS, CVY_KEEP_PICTURES } cvy_keep;
extern const char *const cvy_keep_words[]; /* "nothing", "records", "pictures" */

typedef struct cvy_cache cvy_cache;

typedef struct cvy_kept {
  int64_t entries; /* records or pictures */
  size_t bytes, limit_bytes;
} cvy_kept;

typedef struct cvy_entry {
  size_t byte_count;
  cvy_whole_picture whole; /* of pictures */
  const void *bytes;       /* 64-byte aligned */
} cvy_entry;

/* Makes room for entries under the keys 0 ... keys-1. It takes no more than `memory_bytes` in all, and no
 * more than `most_bytes` for entries. It fails with CVY_E_INPUT if there is no room for the keys. */
cvy_err cvy_cache_create(cvy_cache **out, int64_t keys, size_t memory_bytes,
                         size_t most_bytes) CVY_MUST_CHECK;
void cvy_cache_destroy(cvy_cache *cache); /* NULL is allowed */
/* Returns how many bytes an entry of `byte_count` takes. */
size_t cvy_entry_bytes(size_t byte_count);

/* These functions may be called by any thread at any time. What is not there is NULL. */
const cvy_entry *cvy_cache_find(const cvy_cache *cache, int64_t key);
bool cvy_cache_has_room(const cvy_cache *cache, size_t byte_count);
/* Copies the entry and its bytes, if there is room and nobody has done so before. */
void cvy_cache_keep(cvy_cache *cache, int64_t key, const cvy_entry *entry);
cvy_kept cvy_cache_use(const cvy_cache *cache);

#endif
