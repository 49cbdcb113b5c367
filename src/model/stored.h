/* The part of a checkpoint that is the model, as HDF5 that h5py reads without Convoy:
 *
 *   attributes of /   format "convoy-checkpoint", version 1, data (the training set's fingerprint), weights
 *                     (hash)
 *   image_h, image_w  size of the images that it learnt from; 0: it varies
 *   shorter_side      to which `convoy prepare` scaled larger ones of these; 0: to none
 *   /recipe           the resolved recipe's YAML, one string, of which a model takes the network and the
 *                     preprocessing
 *   /class_names, /mean, /deviation
 *   /parameters/<layer>/<tensor>   float32, in the tensor's shape
 *   /ema/<layer>/<tensor>          likewise, where the run averages its weights; ema_weights has the hash
 *
 * Texts, mean and deviation carry a `checksum` (CRC-32); it and the hash are checked when the file is read.
 * train/checkpoint.h has what a run adds for going on. */
#ifndef CVY_MODEL_STORED_H
#define CVY_MODEL_STORED_H

#include "file/h5.h"
#include "net/net.h"
#include <convoy/data.h>

/* What stands beside the weights. */
typedef struct cvy_model_head {
  const char *recipe_text, *data_fingerprint;
  /* The training set's classes, channels, sizes, mean and deviation. The rest is 0. */
  const cvy_dataset_info *data;
} cvy_model_head;

/* Writes the part of the file that is the model. `weights` is an arena that is laid out as the net's
 * parameters. */
cvy_err cvy_model_write(cvy_h5 *file, const cvy_model_head *head, const cvy_net *net,
                        const float *weights) CVY_MUST_CHECK;

/* Writes a file of its own for a model that no run has made: it can be used as a checkpoint can, but no run
 * can go on from it. `origin` says where it comes from, for people. */
cvy_err cvy_model_save(const char *path, const char *origin, const cvy_model_head *head, const cvy_net *net,
                       const float *weights) CVY_MUST_CHECK;

/* Reads what stands beside the weights; it lies in `pool`. These are errors: a file that is no checkpoint, or
 * one of another version; texts and numbers that are missing or do not match their checksum. */
cvy_err cvy_model_read_head(cvy_model_head *out, cvy_h5 *file, cvy_pool *pool) CVY_MUST_CHECK;
/* Reads the weights into an arena that is laid out as the net's parameters. The errors are those of
 * cvy_tensors_read. */
cvy_err cvy_model_read_weights(cvy_h5 *file, const cvy_net *net, float *weights) CVY_MUST_CHECK;

/* These do the same with averaged weights, which a file may have too. */
bool cvy_model_has_average(cvy_h5 *file);
cvy_err cvy_model_write_average(cvy_h5 *file, const cvy_net *net, const float *average) CVY_MUST_CHECK;
cvy_err cvy_model_read_average(cvy_h5 *file, const cvy_net *net, float *average) CVY_MUST_CHECK;

#endif
