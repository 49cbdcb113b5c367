/* This is the stack machine that reads pickles. It keeps a stack of values with marks in it, and a memo of
 * values that are used again. An instruction is one byte. Each section below has the instructions that make
 * one kind of value, and a function that tells whether an instruction is among them (*known). */
#include "archive/pickle.h"

#include "archive/letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE_BYTES = 1 << 30 };

typedef struct machine {
  cvy_pool *pool;
  const uint8_t *begin, *p, *end;
  const uint8_t *at; /* the instruction, for errors */
  const char *path;
  cvy_pickle **stack; /* NULL is a mark */
  int64_t depth, capacity;
  cvy_pickle **memo;
  int64_t memo_count, memo_capacity;
  int64_t values; /* made so far */
  bool stopped;
} machine;

/* ---- the stack ---- */

static cvy_err at_byte(const machine *m, const char *what) {
  return cvy_error(CVY_E_INPUT, "%s: byte %" PRId64 ": %s", m->path, (int64_t)(m->at - m->begin), what);
}

/* Makes room for one more item of an array in the pool. */
static void grow(cvy_pool *pool, cvy_pickle ***items, int64_t count, int64_t *capacity) {
  if (count < *capacity) return;
  *capacity = 2 * *capacity + 8;
  cvy_pickle **more = cvy_pool_new(pool, sizeof *more * (size_t)*capacity);
  if (count > 0) memcpy(more, *items, sizeof *more * (size_t)count);
  *items = more;
}

static void push(machine *m, cvy_pickle *value) {
  grow(m->pool, &m->stack, m->depth, &m->capacity);
  m->stack[m->depth++] = value;
}

static cvy_pickle *push_new(machine *m, cvy_pickle_type type) {
  cvy_pickle *value = cvy_pool_new(m->pool, sizeof *value);
  value->type = type;
  m->values++;
  push(m, value);
  return value;
}

static cvy_err pop(cvy_pickle **out, machine *m) {
  *out = NULL;
  if (m->depth == 0 || !m->stack[m->depth - 1]) return at_byte(m, "a value is missing on the stack");
  *out = m->stack[--m->depth];
  return CVY_OK;
}

static cvy_err top(cvy_pickle **out, machine *m) {
  CVY_TRY(pop(out, m));
  m->depth++;
  return CVY_OK;
}

static void add_item(machine *m, cvy_pickle *to, cvy_pickle *item) {
  grow(m->pool, &to->items, to->count, &to->capacity);
  to->items[to->count++] = item;
}

/* Finds what stands above the last mark, and takes it and the mark away; it stays readable until the next
 * push. */
static cvy_err pop_marked(cvy_pickle ***items, int64_t *count, machine *m) {
  int64_t first = m->depth;
  *items = NULL;
  *count = 0;
  while (first > 0 && m->stack[first - 1]) first--;
  if (first == 0) return at_byte(m, "a mark is missing on the stack");
  *items = m->stack + first;
  *count = m->depth - first;
  m->depth = first - 1;
  return CVY_OK;
}

/* ---- what follows an instruction ---- */

static cvy_err take(const uint8_t **out, machine *m, uint64_t count) {
  *out = NULL;
  if (count > (uint64_t)(m->end - m->p))
    return at_byte(m, "truncated: what this instruction needs is missing");
  *out = m->p;
  m->p += count;
  return CVY_OK;
}

/* Reads a number of `bytes` bytes, the lowest first. */
static cvy_err take_number(uint64_t *out, machine *m, int bytes) {
  const uint8_t *p;
  *out = 0;
  CVY_TRY(take(&p, m, (uint64_t)bytes));
  for (int i = 0; i < bytes; i++) *out |= (uint64_t)p[i] << (8 * i);
  return CVY_OK;
}

/* Reads up to the next line end; the line is in the pool. */
static cvy_err take_line(char **out, machine *m) {
  const uint8_t *line_end = m->p < m->end ? memchr(m->p, '\n', (size_t)(m->end - m->p)) : NULL;
  *out = NULL;
  if (!line_end) return at_byte(m, "truncated: a line that does not end");
  if (line_end - m->p > MOST_LINE_BYTES) return at_byte(m, "a line of more than 1 GiB");
  *out = cvy_pool_format(m->pool, "%.*s", (int)(line_end - m->p), (const char *)m->p);
  m->p = line_end + 1;
  return CVY_OK;
}

/* ---- numbers ---- */

static void push_int(machine *m, int64_t value) {
  push_new(m, CVY_PICKLE_INT)->whole = value;
}

/* Reads a long number, the lowest byte first, in two's complement. */
static cvy_err read_long(machine *m, int length_bytes) {
  uint64_t count, bits = 0;
  const uint8_t *p;
  CVY_TRY(take_number(&count, m, length_bytes));
  CVY_TRY(take(&p, m, count));
  cvy_pickle *value = push_new(m, CVY_PICKLE_INT);
  value->bytes = p;
  value->byte_count = count;
  for (uint64_t i = 0; i < 8 && count <= 8 && count > 0; i++)
    bits |= (uint64_t)(i < count ? p[i] : p[count - 1] & 0x80 ? 0xff : 0) << (8 * i);
  value->whole = (int64_t)bits;
  return CVY_OK;
}

/* Reads "12" or "12L"; "00" and "01" are False and True, as Python 2 writes them. */
static cvy_err read_int_line(machine *m) {
  char *line, *end;
  CVY_TRY(take_line(&line, m));
  const bool truth = strcmp(line, "00") == 0 || strcmp(line, "01") == 0;
  errno = 0;
  const long long value = strtoll(line, &end, 10);
  if (end == line || (*end && strcmp(end, "L") != 0)) return at_byte(m, "a line that is no whole number");
  push_new(m, truth ? CVY_PICKLE_BOOL : CVY_PICKLE_INT)->whole = errno ? 0 : value;
  return CVY_OK;
}

static cvy_err read_float_line(machine *m) {
  char *line, *end;
  CVY_TRY(take_line(&line, m));
  const double value = strtod(line, &end);
  if (end == line || *end) return at_byte(m, "a line that is no number");
  push_new(m, CVY_PICKLE_FLOAT)->number = value;
  return CVY_OK;
}

static cvy_err read_double(machine *m) {
  const uint8_t *p;
  uint64_t bits = 0;
  CVY_TRY(take(&p, m, 8));
  for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
  memcpy(&push_new(m, CVY_PICKLE_FLOAT)->number, &bits, 8);
  return CVY_OK;
}

static cvy_err read_small_int(machine *m, int bytes) {
  uint64_t value;
  CVY_TRY(take_number(&value, m, bytes));
  push_int(m, bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
  return CVY_OK;
}

static cvy_err numbers(machine *m, uint8_t code, bool *known) {
  switch (code) {
  case 'N':
    push_new(m, CVY_PICKLE_NONE);
    return CVY_OK;
  case 0x88:
    push_new(m, CVY_PICKLE_BOOL)->whole = 1;
    return CVY_OK;
  case 0x89:
    push_new(m, CVY_PICKLE_BOOL)->whole = 0;
    return CVY_OK;
  case 'K':
    return read_small_int(m, 1);
  case 'M':
    return read_small_int(m, 2);
  case 'J':
    return read_small_int(m, 4);
  case 0x8a:
    return read_long(m, 1);
  case 0x8b:
    return read_long(m, 4);
  case 'I':
    return read_int_line(m);
  case 'L':
    return read_int_line(m);
  case 'F':
    return read_float_line(m);
  case 'G':
    return read_double(m);
  }
  *known = false;
  return CVY_OK;
}

/* ---- bytes and texts ---- */

static cvy_err read_bytes(machine *m, cvy_pickle_type type, int length_bytes) {
  uint64_t count;
  const uint8_t *p;
  CVY_TRY(take_number(&count, m, length_bytes));
  CVY_TRY(take(&p, m, count));
  cvy_pickle *value = push_new(m, type);
  value->bytes = p;
  value->byte_count = count;
  return CVY_OK;
}

/* Reads a str as Python 2's repr writes it: with quotes around, and \n, \r, \t, \\, \', \", \xNN. */
static cvy_err read_quoted_line(machine *m) {
  static const char names[] = "nrt\\'\"", meant[] = "\n\r\t\\'\"";
  char *line;
  CVY_TRY(take_line(&line, m));
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == '\r') length--;
  if (length < 2 || (line[0] != '\'' && line[0] != '"') || line[length - 1] != line[0])
    return at_byte(m, "a string without its quotes");
  char *to = line;
  for (const char *from = line + 1, *end = line + length - 1; from < end; from++) {
    const char *name = *from == '\\' && from[1] ? strchr(names, from[1]) : NULL;
    const int64_t byte = *from == '\\' && from[1] == 'x' ? cvy_hexadecimal(from + 2, 2) : -1;
    if (*from == '\\' && !name && byte < 0) return at_byte(m, "a string with an unknown \\");
    *to++ = name ? meant[name - names] : byte >= 0 ? (char)byte : *from;
    from += name ? 1 : byte >= 0 ? 3 : 0;
  }
  cvy_pickle *value = push_new(m, CVY_PICKLE_BYTES);
  value->bytes = (const uint8_t *)line;
  value->byte_count = (size_t)(to - line);
  return CVY_OK;
}

/* Reads a text in Latin-1 with \uNNNN and \UNNNNNNNN for all other letters. */
static cvy_err read_text_line(machine *m) {
  char *line;
  CVY_TRY(take_line(&line, m));
  char *text = cvy_pool_new(m->pool, 2 * strlen(line) + 4), *to = text;
  for (const char *from = line; *from; from++) {
    const int digits = *from != '\\' ? 0 : from[1] == 'u' ? 4 : from[1] == 'U' ? 8 : 0;
    const int64_t letter = digits ? cvy_hexadecimal(from + 2, digits) : (uint8_t)*from;
    if (letter < 0 || letter > 0x10ffff) return at_byte(m, "a text with a \\u that is no letter");
    to = cvy_put_utf8(to, (uint32_t)letter);
    from += digits ? digits + 1 : 0;
  }
  cvy_pickle *value = push_new(m, CVY_PICKLE_TEXT);
  value->bytes = (const uint8_t *)text;
  value->byte_count = (size_t)(to - text);
  return CVY_OK;
}

static cvy_err texts(machine *m, uint8_t code, bool *known) {
  switch (code) {
  case 'U':
    return read_bytes(m, CVY_PICKLE_BYTES, 1);
  case 'T':
    return read_bytes(m, CVY_PICKLE_BYTES, 4);
  case 'C':
    return read_bytes(m, CVY_PICKLE_BYTES, 1);
  case 'B':
    return read_bytes(m, CVY_PICKLE_BYTES, 4);
  case 0x8e:
    return read_bytes(m, CVY_PICKLE_BYTES, 8);
  case 0x96:
    return read_bytes(m, CVY_PICKLE_BYTES, 8);
  case 0x8c:
    return read_bytes(m, CVY_PICKLE_TEXT, 1);
  case 'X':
    return read_bytes(m, CVY_PICKLE_TEXT, 4);
  case 0x8d:
    return read_bytes(m, CVY_PICKLE_TEXT, 8);
  case 'S':
    return read_quoted_line(m);
  case 'V':
    return read_text_line(m);
  }
  *known = false;
  return CVY_OK;
}

/* ---- lists, tuples, dicts ---- */

/* Makes a container of what stands above the last mark. */
static cvy_err collect(machine *m, cvy_pickle_type type) {
  cvy_pickle **items;
  int64_t count;
  CVY_TRY(pop_marked(&items, &count, m));
  if (type == CVY_PICKLE_DICT && count % 2) return at_byte(m, "a dict with a key that has no value");
  cvy_pickle *value = cvy_pool_new(m->pool, sizeof *value);
  value->type = type;
  m->values++;
  for (int64_t i = 0; i < count; i++) add_item(m, value, items[i]);
  push(m, value);
  return CVY_OK;
}

static cvy_err make_tuple(machine *m, int count) {
  cvy_pickle *items[3];
  for (int i = count - 1; i >= 0; i--) CVY_TRY(pop(&items[i], m));
  cvy_pickle *value = push_new(m, CVY_PICKLE_TUPLE);
  for (int i = 0; i < count; i++) add_item(m, value, items[i]);
  return CVY_OK;
}

static cvy_err check_takes(machine *m, const cvy_pickle *to, cvy_pickle_type type) {
  if (to->type == type || to->type == CVY_PICKLE_CALL) return CVY_OK;
  return at_byte(m, type == CVY_PICKLE_DICT ? "a key and its value for what is no dict"
                                            : "an item for what is no list");
}

/* Adds what stands above the last mark to the value below it. */
static cvy_err add_marked(machine *m, cvy_pickle_type type) {
  cvy_pickle **items, *to;
  int64_t count;
  CVY_TRY(pop_marked(&items, &count, m));
  CVY_TRY(top(&to, m));
  CVY_TRY(check_takes(m, to, type));
  if (type == CVY_PICKLE_DICT && count % 2) return at_byte(m, "a key without its value");
  for (int64_t i = 0; i < count; i++) add_item(m, to, items[i]);
  return CVY_OK;
}

static cvy_err add_last(machine *m, cvy_pickle_type type) {
  cvy_pickle *items[2], *to;
  const int count = type == CVY_PICKLE_DICT ? 2 : 1;
  for (int i = count - 1; i >= 0; i--) CVY_TRY(pop(&items[i], m));
  CVY_TRY(top(&to, m));
  CVY_TRY(check_takes(m, to, type));
  for (int i = 0; i < count; i++) add_item(m, to, items[i]);
  return CVY_OK;
}

static cvy_err containers(machine *m, uint8_t code, bool *known) {
  switch (code) {
  case ']':
    push_new(m, CVY_PICKLE_LIST);
    return CVY_OK;
  case 0x8f:
    push_new(m, CVY_PICKLE_LIST);
    return CVY_OK;
  case '}':
    push_new(m, CVY_PICKLE_DICT);
    return CVY_OK;
  case ')':
    push_new(m, CVY_PICKLE_TUPLE);
    return CVY_OK;
  case 'l':
    return collect(m, CVY_PICKLE_LIST);
  case 0x91:
    return collect(m, CVY_PICKLE_LIST);
  case 'd':
    return collect(m, CVY_PICKLE_DICT);
  case 't':
    return collect(m, CVY_PICKLE_TUPLE);
  case 0x85:
    return make_tuple(m, 1);
  case 0x86:
    return make_tuple(m, 2);
  case 0x87:
    return make_tuple(m, 3);
  case 'a':
    return add_last(m, CVY_PICKLE_LIST);
  case 's':
    return add_last(m, CVY_PICKLE_DICT);
  case 'e':
    return add_marked(m, CVY_PICKLE_LIST);
  case 0x90:
    return add_marked(m, CVY_PICKLE_LIST);
  case 'u':
    return add_marked(m, CVY_PICKLE_DICT);
  }
  *known = false;
  return CVY_OK;
}

/* ---- objects ---- */

static void name_value(machine *m, cvy_pickle *value, const char *module, size_t module_length,
                       const char *name, size_t name_length) {
  const char *text = cvy_pool_format(m->pool, "%.*s %.*s", (int)module_length, module, (int)name_length,
                                     name);
  value->type = CVY_PICKLE_NAME;
  value->bytes = (const uint8_t *)text;
  value->byte_count = strlen(text);
}

static cvy_err read_name_lines(machine *m) {
  char *module, *name;
  CVY_TRY(take_line(&module, m));
  CVY_TRY(take_line(&name, m));
  name_value(m, push_new(m, CVY_PICKLE_NAME), module, strlen(module), name, strlen(name));
  return CVY_OK;
}

static cvy_err name_from_stack(machine *m) {
  cvy_pickle *module, *name;
  CVY_TRY(pop(&name, m));
  CVY_TRY(pop(&module, m));
  if (module->type != CVY_PICKLE_TEXT || name->type != CVY_PICKLE_TEXT ||
      module->byte_count + name->byte_count > MOST_LINE_BYTES)
    return at_byte(m, "the name of a class that is no text");
  name_value(m, push_new(m, CVY_PICKLE_NAME), (const char *)module->bytes, module->byte_count,
             (const char *)name->bytes, name->byte_count);
  return CVY_OK;
}

/* Makes bytes of a text whose letters are all below 256. */
static cvy_err push_latin1(machine *m, const cvy_pickle *text) {
  uint8_t *data = cvy_pool_new(m->pool, text->byte_count + 1), *to = data;
  for (size_t i = 0; i < text->byte_count; i++) {
    const uint8_t byte = text->bytes[i];
    const bool two = (byte & 0xfc) == 0xc0 && i + 1 < text->byte_count && (text->bytes[i + 1] & 0xc0) == 0x80;
    if (byte >= 0x80 && !two) return at_byte(m, "bytes written as text, with letters that are no bytes");
    const unsigned letter = two ? (byte & 3u) << 6 | (text->bytes[++i] & 0x3fu) : byte;
    *to++ = (uint8_t)letter;
  }
  cvy_pickle *value = push_new(m, CVY_PICKLE_BYTES);
  value->bytes = data;
  value->byte_count = (size_t)(to - data);
  return CVY_OK;
}

/* Tells whether a call stands for bytes of Python 3, which protocols 0 to 2 do not have: they write
 * _codecs encode (text, "latin1"), and __builtin__ bytes () for none. */
static bool is_bytes(const cvy_pickle *called, const cvy_pickle *arguments) {
  if (arguments->count == 0) return cvy_pickle_is(called, "__builtin__ bytes");
  return arguments->count == 2 && cvy_pickle_is(called, "_codecs encode") &&
         arguments->items[0]->type == CVY_PICKLE_TEXT && cvy_pickle_is(arguments->items[1], "latin1");
}

static cvy_err note_call(machine *m) {
  static const cvy_pickle empty = {.type = CVY_PICKLE_TEXT, .bytes = (const uint8_t *)""};
  cvy_pickle *arguments, *called;
  CVY_TRY(pop(&arguments, m));
  CVY_TRY(pop(&called, m));
  if (arguments->type != CVY_PICKLE_TUPLE) return at_byte(m, "a call whose arguments are no tuple");
  if (is_bytes(called, arguments)) return push_latin1(m, arguments->count ? arguments->items[0] : &empty);
  cvy_pickle *value = push_new(m, CVY_PICKLE_CALL);
  value->called = called;
  value->arguments = arguments;
  return CVY_OK;
}

/* Notes a call whose arguments stand above the last mark. What it calls is the first of them or, with
 * `named`, the class whose name follows in two lines. */
static cvy_err note_marked_call(machine *m, bool named) {
  cvy_pickle **items, *called = NULL, *arguments = cvy_pool_new(m->pool, sizeof *arguments);
  int64_t count;
  CVY_TRY(pop_marked(&items, &count, m));
  if (!named && count == 0) return at_byte(m, "an object without its class");
  if (!named) called = items[0];
  arguments->type = CVY_PICKLE_TUPLE;
  m->values += 2;
  for (int64_t i = named ? 0 : 1; i < count; i++) add_item(m, arguments, items[i]);
  if (named) {
    CVY_TRY(read_name_lines(m));
    CVY_TRY(pop(&called, m));
  }
  cvy_pickle *value = push_new(m, CVY_PICKLE_CALL);
  value->called = called;
  value->arguments = arguments;
  return CVY_OK;
}

/* Notes a call, and drops its arguments by name: nothing that is read here has any. */
static cvy_err note_call_with_names(machine *m) {
  cvy_pickle *named;
  CVY_TRY(pop(&named, m));
  return note_call(m);
}

static cvy_err set_state(machine *m) {
  cvy_pickle *state, *value;
  CVY_TRY(pop(&state, m));
  CVY_TRY(top(&value, m));
  if (value->type != CVY_PICKLE_CALL) return at_byte(m, "a state for what is no object");
  value->state = state;
  return CVY_OK;
}

static cvy_err refer_outside(machine *m, bool line) {
  cvy_pickle *identifier;
  if (line) CVY_TRY(read_text_line(m));
  CVY_TRY(pop(&identifier, m));
  push_new(m, CVY_PICKLE_OUTSIDE)->arguments = identifier;
  return CVY_OK;
}

static cvy_err objects(machine *m, uint8_t code, bool *known) {
  switch (code) {
  case 'c':
    return read_name_lines(m);
  case 0x93:
    return name_from_stack(m);
  case 'R':
    return note_call(m);
  case 0x81:
    return note_call(m);
  case 0x92:
    return note_call_with_names(m);
  case 'o':
    return note_marked_call(m, false);
  case 'i':
    return note_marked_call(m, true);
  case 'b':
    return set_state(m);
  case 'P':
    return refer_outside(m, true);
  case 'Q':
    return refer_outside(m, false);
  case 0x97:
    return at_byte(m, "data beside the pickle (protocol 5, out of band), which is not at hand");
  }
  *known = false;
  return CVY_OK;
}

/* ---- the memo ---- */

/* Puts the last value into the memo. Python numbers the memo's values one by one, so no number is beyond the
 * values made so far. */
static cvy_err remember(machine *m, uint64_t index) {
  cvy_pickle *value;
  CVY_TRY(top(&value, m));
  if (index > (uint64_t)m->values) return at_byte(m, "a memo that leaves numbers out");
  while ((int64_t)index >= m->memo_capacity) grow(m->pool, &m->memo, m->memo_capacity, &m->memo_capacity);
  m->memo[index] = value;
  if ((int64_t)index >= m->memo_count) m->memo_count = (int64_t)index + 1;
  return CVY_OK;
}

static cvy_err recall(machine *m, uint64_t index) {
  if (index >= (uint64_t)m->memo_count || !m->memo[index])
    return at_byte(m, "a value from the memo that was never put there");
  push(m, m->memo[index]);
  return CVY_OK;
}

static cvy_err take_index(uint64_t *out, machine *m, int bytes) {
  char *line, *end;
  if (bytes > 0) return take_number(out, m, bytes);
  CVY_TRY(take_line(&line, m));
  *out = strtoull(line, &end, 10);
  return end == line || *end || line[0] == '-' ? at_byte(m, "a line that is no number of the memo") : CVY_OK;
}

static cvy_err memo(machine *m, uint8_t code, bool *known) {
  uint64_t index = (uint64_t)m->memo_count;
  const int bytes = code == 'q' || code == 'h' ? 1 : code == 'r' || code == 'j' ? 4 : 0;
  if (code == 0 || !strchr("pqrghj\x94", code)) {
    *known = false;
    return CVY_OK;
  }
  if (code != 0x94) CVY_TRY(take_index(&index, m, bytes));
  return strchr("ghj", code) ? recall(m, index) : remember(m, index);
}

/* ---- the rest ---- */

static cvy_err drop_marked(machine *m) {
  cvy_pickle **items;
  int64_t count;
  return pop_marked(&items, &count, m);
}

static cvy_err control(machine *m, uint8_t code, bool *known) {
  cvy_pickle *value;
  uint64_t number;
  switch (code) {
  case '(':
    push(m, NULL);
    return CVY_OK;
  case '.':
    m->stopped = true;
    return CVY_OK;
  case '0':
    return m->depth > 0 && !m->stack[m->depth - 1] ? drop_marked(m) : pop(&value, m);
  case '1':
    return drop_marked(m);
  case '2':
    CVY_TRY(top(&value, m));
    push(m, value);
    return CVY_OK;
  case 0x80:
    CVY_TRY(take_number(&number, m, 1));
    return number <= 5 ? CVY_OK : at_byte(m, "a protocol above 5");
  case 0x95:
    return take_number(&number, m, 8); /* how long the next part is, for readers of streams */
  case 0x98:
    return CVY_OK; /* marks a buffer as one that is not written to */
  }
  *known = false;
  return CVY_OK;
}

static cvy_err step(machine *m) {
  static cvy_err (*const groups[])(machine *, uint8_t, bool *) = {numbers, texts,   containers,
                                                                  objects, control, memo};
  char what[80];
  m->at = m->p;
  if (m->p == m->end) return at_byte(m, "truncated: a pickle that does not end");
  const uint8_t code = *m->p++;
  for (int64_t i = 0; i < CVY_COUNT(groups); i++) {
    bool known = true;
    CVY_TRY(groups[i](m, code, &known));
    if (known) return CVY_OK;
  }
  snprintf(what, sizeof what, "no pickle: 0x%02x is no instruction", code);
  return at_byte(m, what);
}

/* ---- for others ---- */

cvy_err cvy_pickle_read(cvy_pickle **out, size_t *used, cvy_pool *pool, const void *data, size_t count,
                        const char *path) {
  const uint8_t *begin = data ? data : (const uint8_t *)"";
  machine m = {.pool = pool, .begin = begin, .p = begin, .end = begin + count, .path = path};
  *out = NULL;
  while (!m.stopped) CVY_TRY(step(&m));
  CVY_TRY(pop(out, &m));
  *used = (size_t)(m.p - begin);
  return CVY_OK;
}

bool cvy_pickle_is(const cvy_pickle *value, const char *text) {
  const bool has_bytes = value->type == CVY_PICKLE_BYTES || value->type == CVY_PICKLE_TEXT ||
                         value->type == CVY_PICKLE_NAME;
  return has_bytes && value->byte_count == strlen(text) && memcmp(value->bytes, text, value->byte_count) == 0;
}

const cvy_pickle *cvy_pickle_get(const cvy_pickle *dict, const char *key) {
  if (dict->type != CVY_PICKLE_DICT && dict->type != CVY_PICKLE_CALL) return NULL;
  for (int64_t i = 0; i + 1 < dict->count; i += 2)
    if (dict->items[i]->type != CVY_PICKLE_NAME && cvy_pickle_is(dict->items[i], key))
      return dict->items[i + 1];
  return NULL;
}
