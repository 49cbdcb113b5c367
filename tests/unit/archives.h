/* Makes archives for the tests, by libarchive: Convoy's own reading of tars meets another's writing. */
#ifndef CVY_TESTS_ARCHIVES_H
#define CVY_TESTS_ARCHIVES_H

#include "sets.h"

#include <archive.h>
#include <archive_entry.h>

typedef struct packed {
  const char *name;
  const void *bytes; /* NULL for a folder or a link */
  size_t count;
  const char *link; /* what it leads to; NULL for no link */
} packed;

/* `format` is gnutar, ustar, pax, v7tar or zip; `filter` is NULL, gzip, xz, bzip2 or zstd. */
static inline void write_archive(const char *path, const char *format, const char *filter,
                                 const packed *members, int64_t count) {
  struct archive *a = archive_write_new();
  bool fine = archive_write_set_format_by_name(a, format) == ARCHIVE_OK;
  if (filter) fine = fine && archive_write_add_filter_by_name(a, filter) == ARCHIVE_OK;
  archive_write_set_bytes_in_last_block(a, 1);
  fine = fine && archive_write_open_filename(a, path) == ARCHIVE_OK;
  for (int64_t i = 0; fine && i < count; i++) {
    struct archive_entry *entry = archive_entry_new();
    const bool folder = !members[i].bytes && !members[i].link;
    archive_entry_set_pathname(entry, members[i].name);
    archive_entry_set_filetype(entry, members[i].link ? AE_IFLNK : folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, folder ? 0755 : 0644);
    archive_entry_set_size(entry, (la_int64_t)members[i].count);
    if (members[i].link) archive_entry_set_symlink(entry, members[i].link);
    fine = archive_write_header(a, entry) == ARCHIVE_OK;
    if (members[i].count > 0)
      fine = fine &&
             archive_write_data(a, members[i].bytes, members[i].count) == (la_ssize_t)members[i].count;
    archive_entry_free(entry);
  }
  fine = fine && archive_write_close(a) == ARCHIVE_OK;
  if (!fine) fprintf(stderr, "%s: %s\n", path, archive_error_string(a));
  if (!fine) exit(1);
  archive_write_free(a);
}

#endif
