/* All pixels move by the same amount along the principal components of the colours: the components times
 * their eigenvalues times normal random numbers (Krizhevsky et al. 2012, section 4.1). The defaults are
 * ImageNet's, as fb.resnet.torch published them; those of the training set stand in its shards. In evaluation
 * nothing happens. */
#include "augment/pixels.h"

enum { FROM_IMAGENET, FROM_DATASET };

typedef struct config {
  double deviation;
  int from;
  cvy_floats eigenvalues, eigenvectors;
} config;

static const char *const from_words[] = {[FROM_IMAGENET] = "imagenet", [FROM_DATASET] = "dataset", NULL};

static const cvy_option options[] = {
    {.name = "deviation",
     .type = CVY_FLOAT,
     .offset = offsetof(config, deviation),
     .fallback = "0.1",
     .min = 0,
     .max = 1000,
     .help = "of the random numbers"},
    {.name = "from",
     .type = CVY_CHOICE,
     .offset = offsetof(config, from),
     .fallback = "imagenet",
     .words = from_words,
     .help = "the components: those of the two options below, which are ImageNet's unless given, or of the "
             "training set"},
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
    return cvy_error(CVY_E_INPUT, "'eigenvalues' must be 3 numbers, not %" PRId64, own->eigenvalues.count);
  if (own->eigenvectors.count != 9)
    return cvy_error(CVY_E_INPUT,
                     "'eigenvectors' must be 9 numbers, three for each of red, green, blue, not %" PRId64,
                     own->eigenvectors.count);
  return CVY_OK;
}

static cvy_err source(const void *c, const cvy_augment_source *known) {
  if (((const config *)c)->from == FROM_IMAGENET || known->has_colour) return CVY_OK;
  return cvy_error(
      CVY_E_INPUT,
      "'from: dataset' needs the principal components of the set's colours, and %s does not hold them; "
      "shards that convoy prepare writes now do (from: imagenet needs none)",
      known->name);
}

/* Returns row `k` of the matrix of eigenvectors times `along`, on a scale of 0 to 1. */
static double component_sum(const config *own, const cvy_augment_source *known, int k,
                            const double along[3]) {
  const double *row = &own->eigenvectors.values[3 * k];
  double sum = 0;
  if (own->from == FROM_IMAGENET) return row[0] * along[0] + row[1] * along[1] + row[2] * along[2];
  for (int i = 0; i < 3; i++) sum += (double)known->colour_vectors[i][k] * along[i];
  return sum;
}

static double eigenvalue(const config *own, const cvy_augment_source *known, int k) {
  return own->from == FROM_IMAGENET ? own->eigenvalues.values[k]
                                    : (double)known->colour_values[k] / (255.0 * 255.0);
}

static cvy_err apply(cvy_picture *picture, const void *c, cvy_augment_call *call) {
  const config *own = c;
  double along[3];
  float *px, offsets[3];
  if (!call->training || own->deviation == 0) return CVY_OK;
  for (int k = 0; k < 3; k++)
    along[k] = own->deviation * cvy_random_next_gaussian(&call->random) * eigenvalue(own, call->source, k);
  for (int k = 0; k < 3; k++) offsets[k] = (float)(255 * component_sum(own, call->source, k, along));
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
    .source = source,
    .size = cvy_augment_same_size,
    .apply = apply,
};
