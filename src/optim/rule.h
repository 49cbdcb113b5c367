/* What the files of update rules share besides optim.h. They are compiled once for each instruction set. */
#ifndef CVY_OPTIM_RULE_H
#define CVY_OPTIM_RULE_H

#include "base/options.h"
#include "optim/optim.h"

#include <math.h>

#define CVY_RULE_JOIN(name, set)        cvy_rule_##name##_##set
#define CVY_RULE_JOIN_VALUES(name, set) CVY_RULE_JOIN(name, set)

/* The name of the rule's constant in this set; the build defines CVY_SET. */
#define CVY_RULE_CONSTANT(name) CVY_RULE_JOIN_VALUES(name, CVY_SET)

/* Stands before a loop whose iterations are independent of each other. */
#define CVY_VECTOR _Pragma("omp simd")

/* ---- clipping ---- */

static inline cvy_clip cvy_clip_of(const cvy_piece *piece) {
  return piece->clip ? *piece->clip : (cvy_clip){1, INFINITY};
}

/* ---- weight decay ---- */

typedef struct cvy_decay {
  double weight_decay;
  bool decay_biases;
} cvy_decay;

/* These are two lines for a rule's options; `help` says what the decay does. */
#define CVY_DECAY_OPTIONS(config, field, text)                                                               \
  {"weight_decay", CVY_FLOAT, offsetof(config, field.weight_decay), "0", 0, 1, .help = text}, {              \
    "decay_biases", CVY_BOOL, offsetof(config, field.decay_biases), "false",                                 \
        .help = "decay biases and normalisation too (as PyTorch does by default)"                            \
  }
#define CVY_L2_HELP        "L2: this times w is added to the gradient"
#define CVY_DECOUPLED_HELP "decoupled: w falls by this times the rate, beside the update"

/* Returns the decay of the piece's tensor. */
static inline double cvy_decay_of(const cvy_piece *piece, const cvy_decay *decay) {
  if (!piece->decays && !decay->decay_biases) return 0;
  return piece->decay_factor ? decay->weight_decay * *piece->decay_factor : decay->weight_decay;
}

/* ---- running averages ---- */

/* This is the largest share of an average that may go on. With 1 it would stay at its zero for ever, and the
 * division by it gives no number. */
#define CVY_MOST_KEPT 0.999999

/* Returns base^n, by squaring: libm's pow may round otherwise elsewhere. */
static inline double cvy_whole_power(double base, int64_t n) {
  double power = 1;
  for (; n > 0; n /= 2, base *= base)
    if (n % 2) power *= base;
  return power;
}

#endif
