/* Caffe's solvers: how a network is trained, as keys of a recipe. */
#include "formats/caffe.h"

#include "file/mapped.h"
#include "formats/caffe_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct solver {
  cvy_pool *pool;
  const char *path;
  const cvy_prototext *at;
  cvy_yaml *recipe;
  double rate;
} solver;

static cvy_err number(const solver *s, const char *name, double fallback, double *out) {
  *out = fallback;
  return cvy_caffe_number(out, s->path, s->at, name);
}

static void set_number(const solver *s, cvy_yaml *mapping, const char *key, double value) {
  cvy_caffe_set(s->pool, s->path, mapping, NULL, key, "%s", cvy_caffe_number_text(s->pool, value));
}

/* Adds "key: {name: {...}}", and returns the options. */
static cvy_yaml *add_kind(const solver *s, const char *key, const char *name) {
  cvy_yaml *kind = cvy_yaml_new_mapping(s->pool, s->path), *options = cvy_yaml_new_mapping(s->pool, s->path);
  cvy_yaml_add(s->pool, kind, name, options);
  cvy_yaml_add(s->pool, s->recipe, key, kind);
  return options;
}

static cvy_err no_word(const solver *s, const char *name, const char *known) {
  return cvy_caffe_wrong(s->path, cvy_prototext_get(s->at, name), NULL,
                         "%s: '%s' has no counterpart here; these have: %s", name,
                         cvy_caffe_text(s->at, name, ""), known);
}

/* ---- the schedule ---- */

static cvy_err add_multistep(const solver *s, cvy_yaml *options) {
  double at[64];
  int64_t count;
  cvy_yaml *list = cvy_yaml_new_sequence(s->pool, s->path);
  CVY_TRY(cvy_caffe_numbers(at, &count, 64, s->path, s->at, "stepvalue"));
  if (count == 0) return cvy_caffe_wrong(s->path, NULL, NULL, "lr_policy multistep needs a 'stepvalue'");
  for (int64_t i = 0; i < count; i++)
    cvy_yaml_add(s->pool, list, NULL,
                 cvy_yaml_new_scalar(s->pool, s->path, cvy_pool_format(s->pool, "%.15g", at[i])));
  cvy_yaml_add(s->pool, options, "at", list);
  return CVY_OK;
}

static cvy_err add_schedule(const solver *s) {
  static const struct {
    const char *policy, *schedule, *gamma, *power, *every; /* the last three: the option's name here */
  } policies[] = {
      {"fixed", "constant", NULL, NULL, NULL},           {"step", "step", "factor", NULL, "every"},
      {"multistep", "multi_step", "factor", NULL, NULL}, {"exp", "exponential", "factor", NULL, NULL},
      {"inv", "inverse", "slope", "power", NULL},        {"poly", "polynomial", NULL, "power", NULL}};
  const char *policy = cvy_caffe_text(s->at, "lr_policy", "fixed");
  for (int64_t i = 0; i < CVY_COUNT(policies); i++) {
    double gamma, power, every;
    if (strcmp(policies[i].policy, policy) != 0) continue;
    CVY_TRY(number(s, "gamma", 0, &gamma));
    CVY_TRY(number(s, "power", 0, &power));
    CVY_TRY(number(s, "stepsize", 0, &every));
    if (policies[i].every && every < 1)
      return cvy_caffe_wrong(s->path, NULL, NULL, "lr_policy step needs a 'stepsize' of at least 1");
    cvy_yaml *options = add_kind(s, "learning_rate", policies[i].schedule);
    set_number(s, options, "rate", s->rate);
    if (policies[i].gamma) set_number(s, options, policies[i].gamma, gamma);
    if (policies[i].power) set_number(s, options, policies[i].power, power);
    if (policies[i].every) cvy_caffe_set(s->pool, s->path, options, NULL, "every", "%.15g", every);
    if (strcmp(policy, "multistep") == 0) CVY_TRY(add_multistep(s, options));
    if (policies[i].gamma) cvy_caffe_set(s->pool, s->path, options, NULL, "unit", "steps");
    return CVY_OK;
  }
  return no_word(s, "lr_policy", "fixed, step, multistep, exp, inv, poly");
}

/* Intel Caffe's rate rises in a straight line, beside the schedule. */
static cvy_err add_warmup(const solver *s) {
  double length, start;
  CVY_TRY(number(s, "warmup_iter", 0, &length));
  CVY_TRY(number(s, "warmup_start_lr", 0, &start));
  if (length < 1) return CVY_OK;
  if (s->rate <= 0 || start < 0 || start > s->rate)
    return cvy_caffe_wrong(s->path, cvy_prototext_get(s->at, "warmup_start_lr"), NULL,
                           "warmup_start_lr must be from 0 to base_lr");
  cvy_yaml *warmup = cvy_yaml_new_mapping(s->pool, s->path);
  cvy_caffe_set(s->pool, s->path, warmup, NULL, "length", "%.15g", length);
  cvy_caffe_set(s->pool, s->path, warmup, NULL, "unit", "steps");
  set_number(s, warmup, "from", start / s->rate);
  cvy_yaml_add(s->pool, s->recipe, "warmup", warmup);
  return CVY_OK;
}

/* ---- the rule ---- */

typedef struct rule {
  const char *caffe, *rule, *momentum, *momentum2, *rms_decay, *delta; /* the options' names here, or NULL */
} rule;

static const rule rules[] = {{"SGD", "sgd", "momentum", NULL, NULL, NULL},
                             {"Nesterov", "sgd", "momentum", NULL, NULL, NULL},
                             {"AdaGrad", "adagrad", NULL, NULL, NULL, "epsilon"},
                             {"RMSProp", "rmsprop", NULL, NULL, "alpha", "epsilon"},
                             {"AdaDelta", "adadelta", "rho", NULL, NULL, "epsilon"},
                             {"Adam", "adam", "beta1", "beta2", NULL, "epsilon"}};

/* `type` is a text today, and was a word in `solver_type`. */
static const rule *find_rule(const solver *s) {
  static const char *const older[] = {"SGD", "NESTEROV", "ADAGRAD", "RMSPROP", "ADADELTA", "ADAM"};
  const char *type = cvy_caffe_text(s->at, "type", NULL), *old = cvy_caffe_text(s->at, "solver_type", "SGD");
  for (int64_t i = 0; i < CVY_COUNT(rules); i++)
    if (type ? strcmp(rules[i].caffe, type) == 0 : strcmp(older[i], old) == 0) return &rules[i];
  return NULL;
}

/* Caffe decays biases as weights, unless the layer says otherwise. */
static cvy_err add_decay(const solver *s, cvy_yaml *options) {
  double decay;
  CVY_TRY(number(s, "weight_decay", 0, &decay));
  if (strcmp(cvy_caffe_text(s->at, "regularization_type", "L2"), "L2") != 0)
    return no_word(s, "regularization_type", "L2");
  if (decay == 0) return CVY_OK;
  set_number(s, options, "weight_decay", decay);
  cvy_caffe_set(s->pool, s->path, options, NULL, "decay_biases", "true");
  return CVY_OK;
}

static cvy_err add_rule(const solver *s) {
  const rule *r = find_rule(s);
  double momentum, momentum2, rms_decay, delta;
  if (!r)
    return no_word(s, cvy_prototext_get(s->at, "type") ? "type" : "solver_type",
                   "SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam");
  CVY_TRY(number(s, "momentum", 0, &momentum));
  CVY_TRY(number(s, "momentum2", 0.999, &momentum2));
  CVY_TRY(number(s, "rms_decay", 0.99, &rms_decay));
  CVY_TRY(number(s, "delta", 1e-8, &delta));
  if (!r->momentum && momentum != 0)
    return cvy_caffe_wrong(s->path, cvy_prototext_get(s->at, "momentum"), NULL,
                           "%s has no momentum, in Caffe too", r->caffe);
  cvy_yaml *options = add_kind(s, "solver", r->rule);
  if (r->momentum) set_number(s, options, r->momentum, momentum);
  if (r->momentum2) set_number(s, options, r->momentum2, momentum2);
  if (r->rms_decay) set_number(s, options, r->rms_decay, rms_decay);
  if (r->delta) set_number(s, options, r->delta, delta);
  if (strcmp(r->caffe, "Nesterov") == 0) cvy_caffe_set(s->pool, s->path, options, NULL, "nesterov", "true");
  return add_decay(s, options);
}

/* ---- the rest ---- */

static cvy_err set_whole(const solver *s, const char *name, const char *key) {
  int64_t value = 0;
  CVY_TRY(cvy_caffe_whole(&value, s->path, s->at, name));
  if (value > 0) cvy_caffe_set(s->pool, s->path, s->recipe, NULL, key, "%" PRId64, value);
  return CVY_OK;
}

static cvy_err add_clip(const solver *s) {
  double norm;
  CVY_TRY(number(s, "clip_gradients", -1, &norm));
  if (norm <= 0) return CVY_OK;
  cvy_yaml *clip = cvy_yaml_new_mapping(s->pool, s->path);
  set_number(s, clip, "norm", norm);
  cvy_yaml_add(s->pool, s->recipe, "clip", clip);
  return CVY_OK;
}

static int64_t whole_of(const cvy_yaml *node) {
  return node && node->text ? strtoll(node->text, NULL, 10) : 0;
}

/* Copies the network's keys. A step is of iter_size batches of the network. */
static cvy_err add_network_keys(int64_t *batch, const solver *s, const cvy_yaml *of_network) {
  int64_t parts = 1;
  *batch = 0;
  CVY_TRY(cvy_caffe_whole(&parts, s->path, s->at, "iter_size"));
  if (parts < 1 || parts > 1 << 20) return cvy_caffe_wrong(s->path, NULL, NULL, "iter_size is at least 1");
  for (int64_t i = 0; of_network && i < of_network->count; i++) {
    const char *key = of_network->keys[i]->text;
    if (strcmp(key, "batch") != 0) {
      cvy_yaml_add(s->pool, s->recipe, key, of_network->items[i]);
      continue;
    }
    if (__builtin_mul_overflow(whole_of(of_network->items[i]), parts, batch))
      return cvy_caffe_wrong(s->path, cvy_prototext_get(s->at, "iter_size"), NULL,
                             "iter_size times the network's batch of %s is no number of images",
                             of_network->items[i]->text);
    cvy_caffe_set(s->pool, s->path, s->recipe, NULL, "batch", "%" PRId64, *batch);
  }
  return CVY_OK;
}

static void note_rest(cvy_caffe_solver_result *out, const solver *s) {
  static const char known[] =
      " net train_net base_lr lr_policy gamma power stepsize stepvalue max_iter momentum momentum2 rms_decay "
      "delta weight_decay regularization_type type solver_type clip_gradients iter_size random_seed snapshot "
      "display warmup_iter warmup_start_lr ";
  out->notes = cvy_pool_new(s->pool, sizeof *out->notes * (size_t)(s->at->count + 1));
  for (int64_t i = 0; i < s->at->count; i++) {
    char word[100];
    const cvy_prototext_field *field = &s->at->fields[i];
    snprintf(word, sizeof word, " %.90s ", field->name);
    if (!strstr(known, word))
      out->notes[out->note_count++] = cvy_pool_format(s->pool, "line %d: %s", field->line, field->name);
  }
}

static cvy_err convert(cvy_caffe_solver_result *out, solver *s, const cvy_yaml *of_network, int64_t images) {
  int64_t batch, seed = -1;
  if (!cvy_prototext_get(s->at, "base_lr"))
    return cvy_caffe_wrong(s->path, NULL, NULL, "a solver has a base_lr; this file has none");
  s->recipe = cvy_yaml_new_mapping(s->pool, s->path);
  CVY_TRY(number(s, "base_lr", 0, &s->rate));
  CVY_TRY(cvy_caffe_whole(&out->steps, s->path, s->at, "max_iter"));
  CVY_TRY(cvy_caffe_whole(&seed, s->path, s->at, "random_seed"));
  CVY_TRY(add_network_keys(&batch, s, of_network));
  if (images > 0 && batch > 0 && out->steps > 0)
    cvy_caffe_set(s->pool, s->path, s->recipe, NULL, "epochs", "%.0f",
                  ceil((double)out->steps * (double)batch / (double)images));
  if (seed >= 0) cvy_caffe_set(s->pool, s->path, s->recipe, NULL, "seed", "%" PRId64, seed);
  CVY_TRY(add_rule(s));
  CVY_TRY(add_schedule(s));
  CVY_TRY(add_warmup(s));
  CVY_TRY(add_clip(s));
  CVY_TRY(set_whole(s, "display", "log_every"));
  CVY_TRY(set_whole(s, "snapshot", "checkpoint_every"));
  out->recipe = s->recipe;
  out->network = cvy_caffe_text(s->at, "net", cvy_caffe_text(s->at, "train_net", NULL));
  note_rest(out, s);
  return CVY_OK;
}

cvy_err cvy_caffe_solver(cvy_caffe_solver_result *out, cvy_pool *pool, const char *path,
                         const cvy_yaml *of_network, int64_t images) {
  solver s = {.pool = pool, .path = cvy_pool_format(pool, "%s", path)};
  cvy_mapped mapped;
  cvy_prototext *at;
  *out = (cvy_caffe_solver_result){0};
  CVY_TRY(cvy_mapped_open(&mapped, path));
  cvy_err err = cvy_prototext_parse(&at, pool, (const char *)mapped.data, mapped.count, s.path);
  cvy_mapped_close(&mapped);
  if (err) return err;
  s.at = at;
  err = convert(out, &s, of_network, images);
  if (err) *out = (cvy_caffe_solver_result){0};
  return err;
}
