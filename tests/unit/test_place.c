/* Tests the memory plan of every network that comes with Convoy, for training, for evaluation, and with
 * frozen layers. Live buffers do not overlap, by the planner's own lifetimes, and a pass gives the bits that
 * it gives where every buffer has memory of its own. */
#include "arrays.h"

#include "base/yaml.h"
#include "net/node.h"
#include "train/find.h"

#include <dirent.h>

enum { N = 3, LARGEST = 330 };

static cvy_err load(cvy_yaml **root, cvy_pool *pool, const char *file, const char *settings) {
  char path[4096];
  cvy_yaml *set;
  snprintf(path, sizeof path, "%s/launch/networks/%s", getenv("CONVOY_SOURCE"), file);
  CVY_TRY(cvy_yaml_parse(&set, pool, settings, "settings"));
  return cvy_network_load(root, pool, path, set);
}

static void for_every_network(void (*check)(const char *file)) {
  char path[4096];
  snprintf(path, sizeof path, "%s/launch/networks", getenv("CONVOY_SOURCE"));
  DIR *folder = opendir(path);
  CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
  int64_t found = 0;
  for (const struct dirent *file; (file = readdir(folder));) {
    if (!strstr(file->d_name, ".yaml")) continue;
    found++;
    check(file->d_name);
  }
  CU_ASSERT(found >= 4);
  closedir(folder);
}

/* ---- by the lifetimes ---- */

static bool overlap(const cvy_lifetime *a, const cvy_lifetime *b) {
  const bool in_time = a->first <= b->last && b->first <= a->last;
  const bool in_space = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
  return in_time && in_space;
}

/* Returns the bytes that are alive at once: no plan can do with less. */
static size_t most_alive(const cvy_net *net) {
  size_t most = 0;
  for (int64_t moment = 0; moment <= 2 * net->node_count; moment++) {
    size_t alive = 0;
    for (int64_t i = 0; i < net->life_count; i++) {
      const cvy_lifetime *life = &net->lives[i];
      if (life->first <= moment && moment <= life->last) alive += cvy_aligned(life->bytes);
    }
    if (alive > most) most = alive;
  }
  return most;
}

static void check_plan(const char *file, const char *what, const cvy_net *net) {
  int64_t overlaps = 0;
  for (int64_t i = 0; i < net->life_count; i++) {
    const cvy_lifetime *life = &net->lives[i];
    if (life->bytes == 0) continue;
    overlaps += life->offset + life->bytes > net->info.activation_bytes;
    for (int64_t j = 0; j < i; j++) overlaps += net->lives[j].bytes > 0 && overlap(life, &net->lives[j]);
  }
  if (overlaps) printf("\n    %s, %s: %" PRId64 " overlaps\n", file, what, overlaps);
  CU_ASSERT_EQUAL(overlaps, 0);
  CU_ASSERT(net->info.activation_bytes < net->info.activation_bytes_unshared);
  CU_ASSERT((double)net->info.activation_bytes <= 1.05 * (double)most_alive(net));
}

/* Names a layer in the middle of the network that is not a loss. */
static const char *middle_of(const cvy_net *net) {
  int64_t layer = net->node_count / 2;
  while (net->nodes[layer].type->is_loss) layer--;
  return net->nodes[layer].name;
}

static cvy_net_names all_of(const char *const *name) {
  return (cvy_net_names){name, 1};
}

static void check_wish(const char *file, const char *what, const cvy_yaml *root, const cvy_net_wishes *wishes,
                       const cvy_net *plain) {
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, N, wishes), CVY_OK);
  check_plan(file, what, net);
  const bool extra = wishes->outputs.count > 0 || wishes->image_gradient;
  if (wishes->purpose == CVY_NET_EVALUATION) {
    CU_ASSERT_EQUAL(net->info.activation_bytes, net->info.forward_bytes);
    CU_ASSERT(extra || net->info.activation_bytes == plain->info.forward_bytes);
    CU_ASSERT(net->info.scratch_bytes <= plain->info.scratch_bytes);
    CU_ASSERT(net->info.prepared_bytes <= plain->info.prepared_bytes);
  }
  if (wishes->frozen_through && !extra)
    CU_ASSERT(net->info.activation_bytes < plain->info.activation_bytes && net->info.frozen_count > 0);
  CU_ASSERT_EQUAL(net->info.param_count, plain->info.param_count);
  cvy_net_destroy(net);
}

static void check_lifetimes(const char *file) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(load(&root, pool, file, "{}"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, N, NULL), CVY_OK);
  check_plan(file, "training", net);
  CU_ASSERT(net->info.forward_bytes <= net->info.activation_bytes);
  const char *middle = middle_of(net);
  const struct {
    const char *what;
    cvy_net_wishes wishes;
  } wishes[] = {
      {"evaluation", {.purpose = CVY_NET_EVALUATION}},
      {"evaluation with an output", {.purpose = CVY_NET_EVALUATION, .outputs = all_of(&middle)}},
      {"the image's gradient", {.image_gradient = true}},
      {"a frozen half", {.frozen_through = middle}},
      {"everything at once", {.frozen_through = middle, .outputs = all_of(&middle), .image_gradient = true}},
  };
  for (int64_t i = 0; i < CVY_COUNT(wishes); i++)
    check_wish(file, wishes[i].what, root, &wishes[i].wishes, net);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

static void live_buffers_do_not_overlap(void) {
  for_every_network(check_lifetimes);
}

/* ---- by what is computed ---- */

/* Results of a pass: the losses, scores and probabilities of evaluation and training, and what the wishes ask
 * for. */
typedef struct results {
  double losses[2][N];
  float *scores[2], *probabilities[2];
  float *grads, *image_gradient, *output; /* NULL: there is none */
} results;

static float *copy_of_shape(const float *values, cvy_shape shape) {
  return copy_of(values, cvy_shape_count(shape));
}

static void take_results(results *r, const cvy_net *net, int training) {
  const int64_t scores = N * net->info.score_count;
  memcpy(r->losses[training], cvy_net_losses(net), sizeof r->losses[0]);
  r->scores[training] = copy_of(cvy_net_logits(net), scores);
  r->probabilities[training] = copy_of(cvy_net_probabilities(net), scores);
  for (int64_t i = 0; i < net->node_count && !training; i++)
    if (net->nodes[i].stays) r->output = copy_of_shape(cvy_net_output(net, i), net->nodes[i].plan.y);
}

/* Runs passes in memory that is full of NaN before: what a pass reads must have been written in it. */
static results run(cvy_net *net, const float *images) {
  const cvy_net_info *info = &net->info;
  const bool trains = net->wishes.purpose == CVY_NET_TRAINING;
  results r = {.grads = trains ? calloc((size_t)info->arena_count, sizeof(float)) : NULL};
  int32_t labels[N];
  const cvy_targets targets = {.labels = labels};
  for (int32_t n = 0; n < N; n++) labels[n] = (int32_t)(n % info->class_count);
  for (int training = 0; training < (trains ? 2 : 1); training++) {
    const cvy_pass pass = {.training = training, .seed = 5, .step = 7, .loss_scale = 1.0f / N};
    memset(net->activations, 0xff, info->activation_bytes);
    memset(net->scratch, 0xff, info->scratch_bytes);
    cvy_net_forward(net, images, &targets, &pass);
    take_results(&r, net, training);
    if (training) cvy_net_backward(net, r.grads, images, &targets, &pass);
  }
  if (net->wishes.image_gradient) r.image_gradient = copy_of_shape(cvy_net_image_gradient(net), info->input);
  return r;
}

static void free_results(results *r) {
  for (int i = 0; i < 2; i++) free(r->scores[i]), free(r->probabilities[i]);
  free(r->grads), free(r->image_gradient), free(r->output);
}

static bool is_finite_and_there(const float *values, int64_t count) {
  bool finite = true, there = false;
  for (int64_t i = 0; i < count; i++) {
    finite &= isfinite(values[i]) != 0;
    there |= values[i] != 0;
  }
  return finite && there;
}

/* Gives first values as cvy_net_init does, but a tensor's numbers repeat: drawing a hundred million would
 * take longer than the passes. */
static void init(cvy_net *net) {
  for (int64_t i = 0; i < net->info.param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    float *values = net->param_arena + p->offset;
    cvy_param_spec spec = *p->spec;
    const int64_t drawn = p->count < 65537 ? p->count : 65537;
    spec.dim_count = 1;
    spec.dims[0] = drawn;
    cvy_param_fill(values, &spec, 3, i, 0);
    for (int64_t k = drawn; k < p->count; k++) values[k] = values[k - drawn];
  }
}

/* Copies tensor by tensor, for arenas of nets with other frozen layers are laid out otherwise. */
static void copy_params(cvy_net *to, const cvy_net *from) {
  for (int64_t i = 0; i < from->info.param_tensors; i++)
    memcpy(to->param_arena + to->params[i].offset, from->param_arena + from->params[i].offset,
           sizeof(float) * (size_t)from->params[i].count);
}

static void same_forward(const results *a, const results *b, const cvy_net *net, int training) {
  const int64_t scores = N * net->info.score_count;
  CU_ASSERT(memcmp(a->losses[training], b->losses[training], sizeof a->losses[0]) == 0);
  CU_ASSERT(same_bits(a->scores[training], b->scores[training], scores));
  CU_ASSERT(same_bits(a->probabilities[training], b->probabilities[training], scores));
}

/* Checks that gradients of `a`, where it has them, are those of `b`. */
static void same_gradients(const results *a, const cvy_net *net_a, const results *b, const cvy_net *net_b) {
  for (int64_t i = 0; i < net_a->info.param_tensors; i++) {
    const cvy_net_param *p = &net_a->params[i];
    if (p->frozen) continue;
    if (!same_bits(a->grads + p->offset, b->grads + net_b->params[i].offset, p->count)) {
      printf("\n    %s: the gradient of %s is another one\n", net_a->info.name, p->name);
      CU_FAIL("gradient");
      break;
    }
  }
}

static void compare_unshared(const cvy_yaml *root, cvy_net *shared, const results *a, const float *images) {
  cvy_net *unshared;
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&unshared, root, N, &(cvy_net_wishes){.unshared = true}), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(unshared->info.activation_bytes, unshared->info.activation_bytes_unshared);
  copy_params(unshared, shared);
  results b = run(unshared, images);
  same_forward(a, &b, shared, 0), same_forward(a, &b, shared, 1);
  same_gradients(a, shared, &b, unshared);
  CU_ASSERT(is_finite_and_there(b.grads + shared->params[0].offset, shared->params[0].count));
  free_results(&b);
  cvy_net_destroy(unshared);
}

static results run_wish(cvy_net **net, const cvy_yaml *root, const cvy_net *plain, cvy_net_wishes wishes,
                        const float *images) {
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(net, root, N, &wishes), CVY_OK);
  copy_params(*net, plain);
  return run(*net, images);
}

/* A net for evaluation gives what the training net gives in evaluation. */
static void compare_evaluation(const cvy_yaml *root, cvy_net *plain, const results *a, const float *images) {
  cvy_net *net;
  results b = run_wish(&net, root, plain, (cvy_net_wishes){.purpose = CVY_NET_EVALUATION}, images);
  same_forward(a, &b, plain, 0);
  free_results(&b);
  cvy_net_destroy(net);
}

/* An evaluation net that keeps an output gives that too, and the output is that of a net where nothing is
 * shared. */
static void compare_outputs(const cvy_yaml *root, cvy_net *plain, const results *a, const float *images) {
  cvy_net *keeping, *unshared;
  const char *middle = middle_of(plain);
  cvy_net_wishes wishes = {.purpose = CVY_NET_EVALUATION, .outputs = all_of(&middle)};
  results b = run_wish(&keeping, root, plain, wishes, images);
  same_forward(a, &b, plain, 0);
  wishes.unshared = true;
  results c = run_wish(&unshared, root, plain, wishes, images);
  CU_ASSERT(b.output && c.output);
  for (int64_t i = 0; i < unshared->node_count; i++)
    if (unshared->nodes[i].stays)
      CU_ASSERT(same_bits(b.output, c.output, cvy_shape_count(unshared->nodes[i].plan.y)));
  free_results(&b), free_results(&c);
  cvy_net_destroy(keeping), cvy_net_destroy(unshared);
}

static bool freezes_averages(const cvy_net *net) {
  bool found = false;
  for (int64_t i = 0; i < net->info.param_tensors; i++)
    found |= net->params[i].frozen && net->params[i].spec->averaging > 0;
  return found;
}

/* Where half of the layers are frozen, those above them learn what they learn without, unless frozen averages
 * change what they see. The image's gradient is that of a net where nothing is shared. */
static void compare_frozen(const cvy_yaml *root, cvy_net *plain, const results *a, const float *images) {
  cvy_net *frozen, *with_image, *unshared;
  const char *middle = middle_of(plain);
  cvy_net_wishes wishes = {.frozen_through = middle};
  results b = run_wish(&frozen, root, plain, wishes, images);
  same_forward(a, &b, plain, 0);
  if (!freezes_averages(frozen)) {
    same_forward(a, &b, plain, 1);
    same_gradients(&b, frozen, a, plain);
  }
  wishes.image_gradient = true;
  results c = run_wish(&with_image, root, plain, wishes, images);
  wishes.unshared = true;
  results d = run_wish(&unshared, root, plain, wishes, images);
  same_forward(&b, &c, plain, 1), same_forward(&c, &d, plain, 1);
  same_gradients(&b, frozen, &c, with_image);
  same_gradients(&c, with_image, &d, unshared);
  CU_ASSERT(same_bits(c.image_gradient, d.image_gradient, cvy_shape_count(plain->input)));
  CU_ASSERT(is_finite_and_there(c.image_gradient, cvy_shape_count(plain->input)));
  free_results(&b), free_results(&c), free_results(&d);
  cvy_net_destroy(frozen), cvy_net_destroy(with_image), cvy_net_destroy(unshared);
}

/* Larger networks would take minutes, and show no other plans. */
enum { MOST_PARAMS = 15000000 };

static void check_pair(const cvy_yaml *root, cvy_net *shared) {
  float *images = random_array(cvy_shape_count(shared->info.input), 1);
  init(shared);
  results a = run(shared, images);
  compare_unshared(root, shared, &a, images);
  compare_evaluation(root, shared, &a, images);
  if (shared->info.param_count < MOST_PARAMS) {
    compare_outputs(root, shared, &a, images);
    compare_frozen(root, shared, &a, images);
  }
  free_results(&a), free(images);
}

/* Checks the smallest images that the network takes; it returns false if the network does not know these
 * settings. */
static bool check_passes(const char *file, const char *settings) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  cvy_net *net = NULL;
  char all[100];
  for (int64_t size = 33; !net && size < LARGEST; size += 14) {
    snprintf(all, sizeof all, "{size: %" PRId64 "%s%s}", size, settings[0] ? ", " : "", settings);
    if (!load(&root, pool, file, all) && !cvy_net_create(&net, root, N, NULL)) check_pair(root, net);
  }
  snprintf(all, sizeof all, "{%s}", settings);
  if (!net && !load(&root, pool, file, all) && !cvy_net_create(&net, root, N, NULL)) check_pair(root, net);
  const bool made = net != NULL;
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
  return made;
}

static void check_variants(const char *file) {
  CU_ASSERT(check_passes(file, ""));
  const bool has_auxiliary = strcmp(file, "googlenet.yaml") == 0 || strcmp(file, "inception-v3.yaml") == 0;
  CU_ASSERT(check_passes(file, "aux: true") == has_auxiliary);
}

static void sharing_changes_no_bit(void) {
  cvy_threads_set(2);
  for_every_network(check_variants);
  cvy_threads_set(1);
}

/* Networks with what no sensible one has: in place after layers whose backward reads what they made, long
 * ways around, one value read by many, the image read twice, an auxiliary loss in the middle. */
static const char *const odd[] = {
    "input: [9, 8, 3]\nlayers:\n  - conv: {filters: 6, kernel: 3}\n  - tanh\n  - dropout\n  - relu\n"
    "  - dropout\n"
    "  - conv: {filters: 5, kernel: 2}\n  - sigmoid\n  - dropout\n  - flatten\n  - tanh\n"
    "  - fc: {outputs: 12}\n  - leaky_relu\n  - dropout\n  - fc: {outputs: 9}\n  - softmax\n  - tanh\n"
    "  - fc: {outputs: 4}\n  - softmax_loss\n",
    "input: [8, 9, 2]\nlayers:\n  - conv: {name: a, filters: 4, kernel: 3, padding: same}\n"
    "  - tanh: {name: b}\n"
    "  - conv: {name: c, filters: 4, kernel: 3, padding: same}\n  - batch_norm: {name: d}\n"
    "  - add: {name: e, inputs: [d, b]}\n  - relu: {name: f}\n  - dropout: {name: g}\n"
    "  - fc: {name: h, inputs: f, outputs: 3}\n  - softmax_loss: {weight: 0.5}\n"
    "  - conv: {name: i, inputs: input, filters: 4, kernel: 1}\n  - add: {name: j, inputs: [g, e, i, e]}\n"
    "  - sigmoid: {name: k}\n  - max_pool: {name: l, kernel: 2, stride: 1, padding: 1}\n"
    "  - average_pool: {name: m, inputs: k, kernel: 2, stride: 1, padding: 1}\n"
    "  - concat: {name: n, inputs: [l, m, l]}\n  - lrn\n  - scale\n  - relu\n  - max_pool: {kernel: 3}\n"
    "  - dropout\n  - fc: {outputs: 3}\n  - softmax_loss\n"};

static void sharing_changes_no_bit_of_odd_nets(void) {
  for (int64_t i = 0; i < CVY_COUNT(odd); i++) {
    cvy_pool *pool = cvy_pool_create();
    cvy_yaml *root;
    cvy_net *net;
    CU_ASSERT_EQUAL_FATAL(cvy_yaml_parse(&root, pool, odd[i], "odd"), CVY_OK);
    const cvy_err err = cvy_net_create(&net, root, N, NULL);
    if (err) printf("\n    %s\n", cvy_err_message());
    CU_ASSERT_EQUAL_FATAL(err, CVY_OK);
    check_pair(root, net);
    cvy_net_destroy(net);
    cvy_pool_destroy(pool);
  }
}

/* VGG-16 as the papers have it: evaluation needs the two largest values at a time, the outputs of the first
 * two convolutions; training keeps all of the 15 million numbers that the layers make. */
static void vgg16_has_its_memory(void) {
  cvy_pool *pool = cvy_pool_create();
  cvy_yaml *root;
  cvy_net *net;
  CU_ASSERT_EQUAL_FATAL(load(&root, pool, "vgg16.yaml", "{}"), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_net_create(&net, root, 8, NULL), CVY_OK);
  CU_ASSERT_EQUAL(net->info.forward_bytes, (size_t)8 * 2 * 224 * 224 * 64 * sizeof(float));
  CU_ASSERT(net->info.activation_bytes <= (size_t)8 * 65000000);
  cvy_net_destroy(net);
  cvy_pool_destroy(pool);
}

SUITE("place", TEST(live_buffers_do_not_overlap), TEST(sharing_changes_no_bit),
      TEST(sharing_changes_no_bit_of_odd_nets), TEST(vgg16_has_its_memory))
