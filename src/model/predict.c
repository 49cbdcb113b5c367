/* Predicts pictures that a program has in memory (cvy_model_predict). What a command does with many files is
 * ensemble.c's. */
#include "base/count.h"
#include "model/preprocessor.h"

#include <stdlib.h>

typedef struct predictor {
  cvy_preprocessor *preprocess;
  int threads;
  cvy_preprocessor_scratch *scratch; /* [threads] */
  float *images;                     /* a microbatch */
  float *view;                       /* its probabilities, by one view */
} predictor;

static void destroy(void *kept) {
  predictor *p = kept;
  cvy_preprocessor_destroy(p->preprocess);
  for (int t = 0; t < p->threads; t++) cvy_preprocessor_scratch_free(&p->scratch[t]);
  free(p->scratch);
  free(p->view);
  cvy_buffer_destroy(p->images);
  free(p);
}

static cvy_err fill_in(predictor *p, const cvy_model *model) {
  const cvy_model_info *info = cvy_model_describe(model);
  void *images;
  CVY_TRY(cvy_preprocessor_create(&p->preprocess, model, &(cvy_preprocessor_options){0}));
  CVY_TRY(cvy_buffer_create(&images, sizeof(float) * (size_t)(info->microbatch * info->h * info->w * info->c),
                            "a microbatch of pictures"));
  p->images = images;
  return CVY_OK;
}

static cvy_err predictor_of(predictor **out, cvy_model *model) {
  const cvy_model_info *info = cvy_model_describe(model);
  *out = cvy_model_kept(model);
  if (*out) return CVY_OK;
  predictor *p = cvy_new(sizeof *p);
  p->threads = cvy_threads();
  p->scratch = cvy_new(sizeof *p->scratch * (size_t)p->threads);
  p->view = cvy_new(sizeof *p->view * (size_t)(info->microbatch * info->class_count));
  const cvy_err err = fill_in(p, model);
  if (err) {
    destroy(p);
    return err;
  }
  cvy_model_keep(model, p, destroy);
  *out = p;
  return CVY_OK;
}

/* Some pictures on their way into a microbatch. */
typedef struct batch {
  const predictor *p;
  const cvy_model_picture *pictures;
  int64_t image_floats, first, view;
  cvy_saved_error *errors; /* [microbatch] */
} batch;

static cvy_err make(float *image, const batch *b, cvy_preprocessor_scratch *scratch, int64_t i) {
  const cvy_model_picture *from = &b->pictures[b->first + i];
  const cvy_preprocessor *preprocess = b->p->preprocess;
  cvy_picture picture;
  if (from->byte_count > 0)
    CVY_TRY(cvy_preprocessor_file(&picture, preprocess, scratch, from->bytes, from->byte_count));
  else
    CVY_TRY(cvy_preprocessor_samples(&picture, preprocess, scratch, from->bytes, from->h, from->w, from->c));
  return cvy_preprocessor_finish(image, &picture, preprocess, scratch, b->first + i, b->view);
}

static void make_task(const void *context, int64_t i, int thread) {
  const batch *b = context;
  const cvy_err err = make(b->p->images + i * b->image_floats, b, &b->p->scratch[thread], i);
  cvy_error_save(&b->errors[i], err);
}

static cvy_err predict_view(cvy_model *model, const batch *b, int64_t count) {
  CVY_CHECK(cvy_threads() <= b->p->threads, "the model was planned for %d threads", b->p->threads);
  cvy_parallel(count, make_task, b);
  for (int64_t i = 0; i < count; i++)
    if (b->errors[i].code)
      return cvy_error_in(cvy_error_restore(&b->errors[i]), "picture %" PRId64, b->first + i);
  cvy_model_run(model, b->p->view, b->p->images, count);
  return CVY_OK;
}

static cvy_err predict_batch(cvy_model *model, float *out, double *sums, batch *b, int64_t count) {
  const int64_t views = cvy_preprocessor_views(b->p->preprocess);
  const int64_t numbers = count * cvy_model_describe(model)->class_count;
  for (int64_t i = 0; i < numbers; i++) sums[i] = 0;
  for (b->view = 0; b->view < views; b->view++) {
    CVY_TRY(predict_view(model, b, count));
    for (int64_t i = 0; i < numbers; i++) sums[i] += (double)b->p->view[i];
  }
  for (int64_t i = 0; i < numbers; i++) out[i] = (float)(sums[i] / (double)views);
  return CVY_OK;
}

cvy_err cvy_model_predict(cvy_model *model, float *probabilities, const cvy_model_picture *pictures,
                          int64_t count) {
  const cvy_model_info *info = cvy_model_describe(model);
  const int64_t n = info->microbatch;
  predictor *p;
  CVY_TRY(predictor_of(&p, model));
  batch b = {p, pictures, info->h * info->w * info->c, 0, 0, cvy_new(sizeof *b.errors * (size_t)n)};
  double *sums = cvy_new(sizeof *sums * (size_t)(n * info->class_count));
  cvy_err err = CVY_OK;
  for (; b.first < count && !err; b.first += n)
    err = predict_batch(model, probabilities + b.first * info->class_count, sums, &b,
                        cvy_smaller(n, count - b.first));
  free(sums);
  free(b.errors);
  return err;
}
