/* The weights that a new run begins with: a recipe's key `init_from`. Tensors of a file come to their places
 * in the network as far as names and shapes agree; the others keep the values that were drawn. */
#ifndef CVY_TRAIN_INITIAL_H
#define CVY_TRAIN_INITIAL_H

#include "formats/formats.h"
#include "model/match.h"
#include "model/model.h"
#include "train/recipe.h"

/* What becomes of a tensor of the network. */
typedef struct cvy_initial_tensor {
  int64_t stored; /* which tensor of the file it is; -1: the file has none for it */
  bool fits;      /* that one has its shape */
  bool is_copied;
  const char *shape; /* that of the file's, for people; NULL: there is none */
  const char *why;   /* why it is not copied; NULL: it is */
} cvy_initial_tensor;

/* A tensor of the file that the network has no place for. */
typedef struct cvy_initial_left {
  const char *name, *shape;
} cvy_initial_left;

typedef struct cvy_initial {
  cvy_pool *pool; /* NULL: the recipe names no weights, and all else is zero */
  const char *path;
  const cvy_net_info *net;
  /* One of the two is open. */
  cvy_model *model;
  cvy_weights_file *file;
  cvy_matching matching;       /* of the file */
  const char *way;             /* how places were found, for people */
  cvy_hash weights;            /* of the checkpoint's weights, or of the whole file */
  int64_t copied;              /* how many tensors are */
  cvy_initial_tensor *tensors; /* [the net's] */
  int64_t left_count;
  cvy_initial_left *left;
  /* What images should go through before these weights; `mean` is NULL if that is not known. */
  const float *mean, *deviation;
  char origin[1024]; /* one line for the run's history */
} cvy_initial;

/* Opens the file that the recipe names, and finds what of it fits the net, whose data `training` describes.
 * Nothing is read yet. Errors point into the recipe: a file that cannot be read, of which nothing fits, or of
 * which a layer does not fit that should be copied. On an error there is nothing to release. The net must
 * outlive what is found. */
cvy_err cvy_initial_find(cvy_initial *out, const cvy_recipe *recipe, const cvy_net *net,
                         const cvy_dataset_info *training) CVY_MUST_CHECK;
/* Reads the values into the net's parameters. */
cvy_err cvy_initial_fill(const cvy_initial *initial, cvy_net *net) CVY_MUST_CHECK;
void cvy_initial_release(cvy_initial *initial);

/* Prints a table with a line for each layer, or for each tensor where a layer's differ: what is loaded, made
 * anew and left out, with shapes. */
void cvy_initial_print(FILE *out, const cvy_initial *initial);
/* Logs the same. */
void cvy_initial_log(const cvy_initial *initial);

#endif
