/* A dataset reader turns one public dataset's files into numbered records.
 *
 * A reader is one file in datasets/ and one line in datasets/readers.def. The file holds the reader's
 * options, and one exported constant `cvy_reader_<name>`. */
#ifndef CVY_DATASETS_READER_H
#define CVY_DATASETS_READER_H

#include "base/options.h"
#include "picture/image.h"

/* A source is what the inputs of one split hold, once they are open. */
typedef struct cvy_source {
  void *state; /* the reader's own */
  int64_t count;
  int64_t class_count;
  const char *const *class_names;
  const int64_t *class_sizes; /* records of each class; NULL: each is taken to have some */
  bool is_numbered;           /* the names are the labels' own numbers, for nothing names the classes */
  bool assumes_classes;       /* the user says that such numbers mean the classes of the other splits */
  const char *encoding;       /* of names that are not UTF-8; NULL or "": not known */
  int64_t h, w, c;            /* size of every image; h = w = 0 if sizes vary and nothing scales them */
  int64_t encoded_bytes;      /* bytes of all records together, if the reader keeps_files */
  /* The caller sets it after opening. Then read need only deliver the bytes (if the reader keeps_files), for
   * they are decoded elsewhere, at the size that is needed. */
  bool bytes_only;
} cvy_source;

/* One input of the command line, or one that a reader found. */
typedef struct cvy_prepare_input {
  const char *split; /* NULL: not said, to be divided by fractions */
  const char *path;
} cvy_prepare_input;

typedef struct cvy_record {
  int32_t label;
  /* The name in errors: "cats/7.jpg", "record 12". It is set before anything can go wrong, and valid until
   * the next read. */
  const char *name;
  cvy_image image; /* the picture, decoded; the buffer is the reader's */
  /* The file's bytes as they came, if the reader keeps_files; valid until the next read. */
  const void *encoded;
  size_t encoded_bytes;
} cvy_record;

/* A glimpse is what can be seen of an input at a glance. */
typedef struct cvy_glimpse {
  const char *path;
  bool folder;
  uint8_t head[256]; /* a file's first bytes, gunzipped */
  size_t head_bytes;
  const char *const *names; /* some of what is in a folder or an archive, by paths from there */
  int64_t count;
} cvy_glimpse;

typedef struct cvy_reader {
  const cvy_kind *kind;
  /* Finds the splits of a public dataset that comes in parts, inside the folder or archive `path`, as inputs
   * with a split's name (MNIST's folder: train and val, two files each). *count is 0 if there are none. The
   * function is NULL if there never are any. */
  cvy_err (*find_splits)(cvy_prepare_input **out, int64_t *count, cvy_pool *pool,
                         const char *path) CVY_MUST_CHECK;
  /* Returns the part of an input that is meant where the user names the input for `split`, and it has several
   * splits: "FILE:train". It is the input itself where that has none. NULL: inputs are always taken whole. */
  const char *(*part_for)(cvy_pool *pool, const void *config, const char *input, const char *split);
  bool walks;                   /* each folder below an input counts, so the shards cannot lie there */
  bool keeps_files;             /* read can deliver JPEG or PNG bytes as they came */
  int64_t default_h, default_w; /* scaled to this if --size is not given; 0: left as they are */
  /* Opens the files or folders `inputs` of one split (1 or more; "synthetic" takes none). `h` and `w` are the
   * size asked for, or else the reader's default; 0 leaves images as they are. On an error nothing stays
   * open. */
  cvy_err (*open)(cvy_source *out, const void *config, const char *const *inputs, int64_t input_count,
                  int64_t h, int64_t w, uint64_t seed) CVY_MUST_CHECK;
  /* Reads a record, of any index, in any order. The record's image buffer is reused from call to call.
   * CVY_E_INPUT says that this record cannot be read, but others can; it is left out and listed. Other errors
   * end the run. A thread reads from a source of its own, so what sources share must not change after
   * open. */
  cvy_err (*read)(cvy_record *out, cvy_source *source, int64_t index) CVY_MUST_CHECK;
  void (*close)(cvy_source *source);
  /* Makes a further source on what `first` has open, for another thread, with the same records, and buffers
   * of its own. It is closed before `first` is. If the function is NULL, another source is opened instead. */
  void (*again)(cvy_source *out, const cvy_source *first);
  /* Tells whether an input surely is for this reader, so that errors of other readers can name it. NULL: it
   * cannot tell. */
  bool (*fits)(const cvy_glimpse *glimpse);
} cvy_reader;

int64_t cvy_reader_count(void);
const cvy_reader *cvy_reader_at(int64_t index);

/* Returns the reader that an input, PATH or PATH:PART, is for; NULL if none can tell. If several readers fit,
 * it is the last of them in the registry, where special readers come behind general ones. */
const cvy_reader *cvy_reader_that_fits(const char *input);
/* Tells whether the input is a file that begins with text. */
bool cvy_glimpse_is_text(const cvy_glimpse *glimpse);
/* Tells whether a name in the input, or in part of it, ends so, whatever the case of its letters. */
bool cvy_glimpse_has(const cvy_glimpse *glimpse, const char *ending);

#endif
