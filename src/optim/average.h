/* An exponential moving average of the weights (EMA): after a step it goes a share of the way to the new
 * weights. Networks are often better with it than with the weights of their last step (Polyak & Juditsky
 * 1992; Szegedy et al. 2016, section 8).
 *
 * It is PyTorch's AveragedModel with get_ema_multi_avg_fn(decay): the first average is the weights
 * themselves, and each later one decay * average + (1 - decay) * weights. `warmup` is TensorFlow's
 * num_updates. What is learnt by gradient is averaged. Running statistics, as those of batch_norm, are
 * copied, unless use_buffers asks for their average. */
#ifndef CVY_OPTIM_AVERAGE_H
#define CVY_OPTIM_AVERAGE_H

#include "base/base.h"

typedef struct cvy_averaging {
  double decay;     /* share of the average that stays; 0: none is kept */
  bool warmup;      /* the n-th average after the first keeps (1 + n) / (10 + n), if that is less */
  int64_t every;    /* steps from one average to the next */
  int64_t start;    /* until after this step the average is the weights themselves */
  bool use_buffers; /* running statistics are averaged too */
} cvy_averaging;

/* Returns how far the average goes to the weights after step `step`, from 1: all of the way where it becomes
 * the weights, and 0 where it stays. */
float cvy_average_share(const cvy_averaging *averaging, int64_t step);

/* Moves the average that far. With 1 it becomes the weights, to the bit. */
void cvy_average_move(float *average, const float *weights, float share, int64_t count);

#endif
