/* What the sources of `h5` share: an open file, and a call into HDF5.
 *
 * Every function of h5.h is one call. cvy_h5_enter takes the one lock, for the library is not thread-safe.
 * cvy_h5_keep remembers each id that the call opens. cvy_h5_leave closes them in reverse, whatever
 * happened, and returns the error. So the code between them returns early wherever it likes, and nothing
 * leaks. */
#ifndef CVY_FILE_H5_CALL_H
#define CVY_FILE_H5_CALL_H

#include "file/h5.h"

#include <hdf5.h>

struct cvy_h5 {
  hid_t id;
  const char *path;      /* the name in the end, for the messages */
  const char *disk_path; /* where it is now: `path`, or its temporary name */
  bool writing;
  uint64_t inode; /* that of a file that was created; 0: it was not created */
  hid_t held;     /* the dataset that cvy_h5_hold keeps open; negative: none */
  const char *held_name;
  bool heaps_are_sound; /* they were checked */
};

enum { CVY_H5_MAX_IDS = 8 };

typedef struct cvy_h5_call {
  cvy_h5 *file;
  const char *name; /* what the call is about: a dataset, or "" */
  hid_t ids[CVY_H5_MAX_IDS];
  int count;
} cvy_h5_call;

cvy_h5_call cvy_h5_enter(cvy_h5 *file, const char *name);
/* Returns `id`, which may be invalid. */
hid_t cvy_h5_keep(cvy_h5_call *c, hid_t id);
/* Returns `err`, or what went wrong in closing. */
cvy_err cvy_h5_leave(cvy_h5_call *c, cvy_err err);

/* Opens a file for reading. The caller closes what it returns, which is negative on an error. */
hid_t cvy_h5_open_id(const char *path);

/* "FILE: dataset 'NAME': DOING: what HDF5 says". CVY_E_SYSTEM while writing, else CVY_E_INPUT. */
cvy_err cvy_h5_failed(const cvy_h5_call *c, const char *doing) CVY_MUST_CHECK;

/* Words the error of a dataset that could not be read, like cvy_h5_failed; if a filter is missing here, it
 * names the filter instead. */
cvy_err cvy_h5_unreadable(const cvy_h5_call *c, hid_t dataset, const char *doing) CVY_MUST_CHECK;

/* Refuses a file in which HDF5 would look for texts of variable length without end. It is checked once. */
cvy_err cvy_h5_check_heaps(const cvy_h5_call *c) CVY_MUST_CHECK;

/* Returns which of a dataset's filters has parameters by which nothing can be unpacked; NULL if none has. */
const char *cvy_h5_wrong_filter(hid_t dataset);
/* Refuses a dataset with such a filter. */
cvy_err cvy_h5_check_filters(const cvy_h5_call *c, hid_t dataset) CVY_MUST_CHECK;

#define H5_TRY(c, condition, doing)                                                                          \
  do {                                                                                                       \
    if (!(condition)) return cvy_h5_failed(c, doing);                                                        \
  } while (0)

#endif
