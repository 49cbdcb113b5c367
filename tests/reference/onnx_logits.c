/* Convoy's logits for the comparison with other programs that read ONNX (onnxruntime.sh).
 *
 *   onnx_logits export NETWORK.yaml "{size: 64, classes: 10}" NAME
 *     gives the network weights by a formula, and writes NAME.onnx, NAME.images ([n][c][h][w]) and
 *     NAME.logits, floats; then it reads NAME.onnx back, which must give the same bits of weights and
 *     logits.
 *   onnx_logits run MODEL.onnx IMAGES LOGITS
 *     runs the images ([n][h][w][c], floats) through the model as Convoy reads it. */
#include "onnx_models.h"
#include "train/find.h"

enum { MICROBATCH = 4, RUN = 50 };

static void save(const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file)) {
    perror(path);
    exit(1);
  }
}

static void save_images(const char *path, const float *images, cvy_shape s) {
  float *planes = malloc(sizeof *planes * (size_t)cvy_shape_count(s)), *at = planes;
  for (int64_t n = 0; n < s.n; n++)
    for (int64_t c = 0; c < s.c; c++)
      for (int64_t p = 0; p < s.h * s.w; p++) *at++ = images[(n * s.h * s.w + p) * s.c + c];
  save(path, planes, sizeof *planes * (size_t)cvy_shape_count(s));
  free(planes);
}

static cvy_err export(cvy_pool *pool, const char *path, const char *settings, const char *name) {
  cvy_yaml *network, *given;
  cvy_net *net, *back;
  cvy_weights_file *file;
  const char *model = cvy_pool_format(pool, "%s.onnx", name);
  CVY_TRY(cvy_yaml_parse(&given, pool, settings, "settings"));
  CVY_TRY(cvy_network_load(&network, pool, path, given));
  CVY_TRY(model_plan(&net, network, MICROBATCH));
  model_fill(net);
  float *images = model_images(net), *logits = model_logits(net, images);
  const cvy_net_info *info = cvy_net_describe(net);
  CVY_TRY(model_write(model, "onnx", pool, net, network, NULL));
  save_images(cvy_pool_format(pool, "%s.images", name), images, info->input);
  const size_t bytes = sizeof *logits * (size_t)(MICROBATCH * info->score_count);
  save(cvy_pool_format(pool, "%s.logits", name), logits, bytes);
  CVY_TRY(cvy_weights_open(&file, model));
  CVY_TRY(model_import(&back, pool, file, MICROBATCH));
  const bool same_weights = strcmp(cvy_net_hash(net, NULL).hex, cvy_net_hash(back, NULL).hex) == 0;
  float *again = model_logits(back, images);
  printf("%s: read back: weights %s, logits %s\n", name, same_weights ? "equal" : "DIFFER",
         memcmp(again, logits, bytes) == 0 ? "equal" : "DIFFER");
  return CVY_OK;
}

static cvy_err run(cvy_pool *pool, const char *path, const char *from, const char *to) {
  cvy_weights_file *file;
  cvy_net *net;
  CVY_TRY(cvy_weights_open(&file, path));
  CVY_TRY(model_import(&net, pool, file, RUN));
  const cvy_net_info *info = cvy_net_describe(net);
  const size_t image = (size_t)cvy_shape_per_image(info->input), scores = (size_t)info->score_count;
  float *images = calloc(RUN * image, sizeof *images);
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  if (!in || !out) return cvy_error(CVY_E_INPUT, "%s or %s cannot be opened", from, to);
  for (size_t count; (count = fread(images, sizeof *images * image, RUN, in)) > 0;) {
    float *logits = model_logits(net, images);
    fwrite(logits, sizeof *logits * scores, count, out);
    free(logits);
  }
  fclose(in);
  return fclose(out) ? cvy_error(CVY_E_SYSTEM, "%s cannot be written", to) : CVY_OK;
}

int main(int argc, char **argv) {
  cvy_pool *pool = cvy_pool_create();
  cvy_err err = CVY_E_INPUT;
  if (argc == 5 && strcmp(argv[1], "export") == 0)
    err = export(pool, argv[2], argv[3], argv[4]);
  else if (argc == 5 && strcmp(argv[1], "run") == 0)
    err = run(pool, argv[2], argv[3], argv[4]);
  else
    err = cvy_error(err,
                    "usage: onnx_logits export NETWORK.yaml SETTINGS NAME | run MODEL.onnx IMAGES LOGITS");
  if (err) fprintf(stderr, "onnx_logits: %s\n", cvy_err_message());
  cvy_pool_destroy(pool);
  return err ? 1 : 0;
}
