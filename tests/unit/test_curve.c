/* Tests pictures of curves: the file is well-formed, the numbers at the axes are round, and every value lies
 * within the frame, where it should. */
#include "scratch.h"
#include "suite.h"

#include "report/curve.h"

#include <ctype.h>
#include <math.h>

enum { MOST_TICKS = 16 };

/* What a picture shows, read back from its file. */
typedef struct picture {
  int64_t point_count;
  double left, right, top, bottom; /* of the grid */
  double first_x, last_x, highest_y, lowest_y;
  int64_t up_count, across_count;
  double up[MOST_TICKS], across[MOST_TICKS];
} picture;

/* Tells whether all tags are closed in order and all quotes too, and whether the text between has neither '>'
 * nor '&'. */
static bool is_well_formed(const char *text) {
  const char *open[8];
  int depth = 0;
  for (const char *p = text; *p;) {
    if (*p != '<') {
      if (strchr(">&", *p)) return false;
      p++;
      continue;
    }
    const char *name = p + 1 + (p[1] == '/'), *end = name;
    while (isalpha((unsigned char)*end)) end++;
    const char *close = end;
    for (bool is_quoted = false; *close && (is_quoted || *close != '>'); close++) {
      if (*close == '"') is_quoted = !is_quoted;
      if (strchr("<&", *close)) return false;
    }
    if (!*close || end == name) return false;
    if (p[1] == '/') {
      if (depth == 0 || strncmp(open[--depth], name, (size_t)(end - name)) != 0) return false;
    } else if (close[-1] != '/') {
      if (depth == CVY_COUNT(open)) return false;
      open[depth++] = name;
    }
    p = close + 1;
  }
  return depth == 0;
}

static void read_ticks(picture *out, const char *text) {
  double x, y, to;
  for (const char *p = text; (p = strstr(p, "<path class=\"grid\""));) {
    const char *d = strstr(p, "d=\"") + 3, *number = strchr(strstr(p, "<text"), '>') + 1;
    if (sscanf(d, "M%lf %lfH%lf", &x, &y, &to) == 3) {
      CU_ASSERT_FATAL(out->up_count < MOST_TICKS);
      if (out->up_count == 0) out->bottom = y;
      out->top = y;
      out->left = x;
      out->right = to;
      out->up[out->up_count++] = strtod(number, NULL);
    } else {
      CU_ASSERT_FATAL(sscanf(d, "M%lf %lfV%lf", &x, &y, &to) == 3 && out->across_count < MOST_TICKS);
      out->across[out->across_count++] = strtod(number, NULL);
    }
    p = number;
  }
}

static void read_line(picture *out, const char *text) {
  const char *p = strstr(text, "<path class=\"line\" d=\"");
  CU_ASSERT_PTR_NOT_NULL_FATAL(p);
  int taken;
  double x, y;
  out->highest_y = INFINITY;
  for (p = strstr(p, "d=\"") + 3; sscanf(p, "%*c%lf %lf%n", &x, &y, &taken) == 2; p += taken) {
    if (out->point_count++ == 0) out->first_x = x;
    CU_ASSERT(x >= out->last_x);
    out->last_x = x;
    out->highest_y = fmin(out->highest_y, y);
    out->lowest_y = fmax(out->lowest_y, y);
  }
  CU_ASSERT_EQUAL(*p, '"');
}

/* Checks that ticks go from 0 in equal steps of 1, 2 or 5 times a power of ten. */
static void check_round(const double *ticks, int64_t count) {
  CU_ASSERT_FATAL(count >= 2 && count <= 8);
  const double power = pow(10, floor(log10(ticks[1]) + 1e-9)), digit = ticks[1] / power;
  CU_ASSERT(fabs(digit - 1) < 1e-6 || fabs(digit - 2) < 1e-6 || fabs(digit - 5) < 1e-6);
  for (int64_t i = 0; i < count; i++)
    CU_ASSERT_DOUBLE_EQUAL(ticks[i], (double)i * ticks[1], 1e-5 * ticks[1] * (double)count);
}

/* Draws a curve and checks what holds for all of them: `lowest` and `highest` are its values. */
static picture draw(const double *values, int64_t count, double end, double lowest, double highest) {
  char path[300];
  picture out = {0};
  size_t bytes;
  const cvy_curve curve = {"a title", "epochs", "rate", values, count, end, NULL, 0};
  snprintf(path, sizeof path, "%s/curve.svg", scratch_folder());
  CU_ASSERT_EQUAL_FATAL(cvy_curve_write(&curve, path), CVY_OK);
  char *text = scratch_read(path, &bytes);
  text[bytes] = '\0';
  CU_ASSERT(is_well_formed(text));
  CU_ASSERT_PTR_NULL(strstr(text, "nan"));
  CU_ASSERT_PTR_NULL(strstr(text, "inf"));
  read_ticks(&out, text);
  read_line(&out, text);
  free(text);
  check_round(out.up, out.up_count);
  check_round(out.across, out.across_count);
  CU_ASSERT(out.across[out.across_count - 1] <= end);
  CU_ASSERT(out.up[out.up_count - 1] >= highest * (1 - 1e-5));
  CU_ASSERT_DOUBLE_EQUAL(out.first_x, out.left, 0.1);
  CU_ASSERT_DOUBLE_EQUAL(out.last_x, out.right, 0.1);
  const double scale = (out.bottom - out.top) / out.up[out.up_count - 1];
  CU_ASSERT(out.highest_y >= out.top && out.lowest_y <= out.bottom);
  CU_ASSERT_DOUBLE_EQUAL(out.highest_y, out.bottom - scale * highest, 0.11);
  CU_ASSERT_DOUBLE_EQUAL(out.lowest_y, out.bottom - scale * lowest, 0.11);
  return out;
}

static void one_value(void) {
  const double value = 0.03;
  CU_ASSERT_EQUAL(draw(&value, 1, 1, value, value).point_count, 2);
}

static void zeros(void) {
  const double values[3] = {0};
  const picture p = draw(values, 3, 3, 0, 0);
  CU_ASSERT_DOUBLE_EQUAL(p.up[p.up_count - 1], 1, 1e-9);
}

static void many_values(void) {
  enum { COUNT = 1000000 };
  double *values = malloc(sizeof *values * COUNT);
  for (int64_t i = 0; i < COUNT; i++) values[i] = 0.1 * (double)(COUNT - i) / COUNT;
  values[COUNT / 3] = 0.7; /* a single value is seen, the lowest too */
  values[COUNT / 2] = 0;
  const picture p = draw(values, COUNT, 90, 0, 0.7);
  CU_ASSERT(p.point_count <= 2000);
  free(values);
}

static void scales(void) {
  for (double size = 1e-12; size < 1e7; size *= 2.3) {
    const double values[4] = {size, size / 2, size / 3, 0};
    draw(values, 4, ceil(1 + size), 0, size);
  }
  for (int64_t seventh = 1; seventh <= 35; seventh++) { /* where a number is almost a whole number of steps */
    const double value = (double)seventh * 0.001;
    draw(&value, 1, (double)seventh, value, value);
  }
}

static void marks_have_their_words(void) {
  const double value = 1;
  const cvy_curve_mark marks[] = {{1, "conv<5 learns"}, {3, "conv* learns"}};
  const cvy_curve curve = {"a title", "epochs", "rate", &value, 1, 4, marks, 2};
  char path[300];
  snprintf(path, sizeof path, "%s/marks.svg", scratch_folder());
  CU_ASSERT_EQUAL_FATAL(cvy_curve_write(&curve, path), CVY_OK);
  char *text = NULL;
  size_t bytes = 0;
  FILE *file = fopen(path, "r");
  CU_ASSERT_FATAL(getdelim(&text, &bytes, '\0', file) > 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "conv&lt;5 learns</text>"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "text-anchor=\"end\">conv* learns</text>"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "class=\"mark\" d=\"M247.0 44V304\""));
  fclose(file);
  free(text);
}

static void names(void) {
  const double value = 1;
  const cvy_curve curve = {"a title", "epochs", "rate", &value, 1, 1, NULL, 0};
  CU_ASSERT_EQUAL(cvy_curve_write(&curve, "curve.png"), CVY_E_USAGE);
  CU_ASSERT(says("curve.png: the picture is SVG; expected a name that ends in .svg"));
  CU_ASSERT_EQUAL(cvy_curve_check("RATES.SVG"), CVY_OK);
  CU_ASSERT_EQUAL(cvy_curve_check("a.svg/curve"), CVY_E_USAGE);
  CU_ASSERT_EQUAL(cvy_curve_write(&curve, "no-such-folder/curve.svg"), CVY_E_SYSTEM);
}

SUITE("curve", TEST(one_value), TEST(zeros), TEST(many_values), TEST(scales), TEST(names),
      TEST(marks_have_their_words))
