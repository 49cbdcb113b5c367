/* Notes: made of a model, and read back. */
#include "formats/notes.h"

#include "base/text.h"
#include "base/yaml.h"
#include "net/net.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { NETWORK, MICROBATCH, MEAN, DEVIATION, CHANNELS, PREPARED, CHAIN, CLASSES };

static const char *const keys[CVY_NOTES] = {
    [NETWORK] = "convoy.network", /* a flat description, YAML */
    [MICROBATCH] = "convoy.microbatch",
    [MEAN] = "convoy.mean", /* of samples from 0 to 255, a number a channel: "123.675,116.28,103.53" */
    [DEVIATION] = "convoy.deviation",
    [CHANNELS] = "convoy.channels", /* "rgb", "bgr", or "as they are" */
    [PREPARED] = "convoy.prepared", /* to what pictures are scaled before the chain: "256x320", or "256" */
    [CHAIN] = "convoy.chain",       /* what pictures go through before, YAML */
    [CLASSES] = "convoy.classes",   /* names, a list of JSON */
};
static const char rgb[] = "rgb", bgr[] = "bgr", as_they_are[] = "as they are";
enum { LIST_BYTES = 40 * CVY_MAX_CHANNELS, COLOURS = 3 };

/* ---- making ---- */

static const char *list_of(cvy_pool *pool, const double *values, int64_t count) {
  char text[LIST_BYTES];
  cvy_text list = cvy_text_in(text, sizeof text);
  for (int64_t i = 0; i < count; i++) cvy_text_add(&list, "%s%.17g", i ? "," : "", values[i]);
  return cvy_pool_format(pool, "%s", text);
}

static const char *yaml_of(cvy_pool *pool, const cvy_yaml *root) {
  char *text = root ? cvy_yaml_text(root) : NULL;
  const char *copy = cvy_pool_format(pool, "%s", text ? text : "");
  free(text);
  return copy;
}

static const char *prepared_of(cvy_pool *pool, const cvy_stored_input *input) {
  if (input->h > 0) return cvy_pool_format(pool, "%" PRId64 "x%" PRId64, input->h, input->w);
  return input->shorter > 0 ? cvy_pool_format(pool, "%" PRId64, input->shorter) : "";
}

static const char *names_of(cvy_pool *pool, const cvy_weights_out *model) {
  json_t *list = json_array();
  for (int64_t k = 0; k < model->class_count; k++)
    json_array_append_new(list, json_string(model->class_names[k]));
  char *text = json_dumps(list, JSON_COMPACT);
  const char *copy = cvy_pool_format(pool, "%s", model->class_count && text ? text : "");
  free(text);
  json_decref(list);
  return copy;
}

void cvy_notes_make(cvy_stored_text out[CVY_NOTES], cvy_pool *pool, const cvy_weights_out *model) {
  const int64_t channels = cvy_net_describe(model->net)->input.c;
  const cvy_stored_input *input = &model->input;
  const int64_t microbatch = cvy_net_describe(model->net)->input.n;
  const char *texts[CVY_NOTES] = {[NETWORK] = yaml_of(pool, model->network),
                                  [MICROBATCH] = cvy_pool_format(pool, "%" PRId64, microbatch),
                                  [CLASSES] = names_of(pool, model)};
  if (input->known) {
    texts[MEAN] = list_of(pool, input->mean, channels);
    texts[DEVIATION] = list_of(pool, input->deviation, channels);
    texts[CHANNELS] = channels != COLOURS ? as_they_are : input->bgr ? bgr : rgb;
    texts[PREPARED] = prepared_of(pool, input);
    texts[CHAIN] = yaml_of(pool, input->chain);
  }
  for (int i = 0; i < CVY_NOTES; i++) out[i] = (cvy_stored_text){keys[i], texts[i] ? texts[i] : ""};
}

/* ---- reading ---- */

static cvy_err wrong(const cvy_weights_file *file, int which, const char *expected) {
  return cvy_error(CVY_E_INPUT, "%s: note '%s': expected %s", file->path, keys[which], expected);
}

static cvy_err take_list(double out[], const cvy_weights_file *file, int which, const char *text) {
  const char *at = text;
  for (int c = 0; c < CVY_MAX_CHANNELS; c++) {
    char *end;
    out[c] = strtod(at, &end);
    if (end == at) return wrong(file, which, "numbers with commas between");
    if (*end == '\0') return CVY_OK;
    if (*end != ',') return wrong(file, which, "numbers with commas between");
    at = end + 1;
  }
  return wrong(file, which, "no more numbers than a picture has channels");
}

static cvy_err take_prepared(cvy_stored_input *input, const cvy_weights_file *file, const char *text) {
  enum { LONGEST_SIDE = 65536 };
  char *end;
  const int64_t first = strtol(text, &end, 10), second = *end == 'x' ? strtol(end + 1, &end, 10) : first;
  const bool is_pair = strchr(text, 'x') != NULL;
  if (*end || first < 1 || second < 1 || first > LONGEST_SIDE || second > LONGEST_SIDE)
    return wrong(file, PREPARED, "HEIGHTxWIDTH or one number of pixels");
  input->h = is_pair ? first : 0;
  input->w = is_pair ? second : 0;
  input->shorter = is_pair ? 0 : first;
  return CVY_OK;
}

static cvy_err take_yaml(const cvy_yaml **out, const cvy_weights_file *file, int which, const char *text) {
  cvy_yaml *root;
  CVY_TRY_IN(cvy_yaml_parse(&root, file->pool, text, keys[which]), "%s", file->path);
  *out = root;
  return CVY_OK;
}

static cvy_err take_names(cvy_weights_file *file, const char *text) {
  json_t *list = json_loads(text, 0, NULL), *name;
  size_t i;
  bool good = json_is_array(list);
  const char **names = cvy_pool_new(file->pool, sizeof *names * (json_array_size(list) + 1));
  json_array_foreach(list, i, name) {
    good = good && json_is_string(name);
    names[i] = good ? cvy_pool_format(file->pool, "%s", json_string_value(name)) : "";
  }
  file->class_count = (int64_t)json_array_size(list);
  file->class_names = names;
  json_decref(list);
  return good ? CVY_OK : wrong(file, CLASSES, "a list of names in JSON");
}

static cvy_err take(cvy_weights_file *file, int which, const char *text) {
  cvy_stored_input *input = &file->input;
  switch (which) {
  case NETWORK:
    return take_yaml(&file->network, file, which, text);
  case MICROBATCH:
    file->microbatch = strtol(text, NULL, 10);
    return file->microbatch > 0 && file->microbatch <= 1 << 20 ? CVY_OK
                                                               : wrong(file, which, "a number of images");
  case MEAN:
    input->known = true;
    return take_list(input->mean, file, which, text);
  case DEVIATION:
    return take_list(input->deviation, file, which, text);
  case CHANNELS:
    input->bgr = strcmp(text, bgr) == 0;
    return input->bgr || strcmp(text, rgb) == 0 || strcmp(text, as_they_are) == 0
               ? CVY_OK
               : wrong(file, which, "rgb, bgr or 'as they are'");
  case PREPARED:
    return take_prepared(input, file, text);
  case CHAIN:
    return take_yaml(&input->chain, file, which, text);
  default:
    return take_names(file, text);
  }
}

cvy_err cvy_notes_take(cvy_weights_file *file) {
  for (int64_t i = 0; i < file->note_count; i++)
    for (int which = 0; which < CVY_NOTES; which++)
      if (strcmp(file->notes[i].key, keys[which]) == 0 && file->notes[i].text[0])
        CVY_TRY(take(file, which, file->notes[i].text));
  return CVY_OK;
}

/* ---- in HDF5 ---- */

static const int rest[] = {MICROBATCH, PREPARED, CHAIN};

cvy_err cvy_notes_write_rest(cvy_h5 *h5, const cvy_weights_out *model) {
  cvy_stored_text notes[CVY_NOTES];
  cvy_pool *pool = cvy_pool_create();
  cvy_err err = CVY_OK;
  cvy_notes_make(notes, pool, model);
  for (int64_t i = 0; i < CVY_COUNT(rest) && !err; i++)
    if (notes[rest[i]].text[0]) err = cvy_h5_write_attr_text(h5, "", keys[rest[i]], notes[rest[i]].text);
  cvy_pool_destroy(pool);
  return err;
}

cvy_err cvy_notes_read_rest(cvy_weights_file *file, cvy_h5 *h5) {
  for (int64_t i = 0; i < CVY_COUNT(rest); i++) {
    char *text;
    if (!cvy_h5_has_attr(h5, "", keys[rest[i]])) continue;
    CVY_TRY(cvy_h5_read_attr_text(h5, "", keys[rest[i]], &text, file->pool));
    cvy_weights_note(file, keys[rest[i]], text);
    if (text[0]) CVY_TRY(take(file, rest[i], text));
  }
  return CVY_OK;
}
