/* Contact sheets: what augmentation makes of a dataset's pictures, and of one picture. */
#ifndef CVY_REPORT_PREVIEW_H
#define CVY_REPORT_PREVIEW_H

#include "augment/chain.h"
#include "picture/image.h"
#include <convoy/data.h>

typedef struct cvy_preview {
  const cvy_dataset *dataset;
  const char *title;
  const char *chain; /* what the pictures go through, in a word: "recipe lenet5-hoda"; NULL: nothing */
  const cvy_augment *augment;
  bool training; /* else evaluation, which is the same in every epoch: views take the epochs' place */
  uint64_t seed;
  int64_t first_epoch, epoch_count;
  const int64_t *records;
  int64_t record_count;
  int64_t tile;    /* pixels of the longest side of a picture on the sheet; 0: as suits the pictures */
  int64_t columns; /* columns of a sheet without `chain` */
} cvy_preview;

/* Makes what the loader gives to the network of `record` in epoch `time` (in evaluation: as view `time`),
 * before it is mixed with another and normalised, with samples rounded to bytes. Float samples of a foreign
 * file are scaled so that mean -+ 2 deviations become 0 and 255. Errors name file and record. */
cvy_err cvy_preview_sample(cvy_image *out, const cvy_preview *preview, int64_t record,
                           int64_t time) CVY_MUST_CHECK;

/* Draws a row a record: the original, then cvy_preview_sample of each epoch. Without `chain` it draws a grid
 * of originals. */
cvy_err cvy_preview_draw(cvy_image *sheet, const cvy_preview *preview) CVY_MUST_CHECK;

/* Chooses `wanted` records spread evenly over the `count` of a dataset, or all if there are fewer, and
 * returns how many. `records` has room for `wanted`. */
int64_t cvy_preview_spread(int64_t *records, int64_t wanted, int64_t count);

/* Draws every augmentation of the registry, with its example options, in four epochs. `picture` is RGB, and
 * its middle is taken; NULL stands for a picture that is drawn for this. */
cvy_err cvy_preview_augmentations(cvy_image *sheet, const cvy_image *picture) CVY_MUST_CHECK;

#endif
