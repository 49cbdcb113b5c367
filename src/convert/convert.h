/* Models from other programs, and for them: a file of theirs becomes a model of Convoy's, and back.
 *
 * A model is more than its weights. What images go through before it, and the names of its classes, travel
 * with it. Where a file lacks them, whoever brings it must say them: a network that reads blue before red, or
 * samples from 0 to 1, gives answers to other images as well, and they are wrong. */
#ifndef CVY_CONVERT_CONVERT_H
#define CVY_CONVERT_CONVERT_H

#include "base/options.h"
#include "model/match.h"
#include <convoy/data.h>
#include <convoy/train.h>

/* What samples from 0 to 255 go through, as people know it by name. */
typedef enum cvy_preprocess {
  CVY_PREPROCESS_FILE,  /* what the file says */
  CVY_PREPROCESS_TORCH, /* torchvision's mean and deviation of ImageNet */
  CVY_PREPROCESS_CAFFE, /* blue first, minus ImageNet's mean */
  CVY_PREPROCESS_TF,    /* from -1 to 1 */
  CVY_PREPROCESS_UNIT,  /* from 0 to 1 */
  CVY_PREPROCESS_RAW,   /* as they are */
  CVY_PREPROCESS_COUNT
} cvy_preprocess;
extern const char *const cvy_preprocess_words[]; /* "file", "torch", "caffe", "tf", "unit", "raw" */

/* Which channel comes first in an image that a network takes. */
typedef enum cvy_channel_order { CVY_ORDER_AUTO, CVY_ORDER_RGB, CVY_ORDER_BGR } cvy_channel_order;
extern const char *const cvy_channel_order_words[]; /* "auto" (as the way to prepare it says), "rgb", "bgr" */

/* What is wanted of an import. Texts are "" where nothing is said. */
typedef struct cvy_import_wishes {
  const char *file;            /* what the network is in, or its weights, or both */
  const char *weights;         /* another file for the weights */
  const char *solver;          /* Caffe's, for the recipe */
  int64_t images;              /* with a solver: how many there are to train on, for it counts steps */
  const char *input;           /* "28x28x1": the images of a network in a file that does not say it */
  const char *network;         /* a network of Convoy's, by name or file, in place of the file's own */
  const char *const *settings; /* "parameter=value" of that network */
  int64_t setting_count;
  int preprocess;             /* cvy_preprocess */
  cvy_floats mean, deviation; /* of each channel, in place of those; count 0: not said */
  int channels;               /* cvy_channel_order, of them too */
  const char *classes;        /* a file with the name of a class in each line */
  int64_t microbatch;         /* images that the model computes at a time; 0: as the file says, or 32 */
} cvy_import_wishes;

typedef struct cvy_imported {
  cvy_pool *pool;
  cvy_weights_file *file, *weights; /* the same, or two */
  const cvy_yaml *network;          /* its description */
  const cvy_yaml *recipe;           /* what is said of training: some keys of a recipe; NULL: nothing */
  cvy_net *net;
  bool has_weights;
  cvy_matching matching;  /* where it has weights */
  cvy_stored_input input; /* RGB */
  cvy_dataset_info data;  /* classes, channels, mean and deviation */
  bool classes_are_numbers;
  const cvy_yaml *chain; /* what pictures go through before */
  int64_t microbatch;
} cvy_imported;

/* Reads a file, or two, and finds the place of all tensors. Errors: no network is known, tensors that are
 * missing or do not fit, it is not known what images are like. */
cvy_err cvy_import(cvy_imported *out, const cvy_import_wishes *wishes) CVY_MUST_CHECK;
void cvy_imported_close(cvy_imported *imported); /* one of zeros is closed already */
/* Writes the model to `path`, a file. */
cvy_err cvy_imported_save(const cvy_imported *imported, const char *path) CVY_MUST_CHECK;
/* Writes network.yaml, recipe.yaml and, if there are weights, model.h5 into the folder `path`. It is an error
 * if one of the first two stands there. */
cvy_err cvy_imported_save_all(const cvy_imported *imported, const char *path) CVY_MUST_CHECK;

/* What a guess about images has scored. */
typedef struct cvy_trial {
  int preprocess; /* cvy_preprocess */
  int channels;   /* cvy_channel_order; of grey images auto */
  double loss, top1;
} cvy_trial;
enum { CVY_MOST_TRIALS = 2 * CVY_PREPROCESS_COUNT };

/* Imports the model once for each of the known ways to prepare images, red or blue first, and scores it on
 * the labelled pictures of a dataset. The best comes first in `out`, by top-1 and then by loss. A network
 * whose classes have no names is taken to have the dataset's. The call is collective, and for one rank. */
cvy_err cvy_import_try(cvy_trial out[CVY_MOST_TRIALS], int *count, cvy_comm *comm,
                       const cvy_import_wishes *wishes, const char *labelled) CVY_MUST_CHECK;

/* What is wanted of an export. */
typedef struct cvy_export_wishes {
  const char *model; /* a checkpoint */
  const char *out;   /* the file to write, whose ending says the format */
  /* A map of names, such as "torchvision"; "own": the layers' own; "": a map that knows all layers, or else
   * their own. */
  const char *names;
  bool bgr; /* the other program's images have blue first */
} cvy_export_wishes;

typedef struct cvy_exported {
  const char *format, *names; /* names: the map, or NULL */
  int64_t tensors;
} cvy_exported;

/* Writes a model for another program. What it tells lies in `pool`. */
cvy_err cvy_export(cvy_exported *out, cvy_pool *pool, const cvy_export_wishes *wishes) CVY_MUST_CHECK;

#endif
