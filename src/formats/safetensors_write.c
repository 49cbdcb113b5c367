/* Writes safetensors: tensors as PyTorch lays them out, and notes about the model. */
#include "file/whole.h"
#include "formats/notes.h"
#include "formats/safetensors_write.h"
#include "formats/tensor_layout.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 8, CHUNK = 1 << 16 };

static json_t *shape_of(const cvy_tensor_layout *layout) {
  json_t *shape = json_array();
  for (int i = 0; i < layout->shape_count; i++) json_array_append_new(shape, json_integer(layout->shape[i]));
  return shape;
}

static void add_tensor(json_t *header, const cvy_weights_out *model, const cvy_tensor_layout *layout,
                       int64_t index, int64_t *end) {
  const int64_t begin = *end;
  *end += cvy_net_describe(model->net)->params[index].count * (int64_t)sizeof(float);
  json_t *about = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape_of(layout), "data_offsets",
                            (json_int_t)begin, (json_int_t)*end);
  json_object_set_new(header, model->names[index], about);
}

static void add_notes(json_t *header, cvy_pool *pool, const cvy_weights_out *model) {
  cvy_stored_text notes[CVY_NOTES];
  json_t *about = json_pack("{s:s}", "format", "pt");
  cvy_notes_make(notes, pool, model);
  for (int i = 0; i < CVY_NOTES; i++)
    if (notes[i].text[0]) json_object_set_new(about, notes[i].key, json_string(notes[i].text));
  json_object_set_new(header, "__metadata__", about);
}

/* The header ends in blanks, so that values are aligned. */
static void write_header(FILE *out, const json_t *header) {
  char *text = json_dumps(header, JSON_COMPACT);
  const size_t length = strlen(text), padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  for (int i = 0; i < ALIGNMENT; i++) fputc((int)((uint64_t)padded >> (8 * i) & 255), out);
  fprintf(out, "%-*s", (int)padded, text);
  free(text);
}

static void write_values(FILE *out, const float *values, int64_t count) {
  uint8_t bytes[CHUNK];
  for (int64_t i = 0; i < count;) {
    size_t filled = 0;
    for (; i < count && filled < sizeof bytes; i++, filled += 4) {
      uint32_t bits;
      memcpy(&bits, &values[i], sizeof bits);
      for (int k = 0; k < 4; k++) bytes[filled + (size_t)k] = (uint8_t)(bits >> (8 * k));
    }
    fwrite(bytes, 1, filled, out);
  }
}

static cvy_err write_tensor(FILE *out, const cvy_weights_out *model, const cvy_tensor_layout *layout,
                            int64_t index) {
  const cvy_net_param *p = &cvy_net_describe(model->net)->params[index];
  void *values;
  CVY_TRY(cvy_buffer_create(&values, sizeof(float) * (size_t)p->count, "a tensor"));
  cvy_tensor_give(values, model->arena + p->offset, layout);
  write_values(out, values, p->count);
  cvy_buffer_destroy(values);
  return CVY_OK;
}

static cvy_err write_all(FILE *out, json_t *header, cvy_pool *pool, const cvy_weights_out *model) {
  const int64_t count = cvy_net_describe(model->net)->param_tensors;
  const cvy_tensor_rules rules = {.bgr = model->input.bgr};
  cvy_tensor_layout *layouts = cvy_pool_new(pool, sizeof *layouts * (size_t)(count + 1));
  int64_t end = 0;
  add_notes(header, pool, model);
  for (int64_t i = 0; i < count; i++) {
    CVY_TRY(cvy_tensor_layout_of(&layouts[i], pool, model->net, i, &rules));
    add_tensor(header, model, &layouts[i], i, &end);
  }
  write_header(out, header);
  for (int64_t i = 0; i < count; i++) CVY_TRY(write_tensor(out, model, &layouts[i], i));
  return CVY_OK;
}

cvy_err cvy_safetensors_write(const char *path, const cvy_weights_out *model) {
  cvy_whole *file;
  CVY_TRY(cvy_whole_begin(&file, path));
  json_t *header = json_object();
  cvy_pool *pool = cvy_pool_create();
  const cvy_err err = write_all(file->stream, header, pool, model);
  cvy_pool_destroy(pool);
  json_decref(header);
  if (!err) return cvy_whole_commit(file);
  cvy_whole_rollback(file);
  return err;
}
