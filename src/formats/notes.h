/* What travels with weights as texts under keys, in formats that have room for such notes: the network, how
 * many images it computes at a time, what images go through before it, and the names of classes. */
#ifndef CVY_FORMATS_NOTES_H
#define CVY_FORMATS_NOTES_H

#include "file/h5.h"
#include "formats/formats.h"

enum { CVY_NOTES = 8 };

/* Makes the notes of a model, CVY_NOTES of them, in `pool`; those with nothing to say are "". */
void cvy_notes_make(cvy_stored_text out[CVY_NOTES], cvy_pool *pool, const cvy_weights_out *model);
/* Writes the notes for which Keras has no words as attributes of an HDF5 file's root: microbatch, scaling and
 * chain. */
cvy_err cvy_notes_write_rest(cvy_h5 *h5, const cvy_weights_out *model) CVY_MUST_CHECK;
/* Reads those of these attributes that are there, as notes of the file, and takes what they say. */
cvy_err cvy_notes_read_rest(cvy_weights_file *file, cvy_h5 *h5) CVY_MUST_CHECK;
/* Takes what a file's notes say as the file's own: network, input and names of classes. Notes of others are
 * left alone. It is an error if one of Convoy's keys has a text that Convoy would not write. */
cvy_err cvy_notes_take(cvy_weights_file *file) CVY_MUST_CHECK;

#endif
