/* Picture files on their way to records, for the readers that deliver them. */
#ifndef CVY_DATASETS_PICTURES_H
#define CVY_DATASETS_PICTURES_H

#include "datasets/reader.h"
#include "file/bytes.h"

typedef struct cvy_pictures {
  int64_t h, w, c; /* delivered; h = w = 0: as they are */
  cvy_bytes file;  /* the reader puts the file's bytes here, and its name there */
  char name[4352];
  cvy_image decoded, scaled;
} cvy_pictures;

/* Makes room for a picture of `size` bytes in `file`. It fails with CVY_E_INPUT if no picture is so large, or
 * for 0. Errors begin with the name. */
cvy_err cvy_pictures_reserve(cvy_pictures *pictures, int64_t size) CVY_MUST_CHECK;
/* Reads the file at `path`, which becomes the name. */
cvy_err cvy_pictures_read(cvy_pictures *pictures, const char *path) CVY_MUST_CHECK;
/* Decodes `file`, unless the source is to deliver the bytes_only, and scales it; out->label is left alone.
 * Errors begin with the name. */
cvy_err cvy_pictures_deliver(cvy_record *out, cvy_pictures *pictures,
                             const cvy_source *source) CVY_MUST_CHECK;

/* ---- the life of a reader of picture files ---- */

/* The state of such a reader begins with this. */
typedef struct cvy_picture_state {
  cvy_pool *pool;        /* the pool of what was listed */
  cvy_pictures delivery; /* each source's own */
  bool borrows;          /* all but the delivery belongs to the source that this one came of */
} cvy_picture_state;

/* Makes a zeroed state of `bytes` with its head, in *out. */
void *cvy_pictures_begin(cvy_source *out, size_t bytes, int colour, int64_t h, int64_t w);
/* Ends an open: passes `err` on, and closes what it left half open. */
cvy_err cvy_pictures_opened(cvy_source *out, cvy_err err, void (*close)(cvy_source *source)) CVY_MUST_CHECK;
/* Does what a reader's `again` must, for a state of `bytes`. */
void cvy_pictures_share(cvy_source *out, const cvy_source *first, size_t bytes);
/* Ends a close: frees the state with its head. */
void cvy_pictures_end(cvy_source *source);

/* Tells whether a name ends as a picture's does: in .jpg or another ending of JPEG, or in .png. */
bool cvy_looks_like_picture(const char *name);

/* These are the words of an option --colour. */
extern const char *const cvy_colour_words[];

/* This is a line for an option --encoding, whose value `open` puts into the source. */
#define CVY_ENCODING_OPTION(config, field)                                                                   \
  {                                                                                                          \
    "encoding", CVY_STRING, offsetof(config, field), "",                                                     \
        .help = "of names that are not UTF-8: latin-1, cp1252, or what else iconv knows; none: a zip's are " \
                "cp437, others are escaped"                                                                  \
  }

/* ---- splits ---- */

/* Copies inputs that all have a split into *out, in `pool`: those of train come first. A set of train and
 * test alone measures itself on the test pictures, so test becomes val where there is no val. */
void cvy_splits_in_order(cvy_prepare_input **out, int64_t *count, cvy_pool *pool,
                         const cvy_prepare_input *inputs, int64_t input_count);
/* Finds splits among `names` (cvy_split_called). *out has an input for each, whose path is `before` and the
 * name, in the order of cvy_splits_in_order. *count is 0 if a name tells no split, if none tells train, or if
 * there is only one name. */
void cvy_splits_called(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *before,
                       const char *const *names, int64_t name_count);
/* Finds splits among files by the words in their names, as in "mnist_train_lmdb" and
 * "imagenet-val-00003-of-00128.tar". *out has the files as inputs, in the order of cvy_splits_in_order.
 * *count is 0 if a name tells no split, if none tells train, or if all tell train. */
void cvy_splits_of_files(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *const *paths,
                         int64_t path_count);
/* Checks that no file is missing among those of a folder that say how many there are, as
 * "train-00000-of-00002" does. */
cvy_err cvy_check_folder_whole(const char *const *paths, int64_t count) CVY_MUST_CHECK;

#endif
