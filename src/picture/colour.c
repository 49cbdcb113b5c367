/* Arithmetic on colours. Pixels are taken BLOCK at a time and, where channels meet, spread into a plane a
 * channel, so that they stay in the first cache and loops vectorise. The loops are compiled for AVX2 as
 * well, which is 2.5 times as fast and gives the same bits; CONVOY_KERNELS=portable does without. */
#include "picture/colour.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, MOST_CHANNELS = 4 };

/* Marks what is compiled once more for AVX2, as a part of its caller. */
#define INLINE static inline __attribute__((always_inline))

typedef struct planes {
  int64_t count;
  float r[BLOCK], g[BLOCK], b[BLOCK];
} planes;

INLINE void spread(planes *p, const float *px, int64_t count) {
  p->count = count;
  for (int64_t i = 0; i < count; i++) {
    p->r[i] = px[3 * i];
    p->g[i] = px[3 * i + 1];
    p->b[i] = px[3 * i + 2];
  }
}

INLINE void gather(float *px, const planes *p) {
  for (int64_t i = 0; i < p->count; i++) {
    px[3 * i] = p->r[i];
    px[3 * i + 1] = p->g[i];
    px[3 * i + 2] = p->b[i];
  }
}

INLINE float larger(float a, float b) {
  return a > b ? a : b;
}

INLINE float smaller(float a, float b) {
  return a < b ? a : b;
}

INLINE float within(float x, float low, float high) {
  return smaller(larger(x, low), high);
}

INLINE float luma(float r, float g, float b) {
  return 0.299f * r + 0.587f * g + 0.114f * b;
}

/* ---- the four ---- */

/* Makes factor * x + (1 - factor) * other. */
INLINE void blend(float *x, int64_t count, float factor, float other) {
  const float rest = (1 - factor) * other;
  for (int64_t i = 0; i < count; i++) x[i] = within(factor * x[i] + rest, 0, 255);
}

INLINE void saturate(planes *p, float factor) {
  for (int64_t i = 0; i < p->count; i++) {
    const float rest = (1 - factor) * luma(p->r[i], p->g[i], p->b[i]);
    p->r[i] = within(factor * p->r[i] + rest, 0, 255);
    p->g[i] = within(factor * p->g[i] + rest, 0, 255);
    p->b[i] = within(factor * p->b[i] + rest, 0, 255);
  }
}

/* Turns the hue, which is in sixths of a turn: red is 0, green 2, blue 4. A channel is full within one sixth
 * of its own hue, and gone from two sixths on. */
INLINE void turn_hue(planes *p, float turns) {
  const float sixths = 6 * turns;
  for (int64_t i = 0; i < p->count; i++) {
    const float r = p->r[i], g = p->g[i], b = p->b[i];
    const float most = larger(r, larger(g, b)), least = smaller(r, smaller(g, b)), chroma = most - least;
    const float per_chroma = 1 / (chroma > 0 ? chroma : 1);
    const float near_red = (g - b) * per_chroma, near_green = (b - r) * per_chroma + 2;
    const float near_blue = (r - g) * per_chroma + 4;
    float hue = (most == r ? near_red : most == g ? near_green : near_blue) + sixths;
    hue += hue < 0 ? 6.0f : 0.0f;
    hue -= hue >= 6 ? 6.0f : 0.0f;
    p->r[i] = least + chroma * within(fabsf(hue - 3) - 1, 0, 1);
    p->g[i] = least + chroma * within(2 - fabsf(hue - 2), 0, 1);
    p->b[i] = least + chroma * within(2 - fabsf(hue - 4), 0, 1);
  }
}

INLINE void adjust_planes(planes *p, const cvy_adjustment *how, float mean) {
  float *const all[] = {p->r, p->g, p->b};
  if (how->tone == CVY_SATURATION) saturate(p, how->amount);
  if (how->tone == CVY_HUE) turn_hue(p, how->amount);
  if (how->tone == CVY_BRIGHTNESS || how->tone == CVY_CONTRAST)
    for (int k = 0; k < 3; k++) blend(all[k], p->count, how->amount, how->tone == CVY_CONTRAST ? mean : 0);
}

/* Adds up 16 sums, each of floats that are 16 apart, so that the order is the same for vectors of any
 * width. */
INLINE double sum(const float *x, int64_t count) {
  enum { LANES = 16 };
  float lanes[LANES] = {0};
  double total = 0;
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int64_t k = 0; k < LANES; k++) lanes[k] += x[i + k];
  for (; i < count; i++) lanes[i % LANES] += x[i];
  for (int64_t k = 0; k < LANES; k++) total += (double)lanes[k];
  return total;
}

INLINE double sum_luma(const planes *p) {
  float grey[BLOCK];
  for (int64_t i = 0; i < p->count; i++) grey[i] = luma(p->r[i], p->g[i], p->b[i]);
  return sum(grey, p->count);
}

/* ---- passes over the picture ---- */

typedef struct pass {
  const cvy_adjustment *list;
  int64_t count;
  float mean;   /* for a contrast, which can only come first */
  bool measure; /* the grey that comes out is summed */
} pass;

/* Returns the sum of the grey that comes out. */
INLINE double rgb_block(float *px, int64_t pixels, const pass *what) {
  planes p;
  spread(&p, px, pixels);
  for (int64_t i = 0; i < what->count; i++) adjust_planes(&p, &what->list[i], what->mean);
  if (what->count) gather(px, &p);
  return what->measure ? sum_luma(&p) : 0;
}

INLINE double flat_block(float *x, int64_t count, const pass *what) {
  for (int64_t i = 0; i < what->count; i++) {
    const cvy_adjustment *how = &what->list[i];
    CVY_CHECK(how->tone == CVY_BRIGHTNESS || how->tone == CVY_CONTRAST);
    blend(x, count, how->amount, how->tone == CVY_CONTRAST ? what->mean : 0);
  }
  return what->measure ? sum(x, count) : 0;
}

/* Returns the sum of the grey that comes out. */
INLINE double blocks(float *px, int64_t pixels, int64_t c, const pass *what) {
  double total = 0;
  const int64_t step = c == 3 ? 3 : 1, all = c == 3 ? pixels : pixels * c;
  for (int64_t at = 0; at < all; at += BLOCK) {
    const int64_t count = all - at < BLOCK ? all - at : BLOCK;
    total += c == 3 ? rgb_block(px + at * step, count, what) : flat_block(px + at, count, what);
  }
  return total;
}

static double blocks_portable(float *px, int64_t pixels, int64_t c, const pass *what) {
  return blocks(px, pixels, c, what);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static double blocks_avx2(float *px, int64_t pixels, int64_t c,
                                                          const pass *what) {
  return blocks(px, pixels, c, what);
}

static bool has_avx2(void) {
  const char *forced = getenv("CONVOY_KERNELS");
  return __builtin_cpu_supports("avx2") && !(forced && strcmp(forced, "portable") == 0);
}
#else
#define blocks_avx2 blocks_portable
static bool has_avx2(void) {
  return false;
}
#endif

/* Returns the mean of the grey that comes out. */
static float run(float *px, int64_t pixels, int64_t c, const pass *what) {
  if (what->count == 0 && !what->measure) return 0;
  CVY_CHECK(c == 1 || c == 3 || !what->measure);
  const double total = has_avx2() ? blocks_avx2(px, pixels, c, what) : blocks_portable(px, pixels, c, what);
  return (float)(total / (double)pixels);
}

static int64_t next_contrast(const cvy_adjustment *list, int64_t from, int64_t count) {
  while (from < count && list[from].tone != CVY_CONTRAST) from++;
  return from;
}

/* A contrast needs the mean of what comes before it, so a pass ends there; with one contrast there are
 * two. */
void cvy_colour_adjust(float *px, int64_t pixels, int64_t c, const cvy_adjustment *list, int64_t count) {
  int64_t done = next_contrast(list, 0, count);
  pass next = {.list = list, .count = done, .measure = done < count};
  float mean = run(px, pixels, c, &next);
  while (done < count) {
    const int64_t to = next_contrast(list, done + 1, count);
    next = (pass){.list = list + done, .count = to - done, .mean = mean, .measure = to < count};
    mean = run(px, pixels, c, &next);
    done = to;
  }
}

int64_t cvy_colour_draw(cvy_adjustment out[CVY_TONES], const double by[CVY_TONES], cvy_random *random) {
  cvy_tone order[CVY_TONES] = {CVY_BRIGHTNESS, CVY_CONTRAST, CVY_SATURATION, CVY_HUE};
  int64_t count = 0;
  for (int64_t left = CVY_TONES; left > 0; left--) {
    const int64_t pick = cvy_random_next_below(random, left);
    const cvy_tone tone = order[pick];
    order[pick] = order[left - 1];
    const double middle = tone == CVY_HUE ? 0 : 1, low = middle - by[tone];
    const double least = tone != CVY_HUE && low < 0 ? 0 : low;
    const float amount = (float)cvy_random_next_uniform(random, least, middle + by[tone]);
    if (by[tone] > 0) out[count++] = (cvy_adjustment){tone, amount};
  }
  return count;
}

/* ---- others ---- */

void cvy_colour_grey(float *px, int64_t pixels) {
  for (int64_t i = 0; i < pixels; i++)
    px[3 * i] = px[3 * i + 1] = px[3 * i + 2] = luma(px[3 * i], px[3 * i + 1], px[3 * i + 2]);
}

/* The offsets repeat every 12 samples whatever c is, so that the loop over 48 need not know it. */
void cvy_colour_shift(float *px, int64_t pixels, int64_t c, const float by[]) {
  enum { RUN = 48 };
  float offsets[RUN];
  CVY_CHECK(c >= 1 && c <= MOST_CHANNELS);
  for (int64_t k = 0; k < RUN; k++) offsets[k] = by[k % c];
  const int64_t count = pixels * c;
  int64_t i = 0;
  for (; i + RUN <= count; i += RUN)
    for (int64_t k = 0; k < RUN; k++) px[i + k] += offsets[k];
  for (; i < count; i++) px[i] += offsets[i % RUN];
}

void cvy_noise_set(float levels[CVY_NOISE_LEVELS], double deviation) {
  const double density = 2 / sqrt(2 * 3.14159265358979323846);
  double x = 0, squares = 0;
  for (int64_t i = 0; i < CVY_NOISE_LEVELS; i++) {
    const double share = ((double)i + 0.5) / CVY_NOISE_LEVELS; /* share of |noise| that is below x */
    /* Newton's steps from below stay below, for erf is concave there. */
    for (int step = 0; step < 12; step++) x -= (erf(x * sqrt(0.5)) - share) / (density * exp(-x * x / 2));
    levels[i] = (float)x;
    squares += x * x;
  }
  const double scale = deviation / sqrt(squares / CVY_NOISE_LEVELS);
  for (int64_t i = 0; i < CVY_NOISE_LEVELS; i++) levels[i] = (float)(scale * (double)levels[i]);
}

/* Half a random word gives the sign, then the level. */
static inline float noise_of(uint32_t bits, const float levels[CVY_NOISE_LEVELS]) {
  static const float sign[] = {1, -1};
  return sign[bits >> 15 & 1] * levels[bits % CVY_NOISE_LEVELS];
}

void cvy_colour_noise(float *px, int64_t count, const float levels[CVY_NOISE_LEVELS],
                      const cvy_random *random) {
  uint32_t words[4], block = random->unit;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    cvy_random_block(words, random, block++);
    for (int64_t k = 0; k < 4; k++) {
      px[i + 2 * k] += noise_of(words[k], levels);
      px[i + 2 * k + 1] += noise_of(words[k] >> 16, levels);
    }
  }
  if (i == count) return;
  cvy_random_block(words, random, block);
  for (int64_t k = 0; i < count; i++, k++) px[i] += noise_of(words[k / 2] >> 16 * (k % 2), levels);
}
