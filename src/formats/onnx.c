/* The format ONNX. onnx_messages.c reads the messages of a model. onnx_network.c makes a network of them,
 * with the help of onnx_values.c, onnx_layers.c and onnx_windows.c. onnx_write.c writes models. */
#include "formats/onnx.h"

#include "file/mapped.h"
#include "formats/notes.h"

#include <string.h>

static cvy_err open_file(cvy_weights_file *file) {
  cvy_mapped mapped;
  cvy_onnx_model model = {.file = file, .name = ""};
  CVY_TRY(cvy_mapped_open(&mapped, file->path));
  model.bytes = mapped.data;
  model.byte_count = mapped.count;
  cvy_err err = cvy_onnx_read(&model);
  if (err)
    err = cvy_error_in(err, "%s", file->path);
  else
    err = cvy_notes_take(file);
  if (!err) err = cvy_onnx_build(&model); /* the graph's network, not that of the notes */
  cvy_mapped_close(&mapped);
  return err;
}

/* The format has no magic number. A model begins with its version, and goes on with one of the fields that a
 * ModelProto has. */
static bool fits(const uint8_t *head, size_t count, const char *path) {
  static const uint8_t keys[] = {0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72};
  (void)path;
  return count > 2 && head[0] == 0x08 && head[1] > 0 && head[1] < 64 && memchr(keys, head[2], sizeof keys);
}

const cvy_weights_format cvy_weights_format_onnx = {.name = "onnx",
                                                    .about = "ONNX",
                                                    .fits = fits,
                                                    .open = open_file,
                                                    .write = cvy_onnx_write,
                                                    .ending = ".onnx"};
