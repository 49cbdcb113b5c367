/* All pixels move by the same amount along the principal components of the colours: the components times their eigenvalues
 * times normal random numbers (Krizhevsky et al. 2012, section 4.1). The defaults are ImageNet's, as fb.resnet.torch
 * published them. */
#include "data/pixels.h"

typedef struct config {
  double deviation;
  cvy_floats eigenvalues, eigenvectors;
} config;

static const cvy_option options[] = {
    {.name = "deviation",
     .type = CVY_FLOAT,
     .offset = offsetof(config, deviation),
     .fallback = "0.1",
     .min = 0,
     .max = 1000,
     .help = "of the random numbers"},
    {.name = "eigenvalues",
     .type = CVY_FLOATS,
     .offset = offsetof(config, eigenvalues),
     .fallback = "[0.2175, 0.0188, 0.0045]",
     .min = 0,
     .max = 1e6,
     .help = "of the covariance of red, green and blue on a scale of 0 to 1"},
    {.name = "eigenvectors",
     .type = CVY_FLOATS,
     .offset = offsetof(config, eigenvectors),
     .fallback = "[-0.5675, 0.7192, 0.4009, -0.5808, -0.0045, -0.8140, -0.5836, -0.6948, 0.4203]",
     .min = -1e6,
     .max = 1e6,
     .help = "9 numbers: red, green and blue rows, a column an eigenvector"},
    {0},
};

static cvy_err prepare(void *c) {
  const config *own = c;
  if (own->eigenvalues.count != 3)
    return cvy_error(CVY_E_INPUT, "'eigenvalues' must be 3 numbers, not %lld",
                     (long long)own->eigenvalues.count);
  if (own->eigenvectors.count != 9)
    return cvy_error(CVY_E_INPUT,
                     "'eigenvectors' must be 9 numbers, three for each of red, green, blue, not %lld",
                     (long long)own->eigenvectors.count);
  return CVY_OK;
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  double along[3];
  float *px, offsets[3];
  if (!call->training || own->deviation == 0) return CVY_OK;
  for (int k = 0; k < 3; k++)
    along[k] = own->deviation * cvy_random_next_gaussian(&call->random) * own->eigenvalues.values[k];
  for (int k = 0; k < 3; k++) {
    const double *row = &own->eigenvectors.values[3 * k];
    offsets[k] = (float)(255 * (row[0] * along[0] + row[1] * along[1] + row[2] * along[2]));
  }
  CVY_TRY(cvy_picture_draw(picture, &px, call->canvas));
  cvy_colour_shift(px, picture->h * picture->w, 3, offsets);
  return CVY_OK;
}

const cvy_augmentation cvy_augmentation_pca_colour = {
    .kind = {"pca_colour", "colours move along their principal components; never in evaluation", options,
             sizeof(config)},
    .example = "{deviation: 1}",
    .prepare = prepare,
    .channels = cvy_only_rgb,
    .size = cvy_augment_same_size,
    .apply = apply,
};
