/* Sums over pixels, and what follows from them. */
#include "data/pixel_sums.h"

#include "base/count.h"

#include <math.h>

enum { RUN = 1024 }; /* pixels: sums of products stay below 2^31, and a run's samples in the first cache */

static int32_t sum_of_products(const int16_t *a, const int16_t *b, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (int32_t)a[i] * b[i];
  return sum;
}

static int32_t sum_of(const int16_t *a, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; i++) sum += a[i];
  return sum;
}

void cvy_pixel_sums_add(cvy_pixel_sums *sums, const cvy_image *image) {
  const int64_t c = image->c, pixels = image->h * image->w;
  int16_t planes[CVY_MAX_CHANNELS][RUN];
  CVY_CHECK(c >= 1 && c <= CVY_MAX_CHANNELS);
  CVY_CHECK(sums->channels == 0 || sums->channels == c);
  sums->channels = c;
  sums->count += (uint64_t)pixels;
  for (int64_t first = 0; first < pixels; first += RUN) {
    const int64_t n = cvy_smaller(pixels - first, RUN);
    const uint8_t *px = image->px + first * c;
    for (int64_t k = 0; k < c; k++) {
      for (int64_t i = 0; i < n; i++) planes[k][i] = px[i * c + k];
      sums->sum[k] += (uint64_t)sum_of(planes[k], n);
      for (int64_t l = 0; l <= k; l++)
        sums->product[l][k] += (uint64_t)sum_of_products(planes[l], planes[k], n);
    }
  }
}

void cvy_pixel_sums_merge(cvy_pixel_sums *into, const cvy_pixel_sums *from) {
  if (from->channels == 0) return;
  CVY_CHECK(into->channels == 0 || into->channels == from->channels);
  into->channels = from->channels;
  into->count += from->count;
  for (int64_t k = 0; k < CVY_MAX_CHANNELS; k++) {
    into->sum[k] += from->sum[k];
    for (int64_t l = 0; l <= k; l++) into->product[l][k] += from->product[l][k];
  }
}

void cvy_pixel_sums_result(float mean[], float deviation[], const cvy_pixel_sums *sums) {
  CVY_CHECK(sums->count > 0);
  const double n = (double)sums->count;
  for (int64_t k = 0; k < sums->channels; k++) {
    const double average = (double)sums->sum[k] / n;
    const double variance = (double)sums->product[k][k] / n - average * average;
    mean[k] = (float)average;
    /* Samples are whole numbers; less than this is the rounding of a channel that never changes. */
    deviation[k] = variance > 1e-9 ? (float)sqrt(variance) : 1.0f;
  }
}

typedef double matrix[CVY_MAX_CHANNELS][CVY_MAX_CHANNELS];

/* n S(xy) - S(x) S(y) is a whole number, so nothing cancels. */
static void covariance(matrix out, const cvy_pixel_sums *sums) {
  const double n = (double)sums->count;
  for (int64_t k = 0; k < sums->channels; k++)
    for (int64_t l = 0; l <= k; l++) {
      const __int128 scaled = (__int128)sums->count * sums->product[l][k] -
                              (__int128)sums->sum[l] * sums->sum[k];
      out[k][l] = out[l][k] = (double)scaled / n / n;
    }
}

/* Turns rows and columns p, q of the symmetric `a` so that a[p][q] becomes 0; row k of `vectors` turns
 * along. */
static void rotate(matrix a, matrix vectors, int64_t n, int64_t p, int64_t q) {
  const double slope = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const double t = (slope < 0 ? -1 : 1) / (fabs(slope) + sqrt(slope * slope + 1));
  const double c = 1 / sqrt(t * t + 1), s = t * c;
  for (int64_t k = 0; k < n; k++) {
    const double x = a[k][p], y = a[k][q];
    a[k][p] = c * x - s * y;
    a[k][q] = s * x + c * y;
  }
  for (int64_t k = 0; k < n; k++) {
    const double x = a[p][k], y = a[q][k], v = vectors[p][k], w = vectors[q][k];
    a[p][k] = c * x - s * y;
    a[q][k] = s * x + c * y;
    vectors[p][k] = c * v - s * w;
    vectors[q][k] = s * v + c * w;
  }
}

/* This is Jacobi's method. For so small a matrix some sweeps bring all beside the diagonal below rounding. */
static void diagonalise(matrix a, matrix vectors, int64_t n) {
  enum { SWEEPS = 30 };
  for (int64_t k = 0; k < n; k++)
    for (int64_t l = 0; l < n; l++) vectors[k][l] = k == l;
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int64_t p = 0; p < n; p++)
      for (int64_t q = p + 1; q < n; q++)
        if (fabs(a[p][q]) > 1e-18 * (fabs(a[p][p]) + fabs(a[q][q]))) rotate(a, vectors, n, p, q);
}

static void store_vector(float out[], const double vector[], int64_t n) {
  int64_t largest = 0;
  for (int64_t k = 1; k < n; k++)
    if (fabs(vector[k]) > fabs(vector[largest])) largest = k;
  for (int64_t k = 0; k < n; k++) out[k] = (float)(vector[largest] < 0 ? -vector[k] : vector[k]);
}

void cvy_pixel_sums_statistics(cvy_shard_statistics *out, const cvy_pixel_sums *sums) {
  const int64_t n = sums->channels;
  matrix a = {{0}}, vectors = {{0}};
  *out = (cvy_shard_statistics){.has_colour = n > 1};
  cvy_pixel_sums_result(out->mean, out->deviation, sums);
  covariance(a, sums);
  diagonalise(a, vectors, n);
  bool taken[CVY_MAX_CHANNELS] = {false};
  for (int64_t k = 0; k < n && out->has_colour; k++) {
    int64_t next = -1;
    for (int64_t l = 0; l < n; l++)
      if (!taken[l] && (next < 0 || a[l][l] > a[next][next])) next = l;
    taken[next] = true;
    out->colour_values[k] = a[next][next] > 0 ? (float)a[next][next] : 0;
    store_vector(out->colour_vectors[k], vectors[next], n);
  }
}
