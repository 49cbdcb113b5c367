/* Averages weights, one number after the other. */
#include "model/average.h"

#include "base/count.h"
#include "base/yaml.h"
#include "model/members.h"

#include <stdlib.h>
#include <string.h>

/* ---- checks ---- */

/* Returns the network's flat description as text, without its name. free() it. */
static cvy_err text_of(char **out, cvy_pool *pool, const cvy_model *model) {
  cvy_yaml *flat;
  *out = NULL;
  CVY_TRY_IN(cvy_net_resolve(&flat, pool, cvy_model_spec_of(model)->network), "%s",
             cvy_model_spec_of(model)->path);
  CVY_TRY(cvy_net_rename(&flat, pool, flat, "network"));
  *out = cvy_yaml_text(flat);
  return CVY_OK;
}

/* Finds where the texts part, and tells the line of each there. */
static cvy_err networks_differ(const cvy_model *a, const cvy_model *b, const char *x, const char *y) {
  int64_t begin = 0;
  for (int64_t i = 0; x[i] == y[i]; i++)
    if (x[i] == '\n') begin = i + 1;
  x += begin + (int64_t)strspn(x + begin, " ");
  y += begin + (int64_t)strspn(y + begin, " ");
  return cvy_error(CVY_E_INPUT,
                   "%s: its network is not that of %s: it has '%.*s' where that has '%.*s'; weights can be "
                   "averaged of the same network only",
                   cvy_model_describe(b)->path, cvy_model_describe(a)->path, (int)strcspn(y, "\n"), y,
                   (int)strcspn(x, "\n"), x);
}

static cvy_err check_network(cvy_pool *pool, const cvy_model *a, const cvy_model *b) {
  char *x = NULL, *y = NULL;
  cvy_err err = text_of(&x, pool, a);
  if (!err) err = text_of(&y, pool, b);
  if (!err && strcmp(x, y) != 0) err = networks_differ(a, b, x, y);
  free(x);
  free(y);
  return err;
}

static void warn_of_preprocessing(const cvy_model *a, const cvy_model *b) {
  const cvy_model_info *x = cvy_model_describe(a), *y = cvy_model_describe(b);
  if (memcmp(x->mean, y->mean, sizeof x->mean) == 0 &&
      memcmp(x->deviation, y->deviation, sizeof x->deviation) == 0)
    return;
  cvy_warn(
      "%s: its images are normalised by other means and deviations than those of %s, which count from here "
      "on",
      y->path, x->path);
}

/* ---- the mean ---- */

/* The values are sorted first, so that their sum does not depend on the order of the models. */
static float mean_of(double *values, int64_t count) {
  double sum = 0;
  for (int64_t i = 1; i < count; i++) {
    const double value = values[i];
    int64_t at = i;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
  }
  for (int64_t i = 0; i < count; i++) sum += values[i];
  return (float)(sum / (double)count);
}

static void average_tensor(cvy_model *const *models, int64_t count, const cvy_net_param *param,
                           double *values) {
  for (int64_t k = param->offset; k < param->offset + param->count; k++) {
    for (int64_t i = 0; i < count; i++) values[i] = (double)cvy_net_params(cvy_model_net(models[i]))[k];
    cvy_net_params(cvy_model_net(models[0]))[k] = mean_of(values, count);
  }
}

cvy_err cvy_models_average(cvy_model *const *models, int64_t count) {
  cvy_pool *pool = cvy_pool_create();
  cvy_err err = cvy_members_check(models, count);
  for (int64_t i = 1; i < count && !err; i++) err = check_network(pool, models[0], models[i]);
  cvy_pool_destroy(pool);
  if (err) return err;
  const cvy_net_info *net = cvy_net_describe(cvy_model_net(models[0]));
  double *values = cvy_new(sizeof *values * (size_t)count);
  for (int64_t i = 1; i < count; i++) warn_of_preprocessing(models[0], models[i]);
  for (int64_t i = 0; i < net->param_tensors; i++) average_tensor(models, count, &net->params[i], values);
  free(values);
  return CVY_OK;
}
