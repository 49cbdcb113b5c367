/* The run folder: recipe.yaml, metrics.jsonl, last.h5, best.h5. Only rank 0 touches it. */
#ifndef CVY_TRAIN_FOLDER_H
#define CVY_TRAIN_FOLDER_H

#include "train/metrics.h"
#include "train/recipe.h"

typedef struct cvy_folder {
  struct cvy_lock *lock;
  int metrics;             /* the open metrics.jsonl, or -1 */
  cvy_text_stream line;    /* for a line of metrics, one after the other in the same memory */
  char *last, *best, *log; /* paths; log is that of metrics.jsonl */
} cvy_folder;

/* Makes the folder, and locks it until cvy_folder_destroy. Nothing that stands there is changed. The call
 * fails with CVY_E_INPUT if another job is at work there, if a run stands there and neither resume nor
 * overwrite was asked for, or if there is nothing to resume. */
cvy_err cvy_folder_create(cvy_folder **out, const cvy_recipe *recipe,
                          const cvy_train_options *options) CVY_MUST_CHECK;
/* Writes recipe.yaml and opens metrics.jsonl. At step 0 it empties metrics.jsonl and removes an earlier run's
 * checkpoints; else metrics.jsonl keeps its whole lines up to `step`. */
cvy_err cvy_folder_begin(cvy_folder *folder, const cvy_recipe *recipe, int64_t step) CVY_MUST_CHECK;
/* Cuts off the lines of metrics.jsonl that are of steps after `step`, which will be made again. */
cvy_err cvy_folder_rewind(cvy_folder *folder, int64_t step) CVY_MUST_CHECK;
/* These end the job if its lock was taken away. cvy_folder_guard asks the file system, and must be called
 * before anything is written. cvy_folder_watch costs nothing, but may learn it some seconds later. */
void cvy_folder_guard(cvy_folder *folder);
void cvy_folder_watch(cvy_folder *folder);
/* Adds a line to metrics.jsonl, which others may read at once. If it cannot be written, nothing of it stays
 * in the file, and the job ends. */
void cvy_folder_log(cvy_folder *folder, const cvy_metrics *line);
cvy_err cvy_folder_end(cvy_folder *folder) CVY_MUST_CHECK; /* reports metrics that could not be written */
void cvy_folder_destroy(cvy_folder *folder);

#endif
