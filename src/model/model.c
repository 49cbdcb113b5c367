/* The model, whatever file it comes from: its plan, its description, and running it. */
#include "model/model.h"

#include "augment/chain.h"
#include "base/count.h"
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

struct cvy_model {
  cvy_pool *pool;
  cvy_model_spec spec;
  cvy_net *net;
  cvy_model_info info;
  int32_t *no_labels; /* [microbatch], each -1 */
  float *last_images; /* the last microbatch of a run, which is filled up with zeros */
  void *kept;
  void (*destroy_kept)(void *kept);
};

/* ---- making one ---- */

static cvy_err check_fits(const cvy_model_spec *spec, const cvy_net_info *net) {
  const cvy_dataset_info *data = spec->data;
  if (data->c != net->input.c)
    return cvy_error(CVY_E_INPUT,
                     "%s: mean and deviation are those of %" PRId64 " channels; network '%s' takes %" PRId64,
                     spec->path, data->c, net->name, net->input.c);
  if (data->class_count > net->class_count)
    return cvy_error(CVY_E_INPUT, "%s: names %" PRId64 " classes; network '%s' tells apart %" PRId64,
                     spec->path, data->class_count, net->name, net->class_count);
  return CVY_OK;
}

static void describe(cvy_model *m) {
  const cvy_net_info *net = cvy_net_describe(m->net);
  const cvy_dataset_info *data = m->spec.data;
  m->info = (cvy_model_info){.path = m->spec.path,
                             .name = net->name,
                             .h = net->input.h,
                             .w = net->input.w,
                             .c = net->input.c,
                             .class_count = net->class_count,
                             .name_count = data->class_count,
                             .class_names = data->class_names,
                             .microbatch = net->input.n,
                             .param_count = net->param_count,
                             .tensor_count = net->param_tensors,
                             .step = m->spec.step,
                             .top1 = m->spec.top1};
  for (int64_t c = 0; c < data->c; c++) {
    m->info.mean[c] = data->mean[c];
    m->info.deviation[c] = data->deviation[c];
  }
}

static cvy_err plan(cvy_model *m) {
  const cvy_model_spec *spec = &m->spec;
  cvy_yaml *chain;
  void *images;
  CVY_TRY_IN(cvy_augment_resolve(&chain, m->pool, spec->evaluation), "%s", spec->path);
  const cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION, .convolution = spec->convolution};
  CVY_TRY_IN(cvy_net_create(&m->net, spec->network, spec->microbatch, &wishes), "%s", spec->path);
  const cvy_shape *input = &cvy_net_describe(m->net)->input;
  CVY_TRY(check_fits(spec, cvy_net_describe(m->net)));
  CVY_TRY_IN(cvy_buffer_create(&images, sizeof(float) * (size_t)cvy_shape_count(*input), "a microbatch"),
             "%s", spec->path);
  m->last_images = images;
  m->no_labels = cvy_pool_new(m->pool, sizeof *m->no_labels * (size_t)input->n);
  for (int64_t i = 0; i < input->n; i++) m->no_labels[i] = -1;
  describe(m);
  return CVY_OK;
}

static void destroy_all_but_pool(cvy_model *m) {
  cvy_buffer_destroy(m->last_images);
  cvy_net_destroy(m->net);
  free(m);
}

cvy_err cvy_model_create(cvy_model **out, cvy_pool *pool, const cvy_model_spec *spec) {
  cvy_model *m = cvy_new(sizeof *m);
  *m = (cvy_model){.pool = pool, .spec = *spec};
  *out = NULL;
  const cvy_err err = plan(m);
  if (err)
    destroy_all_but_pool(m);
  else
    *out = m;
  return err;
}

void cvy_model_close(cvy_model *model) {
  if (!model) return;
  cvy_pool *pool = model->pool;
  if (model->kept) model->destroy_kept(model->kept);
  destroy_all_but_pool(model);
  cvy_pool_destroy(pool);
}

/* ---- describing it ---- */

const cvy_model_info *cvy_model_describe(const cvy_model *model) {
  return &model->info;
}

const cvy_model_spec *cvy_model_spec_of(const cvy_model *model) {
  return &model->spec;
}

cvy_net *cvy_model_net(cvy_model *model) {
  return model->net;
}

void cvy_model_keep(cvy_model *model, void *thing, void (*destroy)(void *thing)) {
  CVY_CHECK(!model->kept);
  model->kept = thing;
  model->destroy_kept = destroy;
}

void *cvy_model_kept(const cvy_model *model) {
  return model->kept;
}

cvy_model_tensor cvy_model_tensor_at(const cvy_model *model, int64_t index) {
  CVY_CHECK(index >= 0 && index < model->info.tensor_count, "no tensor %" PRId64, index);
  const cvy_net_param *p = &cvy_net_describe(model->net)->params[index];
  return (cvy_model_tensor){.name = p->name,
                            .dim_count = p->spec->dim_count,
                            .dims = p->spec->dims,
                            .count = p->count,
                            .values = cvy_net_params(model->net) + p->offset};
}

cvy_hash cvy_model_weights(const cvy_model *model) {
  return cvy_net_hash(model->net, NULL);
}

static void hash_text(cvy_hasher *hasher, const char *text) {
  cvy_hasher_add(hasher, text, strlen(text) + 1);
}

static void hash_yaml(cvy_hasher *hasher, const cvy_yaml *root) {
  char *text = root ? cvy_yaml_text(root) : NULL;
  hash_text(hasher, text ? text : "");
  free(text);
}

cvy_hash cvy_model_hash(const cvy_model *model) {
  const cvy_model_spec *spec = &model->spec;
  const cvy_dataset_info *data = spec->data;
  cvy_hasher *hasher = cvy_hasher_create();
  hash_yaml(hasher, spec->network);
  hash_yaml(hasher, spec->evaluation);
  hash_text(hasher, cvy_conv_words[spec->convolution]);
  cvy_hasher_add(hasher, &spec->microbatch, sizeof spec->microbatch);
  for (int64_t k = 0; k < data->class_count; k++) hash_text(hasher, data->class_names[k]);
  cvy_hasher_add(hasher, data->mean, sizeof *data->mean * (size_t)data->c);
  cvy_hasher_add(hasher, data->deviation, sizeof *data->deviation * (size_t)data->c);
  hash_text(hasher, cvy_model_weights(model).hex);
  const cvy_hash hash = cvy_hasher_result(hasher);
  cvy_hasher_destroy(hasher);
  return hash;
}

/* ---- running it ---- */

/* Copies what the last layer made of the images; one score for two classes is the probability of the
 * second. */
static void copy_probabilities(float *out, const float *scores, const cvy_net_info *net, int64_t images) {
  if (net->score_count == net->class_count) {
    memcpy(out, scores, sizeof *out * (size_t)(images * net->class_count));
    return;
  }
  for (int64_t i = 0; i < images; i++) {
    out[2 * i] = 1 - scores[i];
    out[2 * i + 1] = scores[i];
  }
}

static const float *fill_up(cvy_model *m, const float *images, int64_t count, int64_t image_floats) {
  const int64_t missing = m->info.microbatch - count;
  memcpy(m->last_images, images, sizeof *images * (size_t)(count * image_floats));
  memset(m->last_images + count * image_floats, 0, sizeof *images * (size_t)(missing * image_floats));
  return m->last_images;
}

void cvy_model_run(cvy_model *m, float *probabilities, const float *images, int64_t count) {
  const cvy_net_info *net = cvy_net_describe(m->net);
  const int64_t image_floats = net->input.h * net->input.w * net->input.c, n = net->input.n;
  const int64_t passes = cvy_pieces(count, n);
  const cvy_targets targets = {.labels = m->no_labels};
  for (int64_t i = 0; i < passes; i++) {
    const cvy_pass pass = {.training = false, .params = cvy_params_of_pass(i, passes)};
    const int64_t own = cvy_smaller(count - i * n, n);
    const float *x = images + i * n * image_floats;
    if (own < n) x = fill_up(m, x, own, image_floats);
    cvy_net_forward(m->net, x, &targets, &pass);
    copy_probabilities(probabilities + i * n * net->class_count, cvy_net_probabilities(m->net), net, own);
  }
}
