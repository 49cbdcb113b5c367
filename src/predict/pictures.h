/* The pictures that are to be predicted: files, what folders and archives hold, and what comes on standard
 * input. Nothing here is collective. */
#ifndef CVY_PREDICT_PICTURES_H
#define CVY_PREDICT_PICTURES_H

#include "model/feed.h"

typedef struct cvy_pictures cvy_pictures;

/* Lists the pictures of some inputs, in the order of these; those of a folder or an archive are in the order
 * of their paths' bytes. A file that is named is taken for a picture whatever it is; in a folder or an
 * archive those are whose names end as pictures' do. "-" is what was read from standard input: a picture, or
 * an archive of pictures. `input` has its bytes; NULL: no input is "-". It is an error if an input is not
 * there, cannot be read as a whole, or has no pictures in it. */
cvy_err cvy_pictures_open(cvy_pictures **out, const char *const *inputs, int64_t count,
                          const cvy_bytes *input) CVY_MUST_CHECK;
void cvy_pictures_close(cvy_pictures *pictures); /* NULL is allowed */
/* Returns the pictures as a source, which must not outlive them. */
cvy_picture_source cvy_pictures_source(const cvy_pictures *pictures);
/* Returns how many files in folders and archives have names that are not those of pictures. */
int64_t cvy_pictures_left_out(const cvy_pictures *pictures);
/* Returns a picture's name, in `pool`: "cat.jpg", "folder/cat/1.jpg", "pets.tar: cat/1.jpg" or "-". */
const char *cvy_pictures_name(const cvy_pictures *pictures, cvy_pool *pool, int64_t index);
/* Returns a hash of all names. */
cvy_hash cvy_pictures_hash(const cvy_pictures *pictures);

#endif
