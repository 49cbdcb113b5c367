/* How predictions are told: as lines, JSON, CSV, or a sheet of pictures. */
#ifndef CVY_CMD_PREDICTED_H
#define CVY_CMD_PREDICTED_H

#include "predict/pictures.h"
#include "predict/predict.h"

typedef struct cvy_predicted {
  const char *title;              /* what has predicted: "lenet5", "the mean of 3 models" */
  int64_t views;                  /* of each picture */
  const char *const *class_names; /* [class count]; NULL where a class has no name */
  const cvy_predictions *predictions;
  const cvy_picture_source *source;
  const cvy_pictures *pictures; /* NULL: they are records of the source's dataset */
} cvy_predicted;

/* Names picture `index`, in `pool`. A record that does not say where it came from is "record 17". */
const char *cvy_predicted_name(const cvy_predicted *p, cvy_pool *pool, int64_t index);
void cvy_predicted_print_lines(FILE *out, const cvy_predicted *p);
void cvy_predicted_print_csv(FILE *out, const cvy_predicted *p);
void cvy_predicted_print_json(FILE *out, const cvy_predicted *p);
/* Draws the first pictures that could be read, with their likeliest classes. */
cvy_err cvy_predicted_draw(const char *path, const cvy_predicted *p) CVY_MUST_CHECK;

#endif
