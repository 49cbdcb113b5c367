/* What travels with weights as texts under keys, in formats that have room for such notes: the network, how
 * many images it computes at a time, what images go through before it, and the names of classes. */
#ifndef CVY_FORMATS_NOTES_H
#define CVY_FORMATS_NOTES_H

#include "formats/formats.h"

enum { CVY_NOTES = 7 };

/* Makes the notes of a model, CVY_NOTES of them, in `pool`; those with nothing to say are "". */
void cvy_notes_make(cvy_stored_text out[CVY_NOTES], cvy_pool *pool, const cvy_weights_out *model);
/* Takes what a file's notes say as the file's own: network, input and names of classes. Notes of others are
 * left alone. It is an error if one of Convoy's keys has a text that Convoy would not write. */
cvy_err cvy_notes_take(cvy_weights_file *file) CVY_MUST_CHECK;

#endif
