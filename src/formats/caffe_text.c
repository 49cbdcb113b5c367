/* Caffe's networks as text (train_val.prototxt, deploy.prototxt): a network, and what it says of training.
 * They have no tensors. */
#include "file/mapped.h"
#include "formats/caffe_graph.h"

#include <string.h>

enum { MOST_BYTES = 64 << 20 };

/* Returns the first word of a text, behind comments and blanks, if ':' or '{' is behind it. */
static bool first_word(char out[40], const uint8_t *head, size_t count) {
  size_t at = 0, length = 0;
  while (at < count && (strchr(" \t\r\n", head[at]) || head[at] == '#')) {
    if (!head[at]) return false;
    if (head[at] == '#')
      while (at < count && head[at] != '\n') at++;
    else
      at++;
  }
  for (; at < count && length < 39 &&
         ((head[at] >= 'a' && head[at] <= 'z') || head[at] == '_' ||
          (length > 0 && head[at] >= '0' && head[at] <= '9'));
       at++)
    out[length++] = (char)head[at];
  out[length] = '\0';
  while (at < count && (head[at] == ' ' || head[at] == '\t')) at++;
  return at < count && (head[at] == ':' || head[at] == '{');
}

static bool fits(const uint8_t *head, size_t count, const char *path) {
  static const char *const words[] = {
      "name",  "layer",        "layers",  "input",     "input_dim", "input_shape", "force_backward",
      "state", "net",          "base_lr", "test_iter", "train_net", "solver_mode", "bn_stats_batch_size",
      "type",  "test_interval"};
  const size_t length = strlen(path);
  char word[40];
  if (length > 9 && strcmp(path + length - 9, ".prototxt") == 0) return !memchr(head, 0, count);
  if (!first_word(word, head, count)) return false;
  for (int64_t i = 0; i < CVY_COUNT(words); i++)
    if (strcmp(words[i], word) == 0) return true;
  return false;
}

static cvy_err convert(cvy_weights_file *file, const cvy_prototext *net) {
  static const char *const solver[] = {"base_lr", "net", "train_net", "max_iter", "lr_policy"};
  cvy_caffe_place *places;
  for (int64_t i = 0; i < CVY_COUNT(solver); i++)
    if (cvy_prototext_get(net, solver[i]))
      return cvy_caffe_wrong(file->path, cvy_prototext_get(net, solver[i]), NULL,
                             "this is a solver, not a network: its key 'net' names the network");
  if (!cvy_prototext_get(net, "layer") && !cvy_prototext_get(net, "layers"))
    return cvy_error(CVY_E_INPUT, "%s: it has no layers, so it is no network of Caffe's", file->path);
  CVY_TRY(cvy_caffe_renew(&net, file, net));
  return cvy_caffe_convert(file, net, &places);
}

static cvy_err open_file(cvy_weights_file *file) {
  cvy_mapped mapped;
  cvy_prototext *net;
  CVY_TRY(cvy_mapped_open(&mapped, file->path));
  cvy_err err =
      mapped.count > MOST_BYTES
          ? cvy_error(CVY_E_INPUT, "%s: no network has a text of %zu bytes", file->path, mapped.count)
          : cvy_prototext_parse(&net, file->pool, (const char *)mapped.data, mapped.count, file->path);
  cvy_mapped_close(&mapped);
  return err ? err : convert(file, net);
}

const cvy_weights_format cvy_weights_format_caffe_text = {
    .name = "caffe_text", .about = "Caffe's prototxt", .fits = fits, .open = open_file};
