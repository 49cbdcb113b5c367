/* What a picture goes through before a model sees it: first what `convoy prepare` has done to the pictures
 * that the model learnt from, then the model's chain for evaluation, then its normalisation. So a file gives
 * the same numbers as its record in the shards, but for the JPEG that prepare may have written. */
#ifndef CVY_MODEL_PREPROCESSOR_H
#define CVY_MODEL_PREPROCESSOR_H

#include "data/dataset.h"
#include "model/model.h"

typedef struct cvy_preprocessor cvy_preprocessor;

typedef struct cvy_preprocessor_options {
  /* What takes the place of what the chain cuts out: as in cvy_evaluate_options. */
  int64_t crops;
  const struct cvy_yaml *chain; /* in place of the model's own; NULL: that one */
  /* To this size files are scaled first, or to this shorter side if they are larger; 0: as those were that
   * the model learnt from. */
  int64_t h, w, shorter;
  const cvy_dataset *dataset; /* NULL, or records of this set are what comes, prepared already */
} cvy_preprocessor_options;

/* Makes ready for a model, which must outlive it. It is an error if what leaves the chain cannot be what the
 * network takes. */
cvy_err cvy_preprocessor_create(cvy_preprocessor **out, const cvy_model *model,
                                const cvy_preprocessor_options *options) CVY_MUST_CHECK;
void cvy_preprocessor_destroy(cvy_preprocessor *preprocess); /* NULL is allowed */
/* Returns over how many views of a picture its probabilities are the mean. */
int64_t cvy_preprocessor_views(const cvy_preprocessor *preprocess);
/* Returns how many channels the model's images have. */
int64_t cvy_preprocessor_channels(const cvy_preprocessor *preprocess);

/* What each thread needs for itself. Zeros are a good beginning. */
typedef struct cvy_preprocessor_scratch {
  cvy_canvas canvas;
  cvy_image decoded, scaled, upright;
} cvy_preprocessor_scratch;
void cvy_preprocessor_scratch_free(cvy_preprocessor_scratch *scratch);

/* Makes a picture of a JPEG or PNG file, as prepare does. It lies in the bytes and in the scratch, until the
 * next one. Errors say what is wrong with the file, and do not name it. */
cvy_err cvy_preprocessor_file(cvy_picture *out, const cvy_preprocessor *preprocess,
                              cvy_preprocessor_scratch *scratch, const void *bytes,
                              size_t byte_count) CVY_MUST_CHECK;
/* Makes a picture of samples [h][w][c], c of 1 or 3. */
cvy_err cvy_preprocessor_samples(cvy_picture *out, const cvy_preprocessor *preprocess,
                                 cvy_preprocessor_scratch *scratch, const uint8_t *samples, int64_t h,
                                 int64_t w, int64_t c) CVY_MUST_CHECK;
/* Makes the network's input of a picture, `image` [h][w][c], as view `view`. `index` is the picture's
 * number. */
cvy_err cvy_preprocessor_finish(float *image, cvy_picture *picture, const cvy_preprocessor *preprocess,
                                cvy_preprocessor_scratch *scratch, int64_t index,
                                int64_t view) CVY_MUST_CHECK;

#endif
