/* Opens files when they are wanted, and closes others for them. The one to be closed is found as by a clock
 * (Corbato 1968): a hand goes round the files, passes over each that somebody reads or has wanted since the
 * hand came by last, and stops at the first other one. */
#include "data/open_files.h"

#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cvy_file_close(cvy_dataset_file *file) {
  cvy_h5_discard(file->h5);
  file->h5 = NULL;
  if (file->fd >= 0) close(file->fd);
  file->fd = -1;
}

cvy_err cvy_file_reopen(cvy_dataset_file *file) {
  if (file->bytes_at < 0) return cvy_h5_open(&file->h5, file->path);
  file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
  return file->fd >= 0 ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: %s", file->path, strerror(errno));
}

typedef struct use {
  int readers;
  bool is_open, was_wanted;
} use;

struct cvy_open_files {
  cvy_dataset_file *files;
  int64_t count, most;
  pthread_mutex_t lock;
  /* These are changed under the lock: */
  use *uses; /* [count] */
  int64_t open, hand;
};

cvy_open_files *cvy_open_files_create(cvy_dataset_file *files, int64_t count, int64_t most) {
  cvy_open_files *o = cvy_new(sizeof *o);
  o->files = files;
  o->count = count;
  o->most = most > 0 ? most : 1;
  o->uses = cvy_new(sizeof *o->uses * (size_t)count);
  pthread_mutex_init(&o->lock, NULL);
  return o;
}

void cvy_open_files_destroy(cvy_open_files *o) {
  if (!o) return;
  pthread_mutex_destroy(&o->lock);
  free(o->uses);
  free(o);
}

/* Closes one file that nobody reads, if there is one. */
static void close_one(cvy_open_files *o) {
  for (int64_t looks = 0; looks < 2 * o->count; looks++) {
    use *u = &o->uses[o->hand];
    cvy_dataset_file *file = &o->files[o->hand];
    o->hand = (o->hand + 1) % o->count;
    if (!u->is_open || u->readers > 0) continue;
    if (!u->was_wanted) {
      cvy_file_close(file);
      u->is_open = false;
      o->open--;
      return;
    }
    u->was_wanted = false;
  }
}

static cvy_err open_one(cvy_open_files *o, int64_t file) {
  if (o->open >= o->most) close_one(o);
  CVY_TRY(cvy_file_reopen(&o->files[file]));
  o->uses[file].is_open = true;
  o->open++;
  return CVY_OK;
}

cvy_err cvy_open_files_borrow(cvy_open_files *o, int64_t file) {
  pthread_mutex_lock(&o->lock);
  use *u = &o->uses[file];
  const cvy_err err = u->is_open ? CVY_OK : open_one(o, file);
  if (!err) {
    u->readers++;
    u->was_wanted = true;
  }
  pthread_mutex_unlock(&o->lock);
  return err;
}

void cvy_open_files_return(cvy_open_files *o, int64_t file) {
  pthread_mutex_lock(&o->lock);
  o->uses[file].readers--;
  pthread_mutex_unlock(&o->lock);
}
