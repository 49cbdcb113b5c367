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
  return cvy_error(err, "%s; wait for its end, or choose another folder (run=OTHER)", cvy_err_message());
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
  const int fd = open(folder->log, flags, 0666);
  folder->metrics = fd >= 0 ? fdopen(fd, "a") : NULL;
  if (!folder->metrics) return cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s", folder->log, strerror(errno));
  setvbuf(folder->metrics, folder->buffer, _IOFBF, sizeof folder->buffer);
  return CVY_OK;
}

cvy_err cvy_folder_begin(cvy_folder *folder, const cvy_recipe *recipe, int64_t step) {
  CVY_TRY(write_recipe(recipe));
  if (step == 0) {
    unlink(folder->last);
    unlink(folder->best);
  }
  return open_log(folder, step);
}

void cvy_folder_log(cvy_folder *folder, const cvy_metrics *line) {
  cvy_folder_guard(folder);
  /* The line goes out in one write, for it is shorter than the buffer. */
  if (!cvy_metrics_write(folder->metrics, line) || fflush(folder->metrics) != 0)
    cvy_fatal("%s: cannot write: %s", folder->log, strerror(errno));
}

cvy_err cvy_folder_end(cvy_folder *folder) {
  FILE *metrics = folder->metrics;
  folder->metrics = NULL;
  const bool lost = !metrics || ferror(metrics);
  const bool failed = (metrics && fclose(metrics) != 0) || lost;
  return failed
             ? cvy_error(CVY_E_SYSTEM, "%s: metrics.jsonl beside it could not be written; is the disk full?",
                         folder->last)
             : CVY_OK;
}

void cvy_folder_destroy(cvy_folder *folder) {
  if (!folder) return;
  if (folder->metrics) fclose(folder->metrics);
  cvy_lock_release(folder->lock);
  free(folder->last);
  free(folder->best);
  free(folder->log);
  free(folder);
}
