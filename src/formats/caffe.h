/* What else is read of Caffe's files, beside networks and weights: solvers. */
#ifndef CVY_FORMATS_CAFFE_H
#define CVY_FORMATS_CAFFE_H

#include "base/yaml.h"

typedef struct cvy_caffe_solver_result {
  cvy_yaml *recipe;    /* keys of a recipe: those of the network's file, and the solver's */
  const char *network; /* the network's file, as the solver names it; NULL: it does not */
  int64_t steps;       /* max_iter */
  int64_t note_count;  /* what has no counterpart here and changes no result, "line 7: display" */
  const char **notes;
} cvy_caffe_solver_result;

/* Reads solver.prototxt. `of_network` has the keys of a recipe that the network's file gives
 * (cvy_weights_file's `recipe`); NULL: none. Caffe counts training in steps, and a recipe in epochs: where
 * `images`, the number of training images, is above 0 and the batch is known, the recipe has `epochs`, as
 * many as cover all steps; else it has none. Errors name file and line. All lies in `pool`. */
cvy_err cvy_caffe_solver(cvy_caffe_solver_result *out, cvy_pool *pool, const char *path,
                         const cvy_yaml *of_network, int64_t images) CVY_MUST_CHECK;

#endif
