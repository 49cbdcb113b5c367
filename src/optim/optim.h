/* Update rules and learning-rate schedules.
 *
 * An update rule, in two places:
 *   1. src/optim/rule_NAME.c: a struct of options and their table, a loop over one piece of a tensor, and
 *      the constant CVY_RULE_CONSTANT(NAME) (optim/rule.h). rule_sgd.c is the example. The file is
 *      compiled once for each instruction set, so its loop is plain C under CVY_VECTOR, and has the same
 *      bits in all of them: + - * / and sqrtf are exactly rounded everywhere. powf, expf and their like are
 *      not, so what needs them is worked out in double before the loop.
 *   2. A line at the end of src/optim/rules.def.
 *   Its test goes to tests/unit/test_optim.c, which fails for a rule without one.
 *
 * A schedule, in two places:
 *   1. src/optim/schedule_NAME.c: options, and the rate as a function of the moment. schedule_step.c is
 *      the example. What it must remember of past scores it notes in `validated`.
 *   2. A line in src/optim/schedules.def.
 *   Its test goes to tests/unit/test_optim.c too.
 *
 * What a rule may rely on. It never sees a whole tensor: gradients arrive in blocks, each rank updates its
 * own part of them, and threads share that. What it gets is a piece, and where pieces are cut depends on
 * ranks, threads and buckets. So each new value may depend on nothing but the values at its own place, its
 * place in the tensor, and what the piece says of the step and of the whole tensor. Then the bits are the
 * same however the tensor was cut.
 *
 * A rule that needs to know how long whole vectors are says so in `norms`. All its updates then wait until
 * the last gradient of the step is there, where those of other rules run beside backward. What is measured,
 * and `direct`, do not wait, unless the length of the whole gradient is wanted first. Norms are made
 * of exact sums (optim/squares.h), so they have the same bits at any number of ranks and threads too.
 *
 * An update is not collective: every rank applies the same one to the same sums. */
#ifndef CVY_OPTIM_OPTIM_H
#define CVY_OPTIM_OPTIM_H

#include "base/base.h"

struct cvy_kind;    /* base/options.h */
struct cvy_yaml;    /* base/yaml.h */
struct cvy_squares; /* optim/squares.h */

/* ---- update rules ------------------------------------------------------------------------------------- */

enum { CVY_MOST_STATE = 4 };

/* The length (L2 norm) of a vector of weights and of its gradient, before the update; NaN if a value of it
 * is not finite. */
typedef struct cvy_norms {
  double weights, gradient;
} cvy_norms;

/* Which vector a rule wants to know the length of: none, each tensor, or all tensors together. */
typedef enum cvy_norms_of { CVY_NORMS_NONE, CVY_NORMS_TENSOR, CVY_NORMS_GLOBAL } cvy_norms_of;

/* What becomes of a gradient before a rule sees it: it is multiplied by `scale`, and then kept within -bound
 * and bound. */
typedef struct cvy_clip {
  float scale, bound;
} cvy_clip;

/* Returns a gradient as the rule should see it. A NaN stays one. */
static inline float cvy_clipped(float gradient, cvy_clip clip) {
  const float scaled = gradient * clip.scale;
  return scaled > clip.bound ? clip.bound : scaled < -clip.bound ? -clip.bound : scaled;
}

/* How a run clips its gradients. Zeros mean that it does not. */
typedef struct cvy_clipping {
  double norm;  /* longest gradient of the whole network (Pascanu et al. 2013, algorithm 1) */
  double value; /* largest magnitude of each number of it, after that */
} cvy_clipping;

/* Values first ... first + count-1 of a tensor in one step. All pointers point at value `first`. */
typedef struct cvy_piece {
  int64_t tensor;       /* its number among the network's parameters */
  int64_t tensor_count; /* values of all of it */
  bool decays;          /* weight decay applies to it: it is not a bias */
  int64_t first, count;
  float *weights;
  const float *gradient;        /* the mean over the images of the step, not clipped yet */
  const cvy_clip *clip;         /* NULL: the gradient counts as it is */
  float *state[CVY_MOST_STATE]; /* the rule's own; zeros before the first step */
  float *average;               /* no business of the rule's; NULL: none is kept (optim/average.h) */
  float average_share;          /* how far it goes to the new weights */
  double rate;                  /* the schedule's learning rate, times the tensor's factor */
  const double *decay_factor;   /* what the rule's weight decay is multiplied with; NULL: 1 */
  int64_t step;                 /* 1 in the first step of a run */
  cvy_norms norms;              /* those that the rule wants, else zeros */
} cvy_piece;

typedef struct cvy_rule {
  const struct cvy_kind *kind;
  int64_t state_count;
  const char *state_names[CVY_MOST_STATE]; /* names of groups in checkpoints: letters and '_' */
  cvy_norms_of norms;
  /* Replaces a piece's gradient, which `direction` holds, by the way that the step will go, and may change
   * the state. norms.gradient is then the way's length, and apply gets the way as the gradient. It is for
   * rules that want norms, and may be NULL. Threads call it as they call apply. */
  void (*direct)(const cvy_piece *piece, float *direction, const void *config);
  /* Updates the weights and the state of a piece. Any thread may call it; it uses no other threads. */
  void (*apply)(const cvy_piece *piece, const void *config);
  /* Returns this rule with less state, for a configuration that needs less; NULL: it needs all. The function
   * may be NULL. */
  const struct cvy_rule *(*configured)(const void *config);
  /* Checks what the options say together, as a schedule's check does. The function may be NULL. */
  cvy_err (*check)(const void *config, const struct cvy_yaml *given, const struct cvy_yaml *at);
} cvy_rule;

/* Returns the rule with the state that this configuration needs. */
static inline const cvy_rule *cvy_rule_configured(const cvy_rule *rule, const void *config) {
  const cvy_rule *less = rule->configured ? rule->configured(config) : NULL;
  return less ? less : rule;
}

/* These cut the piece into blocks, which the threads share. cvy_rule_apply moves the average of a block, too,
 * while its new weights are still at hand. They add the squares of what they write, the new weights or the
 * way, to the last argument unless it is NULL, while it is in the cache. */
void cvy_rule_apply(const cvy_rule *rule, const cvy_piece *piece, const void *config,
                    struct cvy_squares *weights);
void cvy_rule_direct(const cvy_rule *rule, const cvy_piece *piece, float *direction, const void *config,
                     struct cvy_squares *way);

/* These are compiled for this processor: for the set of instructions that cvy_kernels_get chooses. */
int64_t cvy_rule_count(void);
const cvy_rule *cvy_rule_at(int64_t index);
/* Returns the rule as it is compiled for the set of that name; NULL if this build lacks it. */
const cvy_rule *cvy_rule_in(const char *set, int64_t index);

/* ---- schedules ---------------------------------------------------------------------------------------- */

enum { CVY_SCHEDULE_MEMORY = 4 };

/* Where in training a step stands. It is the same at any number of ranks, and in a run that was resumed.
 * Scores are those of validation, and NaN as long as there is none. */
typedef struct cvy_schedule_moment {
  int64_t step, total_steps; /* steps done, and those of the whole run */
  double epoch;              /* epochs done, a fraction within one */
  double step_epochs;        /* what part of an epoch a step is */
  double last_top1, last_loss;
  double best_top1;
  int64_t best_step;    /* the step after which best_top1 was measured; 0: there is none */
  const double *memory; /* [CVY_SCHEDULE_MEMORY], what `validated` has noted; zeros at first */
} cvy_schedule_moment;

typedef struct cvy_schedule {
  const struct cvy_kind *kind;
  /* The learning rate of the step that begins at this moment. */
  double (*rate)(const void *config, const cvy_schedule_moment *moment);
  /* Takes note of each validation, whose score the moment has. A schedule that waits for scores notes in
   * `memory` what it must remember, which checkpoints keep. The function may be NULL. */
  void (*validated)(const void *config, double memory[CVY_SCHEDULE_MEMORY],
                    const cvy_schedule_moment *moment);
  /* Tells whether rates depend on the run's total, so that another number of epochs changes the first steps
   * too. NULL: they never do. */
  bool (*looks_ahead)(const void *config);
  bool needs_scores; /* it stands still without validation */
  /* Takes over what was noted while the schedule had other options. Returns false, and leaves the memory
   * alone, if the rate begins anew by the options of now. NULL: it always does. */
  bool (*goes_on)(const void *before, const void *now, double memory[CVY_SCHEDULE_MEMORY]);
  /* Checks what the options say together, after each was read by itself. Errors point at one of `given`, the
   * mapping in which they were given, or at `at` if that is NULL. The function may be NULL. */
  cvy_err (*check)(const void *config, const struct cvy_yaml *given, const struct cvy_yaml *at);
} cvy_schedule;

/* Tells whether the schedule, as it is configured, looks ahead to the run's total. */
static inline bool cvy_schedule_looks_ahead(const cvy_schedule *schedule, const void *config) {
  return schedule->looks_ahead && schedule->looks_ahead(config);
}

int64_t cvy_schedule_count(void);
const cvy_schedule *cvy_schedule_at(int64_t index);

#endif
