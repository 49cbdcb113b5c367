/* YAML: libyaml parses and writes; the tree, overrides and errors that point at a place are made here. */
#include "base/yaml.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 64, MAX_BYTES = 16 << 20 };

/* Paths are bytes, but YAML is UTF-8. So a text that is not UTF-8 is written in its escaped form, which
 * base/utf8.h describes, behind this tag. */
static const char bytes_tag[] = "!bytes";

typedef struct reader {
  yaml_parser_t parser;
  cvy_pool *pool;
  const char *file;
} reader;

static cvy_yaml *new_node(cvy_pool *pool, cvy_yaml_kind kind, const char *file) {
  cvy_yaml *node = cvy_pool_new(pool, sizeof *node);
  node->kind = kind;
  node->file = file;
  return node;
}

cvy_yaml *cvy_yaml_new_scalar(cvy_pool *pool, const char *file, const char *text) {
  cvy_yaml *node = new_node(pool, CVY_YAML_SCALAR, file);
  node->text = cvy_pool_format(pool, "%s", text);
  node->plain = true;
  return node;
}

cvy_yaml *cvy_yaml_new_mapping(cvy_pool *pool, const char *file) {
  return new_node(pool, CVY_YAML_MAPPING, file);
}

cvy_yaml *cvy_yaml_new_sequence(cvy_pool *pool, const char *file) {
  return new_node(pool, CVY_YAML_SEQUENCE, file);
}

/* Room doubles whenever the count reaches a power of two. */
static void append(cvy_pool *pool, cvy_yaml *parent, cvy_yaml *key, cvy_yaml *child) {
  const int64_t count = parent->count;
  if ((count & (count - 1)) == 0) {
    const size_t room = sizeof(cvy_yaml *) * (size_t)(count ? 2 * count : 1);
    cvy_yaml **items = cvy_pool_new(pool, room), **keys = cvy_pool_new(pool, room);
    if (count) {
      memcpy(items, parent->items, sizeof *items * (size_t)count);
      memcpy(keys, parent->keys, sizeof *keys * (size_t)count);
    }
    parent->items = items;
    parent->keys = keys;
  }
  parent->keys[count] = key;
  parent->items[count] = child;
  parent->count++;
}

void cvy_yaml_add(cvy_pool *pool, cvy_yaml *parent, const char *key, cvy_yaml *child) {
  append(pool, parent, key ? cvy_yaml_new_scalar(pool, child->file, key) : NULL, child);
}

cvy_yaml *cvy_yaml_get(const cvy_yaml *mapping, const char *key) {
  if (!mapping || mapping->kind != CVY_YAML_MAPPING) return NULL;
  for (int64_t i = 0; i < mapping->count; i++)
    if (strcmp(mapping->keys[i]->text, key) == 0) return mapping->items[i];
  return NULL;
}

static const char command_line[] = "command line, ";

bool cvy_yaml_is_typed(const cvy_yaml *node) {
  return strncmp(node->file, command_line, sizeof command_line - 1) == 0;
}

cvy_err cvy_yaml_error(const cvy_yaml *at, const char *format, ...) {
  char text[2048];
  va_list va;
  va_start(va, format);
  vsnprintf(text, sizeof text, format, va);
  va_end(va);
  if (at->line == 0 || cvy_yaml_is_typed(at)) return cvy_error(CVY_E_INPUT, "%s: %s", at->file, text);
  return cvy_error(CVY_E_INPUT, "%s:%d:%d: %s", at->file, at->line, at->column, text);
}

const char *cvy_yaml_describe(const cvy_yaml *node) {
  enum { MOST_BYTES = 120 };
  static _Thread_local char text[MOST_BYTES + 3] = "'";
  if (node->kind == CVY_YAML_SEQUENCE) return "a list";
  if (node->kind == CVY_YAML_MAPPING) return "a mapping";
  if (node->text[0] == '\0') return "nothing";
  const size_t length = cvy_utf8_show_in(text + 1, MOST_BYTES + 1, node->text);
  strcpy(text + 1 + length, "'");
  return text;
}

static cvy_err next_event(reader *r, yaml_event_t *event) {
  if (yaml_parser_parse(&r->parser, event)) return CVY_OK;
  const yaml_parser_t *p = &r->parser;
  if (p->error == YAML_READER_ERROR)
    return cvy_error(CVY_E_INPUT, "%s: not YAML text: %s at byte %zu", r->file, p->problem,
                     p->problem_offset);
  return cvy_error(CVY_E_INPUT, "%s:%d:%d: %s%s%s", r->file, (int)p->problem_mark.line + 1,
                   (int)p->problem_mark.column + 1, p->context ? p->context : "", p->context ? ": " : "",
                   p->problem ? p->problem : "not YAML");
}

static cvy_err read_node(cvy_yaml **out, reader *r, yaml_event_t *event, int depth);

static cvy_err read_sequence(cvy_yaml *sequence, reader *r, int depth) {
  for (;;) {
    yaml_event_t event;
    CVY_TRY(next_event(r, &event));
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&event);
      return CVY_OK;
    }
    cvy_yaml *item;
    CVY_TRY(read_node(&item, r, &event, depth + 1));
    append(r->pool, sequence, NULL, item);
  }
}

static cvy_err read_mapping(cvy_yaml *mapping, reader *r, int depth) {
  for (;;) {
    yaml_event_t event;
    CVY_TRY(next_event(r, &event));
    if (event.type == YAML_MAPPING_END_EVENT) {
      yaml_event_delete(&event);
      return CVY_OK;
    }
    cvy_yaml *key, *value;
    CVY_TRY(read_node(&key, r, &event, depth + 1));
    if (key->kind != CVY_YAML_SCALAR)
      return cvy_yaml_error(key, "a key must be a word, not %s", cvy_yaml_describe(key));
    if (cvy_yaml_get(mapping, key->text))
      return cvy_yaml_error(key, "the key '%s' stands here twice", key->text);
    CVY_TRY(next_event(r, &event));
    CVY_TRY(read_node(&value, r, &event, depth + 1));
    append(r->pool, mapping, key, value);
  }
}

/* Consumes and deletes `event`, the first of the node. */
static cvy_err read_node(cvy_yaml **out, reader *r, yaml_event_t *event, int depth) {
  const yaml_event_type_t type = event->type;
  const cvy_yaml_kind kind = type == YAML_SCALAR_EVENT           ? CVY_YAML_SCALAR
                             : type == YAML_SEQUENCE_START_EVENT ? CVY_YAML_SEQUENCE
                                                                 : CVY_YAML_MAPPING;
  cvy_yaml *node = *out = new_node(r->pool, kind, r->file);
  node->line = (int)event->start_mark.line + 1;
  node->column = (int)event->start_mark.column + 1;
  bool anchored = type == YAML_ALIAS_EVENT;
  if (type == YAML_SCALAR_EVENT) {
    const char *text = (const char *)event->data.scalar.value, *tag = (const char *)event->data.scalar.tag;
    const bool escaped = tag && strcmp(tag, bytes_tag) == 0;
    node->text = escaped ? cvy_utf8_unescape(r->pool, text) : cvy_pool_format(r->pool, "%s", text);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    anchored = event->data.scalar.anchor != NULL;
  } else if (type == YAML_SEQUENCE_START_EVENT) {
    anchored = event->data.sequence_start.anchor != NULL;
  } else if (type == YAML_MAPPING_START_EVENT) {
    anchored = event->data.mapping_start.anchor != NULL;
  }
  yaml_event_delete(event);
  if (anchored) return cvy_yaml_error(node, "anchors (&) and aliases (*) are not supported here");
  if (depth > MAX_DEPTH) return cvy_yaml_error(node, "nested more than %d levels deep", MAX_DEPTH);
  if (kind == CVY_YAML_SEQUENCE) return read_sequence(node, r, depth);
  if (kind == CVY_YAML_MAPPING) return read_mapping(node, r, depth);
  return CVY_OK;
}

static cvy_err read_document(cvy_yaml **out, reader *r) {
  yaml_event_t event;
  do {
    CVY_TRY(next_event(r, &event));
    const yaml_event_type_t type = event.type;
    if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT) {
      yaml_event_delete(&event);
      continue;
    }
    if (type == YAML_STREAM_END_EVENT) {
      yaml_event_delete(&event);
      return cvy_error(CVY_E_INPUT, "%s: empty; expected key: value lines", r->file);
    }
    break;
  } while (true);
  CVY_TRY(read_node(out, r, &event, 0));
  CVY_TRY(next_event(r, &event)); /* the document's end */
  yaml_event_delete(&event);
  CVY_TRY(next_event(r, &event));
  const bool more = event.type != YAML_STREAM_END_EVENT;
  const int line = (int)event.start_mark.line + 1;
  yaml_event_delete(&event);
  if (more) return cvy_error(CVY_E_INPUT, "%s:%d: a second document begins; expected one", r->file, line);
  return CVY_OK;
}

/* Checks that a text is UTF-8, for libyaml would not say where it is not. A text with UTF-16's mark in front
 * is left to libyaml, which reads that too. A zero byte ends what is checked here. */
static cvy_err check_utf8(const char *text, const char *name) {
  int line = 1, column = 1;
  uint32_t letter;
  if (strncmp(text, "\xff\xfe", 2) == 0 || strncmp(text, "\xfe\xff", 2) == 0) return CVY_OK;
  for (size_t length; *text; text += length) {
    if (!(length = cvy_utf8_next(&letter, text)))
      return cvy_error(
          CVY_E_INPUT,
          "%s:%d:%d: the byte 0x%02X is no UTF-8; if the file is in Latin-1, 'iconv -f latin1 -t utf8' "
          "converts it",
          name, line, column, (unsigned char)*text);
    column = letter == '\n' ? 1 : column + 1;
    line += letter == '\n';
  }
  return CVY_OK;
}

/* Parses the first document of `text`, which has a zero byte behind its `bytes`. */
static cvy_err parse(cvy_yaml **out, cvy_pool *pool, const char *text, size_t bytes, const char *name) {
  reader r = {.pool = pool, .file = cvy_pool_format(pool, "%s", name)};
  *out = NULL;
  CVY_TRY(check_utf8(text, name));
  CVY_CHECK(yaml_parser_initialize(&r.parser));
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, bytes);
  cvy_yaml *root = NULL;
  const cvy_err err = read_document(&root, &r);
  yaml_parser_delete(&r.parser);
  if (!err) *out = root;
  return err;
}

cvy_err cvy_yaml_parse(cvy_yaml **out, cvy_pool *pool, const char *text, const char *name) {
  return parse(out, pool, text, strlen(text), name);
}

cvy_err cvy_yaml_load(cvy_yaml **out, cvy_pool *pool, const char *path) {
  *out = NULL;
  FILE *file = fopen(path, "rb");
  if (!file) return cvy_error(CVY_E_INPUT, "%s: cannot open: %s", path, strerror(errno));
  char *text = malloc(MAX_BYTES);
  const size_t bytes = text ? fread(text, 1, MAX_BYTES, file) : 0;
  const bool failed = !text || ferror(file);
  const int reason = errno;
  fclose(file);
  cvy_err err = CVY_OK;
  if (!failed && bytes < MAX_BYTES) text[bytes] = '\0';
  if (failed)
    err = cvy_error(CVY_E_INPUT, "%s: cannot read: %s", path, strerror(reason));
  else if (bytes == MAX_BYTES)
    err = cvy_error(CVY_E_INPUT, "%s: larger than %d MiB; not a recipe or network", path, MAX_BYTES >> 20);
  else
    err = parse(out, pool, text, bytes, path);
  free(text);
  return err;
}

/* Tells whether libyaml reads such a text: UTF-8 whose control characters are tabs and ends of lines. */
static bool is_readable(const char *text) {
  uint32_t letter;
  for (size_t length; *text; text += length) {
    if (!(length = cvy_utf8_next(&letter, text))) return false;
    if (letter < ' ' ? !strchr("\t\n\r", (int)letter) : letter >= 0x7f && letter < 0xa0 && letter != 0x85)
      return false;
    if (letter == 0xfeff || letter == 0xfffe || letter == 0xffff) return false;
  }
  return true;
}

/* libyaml checks what it reads, but the key of an override does not come through it, and one that is no UTF-8
 * would keep its emitter busy for ever. */
static bool is_printable(const char *text) {
  while (*text >= ' ' && *text <= '~') text++;
  return !*text;
}

/* Tells whether a mapping may take the place of `item`. It may if that is nothing, or the bare name of what
 * the path goes on with, as in solver=sgd solver.sgd.momentum=0.9. */
static bool takes_keys(const cvy_yaml *item, const char *path) {
  if (!item) return true;
  if (item->kind != CVY_YAML_SCALAR) return false;
  const size_t length = strlen(item->text);
  return length == 0 || (strncmp(item->text, path, length) == 0 && path[length] == '.');
}

cvy_err cvy_yaml_override(cvy_yaml *root, cvy_pool *pool, const char *assignment) {
  const char *equals = strchr(assignment, '=');
  if (!equals || equals == assignment) {
    const char *colon = equals ? NULL : strchr(assignment, ':');
    const int letters = colon ? (int)(colon - assignment) : 0;
    if (letters > 0)
      return cvy_error(CVY_E_USAGE, "'%s': expected key=value; did you mean %.*s=%s?", assignment, letters,
                       assignment, colon + 1 + strspn(colon + 1, " "));
    return cvy_error(CVY_E_USAGE,
                     "'%s': expected key=value, as epochs=3, solver.sgd.momentum=0.9 or classes=10",
                     assignment);
  }
  const char *file = cvy_pool_format(pool, "%s%s", command_line, assignment);
  cvy_yaml *value;
  if (equals[1] && is_readable(equals + 1))
    CVY_TRY(cvy_yaml_parse(&value, pool, equals + 1, file));
  else
    value = cvy_yaml_new_scalar(pool, file, equals + 1); /* nothing, or a path of any bytes */
  char *path = cvy_pool_format(pool, "%.*s", (int)(equals - assignment), assignment);
  if (!is_printable(path))
    return cvy_error(CVY_E_USAGE, "'%s': keys are made of letters, digits and '_'", assignment);
  cvy_yaml *at = root;
  for (char *key = path, *dot; key; key = dot ? dot + 1 : NULL) {
    if ((dot = strchr(key, '.'))) *dot = '\0';
    if (at->kind != CVY_YAML_MAPPING)
      return cvy_error(CVY_E_USAGE, "%s: '%s' stands below %s, which has no keys%s", assignment, key,
                       cvy_yaml_describe(at),
                       at->kind == CVY_YAML_SEQUENCE
                           ? "; a list is given as a whole, as data.augment='[{crop: "
                             "{size: 28}}]'"
                           : "");
    int64_t i = 0;
    while (i < at->count && strcmp(at->keys[i]->text, key) != 0) i++;
    if (i == at->count) append(pool, at, cvy_yaml_new_scalar(pool, file, key), NULL);
    if (!dot)
      at->items[i] = value;
    else if (takes_keys(at->items[i], dot + 1))
      at->items[i] = cvy_yaml_new_mapping(pool, file);
    at = at->items[i];
  }
  return CVY_OK;
}

/* ---- writing ---- */

static int collect(void *stream, unsigned char *bytes, size_t count) {
  return fwrite(bytes, 1, count, stream) == count;
}

static void emit(yaml_emitter_t *emitter, yaml_event_t *event) {
  CVY_CHECK(yaml_emitter_emit(emitter, event), "%s", emitter->problem);
}

static bool is_short_list_of_words(const cvy_yaml *node) {
  for (int64_t i = 0; i < node->count; i++)
    if (node->items[i]->kind != CVY_YAML_SCALAR) return false;
  return node->count <= 8;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, bool plain) {
  yaml_event_t event;
  cvy_pool *pool = cvy_pool_create();
  const bool escaped = !cvy_utf8_valid(text);
  if (escaped) text = cvy_utf8_escape(pool, text);
  const yaml_char_t *tag = escaped ? (const yaml_char_t *)bytes_tag : NULL;
  const yaml_scalar_style_t style = escaped ? YAML_SINGLE_QUOTED_SCALAR_STYLE
                                    : plain ? YAML_PLAIN_SCALAR_STYLE
                                            : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  CVY_CHECK(yaml_scalar_event_initialize(&event, NULL, tag, (const yaml_char_t *)text, (int)strlen(text),
                                         !escaped, !escaped, style));
  emit(emitter, &event);
  cvy_pool_destroy(pool);
}

static void emit_node(yaml_emitter_t *emitter, const cvy_yaml *node) {
  yaml_event_t event;
  if (node->kind == CVY_YAML_SCALAR) {
    emit_scalar(emitter, node->text, node->plain);
    return;
  }
  const bool flow = is_short_list_of_words(node);
  if (node->kind == CVY_YAML_SEQUENCE)
    yaml_sequence_start_event_initialize(&event, NULL, NULL, true,
                                         flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
  else
    yaml_mapping_start_event_initialize(&event, NULL, NULL, true,
                                        flow && node->count == 0 ? YAML_FLOW_MAPPING_STYLE
                                                                 : YAML_BLOCK_MAPPING_STYLE);
  emit(emitter, &event);
  for (int64_t i = 0; i < node->count; i++) {
    if (node->kind == CVY_YAML_MAPPING) emit_node(emitter, node->keys[i]);
    emit_node(emitter, node->items[i]);
  }
  if (node->kind == CVY_YAML_SEQUENCE)
    yaml_sequence_end_event_initialize(&event);
  else
    yaml_mapping_end_event_initialize(&event);
  emit(emitter, &event);
}

char *cvy_yaml_text(const cvy_yaml *root) {
  cvy_text_stream stream;
  cvy_text_stream_begin(&stream);
  yaml_emitter_t emitter;
  yaml_event_t event;
  CVY_CHECK(yaml_emitter_initialize(&emitter));
  yaml_emitter_set_output(&emitter, collect, stream.out);
  yaml_emitter_set_width(&emitter, 110);
  yaml_emitter_set_unicode(&emitter, 1);
  yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
  emit(&emitter, &event);
  yaml_document_start_event_initialize(&event, NULL, NULL, NULL, true);
  emit(&emitter, &event);
  emit_node(&emitter, root);
  yaml_document_end_event_initialize(&event, true);
  emit(&emitter, &event);
  yaml_stream_end_event_initialize(&event);
  emit(&emitter, &event);
  yaml_emitter_delete(&emitter);
  return cvy_text_stream_end(&stream, NULL);
}
