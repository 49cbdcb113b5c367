/* The readers of databases share this. A database has many records in one file, as LMDB, RecordIO and
 * TFRecord do, or in a folder of files, as LevelDB does.
 *
 * A kind of database lists its records when an input is opened, and says of each what it holds: label and
 * picture. From that database.c finds the classes. A picture is a file or samples, and one set may have both:
 * - all are samples of one size: they are delivered as such, of that size or the one asked for;
 * - else they are delivered as files, as they came (samples as PNG files), unless a size is asked for.
 * A record that makes no sense has no label; it is refused when it is read, and does not end the run. But
 * where none of an input's first records makes sense, the input is of another kind and refused. So is one
 * with a record whose label is there and can be no class, as 0.5, for its other labels would hardly be
 * classes either. */
#ifndef CVY_DATASETS_DATABASE_H
#define CVY_DATASETS_DATABASE_H

#include "datasets/held.h"
#include "datasets/labels.h"

/* These are the options of all readers of databases. A reader's table lists only what it can use. */
typedef struct cvy_database_config {
  int colour;           /* cvy_database_colours */
  int order;            /* cvy_database_orders; of the channels of samples */
  int64_t label;        /* which of several labels, from 1; 0: there is one */
  const char *raw;      /* "32x32x3": what is in the records, samples of that size; "": files */
  const char *encoding; /* of texts that are not UTF-8; NULL or "": not known */
  const char *picture_key, *label_key; /* names of the features with picture and label; "": found */
} cvy_database_config;
extern const char *const cvy_database_colours[]; /* auto, rgb, grey */
extern const char *const cvy_database_orders[];  /* bgr, rgb */
enum { CVY_DATABASE_BGR, CVY_DATABASE_RGB };

/* An entry says where a record lies. What it points to lives as long as the database is open. */
typedef struct cvy_database_entry {
  const void *key; /* NULL: it has none */
  size_t key_bytes;
  const uint8_t *value; /* the value, if it lies in memory; else NULL */
  size_t value_bytes;
  int32_t input;  /* which of the database's paths */
  int32_t number; /* which record of that input, from 0 */
  int32_t label;  /* the id of its label during listing, its class afterwards; -1: it makes no sense */
} cvy_database_entry;

/* This is what a record's value says. It is valid until the next value is looked at. */
typedef struct cvy_value {
  const char *label;
  const char *class_name; /* NULL: as the label */
  const char *file_name;  /* NULL: none */
  cvy_held picture;
} cvy_value;

typedef struct cvy_database_kind cvy_database_kind;

typedef struct cvy_database {
  cvy_picture_state common;
  const cvy_database_kind *kind;
  const cvy_database_config *config;
  const char **paths;    /* [path_count]; of inputs, or of the files in them */
  const char **prefixes; /* [path_count]; of records' names: "train_lmdb/", "train.rec: " */
  void **opened;         /* [path_count]: the kind's own, in the pool */
  int64_t path_count;
  cvy_database_entry *entries;
  int64_t count, capacity;
  cvy_labels labels;
  /* These are for listing. */
  int64_t listed, bad;   /* records of the input so far, and how many of them make no sense */
  const char *complaint; /* what is wrong with the first bad record of the input */
  bool refused;          /* an error refuses the whole input, not one record */
  int64_t file_count;    /* pictures of all inputs that are files */
  cvy_held first;        /* size of the first samples; the bytes are no longer there */
  bool sizes_vary, channels_vary, odd_channels;
  int64_t raw[3]; /* height, width and channels of config->raw; 0: not said */
  /* These are each source's own. */
  cvy_bytes value, samples, texts; /* the kind's: what a value had to be put together in */
  cvy_held_work work;
} cvy_database;

/* A kind is how one program stores databases. */
struct cvy_database_kind {
  const char *name;
  bool is_folder;   /* a database is a folder of files, so no files are looked for in it */
  const char *what; /* for errors: "an LMDB of Caffe's Datums: a folder with data.mdb, or the file" */
  /* Tells whether a path is a database of this kind, by the beginning of a file alone, so that whole folders
   * can be looked through. */
  bool (*is_one)(cvy_pool *pool, const char *path);
  /* Opens db->paths[input] and adds its records by cvy_database_add. It puts what `close` must close into
   * db->opened[input] before anything can fail. */
  cvy_err (*list)(cvy_database *db, int32_t input) CVY_MUST_CHECK;
  /* Says what a value holds. Its errors do not name the record; the caller puts the name in front. */
  cvy_err (*look)(cvy_value *out, cvy_database *db, const uint8_t *value, size_t bytes) CVY_MUST_CHECK;
  /* Brings a value into memory; NULL: all values lie there, at entry->value. */
  cvy_err (*fetch)(const uint8_t **value, size_t *bytes, cvy_database *db,
                   const cvy_database_entry *entry) CVY_MUST_CHECK;
  /* Holds a value against its checksum; NULL: values have none, or fetch has done it. */
  cvy_err (*verify)(const cvy_database_entry *entry) CVY_MUST_CHECK;
  void (*close)(void *opened);
};

/* Adds a record, and fills in the input, number and label of its entry. Only a kind's `list` may call it. */
cvy_err cvy_database_add(cvy_database *db, int32_t input, cvy_database_entry entry, const uint8_t *value,
                         size_t bytes) CVY_MUST_CHECK;

/* Makes the error of a label that can be no class. Only a kind's `look` may call it. */
cvy_err cvy_database_refuse(cvy_database *db, const char *format, ...) CVY_PRINTF(2, 3) CVY_MUST_CHECK;

/* These are functions of cvy_reader, or do its work for a kind. */
cvy_err cvy_database_find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path,
                                 const cvy_database_kind *kind) CVY_MUST_CHECK;
/* `config` and `kind` outlive the source. */
cvy_err cvy_database_open(cvy_source *out, const cvy_database_kind *kind, const void *config,
                          const char *const *inputs, int64_t input_count, int64_t h,
                          int64_t w) CVY_MUST_CHECK;
cvy_err cvy_database_read(cvy_record *out, cvy_source *source, int64_t index) CVY_MUST_CHECK;
void cvy_database_close(cvy_source *source);
void cvy_database_again(cvy_source *out, const cvy_source *first);

/* Reads the first `count` bytes of a file as they lie there, so a gzipped file is not unpacked. Returns false
 * if there are not so many. */
bool cvy_database_head(void *out, size_t count, const char *path);

#endif
