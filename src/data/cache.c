/* Entries in one arena that only grows; each is published by one atomic word. */
#include "data/cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct cvy_cache {
  _Atomic(cvy_entry *) *at; /* [keys]: NULL, or being written or without room (&elsewhere), or there */
  char *arena;
  size_t arena_bytes, keys_bytes;
  atomic_size_t used_bytes; /* bytes of the arena that are used */
  atomic_llong entries;
};

static cvy_entry elsewhere;

size_t cvy_entry_bytes(size_t byte_count) {
  return cvy_aligned(sizeof(cvy_entry)) + cvy_aligned(byte_count);
}

cvy_err cvy_cache_create(cvy_cache **out, int64_t keys, size_t memory_bytes, size_t most_bytes) {
  const size_t keys_bytes = cvy_aligned((size_t)keys * sizeof(cvy_entry *));
  *out = NULL;
  if (keys_bytes >= memory_bytes)
    return cvy_error(CVY_E_INPUT, "%.1f MiB are not even enough for a list of the records; %.1f MiB would be",
                     (double)memory_bytes / 0x1p20, (double)keys_bytes / 0x1p20 + 1);
  const size_t left = memory_bytes - keys_bytes, arena_bytes = most_bytes < left ? most_bytes : left;
  void *at = NULL, *arena = NULL;
  cvy_err err = cvy_buffer_create(&at, keys_bytes, "the list of kept records");
  if (!err) err = cvy_buffer_create(&arena, arena_bytes, "records kept in memory");
  if (err) {
    cvy_buffer_destroy(at);
    return err;
  }
  cvy_cache *cache = cvy_new(sizeof *cache);
  cache->at = at; /* zeroed: nothing is there */
  cache->arena = arena;
  cache->arena_bytes = arena_bytes;
  cache->keys_bytes = keys_bytes;
  *out = cache;
  return CVY_OK;
}

void cvy_cache_destroy(cvy_cache *cache) {
  if (!cache) return;
  cvy_buffer_destroy(cache->at);
  cvy_buffer_destroy(cache->arena);
  free(cache);
}

const cvy_entry *cvy_cache_find(const cvy_cache *cache, int64_t key) {
  const cvy_entry *entry = atomic_load_explicit(&cache->at[key], memory_order_acquire);
  return entry == &elsewhere ? NULL : entry;
}

bool cvy_cache_has_room(const cvy_cache *cache, size_t byte_count) {
  return cvy_entry_bytes(byte_count) <= cache->arena_bytes - atomic_load(&cache->used_bytes);
}

/* Takes room in the arena, which nobody gives back. */
static char *take(cvy_cache *cache, size_t bytes) {
  size_t used = atomic_load(&cache->used_bytes);
  do {
    if (bytes > cache->arena_bytes - used) return NULL;
  } while (!atomic_compare_exchange_weak(&cache->used_bytes, &used, used + bytes));
  return cache->arena + used;
}

void cvy_cache_keep(cvy_cache *cache, int64_t key, const cvy_entry *entry) {
  cvy_entry *nothing = NULL;
  if (!cvy_cache_has_room(cache, entry->byte_count)) return;
  if (!atomic_compare_exchange_strong(&cache->at[key], &nothing, &elsewhere)) return;
  char *memory = take(cache, cvy_entry_bytes(entry->byte_count));
  if (!memory) return;
  cvy_entry *kept = (cvy_entry *)(void *)memory;
  char *bytes = memory + cvy_aligned(sizeof *kept);
  memcpy(bytes, entry->bytes, entry->byte_count);
  *kept = *entry;
  kept->bytes = bytes;
  atomic_store_explicit(&cache->at[key], kept, memory_order_release);
  atomic_fetch_add(&cache->entries, 1);
}

cvy_kept cvy_cache_use(const cvy_cache *cache) {
  return (cvy_kept){.entries = atomic_load(&cache->entries),
                    .bytes = cache->keys_bytes + atomic_load(&cache->used_bytes),
                    .limit_bytes = cache->keys_bytes + cache->arena_bytes};
}
