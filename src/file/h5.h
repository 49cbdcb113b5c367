/* The only door to HDF5: a small vocabulary over it. Any thread may call it, for there is one lock; errors
 * name the file and the dataset. No HDF5 type leaves this room. We write the format of HDF5 1.8: its
 * structures carry checksums, so HDF5 finds damage outside the datasets' own bytes. */
#ifndef CVY_FILE_H5_H
#define CVY_FILE_H5_H

#include "base/base.h"

typedef struct cvy_h5 cvy_h5; /* an open file */

typedef enum cvy_h5_type {
  CVY_H5_U8,
  CVY_H5_I32,
  CVY_H5_U32,
  CVY_H5_I64,
  CVY_H5_U64,
  CVY_H5_F32,
  CVY_H5_F64
} cvy_h5_type;

enum { CVY_H5_MAX_DIMS = 6 };

/* Opens a file for reading. Missing, foreign and truncated files are errors that say which. */
cvy_err cvy_h5_open(cvy_h5 **out, const char *path) CVY_MUST_CHECK;
/* Opens the file at `place`, which was unpacked out of `path`: errors name that. */
cvy_err cvy_h5_open_unpacked(cvy_h5 **out, const char *place, const char *path) CVY_MUST_CHECK;
/* Creates a file in the place of what stands at `path`. */
cvy_err cvy_h5_create(cvy_h5 **out, const char *path) CVY_MUST_CHECK;
/* Opens a file of ours for adding attributes and datasets. */
cvy_err cvy_h5_open_for_writing(cvy_h5 **out, const char *path) CVY_MUST_CHECK;
/* Closes a file. One that was written is flushed, and synced to the disk. The handle is gone also on an error
 * (disk full). */
cvy_err cvy_h5_close(cvy_h5 *file) CVY_MUST_CHECK;
/* Closes a file that was read, or one whose writing failed: what is not on the disk yet is lost. NULL is
 * allowed. */
void cvy_h5_discard(cvy_h5 *file);
const char *cvy_h5_path(const cvy_h5 *file);

bool cvy_h5_has(cvy_h5 *file, const char *name); /* a dataset or group; "/a/b" paths work */
cvy_err cvy_h5_shape(cvy_h5 *file, const char *name, int64_t dims[CVY_H5_MAX_DIMS],
                     int *dim_count) CVY_MUST_CHECK;
/* Finds the first of U8, I32, U32, I64, U64 (for whole numbers and enumerations) or F32, F64 that holds
 * every value which the dataset's elements can have. Texts, structs and the like are errors. */
cvy_err cvy_h5_element(cvy_h5 *file, const char *name, cvy_h5_type *out) CVY_MUST_CHECK;
size_t cvy_h5_type_bytes(cvy_h5_type type);

/* These read and write whole datasets of `count` elements. HDF5 converts from the stored type: a value out
 * of range becomes the nearest end, and a fraction is cut off. Groups on the way to `name` are made. */
cvy_err cvy_h5_read(cvy_h5 *file, const char *name, cvy_h5_type type, void *out,
                    int64_t count) CVY_MUST_CHECK;
cvy_err cvy_h5_write(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int dim_count,
                     const int64_t dims[]) CVY_MUST_CHECK;
/* Has cvy_h5_read_rows keep this dataset open, with its unpacked chunks in memory: all if they fit into
 * `most_bytes`, else as many as do, but always those of the same rows. A file keeps one dataset open at most.
 * *chunk_rows is 0 if it does not lie in chunks, and then nothing is kept. A filter that is missing here is
 * an error that names it. */
cvy_err cvy_h5_hold(int64_t *chunk_rows, cvy_h5 *file, const char *name, int64_t most_bytes) CVY_MUST_CHECK;
/* These read and write rows along the first dimension. cvy_h5_reserve makes a contiguous dataset to be
 * filled so. */
cvy_err cvy_h5_reserve(cvy_h5 *file, const char *name, cvy_h5_type type, int dim_count,
                       const int64_t dims[]) CVY_MUST_CHECK;
cvy_err cvy_h5_read_rows(cvy_h5 *file, const char *name, cvy_h5_type type, void *out, int64_t first,
                         int64_t count) CVY_MUST_CHECK;
cvy_err cvy_h5_write_rows(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int64_t first,
                          int64_t count) CVY_MUST_CHECK;
/* Returns the byte of the file where the dataset's elements begin, if they lie there as one run in `type`'s
 * own format, which pread can read. It returns -1 if they do not (chunked, compressed, converted). */
int64_t cvy_h5_file_offset(cvy_h5 *file, const char *name, cvy_h5_type type);

/* Makes a group, and the groups on the way to it. */
cvy_err cvy_h5_make_group(cvy_h5 *file, const char *name) CVY_MUST_CHECK;

/* These write attributes of the root group (`on` is "") or of a dataset or group. */
cvy_err cvy_h5_write_attr_text(cvy_h5 *file, const char *on, const char *name,
                               const char *text) CVY_MUST_CHECK;
cvy_err cvy_h5_write_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t value) CVY_MUST_CHECK;
cvy_err cvy_h5_write_attr_f64(cvy_h5 *file, const char *on, const char *name, double value) CVY_MUST_CHECK;
/* Writes a list of texts as an attribute; a list of none is one of numbers, as h5py writes it. */
cvy_err cvy_h5_write_attr_texts(cvy_h5 *file, const char *on, const char *name, const char *const *texts,
                                int64_t count) CVY_MUST_CHECK;
/* The text is copied into `pool`. A missing attribute is an error. */
cvy_err cvy_h5_read_attr_text(cvy_h5 *file, const char *on, const char *name, char **out,
                              cvy_pool *pool) CVY_MUST_CHECK;
cvy_err cvy_h5_read_attr_i64(cvy_h5 *file, const char *on, const char *name, int64_t *out) CVY_MUST_CHECK;
cvy_err cvy_h5_read_attr_f64(cvy_h5 *file, const char *on, const char *name, double *out) CVY_MUST_CHECK;
/* Reads an attribute that is a list of texts, into `pool`; a list of none may be one of numbers. */
cvy_err cvy_h5_read_attr_texts(cvy_h5 *file, const char *on, const char *name, char ***out, int64_t *count,
                               cvy_pool *pool) CVY_MUST_CHECK;
bool cvy_h5_has_attr(cvy_h5 *file, const char *on, const char *name);

/* Writes a list of texts as a 1-D dataset of fixed-length UTF-8 strings, which h5py reads as arrays of
 * bytes. */
cvy_err cvy_h5_write_texts(cvy_h5 *file, const char *name, const char *const *texts,
                           int64_t count) CVY_MUST_CHECK;
/* Reads such a list, or one of variable-length strings. */
cvy_err cvy_h5_read_texts(cvy_h5 *file, const char *name, char ***out, int64_t *count,
                          cvy_pool *pool) CVY_MUST_CHECK;

/* Finds what the values of an enumeration are called, in the order of the values; *count = 0 for all other
 * types. */
cvy_err cvy_h5_members(cvy_h5 *file, const char *name, char ***names, int64_t **values, int64_t *count,
                       cvy_pool *pool) CVY_MUST_CHECK;

/* Reads one text of a list of fixed-length strings. */
cvy_err cvy_h5_read_text(cvy_h5 *file, const char *name, int64_t index, char **out,
                         cvy_pool *pool) CVY_MUST_CHECK;

/* Calls visit(context, name) for every dataset of the file, depth first, by name. `visit` may use this
 * file. */
cvy_err cvy_h5_visit(cvy_h5 *file, void (*visit)(void *context, const char *name),
                     void *context) CVY_MUST_CHECK;

/* This is what the elements of a dataset are. */
typedef enum cvy_h5_content { CVY_H5_NUMBERS, CVY_H5_TEXTS, CVY_H5_OTHER } cvy_h5_content;
/* This is a dataset as links lead to it. */
typedef struct cvy_h5_entry {
  const char *name;     /* by the links: "train/images" */
  const char *trouble;  /* why it cannot be read, as words behind "NAME is"; NULL: the fields below tell it */
  const char *file;     /* the file where it lies: this one, or one to which an external link leads */
  const char *place;    /* its name in `file`, with no link on the way */
  uint64_t identity[2]; /* equal for two entries that are one dataset under two names */
  cvy_h5_content holds;
  char type[24]; /* for people: "uint8" */
  int dim_count; /* may be more than CVY_H5_MAX_DIMS, of which `dims` has the first */
  int64_t dims[CVY_H5_MAX_DIMS];
} cvy_h5_entry;
/* Lists the datasets, through groups and links of every kind, by name; all of it is in `pool`. What stands in
 * the root under a name that begins with '#' is MATLAB's own, and is left out. External links are followed
 * within the folder of the file, and elsewhere only if `outside`. */
cvy_err cvy_h5_list(cvy_h5_entry **out, int64_t *count, cvy_h5 *file, bool outside,
                    cvy_pool *pool) CVY_MUST_CHECK;

/* Writes a file whole or not at all (file/whole.h). cvy_h5_begin creates it under its temporary name, and
 * cvy_h5_commit syncs it, renames it to `path` and syncs the folder. cvy_h5_rollback removes it; so does
 * an error of the commit. */
cvy_err cvy_h5_begin(cvy_h5 **out, const char *path) CVY_MUST_CHECK;
cvy_err cvy_h5_commit(cvy_h5 *file) CVY_MUST_CHECK;
void cvy_h5_rollback(cvy_h5 *file); /* NULL is allowed */

/* Opens a begun file again. It is for many files that come to stand together: cvy_h5_close leaves a begun
 * file under its temporary name, and cvy_h5_resume opens it there. Once it is closed, cvy_whole_publish
 * renames it, or cvy_whole_withdraw removes it. `path` is always the name in the end. */
cvy_err cvy_h5_resume(cvy_h5 **out, const char *path) CVY_MUST_CHECK;

/* Returns the version of the library in use, such as "1.10.8". */
const char *cvy_h5_version(void);

#endif
