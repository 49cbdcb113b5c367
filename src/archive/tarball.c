/* Tars, listed by their headers.
 *
 * A member is a block of 512 bytes, the header, and its content, padded to whole blocks; a block of zeros
 * ends the tar. The header has these fields: name 0-99, size 124-135, checksum 148-155 (the sum of the
 * header's bytes, the checksum itself taken as blanks), type 156, magic 257-262, prefix of the name 345-499
 * (POSIX only). Numbers are octal digits, or in GNU's tars big-endian binary after a byte 0x80. A name that
 * does not fit comes in a member of its own in front: type L (GNU: the name), or x (pax, POSIX.1-2001: lines
 * "length key=value"). */
#include "archive/tarball.h"

#include "base/count.h"
#include "file/bytes.h"

#include <string.h>

enum { BLOCK = 512, MAX_EXTENSION_BYTES = 1 << 20 };

typedef struct walk {
  cvy_members *out;
  cvy_pool *pool;
  int fd;
  const char *path;
  int64_t begin, at, end;
  const char *long_name; /* said in front of the member; NULL: not */
  int64_t long_size;     /* -1: not */
} walk;

/* ---- members ---- */

void cvy_members_add(cvy_members *members, cvy_pool *pool, const char *name, int64_t offset, int64_t size,
                     bool folder) {
  while (name[0] == '/' || (name[0] == '.' && name[1] == '/')) name++;
  size_t length = strlen(name);
  while (length > 0 && name[length - 1] == '/') length--;
  if (length == 0 || (length == 1 && name[0] == '.')) return;
  if (members->count == members->capacity) {
    members->capacity = 2 * members->capacity + 64;
    cvy_member *more = cvy_pool_new(pool, sizeof *more * (size_t)members->capacity);
    if (members->count > 0) memcpy(more, members->items, sizeof *more * (size_t)members->count);
    members->items = more;
  }
  members->items[members->count++] = (cvy_member){.name = cvy_pool_format(pool, "%.*s", (int)length, name),
                                                  .offset = offset,
                                                  .size = size,
                                                  .folder = folder};
}

/* ---- fields ---- */

/* Returns -1 for no number, or for one that no file can have. */
static int64_t number_at(const uint8_t *field, int64_t width) {
  int64_t value = 0, i = 0;
  if (field[0] == 0x80) {
    for (i = 1; i < width; i++) {
      if (value > INT64_MAX >> 8) return -1;
      value = value << 8 | field[i];
    }
    return value;
  }
  while (i < width && field[i] == ' ') i++;
  const int64_t first = i;
  for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) value = value << 3 | (field[i] - '0');
  if (i < width && field[i] != ' ' && field[i] != 0) return -1;
  return i > first || field[0] == 0 ? value : -1;
}

bool cvy_is_tar_header(const uint8_t header[BLOCK]) {
  int64_t sum = 0, signed_sum = 0; /* some old tars added signed characters */
  for (int i = 0; i < BLOCK; i++) {
    const uint8_t byte = i >= 148 && i < 156 ? ' ' : header[i];
    sum += byte;
    signed_sum += (int8_t)byte;
  }
  const int64_t stored = number_at(header + 148, 8);
  return stored == sum || stored == signed_sum;
}

static bool is_zero(const uint8_t block[BLOCK]) {
  for (int i = 0; i < BLOCK; i++)
    if (block[i]) return false;
  return true;
}

static const char *name_of(const walk *w, const uint8_t header[BLOCK]) {
  if (w->long_name) return w->long_name;
  const char *name = (const char *)header, *prefix = name + 345;
  if (memcmp(header + 257, "ustar", 6) != 0 || !prefix[0]) return cvy_pool_format(w->pool, "%.100s", name);
  return cvy_pool_format(w->pool, "%.155s/%.100s", prefix, name);
}

/* ---- long names ---- */

static cvy_err at_byte(const walk *w, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: byte %" PRId64 ": %s", w->path, w->at, what);
}

/* Reads one "length key=value\n" of `text`; *used receives its length. */
static cvy_err read_pax_line(walk *w, int64_t *used, const char *text, int64_t room) {
  int64_t length = 0, i = 0;
  for (; i < room && i < 8 && text[i] >= '0' && text[i] <= '9'; i++) length = length * 10 + (text[i] - '0');
  if (i == 0 || i >= room || text[i] != ' ' || length <= i + 1 || length > room || text[length - 1] != '\n')
    return at_byte(w, "a pax header whose line has no 'length key=value'");
  const char *key = text + i + 1;
  const char *equals = memchr(key, '=', (size_t)(length - i - 2));
  if (!equals) return at_byte(w, "a pax header whose line has no '='");
  const int key_length = (int)(equals - key), value_length = (int)(text + length - 1 - (equals + 1));
  const char *value = cvy_pool_format(w->pool, "%.*s", value_length, equals + 1);
  *used = length;
  if (key_length == 4 && memcmp(key, "path", 4) == 0) w->long_name = value;
  if (key_length == 4 && memcmp(key, "size", 4) == 0) {
    int64_t size = 0;
    for (const char *p = value; *p; p++) {
      if (*p < '0' || *p > '9' || size > INT64_MAX / 10 - 1)
        return at_byte(w, "a pax header with a size that is no number");
      size = size * 10 + (*p - '0');
    }
    w->long_size = size;
  }
  if (key_length > 11 && memcmp(key, "GNU.sparse.", 11) == 0)
    return at_byte(w, "a sparse file; pack the tar without --sparse");
  return CVY_OK;
}

static cvy_err read_extension(walk *w, char type, int64_t size) {
  if (size > MAX_EXTENSION_BYTES) return at_byte(w, "a long name or pax header of more than 1 MiB");
  char *text = cvy_pool_new(w->pool, (size_t)size + 1);
  CVY_TRY(cvy_read_at(text, w->fd, w->at + BLOCK, (size_t)size, w->path));
  text[size] = 0;
  if (type == 'L') w->long_name = text;
  if (type != 'x') return CVY_OK;
  for (int64_t i = 0, used = 0; i < size; i += used) CVY_TRY(read_pax_line(w, &used, text + i, size - i));
  return CVY_OK;
}

/* ---- the walk ---- */

static cvy_err bad_header(const walk *w) {
  if (w->at == w->begin)
    return cvy_error(CVY_E_INPUT, "%s: no tar: its first 512 bytes are no header (the checksum does not fit)",
                     w->path);
  return at_byte(w, "damaged: no tar header (the checksum does not fit)");
}

static cvy_err add_member(walk *w, const uint8_t header[BLOCK], char type, int64_t size) {
  const char *name = name_of(w, header);
  w->long_name = NULL;
  switch (type) {
  case '1':
  case '2':
    return cvy_error(CVY_E_INPUT,
                     "%s: '%s' is a link to '%.100s'; pack the tar with --dereference --hard-dereference",
                     w->path, name, header + 157);
  case '5':
    cvy_members_add(w->out, w->pool, name, w->at + BLOCK, 0, true);
    return CVY_OK;
  case 0:
  case '0':
  case '7': {
    const size_t length = strlen(name); /* V7 tells folders by a slash */
    cvy_members_add(w->out, w->pool, name, w->at + BLOCK, size, length > 0 && name[length - 1] == '/');
    return CVY_OK;
  }
  }
  return cvy_error(CVY_E_INPUT, "%s: '%s' is of the type '%c'; expected plain files and folders", w->path,
                   name, type >= ' ' && type < 127 ? type : '?');
}

static cvy_err list_next(walk *w, const uint8_t header[BLOCK]) {
  const char type = (char)header[156];
  const bool extends = type == 'L' || type == 'K' || type == 'x' || type == 'g';
  if (!cvy_is_tar_header(header)) return bad_header(w);
  int64_t size = number_at(header + 124, 12);
  if (!extends && w->long_size >= 0) size = w->long_size;
  if (type == '1' || type == '2' || type == '5') size = 0;
  if (size < 0) return at_byte(w, "damaged: a header without the size of its file");
  const int64_t room = w->end - w->at - BLOCK;
  if (size > room)
    return cvy_error(CVY_E_INPUT, "%s: truncated: '%s' has %" PRId64 " bytes, but only %" PRId64 " are left",
                     w->path, name_of(w, header), size, room);
  if (extends) {
    CVY_TRY(read_extension(w, type, size));
  } else {
    CVY_TRY(add_member(w, header, type, size));
    w->long_size = -1;
  }
  w->at += BLOCK + cvy_pieces(size, BLOCK) * BLOCK;
  return CVY_OK;
}

cvy_err cvy_tarball_list(cvy_members *out, cvy_pool *pool, int fd, int64_t begin, int64_t end,
                         const char *path) {
  walk w = {.out = out,
            .pool = pool,
            .fd = fd,
            .path = path,
            .begin = begin,
            .at = begin,
            .end = end,
            .long_size = -1};
  while (w.end - w.at >= BLOCK) {
    uint8_t header[BLOCK];
    CVY_TRY(cvy_read_at(header, fd, w.at, BLOCK, path));
    if (is_zero(header)) return CVY_OK;
    CVY_TRY(list_next(&w, header));
  }
  if (w.at == begin)
    return cvy_error(CVY_E_INPUT, "%s: no tar: %" PRId64 " bytes; a header alone has 512", path, end - begin);
  return cvy_error(CVY_E_INPUT,
                   "%s: truncated: it ends after %" PRId64 " members without the closing block of zeros",
                   path, out->count);
}
