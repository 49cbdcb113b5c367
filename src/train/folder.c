/* Makes, opens and closes the run folder. */
#include "train/folder.h"

#include "file/lock.h"
#include "file/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cvy_err make_run_folder(bool *made, const char *path) {
  CVY_TRY_IN(cvy_make_folder(made, path), "the run folder");
  if (access(path, W_OK) == 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: cannot write into the run folder: %s", path, strerror(errno));
}

static cvy_err lock(cvy_folder *folder, const char *path) {
  const cvy_err err = cvy_lock_take(&folder->lock, path, "convoy train");
  if (err != CVY_E_INPUT) return err;
  return cvy_error(err, "%s. Wait for its end, or choose another folder (run=OTHER)", cvy_err_message());
}

static cvy_err nothing_to_resume(const cvy_folder *folder) {
  return cvy_error(CVY_E_INPUT, "%s: nothing to resume: no such file; without --resume a new run begins",
                   folder->last);
}

/* Checks what stands in the folder. It is locked, so no other job can change that any more. */
static cvy_err check_what_stands(const cvy_folder *folder, const cvy_recipe *recipe,
                                 const cvy_train_options *options) {
  const bool stands = access(folder->last, F_OK) == 0;
  if (stands && !options->resume && !options->overwrite)
    return cvy_error(CVY_E_INPUT,
                     "%s already holds a run: --resume goes on with it, --overwrite replaces it, run=OTHER "
                     "chooses another folder",
                     recipe->run);
  return !stands && options->resume ? nothing_to_resume(folder) : CVY_OK;
}

static cvy_err open_folder(cvy_folder *folder, const cvy_recipe *recipe, const cvy_train_options *options) {
  bool made;
  if (options->resume && access(recipe->run, F_OK) != 0) return nothing_to_resume(folder);
  CVY_TRY(make_run_folder(&made, recipe->run));
  cvy_err err = lock(folder, recipe->run);
  if (!err) err = check_what_stands(folder, recipe, options);
  if (!err || !made) return err;
  cvy_lock_release(folder->lock);
  folder->lock = NULL;
  rmdir(recipe->run);
  return err;
}

cvy_err cvy_folder_create(cvy_folder **out, const cvy_recipe *recipe, const cvy_train_options *options) {
  *out = NULL;
  if (!recipe->run[0]) return cvy_yaml_error(cvy_yaml_get(recipe->root, "run"), "'run' must name a folder");
  cvy_folder *folder = cvy_new(sizeof *folder);
  folder->metrics = -1;
  cvy_text_stream_begin(&folder->line);
  folder->last = cvy_format("%s/last.h5", recipe->run);
  folder->best = cvy_format("%s/best.h5", recipe->run);
  folder->log = cvy_format("%s/metrics.jsonl", recipe->run);
  const cvy_err err = open_folder(folder, recipe, options);
  if (err)
    cvy_folder_destroy(folder);
  else
    *out = folder;
  return err;
}

void cvy_folder_guard(cvy_folder *folder) {
  if (cvy_lock_check(folder->lock)) cvy_fatal("%s", cvy_err_message());
}

void cvy_folder_watch(cvy_folder *folder) {
  if (cvy_lock_is_lost(folder->lock)) cvy_folder_guard(folder);
}

static cvy_err write_recipe(const cvy_recipe *recipe) {
  char *path = cvy_format("%s/recipe.yaml", recipe->run);
  const cvy_err err = cvy_whole_write_text(path, recipe->text);
  free(path);
  return err;
}

/* Keeps the whole lines up to `step`. What is behind them is of steps that will be made again. */
static cvy_err keep_lines(const char *path, int64_t step) {
  FILE *file = fopen(path, "r+");
  if (!file)
    return errno == ENOENT ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s", path, strerror(errno));
  cvy_metrics line;
  long end = 0;
  while (cvy_metrics_next(&line, file) && line.step <= step) end = ftell(file);
  /* Where reading failed, the rest of the file is unknown, and not cut off. */
  const bool failed = ferror(file) || ftruncate(fileno(file), end) != 0;
  fclose(file);
  return failed ? cvy_error(CVY_E_SYSTEM, "%s: cannot shorten: %s", path, strerror(errno)) : CVY_OK;
}

static cvy_err open_log(cvy_folder *folder, int64_t step) {
  if (step > 0) CVY_TRY(keep_lines(folder->log, step));
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (step > 0 ? 0 : O_TRUNC);
  folder->metrics = open(folder->log, flags, 0666);
  if (folder->metrics >= 0) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s", folder->log, strerror(errno));
}

cvy_err cvy_folder_begin(cvy_folder *folder, const cvy_recipe *recipe, int64_t step) {
  CVY_TRY(write_recipe(recipe));
  if (step == 0) {
    unlink(folder->last);
    unlink(folder->best);
  }
  return open_log(folder, step);
}

cvy_err cvy_folder_rewind(cvy_folder *folder, int64_t step) {
  cvy_folder_guard(folder);
  return keep_lines(folder->log, step);
}

/* Writes a line behind the file's end. If not all of it can be written, it cuts the file back to whole
 * lines, and `errno` has the reason. */
static bool append(int fd, const char *line, size_t bytes) {
  const off_t end = lseek(fd, 0, SEEK_END);
  size_t done = 0;
  ssize_t got = 1;
  for (; done < bytes && got > 0; done += got > 0 ? (size_t)got : 0)
    got = write(fd, line + done, bytes - done);
  if (done == bytes) return true;
  const int reason = got < 0 ? errno : ENOSPC;
  const bool is_cut = done == 0 || (end >= 0 && ftruncate(fd, end) == 0);
  errno = is_cut ? reason : errno;
  return false;
}

void cvy_folder_log(cvy_folder *folder, const cvy_metrics *line) {
  size_t bytes;
  cvy_folder_guard(folder);
  cvy_metrics_write(cvy_text_stream_again(&folder->line), line);
  const char *text = cvy_text_stream_look(&folder->line, &bytes);
  if (!append(folder->metrics, text, bytes)) cvy_fatal("%s: cannot write: %s", folder->log, strerror(errno));
}

cvy_err cvy_folder_end(cvy_folder *folder) {
  const int metrics = folder->metrics;
  folder->metrics = -1;
  if (close(metrics) == 0) return CVY_OK;
  return cvy_error(CVY_E_SYSTEM, "%s: cannot write: %s", folder->log, strerror(errno));
}

void cvy_folder_destroy(cvy_folder *folder) {
  if (!folder) return;
  if (folder->metrics >= 0) close(folder->metrics);
  cvy_lock_release(folder->lock);
  free(cvy_text_stream_end(&folder->line, NULL));
  free(folder->last);
  free(folder->best);
  free(folder->log);
  free(folder);
}
