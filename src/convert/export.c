/* A model becomes a file of another program. */
#include "base/text.h"
#include "convert/convert.h"
#include "convert/preprocess.h"
#include "model/model.h"
#include "train/maps.h"

#include <string.h>

static bool ends_in(const char *text, const char *ending) {
  const size_t length = strlen(text), letters = strlen(ending);
  return length > letters && strcmp(text + length - letters, ending) == 0;
}

/* ---- the format ---- */

static cvy_err find_format(const cvy_weights_format **out, const char *path) {
  enum { LIST_BYTES = 300 };
  char list[LIST_BYTES];
  cvy_text known = cvy_text_in(list, sizeof list);
  for (int64_t i = 0; i < cvy_weights_format_count(); i++) {
    *out = cvy_weights_format_at(i);
    if (!(*out)->write) continue;
    if (ends_in(path, (*out)->ending)) return CVY_OK;
    cvy_text_item(&known, ", ", "%s (%s)", (*out)->ending, (*out)->about);
  }
  return cvy_error(CVY_E_USAGE, "%s: the ending says the format, and should be one of %s", path, list);
}

/* Keras' files end as checkpoints do, so that a slip would replace one, or the model itself. */
static cvy_err refuse_checkpoint(const char *path) {
  const cvy_weights_format *stands = cvy_weights_format_of(path);
  if (!stands || strcmp(stands->name, "convoy") != 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: a checkpoint of Convoy's stands there and is not replaced; expected another name",
                   path);
}

/* ---- the names ---- */

static cvy_err no_such_map(const char *name, const cvy_name_map *maps, int64_t count) {
  enum { LIST_BYTES = 300 };
  char list[LIST_BYTES];
  cvy_text known = cvy_text_in(list, sizeof list);
  for (int64_t i = 0; i < count; i++) cvy_text_item(&known, ", ", "%s", maps[i].name);
  return cvy_error(CVY_E_USAGE, "--names %s: there is no such map of names; there are own, %s", name, list);
}

/* Finds what the tensors are called. Without a wish, the first map that knows all layers says it. */
static cvy_err find_names(cvy_weights_out *model, cvy_exported *out, cvy_pool *pool, const char *wanted) {
  const cvy_name_map *maps;
  int64_t count;
  const char *missing = NULL;
  bool is_known = wanted[0] == '\0' || strcmp(wanted, "own") == 0;
  CVY_TRY(cvy_name_maps(&maps, &count, pool));
  for (int64_t i = 0; i < count && strcmp(wanted, "own") != 0 && !model->names; i++) {
    if (wanted[0] && strcmp(wanted, maps[i].name) != 0) continue;
    is_known = true;
    model->names = cvy_mapped_tensors(&missing, pool, &maps[i], model->net);
    if (model->names) out->names = maps[i].name;
  }
  if (!is_known) return no_such_map(wanted, maps, count);
  if (wanted[0] && missing && !model->names)
    return cvy_error(
        CVY_E_INPUT,
        "--names %s has no name for layer '%s' of network '%s'; --names own writes the layers' own", wanted,
        missing, cvy_net_describe(model->net)->name);
  if (!model->names) model->names = cvy_mapped_tensors(&missing, pool, NULL, model->net);
  return CVY_OK;
}

/* ---- all of it ---- */

static cvy_stored_input input_of(const cvy_model_info *info, const cvy_model_spec *spec, bool bgr) {
  cvy_stored_input input = {.known = true,
                            .chain = spec->evaluation,
                            .h = spec->data->h,
                            .w = spec->data->w,
                            .shorter = spec->data->shorter};
  for (int64_t c = 0; c < info->c; c++) {
    input.mean[c] = (double)info->mean[c];
    input.deviation[c] = (double)info->deviation[c];
  }
  input.bgr = bgr;
  if (!bgr) return input;
  input = cvy_preprocess_turned(&input, info->c);
  input.bgr = true;
  return input;
}

static cvy_err write_model(cvy_exported *out, cvy_pool *pool, cvy_model *model,
                           const cvy_weights_format *format, const cvy_export_wishes *w) {
  const cvy_model_info *info = cvy_model_describe(model);
  const cvy_model_spec *spec = cvy_model_spec_of(model);
  if (w->bgr && info->c != 3)
    return cvy_error(CVY_E_USAGE, "--bgr is about 3 channels; the network takes %" PRId64, info->c);
  cvy_weights_out to = {.net = cvy_model_net(model),
                        .arena = cvy_net_params(cvy_model_net(model)),
                        .network = spec->network,
                        .input = input_of(info, spec, w->bgr),
                        .class_count = info->name_count,
                        .class_names = info->class_names};
  CVY_TRY(find_names(&to, out, pool, w->names));
  out->format = format->about;
  out->tensors = info->tensor_count;
  return format->write(w->out, &to);
}

cvy_err cvy_export(cvy_exported *out, cvy_pool *pool, const cvy_export_wishes *wishes) {
  const cvy_weights_format *format;
  cvy_model *model;
  *out = (cvy_exported){0};
  CVY_TRY(find_format(&format, wishes->out));
  CVY_TRY(refuse_checkpoint(wishes->out));
  CVY_TRY(cvy_model_open(&model, wishes->model));
  const cvy_err err = write_model(out, pool, model, format, wishes);
  cvy_model_close(model);
  return err;
}
