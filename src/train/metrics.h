/* metrics.jsonl: a line of JSON every few steps and one after each epoch. One table of fields says
 * how they are written and how they are read. */
#ifndef CVY_TRAIN_METRICS_H
#define CVY_TRAIN_METRICS_H

#include "base/base.h"

/* The fields, in the order in which a line has them. */
typedef enum cvy_metric {
  CVY_METRIC_STEP,
  CVY_METRIC_EPOCH,
  CVY_METRIC_LOSS,
  CVY_METRIC_TOP1,
  CVY_METRIC_RATE,
  CVY_METRIC_SKIPPED,
  CVY_METRIC_IMAGES_PER_S,
  CVY_METRIC_WAITED_S,
  CVY_METRIC_EXPOSED_S,
  CVY_METRIC_TRAIN_LOSS,
  CVY_METRIC_TRAIN_TOP1,
  CVY_METRIC_VAL_LOSS,
  CVY_METRIC_VAL_TOP1,
  CVY_METRIC_VAL_TOP5,
  CVY_METRIC_VAL_SKIPPED,
  CVY_METRIC_EMA_LOSS,
  CVY_METRIC_EMA_TOP1,
  CVY_METRIC_EMA_TOP5,
  CVY_METRIC_ROLL_BACKS,
  CVY_METRIC_DIVERGED_AT,
  CVY_METRICS
} cvy_metric;

/* One line. A number that is none (null in the file) is NAN. */
typedef struct cvy_metrics {
  bool has[CVY_METRICS]; /* the fields that the line has */
  int64_t step;          /* steps done */
  double epoch;          /* passes over the training images so far, a fraction too */
  /* These are of the steps since the line before: */
  double loss, top1;   /* means over their images */
  double rate;         /* the last one's learning rate */
  int64_t skipped;     /* bad records that were replaced; only where the recipe allows that */
  double images_per_s; /* speed of all ranks */
  double waited_s;     /* rank 0's wait for its loader */
  double exposed_s;    /* rank 0's wait for gradients */
  /* These are of the epoch that ends here: means over the images of its steps, as training saw them. */
  double train_loss, train_top1;
  /* These are of a validation: */
  double val_loss, val_top1, val_top5; /* means over its images */
  int64_t val_skipped;
  double ema_loss, ema_top1, ema_top5; /* the same of the averaged weights */
  /* These are of a run that went back to this step: how often it has, and the step that made it do so. */
  int64_t roll_backs, diverged_at;
} cvy_metrics;

/* Makes a line with step and epoch and `count` further fields, whose values the caller sets. */
cvy_metrics cvy_metrics_line(int64_t step, double epoch, const cvy_metric *further, int64_t count);

/* Writes the fields that the line has. Returns false, with errno, if the file does not take them. */
bool cvy_metrics_write(FILE *out, const cvy_metrics *line);

/* Reads the next line. Fields that the table does not know are passed over. Returns false at the end of
 * the file, and at the first line that is not whole: cut off, no JSON object, or without a step. */
bool cvy_metrics_next(cvy_metrics *out, FILE *file);

#endif
