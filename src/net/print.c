/* The summary: a line a layer and the totals, for people and as JSON. */
#include "base/fit.h"
#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "net/node.h"

#include <string.h>

/* ---- texts of a cell ---- */

enum { CELL = 4096 }; /* the note may hold CVY_MAX_INPUTS long names */

static void shape_text(char *out, cvy_shape s) {
  if (s.h == 1 && s.w == 1)
    snprintf(out, CELL, "%" PRId64, s.c);
  else
    snprintf(out, CELL, "%" PRId64 "x%" PRId64 "x%" PRId64, s.h, s.w, s.c);
}

/* Writes "3x1", and in short "3" for "3x3". */
static void pair_text(char *out, const int64_t pair[2], bool in_short) {
  if (in_short && pair[0] == pair[1])
    snprintf(out, CELL, "%" PRId64, pair[0]);
  else
    snprintf(out, CELL, "%" PRId64 "x%" PRId64, pair[0], pair[1]);
}

static void padding_text(char *out, const int64_t padding[2]) {
  const int64_t none[2] = {0, 0};
  if (padding[0] == CVY_PADDING_SAME)
    snprintf(out, CELL, "same");
  else
    pair_text(out, padding[0] == CVY_PADDING_VALID ? none : padding, true);
}

/* Writes 1234567 as "1,234,567". */
static void grouped(char *out, int64_t value) {
  char digits[32];
  const int length = snprintf(digits, sizeof digits, "%" PRId64, value);
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) *out++ = ',';
    *out++ = digits[i];
  }
  *out = '\0';
}

/* Writes the inputs only where they are not the layer before: "<- a, b". */
static void note_text(char *out, const cvy_net_info *info, int64_t index) {
  const cvy_net_layer *l = &info->layers[index];
  const char *const words[] = {l->algorithm, l->detail, l->only_in_training ? "auxiliary" : "",
                               l->frozen ? "frozen" : ""};
  cvy_text note = cvy_text_in(out, CELL);
  for (int i = 0; i < CVY_COUNT(words); i++)
    if (words[i][0]) cvy_text_add(&note, "%s%s", note.length ? ", " : "", words[i]);
  if (l->input_count == 1 && l->inputs[0] == index - 1) return;
  cvy_text_add(&note, note.length ? "  <- " : "<- ");
  for (int64_t k = 0; k < l->input_count; k++)
    cvy_text_add(&note, "%s%s", k ? ", " : "",
                 l->inputs[k] == CVY_NET_INPUT ? "input" : info->layers[l->inputs[k]].name);
}

/* ---- the table ---- */

enum { LAYER, TYPE, KERNEL, STRIDE, PAD, OUTPUT, ACTIVATION, PARAMETERS, MULTIPLY_ADDS, NOTE, COLUMNS };

static const char *const headings[COLUMNS] = {"layer",  "type",       "kernel",     "stride",        "pad",
                                              "output", "activation", "parameters", "multiply-adds", ""};

typedef char row[COLUMNS][CELL];

static void fill_row(row cells, const cvy_net_info *info, int64_t index) {
  const cvy_net_layer *l = &info->layers[index];
  memset(cells, 0, sizeof(row));
  snprintf(cells[LAYER], CELL, "%s", l->name);
  snprintf(cells[TYPE], CELL, "%s", l->type);
  if (l->sliding.kernel[0] > 0) {
    pair_text(cells[KERNEL], l->sliding.kernel, false);
    pair_text(cells[STRIDE], l->sliding.stride, true);
    padding_text(cells[PAD], l->sliding.padding);
  }
  shape_text(cells[OUTPUT], l->y);
  grouped(cells[ACTIVATION], cvy_shape_per_image(l->y));
  if (l->param_count) grouped(cells[PARAMETERS], l->param_count);
  if (l->multiply_adds) grouped(cells[MULTIPLY_ADDS], l->multiply_adds);
  note_text(cells[NOTE], info, index);
}

static void print_row(FILE *out, row cells, const int widths[COLUMNS]) {
  int last = NOTE;
  while (last > 0 && !cells[last][0]) last--;
  for (int i = 0; i <= last; i++) {
    const int room = widths[i] - (int)cvy_utf8_columns(cells[i]);
    const bool is_number = i >= ACTIVATION && i < NOTE;
    fprintf(out, "%*s%s", is_number ? room : 0, "", cells[i]);
    if (i < last) fprintf(out, "%*s  ", is_number ? 0 : room, "");
  }
  fputc('\n', out);
}

static int longest(const char *a, int width) {
  const int length = (int)cvy_utf8_columns(a);
  return length > width ? length : width;
}

static void print_table(FILE *out, const cvy_net_info *info) {
  row cells = {{0}};
  int widths[COLUMNS] = {0};
  for (int c = 0; c < COLUMNS; c++) widths[c] = longest(headings[c], 0);
  for (int64_t i = 0; i < info->layer_count; i++) {
    fill_row(cells, info, i);
    for (int c = 0; c < COLUMNS; c++) widths[c] = longest(cells[c], widths[c]);
  }
  for (int c = 0; c < COLUMNS; c++) snprintf(cells[c], CELL, "%s", headings[c]);
  print_row(out, cells, widths);
  memset(cells, 0, sizeof cells);
  snprintf(cells[LAYER], CELL, "input");
  shape_text(cells[OUTPUT], info->input);
  grouped(cells[ACTIVATION], cvy_shape_per_image(info->input));
  print_row(out, cells, widths);
  for (int64_t i = 0; i < info->layer_count; i++) {
    fill_row(cells, info, i);
    print_row(out, cells, widths);
  }
}

/* ---- the totals ---- */

typedef struct size_text {
  char text[32];
} size_text;

/* Returns a text such as "36.5 kB" or "731.6 MB". */
static size_text in_bytes(double bytes) {
  size_text size;
  const bool small = bytes < 99950; /* 0.1 MB, rounded */
  snprintf(size.text, sizeof size.text, "%.1f %s", bytes * (small ? 1e-3 : 1e-6), small ? "kB" : "MB");
  return size;
}

/* Counts the numbers of the image and of all layers that do not work in place. */
static int64_t values_of_layers(const cvy_net_info *info) {
  int64_t sum = cvy_shape_per_image(info->input);
  for (int64_t i = 0; i < info->layer_count; i++)
    if (!info->layers[i].in_place) sum += cvy_shape_per_image(info->layers[i].y);
  return sum;
}

static void print_totals(FILE *out, const cvy_net *net) {
  const cvy_net_info *info = &net->info;
  char params[32], frozen[32], averages[32], multiply_adds[32], values[32];
  const double images = (double)info->input.n, arena = (double)sizeof(float) * (double)info->arena_count;
  const double replicated = (double)sizeof(float) * (double)info->replicated_count,
               sharded = (double)sizeof(float) * (double)info->sharded_count;
  const double ranks = net->wishes.peers ? (double)net->wishes.peers->count : 1;
  const double forward = (double)info->forward_bytes, training = (double)info->activation_bytes;
  grouped(params, info->param_count);
  grouped(frozen, info->frozen_count);
  grouped(averages, info->average_count);
  grouped(multiply_adds, info->multiply_adds);
  grouped(values, values_of_layers(info));
  fprintf(out, "total: %s parameters, %s multiply-adds an image\n", params, multiply_adds);
  if (info->frozen_count) fprintf(out, "frozen: %s of the parameters\n", frozen);
  if (info->average_count) fprintf(out, "running averages: %s, which are not learnt by gradient\n", averages);
  fprintf(out, "activations forward: %s values, %s an image (layers in place share theirs)\n", values,
          in_bytes((double)sizeof(float) * (double)values_of_layers(info)).text);
  fprintf(out, "memory for microbatches of %" PRId64 "\n", info->input.n);
  fprintf(out, "  evaluation: parameters %s, activations %s (%s an image)\n", in_bytes(arena).text,
          in_bytes(forward).text, in_bytes(forward / images).text);
  fprintf(out,
          "  training: parameters, gradients and momentum %s, and %s for each level of the summation tree\n"
          "    within a rank; activations and their gradients %s (%s an image; %s if nothing were shared)\n",
          in_bytes(arena + 2 * replicated + sharded / ranks).text, in_bytes(replicated).text,
          in_bytes(training).text, in_bytes(training / images).text,
          in_bytes((double)info->activation_bytes_unshared).text);
  if (info->sharded_count)
    fprintf(out,
            "    %s of the parameters are split over %.0f ranks: each has its part of their momentum, and no "
            "gradients,\n    but keeps %s of a step's activations\n",
            in_bytes(sharded).text, ranks, in_bytes((double)info->kept_bytes).text);
  fprintf(out, "  scratch: %s\n", in_bytes((double)info->scratch_bytes).text);
  if (info->prepared_bytes)
    fprintf(out, "  transformed filters, where several microbatches in a row use the same: %s\n",
            in_bytes((double)info->prepared_bytes).text);
}

void cvy_net_print(FILE *out, const cvy_net *net) {
  cvy_fitted fitted;
  fprintf(cvy_fit_begin(&fitted, out), "%s: sizes of one image, HxWxC\n", net->info.name);
  cvy_fit_lines(&fitted);
  print_table(cvy_fit_begin(&fitted, out), &net->info);
  cvy_fit_table(&fitted);
  print_totals(cvy_fit_begin(&fitted, out), net);
  cvy_fit_lines(&fitted);
}

/* ---- JSON ---- */

static void json_ints(cvy_json *json, const char *key, const int64_t *values, int64_t count) {
  cvy_json_open(json, key, '[');
  for (int64_t i = 0; i < count; i++) cvy_json_int(json, NULL, values[i]);
  cvy_json_close(json, ']');
}

static void json_shape(cvy_json *json, const char *key, cvy_shape s) {
  json_ints(json, key, (const int64_t[]){s.h, s.w, s.c}, 3);
}

/* Prints a window. Every layer has the same keys, which are null where there is none. */
static void json_window(cvy_json *json, const cvy_sliding *s) {
  const int64_t none[2] = {0, 0};
  if (s->kernel[0] == 0) {
    cvy_json_null(json, "kernel");
    cvy_json_null(json, "stride");
    cvy_json_null(json, "padding");
    return;
  }
  json_ints(json, "kernel", s->kernel, 2);
  json_ints(json, "stride", s->stride, 2);
  if (s->padding[0] == CVY_PADDING_SAME)
    cvy_json_text(json, "padding", "same");
  else
    json_ints(json, "padding", s->padding[0] == CVY_PADDING_VALID ? none : s->padding, 2);
}

static void json_layer(cvy_json *json, const cvy_net_info *info, const cvy_net_layer *l) {
  cvy_json_open(json, NULL, '{');
  cvy_json_text(json, "name", l->name);
  cvy_json_text(json, "type", l->type);
  cvy_json_open(json, "inputs", '[');
  for (int64_t k = 0; k < l->input_count; k++)
    cvy_json_text(json, NULL, l->inputs[k] == CVY_NET_INPUT ? "input" : info->layers[l->inputs[k]].name);
  cvy_json_close(json, ']');
  json_window(json, &l->sliding);
  if (l->algorithm[0]) cvy_json_text(json, "algorithm", l->algorithm);
  if (l->detail[0]) cvy_json_text(json, "detail", l->detail);
  if (l->only_in_training) cvy_json_int(json, "auxiliary", 1);
  if (l->frozen) cvy_json_int(json, "frozen", 1);
  json_shape(json, "output", l->y);
  cvy_json_int(json, "activation", cvy_shape_per_image(l->y));
  cvy_json_int(json, "parameters", l->param_count);
  cvy_json_int(json, "multiply_adds", l->multiply_adds);
  cvy_json_close(json, '}');
}

void cvy_net_print_json(FILE *out, const cvy_net *net) {
  const cvy_net_info *info = &net->info;
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "name", info->name);
  cvy_json_int(&json, "microbatch", info->input.n);
  cvy_json_int(&json, "classes", info->class_count);
  json_shape(&json, "input", info->input);
  cvy_json_open(&json, "layers", '[');
  for (int64_t i = 0; i < info->layer_count; i++) json_layer(&json, info, &info->layers[i]);
  cvy_json_close(&json, ']');
  cvy_json_int(&json, "parameters", info->param_count);
  if (info->frozen_count) cvy_json_int(&json, "frozen", info->frozen_count);
  cvy_json_int(&json, "averages", info->average_count);
  cvy_json_int(&json, "multiply_adds", info->multiply_adds);
  cvy_json_int(&json, "values", values_of_layers(info));
  cvy_json_int(&json, "parameter_bytes", (int64_t)sizeof(float) * info->arena_count);
  cvy_json_int(&json, "sharded", info->sharded_count);
  cvy_json_int(&json, "kept_bytes", (int64_t)info->kept_bytes);
  cvy_json_int(&json, "evaluation_bytes", (int64_t)info->forward_bytes);
  cvy_json_int(&json, "activation_bytes", (int64_t)info->activation_bytes);
  cvy_json_int(&json, "activation_bytes_unshared", (int64_t)info->activation_bytes_unshared);
  cvy_json_int(&json, "prepared_bytes", (int64_t)info->prepared_bytes);
  cvy_json_int(&json, "scratch_bytes", (int64_t)info->scratch_bytes);
  cvy_json_close(&json, '}');
  fputc('\n', out);
}
