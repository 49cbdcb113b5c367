/* One microbatch goes through a network, and every layer is looked at. */
#include "measure/signal.h"

#include "base/yaml.h"
#include "train/recipe.h"
#include "train/stream.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { USUAL_MICROBATCH = 16, MOST_WARNINGS = 8 };

/* ---- what is wrong ---- */

typedef struct verdict {
  cvy_pool *pool;
  const cvy_net_info *net;
  const cvy_signal *signal;
  const char **texts;
  int64_t count;
} verdict;

static void CVY_PRINTF(2, 3) warn(verdict *v, const char *format, ...) {
  char text[CVY_MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (v->count < MOST_WARNINGS) v->texts[v->count++] = cvy_pool_format(v->pool, "%s", text);
}

/* Returns how far the numbers of different images lie apart; of one image, how far its numbers do. */
static double reach(const cvy_numbers *n) {
  return isnan(n->between) && n->is_finite ? n->deviation : n->between;
}

/* Judges the outputs from the first layer on. What comes after a layer follows from it, so the first one that
 * is out of bounds is told of. */
static void judge_outputs(verdict *v) {
  const double images = reach(&v->signal->images);
  for (int64_t i = 0; i < v->net->layer_count; i++) {
    const cvy_net_layer *layer = &v->net->layers[i];
    const cvy_numbers *output = &v->signal->layers[i].output;
    const double ratio = reach(output) / images;
    if (output->count == 0 || layer->is_loss) continue;
    if (!output->is_finite) {
      warn(v, "the output explodes at layer '%s': it is not finite", layer->name);
      return;
    }
    if (ratio > CVY_SIGNAL_HIGHEST || ratio < CVY_SIGNAL_LOWEST) {
      warn(v,
           "the output %s at layer '%s': it differs between images by %.2g, and the images by %.2g; "
           "%s first values would help (init, init_std), or batch_norm",
           ratio > 1 ? "explodes" : "vanishes", layer->name, reach(output), images,
           ratio > 1 ? "smaller" : "larger");
      return;
    }
  }
}

static void judge_units(verdict *v) {
  if (v->net->input.n < CVY_SIGNAL_FEWEST_FOR_DEAD) return;
  for (int64_t i = 0; i < v->net->layer_count; i++) {
    const cvy_numbers *output = &v->signal->layers[i].output;
    if (output->count == 0 || v->net->layers[i].is_loss) continue;
    if ((double)output->dead <= CVY_SIGNAL_MOST_DEAD * (double)output->units) continue;
    warn(v, "%" PRId64 " of %" PRId64 " units of layer '%s' are dead: they are 0 for all images",
         output->dead, output->units, v->net->layers[i].name);
    return;
  }
}

/* Returns the length of the gradient of what the last layer reads, to which others are compared. */
static double length_at_end(const verdict *v) {
  const int64_t scores = v->net->layers[v->net->layer_count - 1].inputs[0];
  return scores < 0 ? 0 : cvy_numbers_norm(&v->signal->layers[scores].gradient);
}

/* Judges the gradients from the last layer up, the way that they go. */
static void judge_gradients(verdict *v) {
  const double at_end = length_at_end(v);
  for (int64_t i = v->net->layer_count - 1; i >= 0; i--) {
    const cvy_numbers *gradient = &v->signal->layers[i].gradient;
    const double ratio = cvy_numbers_norm(gradient) / at_end;
    if (gradient->count == 0) continue;
    if (!gradient->is_finite) {
      warn(v, "the gradient explodes at layer '%s': it is not finite", v->net->layers[i].name);
      return;
    }
    if (ratio > CVY_SIGNAL_HIGHEST_GRADIENT || ratio < CVY_SIGNAL_LOWEST_GRADIENT) {
      warn(v, "the gradient %s at layer '%s': its length is %.2g, and at the scores %.2g",
           ratio > 1 ? "explodes" : "vanishes", v->net->layers[i].name, cvy_numbers_norm(gradient), at_end);
      return;
    }
  }
}

/* Returns the loss of a guess among all classes; NaN for a network whose loss is a sum of several. */
static double loss_of_guess(const cvy_net_info *net) {
  for (int64_t i = 0; i + 1 < net->layer_count; i++)
    if (net->layers[i].is_loss) return NAN;
  const bool is_softmax = strcmp(net->layers[net->layer_count - 1].type, "softmax_loss") == 0;
  return is_softmax ? log((double)net->class_count) : net->score_count == 1 ? log(2) : NAN;
}

static void judge_loss(verdict *v) {
  const cvy_signal *s = v->signal;
  if (!isfinite(s->loss))
    warn(v, "the first loss is not finite");
  else if (s->loss > CVY_SIGNAL_HIGHEST_LOSS * s->guess)
    warn(v, "the first loss is %.4g, and a guess has %.4g: the scores should begin nearer to each other",
         s->loss, s->guess);
}

static void judge(cvy_signal *signal, cvy_pool *pool) {
  verdict v = {.pool = pool, .net = cvy_net_describe(signal->net), .signal = signal};
  v.texts = cvy_pool_new(pool, sizeof *v.texts * MOST_WARNINGS);
  signal->guess = loss_of_guess(v.net);
  judge_loss(&v);
  judge_outputs(&v);
  judge_units(&v);
  judge_gradients(&v);
  signal->warnings = v.texts;
  signal->warning_count = v.count;
}

/* ---- the pass ---- */

static cvy_err look(cvy_signal *signal, cvy_signal_layer *layers) {
  const cvy_net_info *net = cvy_net_describe(signal->net);
  for (int64_t i = 0; i < net->layer_count; i++) {
    const float *gradient = cvy_net_output_gradient(signal->net, i);
    CVY_TRY(cvy_numbers_of(&layers[i].output, cvy_net_output(signal->net, i), net->layers[i].y));
    if (gradient) CVY_TRY(cvy_numbers_of(&layers[i].gradient, gradient, net->layers[i].y));
  }
  return CVY_OK;
}

static cvy_err pass(cvy_signal *signal, cvy_signal_layer *layers, const float *images,
                    const cvy_targets *targets, uint64_t seed) {
  const cvy_net_info *net = cvy_net_describe(signal->net);
  const cvy_pass pass = {.training = true, .seed = seed, .loss_scale = (float)(1.0 / (double)net->input.n)};
  void *gradients;
  CVY_TRY(cvy_buffer_create(&gradients, sizeof(float) * (size_t)net->arena_count, "the gradients"));
  cvy_net_forward(signal->net, images, targets, &pass);
  const double *losses = cvy_net_losses(signal->net);
  for (int64_t i = 0; i < net->input.n; i++) signal->loss += losses[i] / (double)net->input.n;
  cvy_net_backward(signal->net, gradients, images, targets, &pass);
  cvy_buffer_destroy(gradients);
  CVY_TRY(cvy_numbers_of(&signal->images, images, net->input));
  return look(signal, layers);
}

cvy_err cvy_signal_of(cvy_signal *out, cvy_pool *pool, cvy_net *net, const float *images,
                      const cvy_targets *targets, uint64_t seed) {
  const int64_t count = cvy_net_describe(net)->layer_count;
  cvy_signal_layer *layers = cvy_pool_new(pool, sizeof *layers * (size_t)count);
  *out = (cvy_signal){.net = net, .layers = layers};
  const cvy_err err = pass(out, layers, images, targets, seed);
  if (err)
    out->net = NULL;
  else
    judge(out, pool);
  return err;
}

void cvy_signal_release(cvy_signal *signal) {
  cvy_net_destroy(signal->net);
  signal->net = NULL;
}

/* ---- network and data ---- */

static cvy_err create_net(cvy_net **out, const cvy_signal_options *o) {
  const cvy_recipe *r = o->recipe;
  const int64_t microbatch = o->microbatch ? o->microbatch : r ? r->microbatch : USUAL_MICROBATCH;
  cvy_net_wishes wishes = {.convolution = o->convolution, .unshared = true};
  if (r) wishes.convolution = (cvy_conv_choice)r->convolution;
  if (r) cvy_freezing_wish(&wishes, r->pool, &r->freezing, &r->layer_rules, 0);
  CVY_TRY(cvy_net_create(out, r ? r->network : o->network, microbatch, &wishes));
  cvy_net_warn(*out);
  cvy_net_init(*out, r ? (uint64_t)r->seed : o->seed);
  return CVY_OK;
}

/* Makes the chain that brings photographs to the network's size. */
static cvy_err usual_chain(cvy_yaml **out, cvy_pool *pool, const cvy_net_info *net) {
  const int64_t h = net->input.h, w = net->input.w, longer = h > w ? h : w;
  const char *text = cvy_pool_format(
      pool, "[{resize: {shorter: %" PRId64 "}}, {centre_crop: {size: [%" PRId64 ", %" PRId64 "]}}]",
      (8 * longer + 6) / 7, h, w);
  return cvy_yaml_parse(out, pool, text, "the usual chain");
}

static bool is_of_size(const cvy_dataset *data, const cvy_net_info *net) {
  int64_t h, w;
  cvy_dataset_common_size(&h, &w, data);
  return h == net->input.h && w == net->input.w;
}

static cvy_err open_stream(cvy_stream *out, cvy_pool *pool, const cvy_net_info *net,
                           const cvy_signal_options *o) {
  const cvy_recipe *r = o->recipe;
  const char *path = o->data ? o->data : r->data.train;
  cvy_yaml *usual;
  if (r) return cvy_stream_open(out, path, "train", &r->data.arrays, r->data.augment, net);
  cvy_dataset *data;
  CVY_TRY(usual_chain(&usual, pool, net));
  CVY_TRY(cvy_dataset_open(&data, path, "train"));
  const bool fits = is_of_size(data, net);
  cvy_dataset_close(data);
  return cvy_stream_open(out, path, "train", NULL, fits ? NULL : usual, net);
}

static cvy_err take_first(cvy_signal *out, cvy_pool *pool, cvy_net *net, const cvy_stream *stream,
                          const cvy_signal_options *o) {
  const cvy_recipe *r = o->recipe;
  const uint64_t seed = r ? (uint64_t)r->seed : o->seed;
  const cvy_intake intake = r ? cvy_intake_of(r) : (cvy_intake){.seed = seed, .depth = 2, .threads = 1};
  cvy_loader_config config = cvy_stream_for_training(stream, &intake, cvy_net_describe(net)->input.n);
  cvy_loader *loader;
  cvy_microbatch m;
  CVY_TRY(cvy_stream_check_sizes(stream, &intake, true));
  CVY_TRY(cvy_augment_check_training(stream->augment, config.microbatch, cvy_dataset_source(stream->data)));
  config.per_step = config.own = config.end_step = 1;
  CVY_TRY(cvy_loader_create(&loader, &config));
  cvy_err err = cvy_loader_next(&m, loader);
  if (!err) {
    const cvy_targets targets = {m.labels, m.partners, m.shares};
    err = cvy_signal_of(out, pool, net, m.images, &targets, seed);
  }
  cvy_loader_destroy(loader);
  return err;
}

cvy_err cvy_signal_take(cvy_signal *out, cvy_pool *pool, const cvy_signal_options *options) {
  cvy_net *net;
  cvy_stream stream;
  *out = (cvy_signal){0};
  CVY_TRY(create_net(&net, options));
  cvy_err err = open_stream(&stream, pool, cvy_net_describe(net), options);
  if (!err) {
    err = take_first(out, pool, net, &stream, options);
    cvy_stream_close(&stream);
  }
  if (err) cvy_net_destroy(net);
  return err;
}
