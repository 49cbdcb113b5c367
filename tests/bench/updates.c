/* Measures what an update costs by each rule, with clipping by norm and without, beside SGD's. It is the
 * learner's own update, behind a real backward. Two learners, SGD's and the rule's, make a step each in turn,
 * and every second round goes the other way about. On one rank this is the time of the update; on several, it
 * is what a step exposes. */
#include "base/yaml.h"
#include "net/net.h"
#include "optim/squares.h"
#include "train/find.h"
#include "train/fixed.h"
#include "train/recipe.h"
#include "train/step.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 1000 };

static const struct {
  const char *name, *solver;
} rules[] = {{"sgd", "sgd: {momentum: 0.9, weight_decay: 0.0005}"},
             {"adagrad", "adagrad: {weight_decay: 0.0005}"},
             {"adam", "adam: {weight_decay: 0.0005}"},
             {"adamw", "adamw: {weight_decay: 0.0005}"},
             {"rmsprop", "rmsprop: {momentum: 0.9, weight_decay: 0.0005}"},
             {"adadelta", "adadelta: {weight_decay: 0.0005}"},
             {"lars", "lars: {weight_decay: 0.0005}"},
             {"lamb", "lamb: {weight_decay: 0.0005}"}};

typedef struct options {
  int64_t rounds, batch;
  int64_t loops;    /* values of a tensor that is updated without a network; 0: networks are measured */
  const char *rule; /* NULL: all */
} options;

/* A learner with its steps. Seconds are those of the processor on one rank, and of the clock on several. */
typedef struct side {
  cvy_step_config config;
  cvy_learner *learner;
  cvy_step step;
  cvy_step_observer observer;
  double mark_s, mark_wall_s;
  double wall_s; /* elapsed in all updates */
  double update_s[MOST_ROUNDS], step_s[MOST_ROUNDS], exposed_s[MOST_ROUNDS];
  int64_t round;
} side;

static cvy_comm *comm;

static void try(cvy_err err) {
  if (err) cvy_fatal("%s", cvy_err_message());
}

static double now_s(void) {
  struct timespec t;
  if (cvy_comm_size(comm) > 1) return cvy_now_s();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- steps ---- */

static void mark(void *context, cvy_moment moment) {
  side *s = context;
  if (moment == CVY_BACKWARD_ENDS) {
    s->mark_s = now_s();
    s->mark_wall_s = cvy_now_s();
  } else if (moment == CVY_STEP_ENDS) {
    s->update_s[s->round] = now_s() - s->mark_s;
    s->wall_s += cvy_now_s() - s->mark_wall_s;
  }
}

static void open_side(side *s, cvy_pool *pool, const cvy_yaml *network, const char *solver, double norm,
                      int64_t batch) {
  cvy_tree tree;
  cvy_yaml *node;
  void *config;
  try(cvy_tree_create(&tree, cvy_comm_size(comm), NULL, 0));
  s->config = (cvy_step_config){.tree = tree, .microbatch = batch, .seed = 1, .clipping = {.norm = norm}};
  try(cvy_yaml_parse(&node, pool, solver, "solver"));
  try(cvy_read_rule(&s->config.rule, &config, pool, node));
  s->config.rule_config = config;
  const cvy_learner_config of_learner = {
      .comm = comm, .step = s->config, .bucket_mib = 4, .network = network};
  try(cvy_learner_create(&s->learner, &of_learner));
  cvy_net *net = cvy_learner_net(s->learner);
  cvy_net_init(net, 1);
  s->step = cvy_step_of(&s->config, net, cvy_comm_rank(comm), cvy_comm_size(comm));
  s->step.learner = s->learner;
  s->observer = (cvy_step_observer){mark, s};
  s->step.observer = &s->observer;
  s->round = 0;
  s->wall_s = 0;
}

static void make_step(side *s, const cvy_fixed *images, int64_t number) {
  const double start_s = now_s(), exposed_s = cvy_learner_times(s->learner).exposed_s;
  s->step.fixed = cvy_fixed_microbatch(images);
  cvy_step_run(&s->step, number, 1e-5);
  s->step_s[s->round] = now_s() - start_s;
  s->exposed_s[s->round] = cvy_comm_mean_s(comm, cvy_learner_times(s->learner).exposed_s - exposed_s);
}

/* ---- pairs ---- */

static double share_of_core(const side *s, int64_t rounds) {
  double sum = 0;
  for (int64_t i = 0; i < rounds; i++) sum += s->update_s[i];
  return s->wall_s > 0 ? sum / s->wall_s : 1;
}

static void tell_update(const char *name, side *a, side *b, int64_t rounds, int64_t values) {
  double ratios[MOST_ROUNDS];
  const double share = share_of_core(b, rounds), ns = 1e9 / (double)values;
  for (int64_t i = 0; i < rounds; i++) ratios[i] = b->update_s[i] / a->update_s[i];
  const cvy_spread ratio = cvy_spread_of(ratios, rounds), base = cvy_spread_of(a->update_s, rounds),
                   update = cvy_spread_of(b->update_s, rounds);
  printf("%-16s %6.3f  %6.3f   %6.3f  %6.3f   %5.2f  %5.2f (%.2f ... %.2f)  %3.0f %%\n", name,
         ns * update.lowest, ns * update.median, ns * base.lowest, ns * base.median,
         update.lowest / base.lowest, ratio.median, ratio.lowest, ratio.highest, 100 * share);
}

static void tell_step(const char *name, side *s, int64_t rounds) {
  double shares[MOST_ROUNDS];
  for (int64_t i = 0; i < rounds; i++) shares[i] = 100 * s->exposed_s[i] / s->step_s[i];
  const cvy_spread step = cvy_spread_of(s->step_s, rounds), exposed = cvy_spread_of(s->exposed_s, rounds),
                   share = cvy_spread_of(shares, rounds);
  printf(
      "  %-16s step %7.1f ms (lowest %.1f)  exposed %6.1f ms (%.1f), %4.1f %% (%.1f ... %.1f) of its step\n",
      name, 1e3 * step.median, 1e3 * step.lowest, 1e3 * exposed.median, 1e3 * exposed.lowest, share.median,
      share.lowest, share.highest);
}

static void tell(const char *name, side *a, side *b, int64_t rounds, int64_t values) {
  if (cvy_comm_rank(comm) > 0) return;
  if (cvy_comm_size(comm) == 1) {
    tell_update(name, a, b, rounds, values);
  } else {
    tell_step("sgd", a, rounds);
    tell_step(name, b, rounds);
  }
  fflush(stdout);
}

static void measure(const cvy_yaml *network, const char *name, const char *solver, double norm,
                    const options *o) {
  cvy_pool *pool = cvy_pool_create();
  side *sides = cvy_pool_new(pool, 2 * sizeof *sides);
  cvy_fixed images;
  open_side(&sides[0], pool, network, rules[0].solver, 0, o->batch);
  open_side(&sides[1], pool, network, solver, norm, o->batch);
  const cvy_net_info *net = cvy_net_describe(cvy_learner_net(sides[0].learner));
  const int64_t values = net->param_count;
  try(cvy_fixed_create(&images, net));
  cvy_fixed_fill(&images, net);
  for (int64_t r = -1; r < o->rounds; r++) /* the first touches all memory; its times are overwritten */
    for (int k = 0; k < 2; k++) {
      side *s = &sides[r & 1 ? !k : k];
      s->round = r < 0 ? 0 : r;
      if (r == 0) s->wall_s = 0;
      make_step(s, &images, r + 1);
    }
  tell(cvy_pool_format(pool, "%s%s", name, norm > 0 ? ", clipped" : ""), &sides[0], &sides[1], o->rounds,
       values);
  cvy_fixed_destroy(&images);
  for (int k = 0; k < 2; k++) cvy_learner_destroy(sides[k].learner);
  cvy_pool_destroy(pool);
}

/* Every gradient is longer than what it is clipped to. */
static void measure_network(const char *name, const options *o) {
  cvy_pool *pool = cvy_pool_create();
  const char *path;
  cvy_yaml *network;
  try(cvy_find_yaml(&path, pool, name, "networks", NULL));
  try(cvy_network_load(&network, pool, path, NULL));
  if (cvy_comm_rank(comm) == 0) {
    printf("%s, %d rank%s, %" PRId64 " rounds\n", name, cvy_comm_size(comm),
           cvy_comm_size(comm) > 1 ? "s" : "", o->rounds);
    if (cvy_comm_size(comm) == 1)
      printf("                 ns a value       SGD beside it    times SGD's\n"
             "                 lowest  median   lowest  median   lowest median (lowest ... highest)  core\n");
  }
  for (int64_t i = 0; i < CVY_COUNT(rules); i++) {
    if (o->rule && strcmp(o->rule, rules[i].name) != 0) continue;
    measure(network, rules[i].name, rules[i].solver, 0, o);
    measure(network, rules[i].name, rules[i].solver, 1e-3, o);
  }
  cvy_pool_destroy(pool);
}

/* ---- loops alone ---- */

/* One tensor, and what is timed of it: what comes before the norms, and the update behind them. */
typedef struct loops {
  cvy_piece piece;
  float *gradient;
  int64_t values;
} loops;

static float *filled(int64_t count, float size) {
  void *memory;
  try(cvy_buffer_create(&memory, sizeof(float) * (size_t)count, "a tensor"));
  cvy_random where = {.seed = 1, .purpose = CVY_FOR_TEST};
  float *values = memory;
  for (int64_t i = 0; i < count; i++) values[i] = size * (float)cvy_random_next_uniform(&where, -1, 1);
  return values;
}

/* Makes an update as one rank does for a tensor, and notes its two parts. */
static void time_update(double *first_s, double *update_s, const cvy_rule *rule, const void *config,
                        loops *l) {
  cvy_squares before = {0}, weights = {0};
  const bool measures = rule->norms != CVY_NORMS_NONE;
  const double start_s = now_s();
  if (rule->direct)
    cvy_rule_direct(rule, &l->piece, l->gradient, config, &before);
  else if (measures)
    cvy_squares_add(&before, l->gradient, l->values);
  const double middle_s = now_s();
  cvy_rule_apply(rule, &l->piece, config, measures ? &weights : NULL);
  *first_s = middle_s - start_s;
  *update_s = now_s() - start_s;
}

static void measure_loops(cvy_pool *pool, const options *o) {
  static double first_s[CVY_COUNT(rules)][MOST_ROUNDS], update_s[CVY_COUNT(rules)][MOST_ROUNDS];
  loops l = {.gradient = filled(o->loops, 1e-3f), .values = o->loops};
  l.piece = (cvy_piece){.tensor_count = o->loops,
                        .decays = true,
                        .count = o->loops,
                        .weights = filled(o->loops, 1e-2f),
                        .gradient = l.gradient,
                        .rate = 1e-6,
                        .step = 1,
                        .norms = {1, 1}};
  for (int k = 0; k < CVY_MOST_STATE; k++) l.piece.state[k] = filled(o->loops, 0);
  float *gradient = filled(o->loops, 1e-3f);
  const double start_s = now_s(), start_wall_s = cvy_now_s();
  for (int64_t round = 0; round < o->rounds; round++)
    for (int64_t i = 0; i < CVY_COUNT(rules); i++) {
      const int64_t turn = round % 2 ? CVY_COUNT(rules) - 1 - i : i;
      const cvy_rule *rule;
      cvy_yaml *node;
      void *config;
      try(cvy_yaml_parse(&node, pool, rules[turn].solver, "solver"));
      try(cvy_read_rule(&rule, &config, pool, node));
      memcpy(l.gradient, gradient, sizeof *gradient * (size_t)o->loops);
      for (int k = 0; k < CVY_MOST_STATE; k++) memset(l.piece.state[k], 0, sizeof(float) * (size_t)o->loops);
      time_update(&first_s[turn][round], &update_s[turn][round], rule, config, &l);
    }
  const double core = (now_s() - start_s) / (cvy_now_s() - start_wall_s);
  printf("loops on %" PRId64 " values, %" PRId64 " rounds, %.0f %% of a core\n"
         "           ns a value       before norms  times SGD's\n"
         "           lowest  median   lowest        lowest  median (lowest ... highest)\n",
         o->loops, o->rounds, 100 * core);
  double base[MOST_ROUNDS];
  memcpy(base, update_s[0], sizeof base);
  const double base_lowest = cvy_spread_of(update_s[0], o->rounds).lowest, ns = 1e9 / (double)o->loops;
  memcpy(update_s[0], base, sizeof base);
  for (int64_t i = 0; i < CVY_COUNT(rules); i++) {
    double ratios[MOST_ROUNDS];
    for (int64_t r = 0; r < o->rounds; r++) ratios[r] = update_s[i][r] / base[r];
    const cvy_spread update = cvy_spread_of(update_s[i], o->rounds), ratio = cvy_spread_of(ratios, o->rounds);
    printf("%-10s %6.3f  %6.3f   %6.3f        %6.2f  %6.2f (%.2f ... %.2f)\n", rules[i].name,
           ns * update.lowest, ns * update.median, ns * cvy_spread_of(first_s[i], o->rounds).lowest,
           update.lowest / base_lowest, ratio.median, ratio.lowest, ratio.highest);
  }
  cvy_buffer_destroy(gradient), cvy_buffer_destroy(l.gradient), cvy_buffer_destroy(l.piece.weights);
  for (int k = 0; k < CVY_MOST_STATE; k++) cvy_buffer_destroy(l.piece.state[k]);
}

static const char usage[] =
    "usage: updates [--rounds N] [--batch N] [--rule NAME] [NETWORK...]\n"
    "       updates --loops VALUES [--rounds N]\n"
    "The time of each rule's update on one thread, with clipping by norm and without, beside SGD's, in\n"
    "processor time [AlexNet and ResNet-50, 15 rounds, batch 1]. Under mpirun: the time of a step, and what\n"
    "of it was waited for gradients, norms, updates that wait for these, and weights to be handed on.\n"
    "With --loops, all rules' loops in turn on one tensor of so many values, without a network.\n"
    "  taskset -c 1 build/release/updates --rounds 31 alexnet\n"
    "  taskset -c 1 build/release/updates --rounds 31 --loops 16000000\n"
    "  mpirun -n 2 build/release/updates --batch 16 --rule sgd resnet50\n";

int main(int argc, char **argv) {
  static const char *const usual[] = {"alexnet", "resnet50"};
  options o = {.rounds = 15, .batch = 1};
  int i = 1;
  if (argc > 1 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
  for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
    if (strcmp(argv[i], "--rounds") == 0)
      o.rounds = strtoll(argv[i + 1], NULL, 10);
    else if (strcmp(argv[i], "--batch") == 0)
      o.batch = strtoll(argv[i + 1], NULL, 10);
    else if (strcmp(argv[i], "--loops") == 0)
      o.loops = strtoll(argv[i + 1], NULL, 10);
    else if (strcmp(argv[i], "--rule") == 0)
      o.rule = argv[i + 1];
    else
      break;
  }
  if (o.rounds < 1 || o.rounds > MOST_ROUNDS || o.batch < 1 || o.loops < 0 || (i < argc && argv[i][0] == '-'))
    return fputs(usage, stderr), 2;
  comm = cvy_comm_start();
  cvy_threads_set(1);
  if (o.loops > 0) {
    cvy_pool *pool = cvy_pool_create();
    measure_loops(pool, &o);
    cvy_pool_destroy(pool);
  } else if (i == argc)
    for (int k = 0; k < CVY_COUNT(usual); k++) measure_network(usual[k], &o);
  for (; i < argc; i++) measure_network(argv[i], &o);
  cvy_comm_finish(comm);
  return 0;
}
