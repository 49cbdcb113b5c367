/* The open files of a dataset, which may have more files than the system lets a process have open at once. */
#ifndef CVY_DATA_OPEN_FILES_H
#define CVY_DATA_OPEN_FILES_H

#include "data/dataset_parts.h"

/* Closes a file's `fd` or `h5`. */
void cvy_file_close(cvy_dataset_file *file);
/* Opens a closed file again: as `fd` if its `bytes_at` says where the samples begin, else as `h5`. */
cvy_err cvy_file_reopen(cvy_dataset_file *file) CVY_MUST_CHECK;

/* Makes the list that decides which of `count` files are open. All are closed now, and `most` may be open at
 * once. */
cvy_open_files *cvy_open_files_create(cvy_dataset_file *files, int64_t count, int64_t most);
void cvy_open_files_destroy(cvy_open_files *open); /* NULL is allowed. Closes no file. */

/* Opens a file, or leaves it open, until cvy_open_files_return. Any thread may call it. If more than `most`
 * files are being read at once, all of them are open. */
cvy_err cvy_open_files_borrow(cvy_open_files *open, int64_t file) CVY_MUST_CHECK;
void cvy_open_files_return(cvy_open_files *open, int64_t file);

#endif
