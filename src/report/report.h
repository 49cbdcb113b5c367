/* What an evaluation found, as files for people and for other programs. The files have the same bytes at any
 * number of ranks and threads. */
#ifndef CVY_REPORT_REPORT_H
#define CVY_REPORT_REPORT_H

#include "base/json.h"
#include "model/assess.h"

typedef struct cvy_report {
  const char *title; /* of the pictures: "lenet5 on data/hoda, val" */
  const cvy_dataset *dataset;
  const char *const *class_names; /* [class_count of the assessment]; NULL where a class has no name */
  int64_t views;                  /* of each picture, over which its probabilities are the mean */
  const cvy_score *score;
  const cvy_verdicts *verdicts;
  const cvy_assessment *assessment;
} cvy_report;

/* Chooses the names of the classes: the model's, or the dataset's where those are nothing but numbers. The
 * result is in `pool`. */
const char *const *cvy_report_names(cvy_pool *pool, const cvy_model_info *model,
                                    const cvy_dataset_info *data);

/* Adds the figures to an open object of JSON. */
void cvy_report_json(cvy_json *json, const cvy_report *report);
/* Prints what is behind the score as a few lines for people: the calibration error, the worst class, and
 * which classes are confused most often. */
void cvy_report_print(FILE *out, const cvy_report *report);

/* Files that are to be written. */
typedef struct cvy_report_files {
  const char *folder;            /* NULL: none is wanted */
  struct cvy_whole *predictions; /* NULL: not wanted by itself */
} cvy_report_files;

/* Makes sure that there is a place for the files, before they are known: makes the folder, and begins
 * `predictions`. Either may be NULL. */
cvy_err cvy_report_begin(cvy_report_files *out, const char *folder, const char *predictions) CVY_MUST_CHECK;
/* Writes all files, each of which is whole or not there. In the folder these are
 *
 *   predictions.csv   a line an image, in the order of the dataset: what it was taken for
 *   classes.csv       a line a class: how many images, and how many of them are hits
 *   confusion.csv     a row a class, a column for what its images were taken for; confusion.svg shows it
 *   mistakes.csv      a line a mistake, the largest loss first; mistakes.png shows the first ones
 *   reliability.svg   confidence against accuracy, in 15 bins
 *   score.json        the figures; it is written last
 *
 * and the handles are closed, whatever happens. */
cvy_err cvy_report_write(cvy_report_files *files, const cvy_report *report) CVY_MUST_CHECK;
/* Gives up files that were begun. Nothing happens to those that were written. */
void cvy_report_drop(cvy_report_files *files);

#endif
