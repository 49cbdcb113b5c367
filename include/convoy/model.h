/* What was trained: a network with its weights, its classes, and what images go through before they reach it.
 * Nothing here is collective; MPI is never called. */
#ifndef CONVOY_MODEL_H
#define CONVOY_MODEL_H

#include <convoy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cvy_model cvy_model;

typedef struct cvy_model_info {
  const char *path;    /* the file that it was read from */
  const char *name;    /* the network's name */
  int64_t h, w, c;     /* size of the images that the network takes */
  int64_t class_count; /* probabilities an image */
  int64_t name_count;  /* how many of the first classes have names; the network may tell apart more */
  const char *const *class_names;
  /* The network takes (sample - mean[channel]) / deviation[channel]. */
  float mean[CVY_MAX_CHANNELS], deviation[CVY_MAX_CHANNELS];
  int64_t microbatch;   /* images that are computed at a time */
  int64_t param_count;  /* learnt values */
  int64_t tensor_count; /* tensors, learnt ones and running averages */
  int64_t step;         /* training steps that made it */
  double top1;          /* share of hits in validation after that step, 0 ... 1; negative: not known */
} cvy_model_info;

/* Reads a checkpoint (best.h5, last.h5), and plans the model for cvy_threads() threads, whose number must be
 * set before. Errors name the file and what is wrong in it: texts, tensors, mean or deviation that are
 * missing, have another shape than the network says, or are not what was written. */
cvy_err cvy_model_open(cvy_model **out, const char *path) CVY_MUST_CHECK;
void cvy_model_close(cvy_model *model); /* NULL is allowed */
const cvy_model_info *cvy_model_describe(const cvy_model *model);
/* Returns the hash of all tensors' values, in order, which training prints too. */
cvy_hash cvy_model_weights(const cvy_model *model);

/* A tensor of the weights. Values lie in rows: the last dimension is the one that runs fastest. */
typedef struct cvy_model_tensor {
  const char *name; /* "conv1/weights" */
  int dim_count;
  const int64_t *dims;
  int64_t count;
  const float *values;
} cvy_model_tensor;
/* `index` is below tensor_count. The values are the model's own, not a copy. */
cvy_model_tensor cvy_model_tensor_at(const cvy_model *model, int64_t index);

/* Computes probabilities [count][class_count] of images [count][h][w][c], which are normalised already, a
 * microbatch at a time. The last microbatch is filled up with zeros. It allocates nothing. One thread at a
 * time may run a model. */
void cvy_model_run(cvy_model *model, float *probabilities, const float *images, int64_t count);

/* A picture as a program has it: the bytes of a JPEG or PNG file, or samples. */
typedef struct cvy_model_picture {
  const void *bytes;
  size_t byte_count; /* of the file; 0: these are samples [h][w][c] of a byte each */
  int64_t h, w, c;   /* of samples: 1 channel (grey) or 3 (red, green, blue); else 0 */
} cvy_model_picture;
/* Computes probabilities [count][class_count] of pictures, a microbatch at a time. Each picture goes through
 * all that pictures went through before training's evaluation saw them: it is turned upright as its EXIF data
 * say and scaled as `convoy prepare` has done, made grey or colour as the network takes it, goes through the
 * model's chain for evaluation, and is normalised. A chain of several views gives the mean over them. The
 * first picture that cannot be read is an error, "picture 3: ...", counted from 0, and probabilities are then
 * not to be used. One thread at a time may use a model. */
cvy_err cvy_model_predict(cvy_model *model, float *probabilities, const cvy_model_picture *pictures,
                          int64_t count) CVY_MUST_CHECK;

/* How well labels were met: the result of an evaluation. */
typedef struct cvy_score {
  int64_t images;
  double loss;       /* mean over the images */
  double top1, top5; /* shares, 0 ... 1 */
  int64_t skipped;   /* bad records that others were counted in place of */
  int64_t classes;   /* how many the network tells apart; with five or fewer top5 is always 1 */
} cvy_score;

#ifdef __cplusplus
}
#endif
#endif
