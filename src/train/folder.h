/* The run folder: recipe.yaml, metrics.jsonl, last.h5, best.h5. Only rank 0 touches it. */
#ifndef CVY_TRAIN_FOLDER_H
#define CVY_TRAIN_FOLDER_H

#include "train/metrics.h"
#include "train/recipe.h"

typedef struct cvy_folder {
  struct cvy_lock *lock;
  FILE *metrics;
  char *last, *best, *log; /* paths; log is that of metrics.jsonl */
  char buffer[1 << 14];
} cvy_folder;

/* Makes the folder, and locks it until cvy_folder_destroy. CVY_E_INPUT if another job is at work there, if a
 * run stands there and neither resume nor overwrite was asked for, or if there is nothing to resume. Changes
 * nothing that stands there yet. */
cvy_err cvy_folder_create(cvy_folder **out, const cvy_recipe *recipe,
                          const cvy_train_options *options) CVY_MUST_CHECK;
/* Writes recipe.yaml and opens metrics.jsonl, which is empty at step 0, and else keeps its whole lines up to
 * `step`. An earlier run's checkpoints are removed at step 0. */
cvy_err cvy_folder_begin(cvy_folder *folder, const cvy_recipe *recipe, int64_t step) CVY_MUST_CHECK;
/* These end the job if the folder is no longer this job's. cvy_folder_guard asks the file system, and is to
 * be called before anything is written; cvy_folder_watch costs nothing. */
void cvy_folder_guard(cvy_folder *folder);
void cvy_folder_watch(cvy_folder *folder);
/* Adds a line to metrics.jsonl, which others may read at once. One that cannot be written ends the job. */
void cvy_folder_log(cvy_folder *folder, const cvy_metrics *line);
cvy_err cvy_folder_end(cvy_folder *folder) CVY_MUST_CHECK; /* reports metrics that could not be written */
void cvy_folder_destroy(cvy_folder *folder);

#endif
