/* The open files of a dataset, also where it has more of them than the system lets be open at once. */
#ifndef CVY_DATA_OPEN_FILES_H
#define CVY_DATA_OPEN_FILES_H

#include "data/dataset_parts.h"

/* Closes a file's `fd` or `h5`. */
void cvy_file_close(cvy_dataset_file *file);
/* Opens it again as its `bytes_at` says. */
cvy_err cvy_file_reopen(cvy_dataset_file *file) CVY_MUST_CHECK;

/* Of `count` files, which are closed, `most` may be open at once. */
cvy_open_files *cvy_open_files_create(cvy_dataset_file *files, int64_t count, int64_t most);
void cvy_open_files_destroy(cvy_open_files *open); /* NULL is allowed. Closes no file. */

/* Has the file open until cvy_open_files_return. Any thread may call it. If more threads than `most` read at
 * once, so many files are open. */
cvy_err cvy_open_files_borrow(cvy_open_files *open, int64_t file) CVY_MUST_CHECK;
void cvy_open_files_return(cvy_open_files *open, int64_t file);

#endif
