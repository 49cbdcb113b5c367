/* Memory of two kinds: pools of small set-up objects, and large planned buffers. */
#define _DEFAULT_SOURCE /* madvise */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE_BYTES = 64, POOL_ALIGNMENT = 16, HUGE_PAGE_BYTES = 2 << 20 };
#ifdef CVY_EXACT_POOLS /* for fuzzing: no object has room behind it */
enum { CHUNK_BYTES = 0, POOL_STEP = 1 };
#else
enum { CHUNK_BYTES = 64 * 1024, POOL_STEP = POOL_ALIGNMENT };
#endif

void *cvy_new(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) cvy_fatal("out of memory (%zu bytes)", bytes);
  return memory;
}

static char *format_into(cvy_pool *pool, const char *format, va_list va) {
  va_list again;
  va_copy(again, va);
  const int length = vsnprintf(NULL, 0, format, va);
  CVY_CHECK(length >= 0);
  const size_t bytes = (size_t)length + 1;
  char *text = pool ? cvy_pool_new(pool, bytes) : cvy_new(bytes);
  vsnprintf(text, bytes, format, again);
  va_end(again);
  return text;
}

char *cvy_format(const char *format, ...) {
  va_list va;
  va_start(va, format);
  char *text = format_into(NULL, format, va);
  va_end(va);
  return text;
}

/* A chunk's header, padded so that what follows it is aligned. */
typedef struct chunk {
  _Alignas(POOL_ALIGNMENT) struct chunk *next;
} chunk;

struct cvy_pool {
  chunk *chunks;
  char *free;
  size_t free_bytes;
};

cvy_pool *cvy_pool_create(void) {
  return cvy_new(sizeof(cvy_pool));
}

void cvy_pool_destroy(cvy_pool *pool) {
  if (!pool) return;
  for (chunk *c = pool->chunks; c;) {
    chunk *next = c->next;
    free(c);
    c = next;
  }
  free(pool);
}

void *cvy_pool_new(cvy_pool *pool, size_t bytes) {
  bytes = (bytes + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
  if (bytes > pool->free_bytes || !pool->chunks) {
    const size_t body = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    chunk *c = cvy_new(sizeof(chunk) + body);
    c->next = pool->chunks;
    pool->chunks = c;
    pool->free = (char *)(c + 1);
    pool->free_bytes = body;
  }
  void *memory = pool->free;
  pool->free += bytes;
  pool->free_bytes -= bytes;
  return memory;
}

char *cvy_pool_format(cvy_pool *pool, const char *format, ...) {
  va_list va;
  va_start(va, format);
  char *text = format_into(pool, format, va);
  va_end(va);
  return text;
}

void cvy_text_stream_begin(cvy_text_stream *stream) {
  *stream = (cvy_text_stream){0};
  stream->out = open_memstream(&stream->text, &stream->bytes);
  if (!stream->out) cvy_fatal("out of memory (a text)");
}

FILE *cvy_text_stream_again(cvy_text_stream *stream) {
  rewind(stream->out);
  return stream->out;
}

const char *cvy_text_stream_look(cvy_text_stream *stream, size_t *bytes) {
  if (fflush(stream->out) != 0) cvy_fatal("out of memory (a text of %zu bytes)", stream->bytes);
  *bytes = stream->bytes;
  return stream->text;
}

char *cvy_text_stream_end(cvy_text_stream *stream, size_t *bytes) {
  const bool failed = ferror(stream->out) != 0;
  if (fclose(stream->out) != 0 || failed) cvy_fatal("out of memory (a text of %zu bytes)", stream->bytes);
  if (bytes) *bytes = stream->bytes;
  return stream->text;
}

size_t cvy_aligned(size_t bytes) {
  return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

/* getrusage's ru_maxrss will not do: it begins with the size of the program that started this one. */
size_t cvy_peak_bytes(void) {
  FILE *status = fopen("/proc/self/status", "r");
  if (!status) return 0;
  char line[256];
  size_t kib = 0;
  while (fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %zu kB", &kib) == 1) break;
  fclose(status);
  return kib * 1024;
}

/* The memory is zeroed without being touched, for calloc's large blocks are fresh pages of the system. */
static void *allocate(size_t bytes, size_t alignment) {
  const bool possible = bytes <= PTRDIFF_MAX - 2 * HUGE_PAGE_BYTES;
  char *block = possible ? calloc(1, bytes + alignment + CACHE_LINE_BYTES) : NULL;
  if (!block) return NULL;
  char *buffer = block + CACHE_LINE_BYTES;
  buffer += (alignment - (uintptr_t)buffer % alignment) % alignment;
  memcpy(buffer - sizeof block, &block, sizeof block);
  return buffer;
}

/* This is advice only. Where it is not taken, nothing but speed or memory is lost. */
static void wish_for_pages(void *buffer, size_t bytes, bool huge) {
#if defined MADV_HUGEPAGE && defined MADV_NOHUGEPAGE
  madvise(buffer, bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}

static cvy_err create(void **out, size_t bytes, const char *what, bool huge) {
  const bool large = bytes >= 2 * HUGE_PAGE_BYTES;
  *out = allocate(bytes, large ? HUGE_PAGE_BYTES : CACHE_LINE_BYTES);
  if (!*out)
    return cvy_error(CVY_E_SYSTEM, "out of memory: there are no %.1f MB for %s", (double)bytes / 1e6, what);
  if (large) wish_for_pages(*out, bytes, huge);
  return CVY_OK;
}

/* The buffer's pages are huge, for a kernel walks 36 places of the scratch at once. Those are more small
 * pages than the processor keeps addresses of. */
cvy_err cvy_buffer_create(void **out, size_t bytes, const char *what) {
  return create(out, bytes, what, true);
}

cvy_err cvy_buffer_create_sparse(void **out, size_t bytes, const char *what) {
  return create(out, bytes, what, false);
}

void cvy_buffer_destroy(void *buffer) {
  if (!buffer) return;
  char *block;
  memcpy(&block, (char *)buffer - sizeof block, sizeof block);
  free(block);
}
