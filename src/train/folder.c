#include "train/folder.h"

#include "file/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cvy_err make_run_folder(const char *path) {
  CVY_TRY_IN(cvy_make_folder(NULL, path), "the run folder");
  if (access(path, W_OK) == 0) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: cannot write into the run folder: %s", path, strerror(errno));
}

cvy_err cvy_folder_create(cvy_folder **out, const cvy_recipe *recipe, const cvy_train_options *options) {
  *out = NULL;
  if (!recipe->run[0]) return cvy_yaml_error(cvy_yaml_get(recipe->root, "run"), "'run' must name a folder");
  cvy_folder *folder = cvy_new(sizeof *folder);
  folder->last = cvy_format("%s/last.h5", recipe->run);
  folder->best = cvy_format("%s/best.h5", recipe->run);
  const bool stands = access(folder->last, F_OK) == 0;
  cvy_err err = CVY_OK;
  if (stands && !options->resume && !options->overwrite)
    err = cvy_error(CVY_E_INPUT,
                    "%s already holds a run: --resume goes on with it, --overwrite replaces it, run=OTHER "
                    "chooses another folder",
                    recipe->run);
  if (!stands && options->resume)
    err = cvy_error(CVY_E_INPUT, "%s: nothing to resume: no such file; without --resume a new run begins",
                    folder->last);
  if (!err) err = make_run_folder(recipe->run);
  if (err)
    cvy_folder_destroy(folder);
  else
    *out = folder;
  return err;
}

static cvy_err write_recipe(const cvy_recipe *recipe) {
  char *path = cvy_format("%s/recipe.yaml", recipe->run);
  const cvy_err err = cvy_whole_write_text(path, recipe->text);
  free(path);
  return err;
}

/* Lines begin with {"step": N, and those up to `step` stay. */
static cvy_err keep_lines(const char *path, int64_t step) {
  FILE *file = fopen(path, "r+");
  if (!file)
    return errno == ENOENT ? CVY_OK : cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s", path, strerror(errno));
  char line[4096];
  long long at;
  long end = 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "{\"step\": %lld", &at) == 1 && at <= step &&
         strchr(line, '\n'))
    end = ftell(file);
  const bool failed = ftruncate(fileno(file), end) != 0;
  fclose(file);
  return failed ? cvy_error(CVY_E_SYSTEM, "%s: cannot shorten: %s", path, strerror(errno)) : CVY_OK;
}

cvy_err cvy_folder_begin(cvy_folder *folder, const cvy_recipe *recipe, int64_t step) {
  CVY_TRY(write_recipe(recipe));
  char *path = cvy_format("%s/metrics.jsonl", recipe->run);
  cvy_err err = CVY_OK;
  if (step > 0) {
    err = keep_lines(path, step);
  } else {
    unlink(folder->last);
    unlink(folder->best);
  }
  if (!err && !(folder->metrics = fopen(path, step > 0 ? "a" : "w")))
    err = cvy_error(CVY_E_SYSTEM, "%s: cannot open: %s", path, strerror(errno));
  if (!err) setvbuf(folder->metrics, folder->buffer, _IOLBF, sizeof folder->buffer);
  free(path);
  return err;
}

cvy_err cvy_folder_end(cvy_folder *folder) {
  FILE *metrics = folder->metrics;
  folder->metrics = NULL;
  const bool failed = !metrics || ferror(metrics) || fflush(metrics);
  if (metrics) fclose(metrics);
  return failed
             ? cvy_error(CVY_E_SYSTEM, "%s: metrics.jsonl beside it could not be written; is the disk full?",
                         folder->last)
             : CVY_OK;
}

void cvy_folder_destroy(cvy_folder *folder) {
  if (!folder) return;
  if (folder->metrics) fclose(folder->metrics);
  free(folder->last);
  free(folder->best);
  free(folder);
}
