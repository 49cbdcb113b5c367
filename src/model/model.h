/* A model inside: what evaluation and other rooms need beyond convoy/model.h, and what a file's format
 * fills to make one. A model needs no recipe, no run and no trainer. */
#ifndef CVY_MODEL_MODEL_H
#define CVY_MODEL_MODEL_H

#include "math/conv.h"
#include "net/net.h"
#include <convoy/data.h>
#include <convoy/model.h>

/* A checkpoint of a run that averages its weights (recipe key `ema`) holds two sets. */
typedef enum cvy_weights {
  CVY_WEIGHTS_EMA, /* averaged ones */
  CVY_WEIGHTS_RAW, /* those that steps change */
  CVY_WEIGHTS_AUTO /* the set by which the run chooses its best step */
} cvy_weights;
extern const char *const cvy_weights_words[]; /* "ema", "raw", "auto"; a recipe has no use for the last */

/* All that a model is but its weights. */
typedef struct cvy_model_spec {
  const char *path;
  const struct cvy_yaml *network;    /* its description, which needs no other file */
  const struct cvy_yaml *evaluation; /* the chain of augmentations before evaluation; NULL: none */
  int64_t microbatch;
  cvy_conv_choice convolution;
  const cvy_dataset_info *data; /* classes, channels, mean and deviation of the training set */
  const char *recipe_text;      /* the resolved recipe by which it was trained; NULL: not known */
  /* Another program made it, or nobody trained it as it is. Mean and deviation are then of samples from 0 to
   * 255, and need not be those of any set. */
  bool is_imported;
  int64_t step;
  double top1;         /* negative: not known */
  cvy_weights weights; /* which set it is, EMA or RAW */
} cvy_model_spec;

/* Opens a checkpoint as cvy_model_open does, with the set of weights that is wanted. Averaged weights that
 * the file has not are an error. */
cvy_err cvy_model_open_weights(cvy_model **out, const char *path, cvy_weights wanted) CVY_MUST_CHECK;

/* Plans the network; its weights are then for the caller to fill, in cvy_net_params(cvy_model_net(model)).
 * All that the spec points to lies in `pool`, which goes with the model, and stays the caller's on an error.
 * These are errors: a network that cannot be planned, a chain that cannot be read, more class names than the
 * network tells apart, another number of channels. */
cvy_err cvy_model_create(cvy_model **out, cvy_pool *pool, const cvy_model_spec *spec) CVY_MUST_CHECK;

const cvy_model_spec *cvy_model_spec_of(const cvy_model *model);
/* Returns the model's net, planned for the microbatch with which it was trained, with the model's weights. */
cvy_net *cvy_model_net(cvy_model *model);
/* Keeps something with the model, which `destroy` frees when the model is closed. There can be one thing. */
void cvy_model_keep(cvy_model *model, void *thing, void (*destroy)(void *thing));
void *cvy_model_kept(const cvy_model *model); /* NULL if there is none */
/* Returns the hash of what decides a model's outputs: network, weights, algorithms, classes and
 * preprocessing. */
cvy_hash cvy_model_hash(const cvy_model *model);

#endif
