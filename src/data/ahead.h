/* Looks ahead in a stream that is shuffled in blocks, and tells the system which records of the coming window
 * this loader will ask for, so that a file system far away sends whole blocks while the present window is
 * being used. */
#ifndef CVY_DATA_AHEAD_H
#define CVY_DATA_AHEAD_H

#include "data/stream.h"

typedef struct cvy_ahead cvy_ahead;
/* `config` outlives the result, which is NULL unless the stream is shuffled in blocks. The other functions
 * allow NULL. */
cvy_ahead *cvy_ahead_create(const cvy_loader_config *config);
void cvy_ahead_destroy(cvy_ahead *ahead);
/* Says that somebody is at `position` of the stream. Any thread may call it at any time; it allocates
 * nothing. */
void cvy_ahead_look(cvy_ahead *ahead, int64_t position);

#endif
