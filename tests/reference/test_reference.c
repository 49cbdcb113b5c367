/* Tests a whole network against PyTorch: logits, gradients, the losses of some SGD steps, and the logits in
 * evaluation after them. Usage: test_reference GOLDEN.yaml (tests/reference/make.py writes them and knows the
 * same formula). Without a golden it tests what those comparisons cannot see: where dropout stands, which
 * they switch off, and networks without a golden. */
#include "formula.h"
#include "unit/suite.h"

#include "base/options.h"
#include "net/node.h"
#include "train/update.h"
#include "optim/optim.h"
#include "train/find.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

enum { IMAGES = 1000000 };

/* Logits may differ by 1e-4 of the largest; losses, and the logits after the steps, by 1e-3; the norms of
 * gradients by 5e-3, and their sampled elements by 2e-2 in the mean. The last two leave room for what
 * rounding does to a ReLU whose input is almost zero: it may be open here and closed there, and everything
 * above it sees that. README.md has the worst that was seen. */
static const double logit_bound = 1e-4, loss_bound = 1e-3, norm_bound = 5e-3, sample_bound = 2e-2;

typedef struct golden {
  const char *network;
  int64_t batch;
  double rate;
  const cvy_yaml *parameters, *solver, *losses, *logits, *evaluation, *gradients;
} golden;

static const cvy_option golden_options[] = {
    {"network", CVY_STRING, offsetof(golden, network), NULL, .help = ""},
    {"batch", CVY_INT, offsetof(golden, batch), NULL, 1, 1024, .help = ""},
    {"rate", CVY_FLOAT, offsetof(golden, rate), NULL, 0, 1, .help = ""},
    {"parameters", CVY_NODE, offsetof(golden, parameters), .help = ""},
    {"solver", CVY_NODE, offsetof(golden, solver), .help = ""},
    {"losses", CVY_NODE, offsetof(golden, losses), .help = ""},
    {"logits", CVY_NODE, offsetof(golden, logits), .help = ""},
    {"evaluation", CVY_NODE, offsetof(golden, evaluation), .help = ""},
    {"gradients", CVY_NODE, offsetof(golden, gradients), .help = ""},
    {0}};

static const char *golden_path;

static double number(const cvy_yaml *value) {
  return strtod(value->text, NULL);
}

/* ---- first values ---- */

/* What batch normalisation adds keeps most of its ReLU's inputs positive. Otherwise fifty layers magnify a
 * rounding error a thousand times, in PyTorch as well, and there would be nothing to compare. */
static float first_value(const cvy_net_param *params, int64_t tensor, int64_t element) {
  const cvy_param_spec *spec = params[tensor].spec;
  const double u = formula(tensor, element);
  if (strcmp(spec->name, "weights") == 0) {
    const int64_t fan_in = cvy_param_count(spec) / spec->dims[spec->dim_count - 1];
    return (float)(u * sqrt(6.0 / (double)fan_in));
  }
  if (strcmp(spec->name, "scale") == 0) return (float)(0.3 + 0.03 * u);
  const bool of_norm = tensor > 0 && strcmp(params[tensor - 1].spec->name, "scale") == 0;
  return (float)(of_norm ? 0.3 + 0.1 * u : 0.1 * u);
}

/* ---- the run ---- */

typedef struct run {
  cvy_pool *pool;
  golden want;
  cvy_net *net;
  const cvy_net_info *info;
  float *images, *gradients, *momentum;
  int32_t *labels;
  const cvy_rule *rule;
  void *solver;
  int64_t step;
} run;

/* Dropout is a matter of chance, so it is off in every comparison. */
static cvy_err turn_dropout_off(cvy_yaml *settings, cvy_pool *pool, const cvy_yaml *network) {
  const cvy_yaml *parameters = cvy_yaml_get(network, "parameters");
  for (int64_t i = 0; parameters && i < parameters->count; i++)
    if (strstr(parameters->keys[i]->text, "dropout"))
      cvy_yaml_add(pool, settings, parameters->keys[i]->text, cvy_yaml_new_scalar(pool, "test", "0"));
  return CVY_OK;
}

static cvy_err load_network(cvy_yaml **out, cvy_pool *pool, const char *name, const cvy_yaml *settings) {
  const char *path = cvy_pool_format(pool, "%s/launch/networks/%s.yaml", getenv("CONVOY_SOURCE"), name);
  return cvy_network_load(out, pool, path, settings);
}

static cvy_err open_network(run *r) {
  cvy_yaml *network, *settings = cvy_yaml_new_mapping(r->pool, "test");
  CVY_TRY(load_network(&network, r->pool, r->want.network, r->want.parameters));
  CVY_TRY(turn_dropout_off(settings, r->pool, network));
  CVY_TRY(cvy_net_configure(&network, r->pool, network, settings));
  CVY_TRY(cvy_net_create(&r->net, network, r->want.batch, NULL));
  r->info = cvy_net_describe(r->net);
  return CVY_OK;
}

static cvy_err open_solver(run *r) {
  const cvy_kind *kinds[16];
  int64_t index;
  for (int64_t i = 0; i < cvy_rule_count(); i++) kinds[i] = cvy_rule_at(i)->kind;
  CVY_TRY(cvy_kind_read(&index, &r->solver, r->pool, kinds, cvy_rule_count(), r->want.solver, "solver"));
  r->rule = cvy_rule_at(index);
  return CVY_OK;
}

static cvy_err open_golden(run *r) {
  cvy_yaml *root;
  CVY_TRY(cvy_yaml_load(&root, r->pool, golden_path));
  return cvy_options_read(&r->want, r->pool, golden_options, root, root, "a golden file");
}

static void fill(run *r) {
  float *params = cvy_net_params(r->net);
  cvy_net_init(r->net, 1); /* this gives the running averages their first values */
  for (int64_t t = 0; t < r->info->param_tensors; t++) {
    const cvy_net_param *p = &r->info->params[t];
    for (int64_t i = 0; p->spec->averaging == 0 && i < p->count; i++)
      params[p->offset + i] = first_value(r->info->params, t, i);
  }
  const int64_t pixels = cvy_shape_count(r->info->input);
  r->images = malloc(sizeof *r->images * (size_t)pixels);
  for (int64_t i = 0; i < pixels; i++) r->images[i] = (float)formula(IMAGES, i);
  r->labels = malloc(sizeof *r->labels * (size_t)r->want.batch);
  for (int64_t i = 0; i < r->want.batch; i++) r->labels[i] = (int32_t)((7 * i + 3) % r->info->class_count);
  r->gradients = calloc((size_t)r->info->arena_count, sizeof *r->gradients);
  r->momentum = calloc((size_t)r->info->arena_count, sizeof *r->momentum);
}

static void open_run(run *r) {
  *r = (run){.pool = cvy_pool_create()};
  if (open_golden(r) || open_network(r) || open_solver(r)) {
    printf("\n  %s: %s\n", golden_path, cvy_err_message());
    CU_FAIL_FATAL("set-up");
  }
  fill(r);
}

static void close_run(run *r) {
  free(r->images), free(r->labels), free(r->gradients), free(r->momentum);
  cvy_net_destroy(r->net);
  cvy_pool_destroy(r->pool);
}

static double mean_loss(const run *r) {
  double sum = 0;
  for (int64_t i = 0; i < r->want.batch; i++) sum += cvy_net_losses(r->net)[i];
  return sum / (double)r->want.batch;
}

static void forward(run *r, const cvy_pass *pass) {
  cvy_net_forward(r->net, r->images, &(cvy_targets){.labels = r->labels}, pass);
}

static void update(run *r) {
  const cvy_arenas arenas = {
      .net = r->net, .rule = r->rule, .params = cvy_net_params(r->net), .state = {r->momentum}};
  const cvy_step_update step = {.arenas = &arenas,
                                .rule_config = r->solver,
                                .rate = r->want.rate,
                                .step = ++r->step,
                                .microbatches = 1};
  cvy_update_weights(&step, r->gradients, 0, r->info->arena_count, NULL);
}

/* ---- comparing ---- */

static void report(double *worst, double error, double bound, const char *what, double got, double want) {
  if (error > *worst || isnan(error)) *worst = error;
  if (!(error <= bound)) printf("\n    %s is %.9g, PyTorch has %.9g\n", what, got, want);
  CU_ASSERT(error <= bound);
}

/* Compares the first scores of each image, as many as the golden file has. */
static double compare_logits(const run *r, const cvy_yaml *want, double bound) {
  const float *logits = cvy_net_logits(r->net);
  const int64_t scores = want->count / r->want.batch;
  double largest = 0, worst = 0;
  CU_ASSERT_FATAL(want->count == scores * r->want.batch && scores >= 1 && scores <= r->info->score_count);
  for (int64_t i = 0; i < want->count; i++) largest = fmax(largest, fabs(number(want->items[i])));
  for (int64_t i = 0; i < want->count; i++) {
    const double got = (double)logits[i / scores * r->info->score_count + i % scores],
                 w = number(want->items[i]);
    report(&worst, fabs(got - w) / largest, bound, "a logit", got, w);
  }
  return worst;
}

typedef struct gradient_errors {
  double norms;          /* the worst */
  double sample_squares; /* their sum */
  int64_t sample_count;
} gradient_errors;

/* Some tensors' gradients are zero but for rounding (a shift that a later batch normalisation takes away), so
 * a small share of the usual norm is added to what errors are compared with. */
static void compare_gradient(const run *r, const cvy_net_param *p, const cvy_yaml *want, double usual_norm,
                             gradient_errors *e) {
  const float *g = r->gradients + p->offset;
  const double want_norm = number(cvy_yaml_get(want, "norm")), norm_size = want_norm + 1e-3 * usual_norm;
  const cvy_yaml *samples = cvy_yaml_get(want, "samples");
  double squares = 0;
  for (int64_t i = 0; i < p->count; i++) squares += (double)g[i] * (double)g[i];
  report(&e->norms, fabs(sqrt(squares) - want_norm) / norm_size, norm_bound,
         cvy_pool_format(r->pool, "the norm of the gradient of %s", p->name), sqrt(squares), want_norm);
  for (int64_t j = 0; j < samples->count; j++) {
    const int64_t at = (2 * j + 1) * p->count / (2 * samples->count);
    const double w = number(samples->items[j]), size = fmax(fabs(w), norm_size / sqrt((double)p->count));
    const double error = ((double)g[at] - w) / size;
    e->sample_squares += error * error;
    e->sample_count++;
  }
}

static double usual_norm_of(const cvy_yaml *gradients) {
  double squares = 0;
  int64_t count = 0;
  for (int64_t t = 0; t < gradients->count; t++) {
    const cvy_yaml *norm = cvy_yaml_get(gradients->items[t], "norm");
    if (!norm) continue;
    squares += number(norm) * number(norm);
    count++;
  }
  return sqrt(squares / (double)count);
}

static void compare_gradients(const run *r, gradient_errors *e) {
  const cvy_yaml *want = r->want.gradients;
  const double usual_norm = usual_norm_of(want);
  CU_ASSERT_EQUAL_FATAL(want->count, r->info->param_tensors);
  for (int64_t t = 0; t < want->count; t++) {
    const bool is_average = r->info->params[t].spec->averaging > 0;
    CU_ASSERT_EQUAL_FATAL(is_average, want->items[t]->kind == CVY_YAML_SCALAR);
    if (!is_average) compare_gradient(r, &r->info->params[t], want->items[t], usual_norm, e);
  }
  CU_ASSERT(sqrt(e->sample_squares / (double)e->sample_count) <= sample_bound);
}

static void the_network_is_pytorchs(void) {
  run r;
  double losses = 0, logits = 0;
  gradient_errors gradients = {0};
  open_run(&r);
  for (int64_t step = 0; step < r.want.losses->count; step++) {
    const cvy_pass pass = {.training = true, .step = step, .loss_scale = (float)(1.0 / (double)r.want.batch)};
    forward(&r, &pass);
    const double got = mean_loss(&r), want = number(r.want.losses->items[step]);
    report(&losses, fabs(got - want) / want, loss_bound,
           cvy_pool_format(r.pool, "the loss of step %" PRId64, step), got, want);
    if (step == 0) logits = compare_logits(&r, r.want.logits, logit_bound);
    cvy_net_backward(r.net, r.gradients, r.images, &(cvy_targets){.labels = r.labels}, &pass);
    if (step == 0) compare_gradients(&r, &gradients);
    update(&r);
  }
  forward(&r, &(const cvy_pass){.training = false});
  const double evaluation = compare_logits(&r, r.want.evaluation, loss_bound);
  printf("logits %.1e, losses %.1e, gradients' norms %.1e, samples %.1e, evaluation %.1e ... ", logits,
         losses, gradients.norms, sqrt(gradients.sample_squares / (double)gradients.sample_count),
         evaluation);
  close_run(&r);
}

/* ---- what they cannot see ---- */

/* What the papers and torchvision say of each dropout: the parameter tensors above it, the numbers of an
 * image that it sees, and its rate. */
static const struct {
  const char *network, *settings, *dropouts;
} known[] = {{"lenet5", "{}", ""},
             {"lenet", "{}", ""},
             {"hoda-cnn", "{}", "8: 64, 50 %; "},
             {"catdog-cnn", "{}", "8: 6272, 50 %; "},
             {"alexnet", "{}", "12: 4096, 50 %; 14: 4096, 50 %; "},
             {"alexnet-grouped", "{}", "12: 4096, 50 %; 14: 4096, 50 %; "},
             {"alexnet-bn", "{}", "27: 4096, 50 %; 29: 4096, 50 %; "},
             {"alexnet-owt", "{}", "10: 9216, 50 %; 12: 4096, 50 %; "},
             {"zfnet", "{}", "12: 4096, 50 %; 14: 4096, 50 %; "},
             {"vgg-a", "{}", "18: 4096, 50 %; 20: 4096, 50 %; "},
             {"vgg-a-lrn", "{}", "18: 4096, 50 %; 20: 4096, 50 %; "},
             {"vgg-b", "{}", "22: 4096, 50 %; 24: 4096, 50 %; "},
             {"vgg-c", "{}", "28: 4096, 50 %; 30: 4096, 50 %; "},
             {"vgg-d", "{}", "28: 4096, 50 %; 30: 4096, 50 %; "},
             {"vgg-e", "{}", "34: 4096, 50 %; 36: 4096, 50 %; "},
             {"vgg-cifar", "{}",
              "5: 65536, 30 %; 15: 32768, 40 %; 25: 16384, 40 %; 30: 16384, 40 %; 40: 8192, 40 %; "
              "45: 8192, 40 %; 55: 2048, 40 %; 60: 2048, 40 %; 65: 512, 50 %; 70: 512, 50 %; "},
             {"resnet18", "{}", ""},
             {"resnet20", "{}", ""},
             {"resnet34", "{}", ""},
             {"resnet50", "{}", ""},
             {"resnet101", "{}", ""},
             {"resnet152", "{}", ""},
             {"googlenet", "{}", "114: 1024, 40 %; "},
             {"googlenet", "{aux: true}", "46: 1024, 70 %; 88: 1024, 70 %; 126: 1024, 40 %; "},
             {"googlenet-bn", "{}", "285: 1024, 20 %; "},
             {"inception-v3", "{}", "470: 2048, 50 %; "},
             {"inception-v3", "{aux: true}", "482: 2048, 50 %; "}};

static const char *dropouts_of(cvy_pool *pool, const char *network, const char *settings_text) {
  cvy_yaml *settings, *description;
  cvy_net *net;
  const char *found = "";
  CU_ASSERT_FATAL(!cvy_yaml_parse(&settings, pool, settings_text, "test"));
  CU_ASSERT_FATAL(!load_network(&description, pool, network, settings));
  CU_ASSERT_FATAL(!cvy_net_create(&net, description, 1, NULL));
  for (int64_t i = 0; i < net->node_count; i++) {
    const cvy_net_layer *layer = &net->info.layers[i];
    if (strcmp(layer->type, "dropout") == 0)
      found = cvy_pool_format(pool, "%s%" PRId64 ": %" PRId64 ", %s; ", found, net->nodes[i].first_param,
                              cvy_shape_per_image(layer->y), layer->detail);
  }
  cvy_net_destroy(net);
  return found;
}

static void dropout_stands_in_its_places(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(known); i++) {
    const char *found = dropouts_of(pool, known[i].network, known[i].settings);
    const bool same = strcmp(found, known[i].dropouts) == 0;
    if (!same) printf("\n    %s has dropout %s, not %s\n", known[i].network, found, known[i].dropouts);
    CU_ASSERT(same);
  }
  cvy_pool_destroy(pool);
}

/* These names need no golden, but must be the same network to the letter. */
static const char *const other_names[][2] = {{"vgg16", "vgg-d"}, {"vgg19", "vgg-e"}};

static const char *text_of(cvy_pool *pool, const char *network) {
  cvy_yaml *description, *resolved, *renamed;
  CU_ASSERT_FATAL(!load_network(&description, pool, network, NULL));
  CU_ASSERT_FATAL(!cvy_net_resolve(&resolved, pool, description));
  CU_ASSERT_FATAL(!cvy_net_rename(&renamed, pool, resolved, "network"));
  char *text = cvy_yaml_text(renamed);
  const char *copy = cvy_pool_format(pool, "%s", text);
  free(text);
  return copy;
}

static void other_names_mean_the_same(void) {
  cvy_pool *pool = cvy_pool_create();
  for (int64_t i = 0; i < CVY_COUNT(other_names); i++)
    CU_ASSERT_STRING_EQUAL(text_of(pool, other_names[i][0]), text_of(pool, other_names[i][1]));
  cvy_pool_destroy(pool);
}

static bool is_known(const char *network) {
  for (int64_t i = 0; i < CVY_COUNT(known); i++)
    if (strcmp(network, known[i].network) == 0) return true;
  return false;
}

static bool is_other_name(const char *network) {
  for (int64_t i = 0; i < CVY_COUNT(other_names); i++)
    if (strcmp(network, other_names[i][0]) == 0) return true;
  return false;
}

static bool has_golden(cvy_pool *pool, const char *network, const char *suffix) {
  const char *path = cvy_pool_format(pool, "%s/tests/reference/golden/%s%s.yaml", getenv("CONVOY_SOURCE"),
                                     network, suffix);
  return access(path, R_OK) == 0;
}

static bool is_tested(cvy_pool *pool, const char *network) {
  cvy_yaml *description;
  if (is_other_name(network)) return true;
  CU_ASSERT_FATAL(!load_network(&description, pool, network, NULL));
  const cvy_yaml *parameters = cvy_yaml_get(description, "parameters");
  const bool has_sizes = parameters && cvy_yaml_get(parameters, "size");
  return is_known(network) && has_golden(pool, network, "") &&
         (!has_sizes || has_golden(pool, network, "-full"));
}

static void every_network_is_tested(void) {
  cvy_pool *pool = cvy_pool_create();
  DIR *folder = opendir(cvy_pool_format(pool, "%s/launch/networks", getenv("CONVOY_SOURCE")));
  CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
  for (const struct dirent *file; (file = readdir(folder));) {
    const char *end = strstr(file->d_name, ".yaml");
    if (!end) continue;
    const char *network = cvy_pool_format(pool, "%.*s", (int)(end - file->d_name), file->d_name);
    const bool tested = is_tested(pool, network);
    if (!tested)
      printf("\n    %s: golden/%s.yaml, the same with -full if it takes a size, or its dropout is missing\n",
             network, network);
    CU_ASSERT(tested);
  }
  closedir(folder);
  cvy_pool_destroy(pool);
}

int main(int count, char **words) {
  CU_TestInfo equal[] = {TEST(the_network_is_pytorchs), CU_TEST_INFO_NULL};
  CU_TestInfo complete[] = {TEST(every_network_is_tested), TEST(dropout_stands_in_its_places),
                            TEST(other_names_mean_the_same), CU_TEST_INFO_NULL};
  if (count < 2) return run_suite("reference", complete);
  golden_path = words[1];
  return run_suite("reference", equal);
}
