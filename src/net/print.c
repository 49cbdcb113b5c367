/* The summary: a line a layer and the totals, for people and as JSON. */
#include "base/json.h"
#include "net/net.h"

static void format_shape(char *out, size_t bytes, cvy_shape s) {
  if (s.h == 1 && s.w == 1)
    snprintf(out, bytes, "%lld", (long long)s.c);
  else
    snprintf(out, bytes, "%lldx%lldx%lld", (long long)s.h, (long long)s.w, (long long)s.c);
}

/* 1234567 -> "1,234,567" */
static const char *grouped(char out[32], int64_t value) {
  char digits[32];
  const int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
  int n = 0;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) out[n++] = ',';
    out[n++] = digits[i];
  }
  out[n] = '\0';
  return out;
}

static void print_row(FILE *out, const char *name, const char *type, const char *kernel, cvy_shape y,
                      int64_t params, int64_t multiply_adds) {
  char shape[64], a[32], b[32], c[32];
  format_shape(shape, sizeof shape, y);
  fprintf(out, "%-12s %-14s %-14s %-14s %12s %14s %16s\n", name, type, kernel, shape,
          grouped(a, cvy_shape_per_image(y)), grouped(b, params), grouped(c, multiply_adds));
}

void cvy_net_print(FILE *out, const cvy_net *net) {
  const cvy_net_info *info = &net->info;
  fprintf(out, "%s: sizes of one image, HxWxC\n", info->name);
  fprintf(out, "%-12s %-14s %-14s %-14s %12s %14s %16s\n", "layer", "type", "kernel", "output", "activation",
          "parameters", "multiply-adds");
  print_row(out, "input", "", "", info->input, 0, 0);
  for (int64_t i = 0; i < info->layer_count; i++) {
    const cvy_net_layer *l = &info->layers[i];
    print_row(out, l->name, l->type, l->kernel, l->y, l->param_count, l->multiply_adds);
  }
  char a[32], b[32];
  const double mb = 1e-6;
  const double params_mb = mb * sizeof(float) * (double)info->arena_count;
  fprintf(out, "total: %s parameters, %s multiply-adds an image\n", grouped(a, info->param_count),
          grouped(b, info->multiply_adds));
  fprintf(out,
          "memory for microbatches of %lld: parameters %.2f MB; as much for momentum, for gradients, and "
          "once more for each "
          "level of the summation tree within a rank; activations %.2f MB (%.2f MB if nothing were shared); "
          "scratch %.2f MB\n",
          (long long)info->input.n, params_mb, mb * (double)info->activation_bytes,
          mb * (double)info->activation_bytes_unshared, mb * (double)info->scratch_bytes);
}

static void json_shape(cvy_json *json, const char *key, cvy_shape s) {
  cvy_json_open(json, key, '[');
  cvy_json_int(json, NULL, s.h);
  cvy_json_int(json, NULL, s.w);
  cvy_json_int(json, NULL, s.c);
  cvy_json_close(json, ']');
}

void cvy_net_print_json(FILE *out, const cvy_net *net) {
  const cvy_net_info *info = &net->info;
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "name", info->name);
  cvy_json_int(&json, "microbatch", info->input.n);
  json_shape(&json, "input", info->input);
  cvy_json_open(&json, "layers", '[');
  for (int64_t i = 0; i < info->layer_count; i++) {
    const cvy_net_layer *l = &info->layers[i];
    cvy_json_open(&json, NULL, '{');
    cvy_json_text(&json, "name", l->name);
    cvy_json_text(&json, "type", l->type);
    cvy_json_text(&json, "kernel", l->kernel);
    json_shape(&json, "output", l->y);
    cvy_json_int(&json, "activation", cvy_shape_per_image(l->y));
    cvy_json_int(&json, "parameters", l->param_count);
    cvy_json_int(&json, "multiply_adds", l->multiply_adds);
    cvy_json_close(&json, '}');
  }
  cvy_json_close(&json, ']');
  cvy_json_int(&json, "parameters", info->param_count);
  cvy_json_int(&json, "multiply_adds", info->multiply_adds);
  cvy_json_int(&json, "parameter_bytes", (int64_t)sizeof(float) * info->arena_count);
  cvy_json_int(&json, "activation_bytes", (int64_t)info->activation_bytes);
  cvy_json_int(&json, "activation_bytes_unshared", (int64_t)info->activation_bytes_unshared);
  cvy_json_int(&json, "scratch_bytes", (int64_t)info->scratch_bytes);
  cvy_json_close(&json, '}');
  fputc('\n', out);
}
