/* How numbers go through a network before its first step: what each layer puts out for one microbatch of real
 * images, which gradient comes back to it, and what of that tells of bad first values. A network whose
 * numbers vanish or explode learns nothing, or breaks, however long it is trained (Glorot & Bengio 2010; He
 * et al. 2015). */
#ifndef CVY_MEASURE_SIGNAL_H
#define CVY_MEASURE_SIGNAL_H

#include "measure/numbers.h"
#include "net/net.h"
#include <convoy/train.h>

/* Beyond these limits there is a warning. They lie well outside of what the networks that come with Convoy
 * show on photographs: outputs 3e-4 ... 12 of the images, gradients 1e-3 ... 740 of that of the scores (in
 * front of the first batch_norm of ResNet-152), dead units up to 0.4. Deviations are between images
 * (cvy_numbers); of one image alone, they are over its numbers. */
#define CVY_SIGNAL_HIGHEST          1e3  /* of an output's deviation, by that of the images */
#define CVY_SIGNAL_LOWEST           1e-5 /* the same */
#define CVY_SIGNAL_HIGHEST_GRADIENT 1e5  /* of the length of an output's gradient, by that of the scores' */
#define CVY_SIGNAL_LOWEST_GRADIENT  1e-5 /* the same */
#define CVY_SIGNAL_MOST_DEAD        0.9  /* share of a layer's units that are 0 for all images */
#define CVY_SIGNAL_HIGHEST_LOSS     2.0  /* of the first loss, by that of a guess among all classes */
enum { CVY_SIGNAL_FEWEST_FOR_DEAD = 8 }; /* images, below which units may be 0 by chance */

typedef struct cvy_signal_layer {
  cvy_numbers output, gradient; /* of the microbatch's mean loss by the output; count 0: there is none */
} cvy_signal_layer;

typedef struct cvy_signal {
  cvy_net *net;
  double loss;  /* mean over the images */
  double guess; /* the loss of a guess among all classes; NaN where auxiliary losses or others add to it */
  cvy_numbers images;
  const cvy_signal_layer *layers; /* in the order of the net's; in the pool */
  int64_t warning_count;
  const char *const *warnings; /* sentences, in the pool */
} cvy_signal;

typedef struct cvy_signal_options {
  const cvy_recipe *recipe;       /* NULL: none */
  const struct cvy_yaml *network; /* without a recipe; it must outlive the signal */
  const char *data;            /* NULL: the recipe's training data; else a dataset, whose split is "train" */
  int64_t microbatch;          /* 0: the recipe's, or 16 */
  uint64_t seed;               /* without a recipe */
  cvy_conv_choice convolution; /* without a recipe */
} cvy_signal_options;

/* Gives a network its first values and makes one pass of training, forward and backward, over the images of
 * a run's first microbatch. With a recipe seed, order, augmentation, frozen layers and algorithms are the
 * recipe's. Without one, pictures of another size than the network's input are scaled so that the middle of
 * them is taken, 7/8 of the shorter side. All outputs and gradients stay in memory at once. What it allocates
 * beside the net is in `pool`. The errors are those of opening network and data. This call is not
 * collective. */
cvy_err cvy_signal_take(cvy_signal *out, cvy_pool *pool, const cvy_signal_options *options) CVY_MUST_CHECK;
void cvy_signal_release(cvy_signal *signal);

/* Does the same with images that are there already, for a net that is planned `unshared` and has its values.
 * The net becomes the signal's, unless it fails. */
cvy_err cvy_signal_of(cvy_signal *out, cvy_pool *pool, cvy_net *net, const float *images,
                      const cvy_targets *targets, uint64_t seed) CVY_MUST_CHECK;

#endif
