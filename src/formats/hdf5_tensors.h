/* Datasets of an HDF5 file as stored tensors. What lies in the file as one run of floats is read where it
 * lies; what lies in chunks, compressed, or in another machine's numbers is unpacked, once, into a file
 * without a name. Only what is in the file itself counts: links out of it are refused. */
#ifndef CVY_FORMATS_HDF5_TENSORS_H
#define CVY_FORMATS_HDF5_TENSORS_H

#include "file/h5.h"
#include "formats/formats.h"

/* The datasets of an open file. */
typedef struct cvy_hdf5 {
  cvy_h5 *h5;
  cvy_h5_entry *entries; /* by name; in the pool of the weights file */
  int64_t count;
} cvy_hdf5;

/* A dataset that is to be a tensor. */
typedef struct cvy_hdf5_wanted {
  const cvy_h5_entry *entry;
  cvy_stored_tensor tensor; /* its name and what it means; the rest comes of the dataset */
} cvy_hdf5_wanted;

/* Lists the datasets of `h5`, which lies in file->fd and stays the caller's. */
cvy_err cvy_hdf5_list(cvy_hdf5 *out, cvy_h5 *h5, cvy_weights_file *file) CVY_MUST_CHECK;
/* Finds a dataset by its name, without "/" in front; NULL if there is none. */
const cvy_h5_entry *cvy_hdf5_find(const cvy_hdf5 *all, const char *name);
/* Tells whether a dataset holds floats. One that cannot be looked at might, and is an error later. */
bool cvy_hdf5_is_float(const cvy_h5_entry *entry);

/* Adds the tensors to the file, in this order. `file->fd` becomes that of the unpacked numbers, if one of
 * them has to be unpacked. Errors name the dataset: no floats, too many dimensions, damaged. */
cvy_err cvy_hdf5_add(cvy_weights_file *file, const cvy_hdf5 *from, const cvy_hdf5_wanted *wanted,
                     int64_t count) CVY_MUST_CHECK;

#endif
