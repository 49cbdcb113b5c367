/* Files of models that other programs write: the tensors that they hold, by name, and, as far as a format has
 * these, the network that the tensors belong to, what images go through before it, and the names of classes.
 *
 * A format of such files, in two places:
 *   1. src/formats/NAME.c: how a file of it is known and opened, and the constant
 *      cvy_weights_format_NAME. safetensors.c is the example.
 *   2. A line in src/formats/formats.def.
 *   Its tests: tests/unit/test_formats.c, which fails for a format without one, and a line in
 *   tests/fuzz/CMakeLists.txt.
 *
 * A file is only looked at: nothing in it is run, and whatever its bytes are, nothing outside it is read.
 * Names, shapes and values are those of the file. A format says how they lie and, where the file has a
 * network, to which of its tensors they belong. Finding their place in a network that is not the file's own
 * is another room's matter. */
#ifndef CVY_FORMATS_FORMATS_H
#define CVY_FORMATS_FORMATS_H

#include "base/base.h"

struct cvy_yaml; /* base/yaml.h */
struct cvy_net;  /* net/net.h */

enum { CVY_TENSOR_DIMS = 8 };

typedef enum cvy_element {
  CVY_ELEMENT_F32,
  CVY_ELEMENT_F64,
  CVY_ELEMENT_F16,
  CVY_ELEMENT_BF16,
  CVY_ELEMENT_I8,
  CVY_ELEMENT_U8,
  CVY_ELEMENT_I16,
  CVY_ELEMENT_I32,
  CVY_ELEMENT_I64,
  CVY_ELEMENT_BOOL
} cvy_element;

/* Returns "float32" and the like. */
const char *cvy_element_name(cvy_element element);
int64_t cvy_element_bytes(cvy_element element);

typedef struct cvy_stored_tensor {
  const char *name; /* as the file has it, in UTF-8 */
  cvy_element element;
  int dim_count; /* 0: a single number */
  int64_t dims[CVY_TENSOR_DIMS];
  int64_t count;
  /* Where it lies: at byte `offset` the first element, and from one index of a dimension to the next so many
   * elements. */
  int64_t offset, strides[CVY_TENSOR_DIMS];
  /* The tensor of the file's own network that it is, such as "conv1/weights"; NULL: the file has no network,
   * or the network does without it. */
  const char *target;
  /* Whether outputs are the last dimension: filters [R][S][C][K] and weights [inputs][outputs], as Convoy's
   * own; else filters [K][C][R][S] and weights [outputs][inputs]. */
  bool outputs_last;
  double factor; /* what values are multiplied by as they are read; 0 stands for 1 */
} cvy_stored_tensor;

/* What a file says about itself, in words. */
typedef struct cvy_stored_text {
  const char *key, *text;
} cvy_stored_text;

/* What images are like that a network takes: (sample - mean[channel]) / deviation[channel] of samples from 0
 * to 255. */
typedef struct cvy_stored_input {
  bool known;
  bool bgr; /* blue comes first, in `mean` and `deviation` too */
  double mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  const struct cvy_yaml *chain; /* augmentations that a picture goes through before; NULL: not known */
  /* The size to which pictures are scaled before the chain: h x w, or the shorter side of larger ones, as
   * `convoy prepare` does it; 0: to none, or not known. */
  int64_t h, w, shorter;
} cvy_stored_input;

/* A file of weights that is open for reading. */
typedef struct cvy_weights_file {
  const struct cvy_weights_format *format;
  cvy_pool *pool;
  const char *path;
  int64_t tensor_count, note_count;
  cvy_stored_tensor *tensors; /* in the order of the file */
  cvy_stored_text *notes;
  int fd; /* what the tensors' offsets are in: the file itself, or what was unpacked of it */
  bool big_endian;
  /* Whether a fully connected layer counts the numbers of a map that it reads as [h][w][c], as Convoy does;
   * else as [c][h][w]. */
  bool channels_last;
  /* These are NULL, or 0, where the file does not say. */
  const struct cvy_yaml *network; /* a description, whose layers have the file's names as far as they can */
  const char *no_network; /* why the file's network is none of Convoy's: the error that names the layer */
  const struct cvy_yaml *recipe; /* what it says of training: some keys of a recipe, a mapping */
  cvy_stored_input input;
  int64_t class_count;
  const char *const *class_names;
  int64_t microbatch; /* images that the network computes at a time, which decides its bits */
} cvy_weights_file;

/* Opens a file, whose format is told by its bytes. Errors name the file: none of the formats, damaged,
 * truncated, tensors that do not lie within it. Nothing of the values is read yet. */
cvy_err cvy_weights_open(cvy_weights_file **out, const char *path) CVY_MUST_CHECK;
void cvy_weights_close(cvy_weights_file *file); /* NULL is allowed */
/* Reads tensor `index` as float32, rows behind each other: the last dimension runs fastest. Other numbers
 * are rounded to the nearest. */
cvy_err cvy_weights_read(float *out, const cvy_weights_file *file, int64_t index) CVY_MUST_CHECK;

/* ---- writing ---- */

/* A model that is to be written. */
typedef struct cvy_weights_out {
  const struct cvy_net *net;      /* its layers and tensors; values are in rows, as Convoy lays them out */
  const float *arena;             /* laid out as the net's parameters */
  const struct cvy_yaml *network; /* the net's description, flat (cvy_net_resolve) */
  const char *const *names;       /* [tensors of the net], in the file; NULL: the format's own */
  cvy_stored_input input;
  int64_t class_count; /* classes with names, which may be fewer than the network tells apart */
  const char *const *class_names;
} cvy_weights_out;

/* ---- formats ---- */

typedef struct cvy_weights_format {
  const char *name, *about;
  const char *ending; /* of the names of files that are written; NULL: none is */
  bool in_order;      /* its files list tensors in the order in which layers follow each other */
  /* Tells whether a file is of this format, from its first bytes. */
  bool (*fits)(const uint8_t *head, size_t count, const char *path);
  /* Lists the tensors and notes, in file->pool, of the file at file->path, which is open as file->fd. The
   * function may put another descriptor there, and closes the one before. */
  cvy_err (*open)(cvy_weights_file *file) CVY_MUST_CHECK;
  /* Writes a model; NULL: nobody writes this format. Errors name the layer that the format has no word for.
   * On an error nothing new stands at `path`. */
  cvy_err (*write)(const char *path, const cvy_weights_out *model) CVY_MUST_CHECK;
} cvy_weights_format;

int64_t cvy_weights_format_count(void);
const cvy_weights_format *cvy_weights_format_at(int64_t index);
/* Returns the format of the file; NULL if it is none of them. */
const cvy_weights_format *cvy_weights_format_of(const char *path);

/* ---- for formats ---- */

/* Adds a tensor, whose shape and strides are set, after checking that its values lie in the `bytes` bytes
 * from `begin` on, and that there are no more of them than these can hold. */
cvy_err cvy_weights_add(cvy_weights_file *file, const cvy_stored_tensor *tensor, int64_t begin,
                        int64_t bytes) CVY_MUST_CHECK;
/* Adds a tensor all of whose numbers are the one at its offset: its strides are 0. The caller has checked
 * that the one lies in the file and that the count is a sane one. */
cvy_err cvy_weights_add_repeated(cvy_weights_file *file, const cvy_stored_tensor *tensor) CVY_MUST_CHECK;
/* Sets the strides of rows behind each other, and the count. It is an error if the count overflows. */
cvy_err cvy_tensor_in_rows(cvy_stored_tensor *tensor, const cvy_weights_file *file) CVY_MUST_CHECK;
void cvy_weights_note(cvy_weights_file *file, const char *key, const char *text);

#endif
