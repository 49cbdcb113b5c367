/* What of a network does not learn, and from when on it does: a recipe's keys `freeze`, `freeze_until`,
 * `batch_norm` and `unfreeze`.
 *
 * A run has phases. In phase 0 all is frozen that the recipe freezes. Each entry of `unfreeze` begins another
 * one at the end of an epoch. A net is planned for one phase, so that what is frozen costs no gradient, no
 * message and no memory for a state; the run plans another where a phase begins (setup.c). */
#ifndef CVY_TRAIN_FREEZING_H
#define CVY_TRAIN_FREEZING_H

#include "base/options.h"
#include "train/factors.h"
#include "train/patterns.h"

/* One entry of `unfreeze`. */
typedef struct cvy_unfreezing {
  int64_t at; /* epochs done before */
  const cvy_yaml *layers;
  double rate;
  cvy_patterns patterns;
  const cvy_yaml *node;
} cvy_unfreezing;

typedef struct cvy_freezing {
  cvy_patterns frozen, statistics;
  const char *through; /* NULL: none */
  const cvy_yaml *through_at;
  int64_t count;
  const cvy_unfreezing *unfreezings;
} cvy_freezing;

/* What of a recipe is read. The lists are written anew, with every option. */
typedef struct cvy_freezing_keys {
  const cvy_yaml **freeze, **statistics, **unfreeze; /* each NULL if not given */
  const char *freeze_until;                          /* "": none */
  const cvy_yaml *root;
  int64_t epochs;
} cvy_freezing_keys;

cvy_err cvy_freezing_read(cvy_freezing *out, cvy_pool *pool, const cvy_freezing_keys *keys) CVY_MUST_CHECK;

/* Has what is frozen in a phase among the wishes, `rules` of rate 0 included. The wishes' lists lie in the
 * pool. */
void cvy_freezing_wish(cvy_net_wishes *wishes, cvy_pool *pool, const cvy_freezing *freezing,
                       const cvy_layer_rules *rules, int64_t phase);
/* Checks each entry against a net of phase 0: it matches something, and all that it matches is frozen until
 * then. Errors point at the entry. */
cvy_err cvy_freezing_check(const cvy_freezing *freezing, const cvy_layer_rules *rules,
                           const cvy_net_info *net) CVY_MUST_CHECK;
/* Returns the step after which a phase begins. */
int64_t cvy_freezing_begin(const cvy_freezing *freezing, int64_t phase, int64_t images, int64_t batch);
/* Returns the phase of the step that comes after `step` steps. */
int64_t cvy_freezing_phase(const cvy_freezing *freezing, int64_t step, int64_t images, int64_t batch);
/* Returns what has begun to learn by a phase. It lies in the pool. */
cvy_thaws cvy_freezing_thaws(const cvy_freezing *freezing, cvy_pool *pool, int64_t phase, int64_t images,
                             int64_t batch);
/* Tells whether two recipes have the same first `count` entries. */
bool cvy_freezing_has_same(const cvy_freezing *a, const cvy_freezing *b, int64_t count);

#endif
