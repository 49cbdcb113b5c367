/* What images are like before a network sees them. */
#ifndef CVY_CONVERT_PREPROCESS_H
#define CVY_CONVERT_PREPROCESS_H

#include "convert/convert.h"

/* Finds what is said of images of so many channels: in the wishes, or else by the file. */
cvy_err cvy_preprocess_find(cvy_stored_input *out, const cvy_import_wishes *wishes,
                            const cvy_stored_input *own, int64_t channels) CVY_MUST_CHECK;
/* Returns the same of images whose red comes first. */
cvy_stored_input cvy_preprocess_turned(const cvy_stored_input *input, int64_t channels);
/* Tells whether a way to prepare images, but for that of the file, is about colours. */
bool cvy_preprocess_wants_colours(int preprocess);
/* Makes the usual chain for a network that takes images of h x w: the middle 7/8 of a picture, or what a
 * shorter side of 256 leaves of 224 to 227, but small pictures whole. */
const cvy_yaml *cvy_preprocess_chain(cvy_pool *pool, int64_t h, int64_t w);

#endif
