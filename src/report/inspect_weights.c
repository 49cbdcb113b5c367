/* `convoy inspect` of a file of weights that another program wrote. */
#include "report/inspect_weights.h"

#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "formats/formats.h"

#include <string.h>

/* Adds name, shape and values, as float32, to the hash. */
static cvy_err hash_tensor(cvy_hasher *hasher, const cvy_weights_file *file, int64_t index) {
  const cvy_stored_tensor *t = &file->tensors[index];
  const size_t bytes = sizeof(float) * (size_t)t->count;
  void *values;
  cvy_hasher_add(hasher, t->name, strlen(t->name) + 1);
  cvy_hasher_add(hasher, t->dims, sizeof *t->dims * (size_t)t->dim_count);
  CVY_TRY(cvy_buffer_create(&values, bytes, "a tensor"));
  const cvy_err err = cvy_weights_read(values, file, index);
  if (!err) cvy_hasher_add(hasher, values, bytes);
  cvy_buffer_destroy(values);
  return err;
}

static cvy_err hash_all(cvy_hash *out, const cvy_weights_file *file) {
  cvy_hasher *hasher = cvy_hasher_create();
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < file->tensor_count && !err; i++) err = hash_tensor(hasher, file, i);
  *out = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  return err;
}

static int64_t count_numbers(const cvy_weights_file *file) {
  int64_t count = 0;
  for (int64_t i = 0; i < file->tensor_count; i++) count += file->tensors[i].count;
  return count;
}

static void print_lines(FILE *out, const cvy_weights_file *file, cvy_hash contents) {
  char shape[160];
  fprintf(out, "%s\n  %-14s %s\n", cvy_utf8_shown(file->pool, file->path), "format", file->format->about);
  for (int64_t i = 0; i < file->note_count; i++)
    fprintf(out, "  %-14s %s: %s\n", "note", cvy_utf8_shown(file->pool, file->notes[i].key),
            cvy_utf8_shown(file->pool, file->notes[i].text));
  for (int64_t i = 0; i < file->tensor_count; i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    const char *name = cvy_utf8_shown(file->pool, t->name);
    cvy_text_dims(shape, sizeof shape, t->dims, t->dim_count);
    fprintf(out, "  %-*s %-8s %s\n", cvy_utf8_pad(name, 40), name, cvy_element_name(t->element), shape);
  }
  fprintf(out, "  %-14s %" PRId64 ", of %" PRId64 " numbers\n", "tensors", file->tensor_count,
          count_numbers(file));
  fprintf(out, "  %-14s %s\n", "contents", contents.hex);
}

static void print_json(FILE *out, const cvy_weights_file *file, cvy_hash contents) {
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "file", file->path);
  cvy_json_text(&json, "format", file->format->name);
  cvy_json_open(&json, "notes", '{');
  for (int64_t i = 0; i < file->note_count; i++)
    cvy_json_text(&json, file->notes[i].key, file->notes[i].text);
  cvy_json_close(&json, '}');
  cvy_json_open(&json, "tensors", '[');
  for (int64_t i = 0; i < file->tensor_count; i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    cvy_json_open(&json, NULL, '{');
    cvy_json_text(&json, "name", t->name);
    cvy_json_text(&json, "type", cvy_element_name(t->element));
    cvy_json_open(&json, "shape", '[');
    for (int k = 0; k < t->dim_count; k++) cvy_json_int(&json, NULL, t->dims[k]);
    cvy_json_close(&json, ']');
    cvy_json_close(&json, '}');
  }
  cvy_json_close(&json, ']');
  cvy_json_int(&json, "numbers", count_numbers(file));
  cvy_json_text(&json, "contents", contents.hex);
  cvy_json_close(&json, '}');
  fputc('\n', out);
}

cvy_err cvy_inspect_weights(FILE *out, const char *path, bool json) {
  cvy_weights_file *file;
  cvy_hash contents;
  CVY_TRY(cvy_weights_open(&file, path));
  const cvy_err err = hash_all(&contents, file);
  if (!err) json ? print_json(out, file, contents) : print_lines(out, file, contents);
  cvy_weights_close(file);
  return err;
}
