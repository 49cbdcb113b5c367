/* The labels of images in HDF5 files of other makers, in whichever way they are written. */
#ifndef CVY_ARCHIVE_ARRAYS_LABELS_H
#define CVY_ARCHIVE_ARRAYS_LABELS_H

#include "archive/arrays.h"

/* This is where a part has its labels, and names of classes (NULL: nowhere). */
typedef struct cvy_arrays_labels {
  const cvy_h5_entry *labels, *classes;
  const char *path; /* the file that the user named for the labels, for messages */
} cvy_arrays_labels;

/* Reads the labels of all parts and numbers the classes: arrays->parts[].labels, class_count, class_names. */
cvy_err cvy_arrays_read_labels(cvy_arrays *arrays, const cvy_arrays_labels *from,
                               const cvy_arrays_said *said) CVY_MUST_CHECK;

#endif
