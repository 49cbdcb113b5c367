/* A task looks at some neighbouring numbers of an image, in all images. The results of the tasks are joined
 * in their order (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1). */
#include "measure/numbers.h"

#include "base/count.h"

#include <math.h>

enum { PIECE = 1024 };

typedef struct part {
  double count, mean, squares; /* squares: the sum of squared distances from the mean */
  double within;               /* the sum of squared distances from the mean over the images */
  int64_t zeros;
} part;

typedef struct looking {
  const float *values;
  int64_t images, per_image;
  part *parts;
  unsigned char *alive; /* [per_image] */
} looking;

static void join(part *to, const part *from) {
  const double count = to->count + from->count, distance = from->mean - to->mean;
  if (from->count == 0) return;
  to->mean += distance * from->count / count;
  to->squares += from->squares + distance * distance * to->count * from->count / count;
  to->within += from->within;
  to->zeros += from->zeros;
  to->count = count;
}

/* Looks at one number of an image, in all images. */
static part look_at(const looking *l, int64_t at) {
  part p = {.count = (double)l->images};
  double sum = 0;
  for (int64_t i = 0; i < l->images; i++) {
    const float value = l->values[i * l->per_image + at];
    sum += (double)value;
    p.zeros += value == 0;
  }
  p.mean = sum / p.count;
  for (int64_t i = 0; i < l->images; i++) {
    const double distance = (double)l->values[i * l->per_image + at] - p.mean;
    p.squares += distance * distance;
  }
  p.within = p.squares;
  return p;
}

static void look(const void *context, int64_t index, int thread) {
  (void)thread;
  const looking *l = context;
  const int64_t end = cvy_smaller((index + 1) * PIECE, l->per_image);
  part all = {0};
  for (int64_t at = index * PIECE; at < end; at++) {
    const part one = look_at(l, at);
    l->alive[at] = one.zeros < l->images;
    join(&all, &one);
  }
  l->parts[index] = all;
}

static int64_t count_dead(const unsigned char *alive, int64_t per_image, int64_t channels) {
  int64_t dead = channels;
  for (int64_t c = 0; c < channels; c++) {
    bool lives = false;
    for (int64_t at = c; at < per_image && !lives; at += channels) lives = alive[at];
    dead -= lives;
  }
  return dead;
}

cvy_err cvy_numbers_of(cvy_numbers *out, const float *values, cvy_shape shape) {
  const int64_t per_image = cvy_shape_per_image(shape), pieces = cvy_pieces(per_image, PIECE);
  const size_t parts_bytes = cvy_aligned(sizeof(part) * (size_t)pieces);
  void *memory;
  *out = (cvy_numbers){0};
  CVY_TRY(cvy_buffer_create(&memory, parts_bytes + (size_t)per_image, "looking at numbers"));
  const looking l = {values, shape.n, per_image, memory, (unsigned char *)memory + parts_bytes};
  cvy_parallel(pieces, look, &l);
  part all = {0};
  for (int64_t i = 0; i < pieces; i++) join(&all, &l.parts[i]);
  *out = (cvy_numbers){.count = shape.n * per_image,
                       .is_finite = isfinite(all.squares),
                       .mean = all.mean,
                       .deviation = sqrt(all.squares / all.count),
                       .between = shape.n > 1 ? sqrt(all.within / all.count) : NAN,
                       .zeros = (double)all.zeros / all.count,
                       .units = shape.c,
                       .dead = count_dead(l.alive, per_image, shape.c)};
  cvy_buffer_destroy(memory);
  return CVY_OK;
}

double cvy_numbers_norm(const cvy_numbers *numbers) {
  return sqrt((double)numbers->count *
              (numbers->mean * numbers->mean + numbers->deviation * numbers->deviation));
}
