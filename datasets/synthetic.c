/* Handwritten-like digits, drawn: Latin 0-9 and Persian ۰-۹, ten classes by value.
 *
 * A glyph is a list of strokes, a stroke the points the pen goes through (a Catmull-Rom spline, that is a
 * chain of cubic Beziers; Catmull & Rom 1974). A sample picks one of its digit's glyphs, jitters the points,
 * bends the sheet by a smooth random field (a cubic B-spline on a coarse lattice), turns, slants, scales and
 * shifts it, and draws it with a pen of random width, pressure, softness and ink over a noisy, uneven
 * background.
 *
 * Every sample is a function of (seed, index): counted random numbers, and no arithmetic but IEEE's exact + -
 * * / and square root (a library's sine may differ in the last bit from machine to machine). */
#include "datasets/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* x,y in percent of the letter's box, y down; ';' lifts the pen; a repeated point is a corner. Where people
 * write a digit in several ways, there are several glyphs. */
typedef struct glyph_text {
  int32_t digit;
  const char *strokes;
} glyph_text;

static const glyph_text latin[] = {
    {0, "52,0 24,16 15,50 24,84 50,100 76,84 85,50 76,16 50,0 36,6"},
    {0, "60,4 30,20 18,60 40,98 68,88 82,46 66,8 44,4"},
    {1, "50,0 50,50 49,100"},
    {1, "28,24 52,0 52,0 52,50 51,100"},
    {1, "28,22 52,0 52,0 52,50 52,100; 26,100 78,99"},
    {2, "18,25 30,5 55,0 78,14 76,38 50,66 15,99 15,99 50,98 86,97"},
    {2, "20,20 42,1 70,6 78,28 60,58 28,90 15,92 22,78 42,86 62,98 88,90"},
    {3, "20,12 45,0 74,12 68,36 40,47 40,47 74,56 82,80 52,100 16,88"},
    {3, "20,2 78,2 78,2 45,42 45,42 74,54 78,84 50,100 16,90"},
    {4, "36,0 26,30 14,60 14,60 50,60 92,58; 66,28 64,64 62,100"},
    {4, "66,100 66,50 66,0 66,0 14,66 14,66 50,67 92,66"},
    {4, "66,0 40,36 12,68 12,68 50,68 92,66; 68,36 66,70 64,100"},
    {5, "78,0 30,2 30,2 24,44 24,44 54,36 82,58 72,90 42,100 14,88"},
    {5, "30,2 24,46 24,46 58,38 82,62 70,92 40,100 12,86; 30,2 54,2 82,0"},
    {6, "70,2 36,24 16,64 28,94 58,99 78,78 64,56 38,58 20,76"},
    {6, "58,0 28,38 20,76 44,100 74,88 74,62 50,52 24,70"},
    {7, "14,4 50,4 84,2 84,2 58,48 42,100"},
    {7, "15,5 50,5 84,3 84,3 58,52 44,100; 32,50 54,50 78,48"},
    {7, "16,20 17,3 17,3 84,2 84,2 56,50 45,100"},
    {8, "74,14 48,0 25,18 40,42 70,62 75,88 48,100 22,86 30,62 60,40 76,18 60,3"},
    {8, "50,46 26,28 34,4 66,4 74,28 50,46 22,68 26,96 56,100 80,86 74,62 50,46"},
    {9, "76,22 54,2 26,12 22,36 44,50 70,38 77,14 77,14 74,56 66,100"},
    {9, "76,24 50,1 24,22 40,48 70,36 76,20 76,20 74,74 50,99 20,90"},
};

static const glyph_text persian[] = {
    {0, "50,38 37,50 50,63 63,50 52,38 44,41"},
    {0, "50,35 65,50 65,50 50,65 50,65 35,50 35,50 50,35"},
    {0, "47,47 54,50 48,54 46,49 53,53"},
    {1, "48,0 50,50 54,100"},
    {1, "38,0 46,44 60,100"},
    {2, "80,0 74,24 48,32 26,6 26,6 32,50 40,100"},
    {2, "84,2 60,24 36,24 20,2 20,2 34,50 48,100"},
    {3, "96,0 92,28 68,30 60,6 60,6 54,32 34,32 16,4 16,4 26,50 36,100"},
    {3, "94,0 94,30 68,34 58,8 58,8 52,34 36,34 12,8 12,8 28,50 50,100"},
    {4, "16,10 34,40 46,100; 86,0 54,10 38,38 38,38 62,40 90,38"},
    {4, "24,8 34,36 40,100; 80,2 60,4 52,22 36,38 36,38 86,36"},
    {4, "72,0 42,4 38,26 62,36 62,36 26,58 22,88 52,98 88,93"},
    {5, "50,2 24,40 12,74 26,94 46,84 50,66 50,66 56,86 76,94 88,72 74,38 50,2"},
    {5, "40,0 58,18 84,56 82,90 58,92 49,72 49,72 42,92 20,92 10,68 28,34 56,12"},
    {5, "52,4 28,36 14,76 34,98 50,86 66,98 88,78 78,42 52,4"},
    {6, "24,4 12,26 28,46 56,38 86,2 86,2 60,50 34,100"},
    {6, "36,2 16,14 16,38 42,44 86,14 86,14 58,56 38,100"},
    {6, "22,6 16,34 40,46 68,30 80,0 80,0 66,50 58,100"},
    {7, "15,0 34,52 48,100 48,100 62,54 86,0"},
    {7, "14,4 34,62 48,96 64,62 88,2"},
    {8, "14,100 36,50 50,0 50,0 66,46 86,100"},
    {8, "14,98 34,50 46,10 54,4 66,40 88,100"},
    {9, "74,26 54,3 30,12 28,38 52,46 74,26 74,26 76,60 78,100"},
    {9, "72,22 46,4 24,22 40,44 70,36 72,22 72,22 80,62 92,100"},
};

enum { MAX_POINTS = 20, MAX_STROKES = 3, STEPS = 6, LATTICE = 6, CLASSES = 10 };

typedef struct point {
  double x, y;
} point;

typedef struct glyph {
  int64_t stroke_count, point_count[MAX_STROKES];
  point points[MAX_STROKES][MAX_POINTS];
} glyph;

/* One digit of one script: its glyphs. */
typedef struct style_set {
  int64_t count;
  glyph glyphs[4];
} style_set;

typedef struct config {
  int64_t count;
} config;

typedef struct state {
  uint64_t seed;
  int64_t h, w;
  style_set sets[2][CLASSES];
  double *ink; /* h*w: how much of each pixel the pen covers */
  cvy_image image;
  char name[32];
} state;

/* ---- the glyphs ---- */

static glyph parse_glyph(const char *text) {
  glyph out = {.stroke_count = 1};
  while (*text) {
    char *end;
    const double x = (double)strtol(text, &end, 10), y = (double)strtol(end + 1, &end, 10);
    int64_t *count = &out.point_count[out.stroke_count - 1];
    CVY_CHECK(*count < MAX_POINTS);
    out.points[out.stroke_count - 1][(*count)++] = (point){x / 100 - 0.5, y / 100 - 0.5};
    text = end;
    if (*text == ';') {
      CVY_CHECK(++out.stroke_count <= MAX_STROKES);
      text++;
    }
    while (*text == ' ') text++;
  }
  return out;
}

static void parse_script(style_set sets[CLASSES], const glyph_text *texts, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    style_set *set = &sets[texts[i].digit];
    CVY_CHECK(set->count < CVY_COUNT(set->glyphs));
    set->glyphs[set->count++] = parse_glyph(texts[i].strokes);
  }
}

/* ---- the hand ---- */

/* Where the points of a stroke land on the image, and with which pen. */
typedef struct handwriting {
  double xx, xy, yx, yy, x0, y0; /* image = matrix * letter + shift */
  point field[LATTICE][LATTICE]; /* the bent sheet, in letter heights */
  double radius, pressure; /* pen's radius, pixels; its relative change from a stroke's start to its end */
  double softness;         /* pixels over which the edge of a stroke fades */
} handwriting;

static double uniform(cvy_random *random, double low, double high) {
  return cvy_random_next_uniform(random, low, high);
}

/* Draws from -limit ... limit, the middle more often. */
static double centred(cvy_random *random, double limit) {
  return limit * (uniform(random, -0.5, 0.5) + uniform(random, -0.5, 0.5));
}

static handwriting draw_hand(cvy_random *random, int64_t h, int64_t w) {
  const double unit = (double)(h < w ? h : w) / 32;
  const double height = unit * uniform(random, 17, 23), width = height * uniform(random, 0.55, 1.0);
  const double half_turn = centred(random, 0.14), slant = centred(random, 0.27);
  /* These are cosine and sine, as rational functions of the half angle's tangent. */
  const double norm = 1 + half_turn * half_turn;
  const double cosine = (1 - half_turn * half_turn) / norm, sine = 2 * half_turn / norm;
  handwriting out = {.xx = cosine * width,
                     .xy = (cosine * slant - sine) * height,
                     .yx = sine * width,
                     .yy = (sine * slant + cosine) * height};
  out.x0 = (double)w / 2 + unit * centred(random, 3);
  out.y0 = (double)h / 2 + unit * centred(random, 3);
  for (int i = 0; i < LATTICE; i++)
    for (int j = 0; j < LATTICE; j++) out.field[i][j] = (point){centred(random, 0.2), centred(random, 0.2)};
  out.radius = unit * uniform(random, 0.8, 1.6);
  out.pressure = centred(random, 0.5);
  out.softness = unit * uniform(random, 0.8, 1.4);
  return out;
}

static void spline_basis(double out[4], double t) {
  const double s = 1 - t;
  out[0] = s * s * s / 6;
  out[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
  out[2] = (3 * s * s * s - 6 * s * s + 4) / 6;
  out[3] = t * t * t / 6;
}

/* The lattice's inner cells cover the letter's box and a third of it around. */
static int lattice_cell(double *t, double position) {
  const double cells = LATTICE - 3;
  double along = (position + 0.8) / 1.6 * cells;
  along = along < 0 ? 0 : along > cells ? cells : along;
  const int cell = along >= cells ? LATTICE - 4 : (int)along;
  *t = along - cell;
  return cell;
}

static point place(const handwriting *hand, point p) {
  double u[4], v[4], tx, ty;
  const int column = lattice_cell(&tx, p.x), row = lattice_cell(&ty, p.y);
  spline_basis(u, tx);
  spline_basis(v, ty);
  point bent = p;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) {
      bent.x += v[i] * u[j] * hand->field[row + i][column + j].x;
      bent.y += v[i] * u[j] * hand->field[row + i][column + j].y;
    }
  return (point){hand->xx * bent.x + hand->xy * bent.y + hand->x0,
                 hand->yx * bent.x + hand->yy * bent.y + hand->y0};
}

/* ---- the pen ---- */

static double clamp(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

/* Draws a line from a to b, whose radius goes from ra to rb, into the pixels that it touches. */
static void draw_line(state *s, point a, point b, double ra, double rb, double softness) {
  const double reach = (ra > rb ? ra : rb) + softness;
  const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  const int64_t top = (int64_t)clamp((a.y < b.y ? a.y : b.y) - reach, 0, (double)s->h);
  const int64_t left = (int64_t)clamp((a.x < b.x ? a.x : b.x) - reach, 0, (double)s->w);
  const int64_t bottom = (int64_t)clamp((a.y > b.y ? a.y : b.y) + reach + 1, 0, (double)s->h);
  const int64_t right = (int64_t)clamp((a.x > b.x ? a.x : b.x) + reach + 1, 0, (double)s->w);
  for (int64_t y = top; y < bottom; y++)
    for (int64_t x = left; x < right; x++) {
      const double px = (double)x + 0.5 - a.x, py = (double)y + 0.5 - a.y;
      const double t = length2 > 0 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
      const double ex = px - t * dx, ey = py - t * dy;
      const double inside = ra + t * (rb - ra) - sqrt(ex * ex + ey * ey);
      const double cover = clamp(inside / softness + 0.5, 0, 1);
      double *ink = &s->ink[y * s->w + x];
      if (cover > *ink) *ink = cover;
    }
}

static double catmull_rom(double a, double b, double c, double d, double t) {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

static void draw_stroke(state *s, const point *p, int64_t count, const handwriting *hand) {
  const double segments = (double)((count - 1) * STEPS);
  point from = place(hand, p[0]);
  double radius = hand->radius * (1 - hand->pressure);
  for (int64_t i = 1; i <= (count - 1) * STEPS; i++) {
    const int64_t k = (i - 1) / STEPS;
    const double t = (double)(i - k * STEPS) / STEPS;
    const point *b = &p[k], *c = &p[k + 1], *a = k > 0 ? b - 1 : b, *d = k + 2 < count ? c + 1 : c;
    const point to = place(
        hand, (point){catmull_rom(a->x, b->x, c->x, d->x, t), catmull_rom(a->y, b->y, c->y, d->y, t)});
    const double next_radius = hand->radius * (1 + hand->pressure * (2 * (double)i / segments - 1));
    draw_line(s, from, to, radius, next_radius, hand->softness);
    from = to;
    radius = next_radius;
  }
}

/* Corners are repeated points and must stay so; a stroke's ends are the least certain. */
static void jitter(point *out, const point *in, int64_t count, cvy_random *random) {
  for (int64_t i = 0; i < count; i++) {
    const bool corner = i > 0 && in[i].x == in[i - 1].x && in[i].y == in[i - 1].y;
    const double limit = i == 0 || i == count - 1 ? 0.07 : 0.045;
    out[i] = corner ? out[i - 1]
                    : (point){in[i].x + centred(random, limit), in[i].y + centred(random, limit)};
  }
}

static void draw_glyph(state *s, const glyph *shape, cvy_random *random) {
  const handwriting hand = draw_hand(random, s->h, s->w);
  memset(s->ink, 0, sizeof *s->ink * (size_t)(s->h * s->w));
  for (int64_t i = 0; i < shape->stroke_count; i++) {
    point points[MAX_POINTS];
    jitter(points, shape->points[i], shape->point_count[i], random);
    draw_stroke(s, points, shape->point_count[i], &hand);
  }
}

/* ---- the sheet ---- */

/* Makes the picture: paper of an uneven tone, grain on everything, ink on top. */
static void expose(state *s, cvy_random random) {
  const double paper = uniform(&random, 0, 40), noise = uniform(&random, 4, 30);
  const double tilt_x = centred(&random, 40), tilt_y = centred(&random, 40);
  const double ink = uniform(&random, 160, 255);
  random.layer = 1;
  for (int64_t i = 0; i < s->h * s->w; i++) {
    uint32_t words[4];
    if (i % 4 == 0) cvy_random_block(words, &random, (uint32_t)(i / 4));
    const double x = (double)(i % s->w) / (double)s->w - 0.5, y = (double)(i / s->w) / (double)s->h - 0.5;
    const double grain = noise * ((double)(words[i % 4] >> 16) / 65536 - 0.5);
    const double ground = paper + tilt_x * x + tilt_y * y;
    s->image.px[i] = (uint8_t)clamp(ground + s->ink[i] * (ink - ground) + grain + 0.5, 0, 255);
  }
}

/* ---- the reader ---- */

static const char *const class_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static void close_synthetic(cvy_source *source) {
  state *s = source->state;
  free(s->ink);
  cvy_image_free(&s->image);
  free(s);
}

static cvy_err open_synthetic(cvy_source *out, const void *config_, const char *const *inputs,
                              int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  *out = (cvy_source){0};
  if (input_count > 0)
    return cvy_error(CVY_E_USAGE, "synthetic takes no input, not '%s': its digits are drawn", inputs[0]);
  if (h < 8 || w < 8)
    return cvy_error(CVY_E_USAGE, "synthetic digits need at least 8x8 pixels, not %" PRId64 "x%" PRId64, w,
                     h);
  state *s = cvy_new(sizeof *s);
  s->seed = seed;
  s->h = h;
  s->w = w;
  s->ink = cvy_new(sizeof *s->ink * (size_t)(h * w));
  parse_script(s->sets[0], latin, CVY_COUNT(latin));
  parse_script(s->sets[1], persian, CVY_COUNT(persian));
  *out = (cvy_source){.state = s,
                      .count = c->count,
                      .class_count = CLASSES,
                      .class_names = class_names,
                      .h = h,
                      .w = w,
                      .c = 1};
  return CVY_OK;
}

static cvy_err read_synthetic(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  const int32_t digit = (int32_t)(index % CLASSES); /* so that the classes are balanced */
  cvy_random random = {.seed = s->seed, .purpose = CVY_FOR_SYNTHETIC, .sample = (uint32_t)index};
  const style_set *set = &s->sets[cvy_random_next_below(&random, 2)][digit];
  draw_glyph(s, &set->glyphs[cvy_random_next_below(&random, set->count)], &random);
  cvy_image_resize_buffer(&s->image, s->h, s->w, 1);
  expose(s, random);
  snprintf(s->name, sizeof s->name, "digit %" PRId64, index);
  *out = (cvy_record){.label = digit, .name = s->name, .image = s->image};
  return CVY_OK;
}

static const cvy_option options[] = {
    {"count", CVY_INT, offsetof(config, count), "20000", 10, 1e9, .help = "digits to draw"},
    {0},
};

const cvy_reader cvy_reader_synthetic = {
    .kind = &(const cvy_kind){"synthetic",
                              "handwritten-like Latin and Persian digits, drawn by the seed; needs no files",
                              options, sizeof(config)},
    .default_h = 32,
    .default_w = 32,
    .open = open_synthetic,
    .read = read_synthetic,
    .close = close_synthetic,
};
