/* Times the matrix products of fully connected layers as Convoy runs them, and as one bare SGEMM each, in
 * turn. */
#include "math/gemm.h"

#include <stdlib.h>
#include <string.h>

typedef struct layer {
  const char *name;
  int64_t images, inputs, outputs;
} layer;

static const layer layers[] = {
    {"alexnet fc6", 64, 9216, 4096}, {"alexnet fc7", 64, 4096, 4096}, {"alexnet fc8", 64, 4096, 1000},
    {"vgg16 fc6", 8, 25088, 4096},   {"vgg16 fc7", 8, 4096, 4096},    {"vgg16 fc8", 8, 4096, 1000},
    {"resnet50 fc", 16, 2048, 1000}, {"lenet fc1", 64, 800, 500},
};

enum { ROUNDS = 7 };
static const double turn_s = 0.1;

typedef struct product {
  const char *name;
  float *c;
  int64_t c_stride;
  cvy_factor a, b;
  int64_t m, n, k;
} product;

static void run(const product *p, bool bare) {
  (bare ? cvy_gemm : cvy_gemm_parallel)(p->c, p->c_stride, p->a, p->b, p->m, p->n, p->k, 1, 0);
}

/* Returns the seconds of one product, repeated for turn_s. */
static double time_turn(const product *p, bool bare) {
  const double start_s = cvy_now_s();
  int64_t count = 0;
  double passed_s = 0;
  for (; passed_s < turn_s; passed_s = cvy_now_s() - start_s, count++) run(p, bare);
  return passed_s / (double)count;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const layer *l, const product *p) {
  double ratios[ROUNDS], own_s[ROUNDS];
  run(p, true), run(p, false);
  for (int i = 0; i < ROUNDS; i++) {
    const double first_s = time_turn(p, i % 2), second_s = time_turn(p, !(i % 2));
    own_s[i] = i % 2 ? second_s : first_s;
    ratios[i] = (i % 2 ? first_s : second_s) / own_s[i];
  }
  qsort(ratios, ROUNDS, sizeof *ratios, compare);
  qsort(own_s, ROUNDS, sizeof *own_s, compare);
  printf("%-12s %-8s %6" PRId64 "x%-6" PRId64 " depth %6" PRId64
         " %8.1f GFLOP/s  ratio %.3f (%.3f ... %.3f)\n",
         l->name, p->name, p->m, p->n, p->k,
         2e-9 * (double)p->m * (double)p->n * (double)p->k / own_s[ROUNDS / 2], ratios[ROUNDS / 2], ratios[0],
         ratios[ROUNDS - 1]);
}

static float *filled(int64_t count) {
  void *memory;
  if (cvy_buffer_create(&memory, sizeof(float) * (size_t)count, "a matrix"))
    cvy_fatal("%s", cvy_err_message());
  float *values = memory;
  for (int64_t i = 0; i < count; i++) values[i] = (float)(i * 7919 % 1009) * 1e-3f - 0.5f;
  return values;
}

/* Measures the three products of layer/fc.c. */
static void measure_layer(const layer *l) {
  const int64_t n = l->images, in = l->inputs, out = l->outputs;
  float *x = filled(n * in), *w = filled(in * out), *y = filled(n * out), *dw = filled(in * out);
  const product products[] = {
      {"forward", y, out, {x, in, false}, {w, out, false}, n, out, in},
      {"weights", dw, out, {x, in, true}, {y, out, false}, in, out, n},
      {"data", x, in, {y, out, false}, {w, out, true}, n, in, out},
  };
  for (int64_t i = 0; i < CVY_COUNT(products); i++) measure(l, &products[i]);
  cvy_buffer_destroy(x), cvy_buffer_destroy(w), cvy_buffer_destroy(y), cvy_buffer_destroy(dw);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    const bool help = strcmp(argv[1], "--help") == 0;
    fprintf(help ? stdout : stderr,
            "usage: fc_layers\nEach product of fully connected layers on one thread, and its speed "
            "by that of one bare SGEMM (above 1: faster).\n");
    return help ? 0 : 2;
  }
  cvy_threads_set(1);
  for (int64_t i = 0; i < CVY_COUNT(layers); i++) measure_layer(&layers[i]);
  return 0;
}
