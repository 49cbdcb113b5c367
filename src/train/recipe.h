/* The recipe: everything that defines a run, read from YAML, overridden from the command line, resolved.
 *
 * A run is defined by its recipe, its data and its seed; nothing that is not in here may change its bits. */
#ifndef CVY_TRAIN_RECIPE_H
#define CVY_TRAIN_RECIPE_H

#include "base/options.h"
#include "base/text.h"
#include "comm/tree.h"
#include "model/model.h"
#include "optim/average.h"
#include "optim/optim.h"
#include "optim/warmup.h"
#include "train/factors.h"
#include "train/freezing.h"
#include <convoy/train.h>

enum { CVY_BAD_RECORD_FAILS, CVY_BAD_RECORD_SKIPPED };

/* An average of the weights, and by which of the two sets a run's best step is chosen. */
typedef struct cvy_ema {
  cvy_averaging averaging;
  int best; /* cvy_weights */
} cvy_ema;

/* Ends a run whose validation has stopped improving. */
typedef struct cvy_early_stopping {
  int64_t patience; /* validations; 0: the run goes on to its last epoch */
  double min_delta;
  int metric; /* cvy_metric_watched */
} cvy_early_stopping;

typedef enum cvy_metric_watched {
  CVY_WATCHES_VAL_LOSS,
  CVY_WATCHES_VAL_TOP1,
  CVY_WATCHES_EMA_LOSS,
  CVY_WATCHES_EMA_TOP1
} cvy_metric_watched;
extern const char *const cvy_watched_words[]; /* "val_loss", "val_top1", "ema_loss", "ema_top1" */

/* What becomes of the layer that tells the classes apart, where a run begins with given weights. */
typedef enum cvy_head {
  CVY_HEAD_KEPT, /* it is copied, and must fit */
  CVY_HEAD_AUTO, /* it is made anew if it does not fit */
  CVY_HEAD_NEW   /* it is made anew */
} cvy_head;

/* By whose mean and deviation images are normalised. */
typedef enum cvy_normalising { CVY_NORMALISES_AS_FILE, CVY_NORMALISES_AS_DATA } cvy_normalising;

/* Weights that a run begins with. */
typedef struct cvy_init_from {
  const char *weights;            /* "": none, for all are drawn */
  int head;                       /* cvy_head */
  int normalise;                  /* cvy_normalising */
  const cvy_yaml *layers, *anew;  /* lists of names; NULL if not given */
  cvy_patterns copied, made_anew; /* the same, read */
} cvy_init_from;

enum { CVY_DIVERGENCE_STOPS, CVY_DIVERGENCE_ROLLS_BACK };

struct cvy_recipe {
  cvy_pool *pool;
  const cvy_yaml *root;    /* the recipe as it stands in its file, with the overrides */
  const cvy_yaml *network; /* the network's description, a mapping, as its author wrote it */
  /* These have every option written out. */
  const cvy_yaml *network_resolved, *augment_resolved, *evaluation_resolved;
  struct {
    const char *train, *val;
    cvy_arrays_said arrays;               /* what is said about HDF5 files of other makers */
    const cvy_yaml *augment, *evaluation; /* evaluation: NULL if not given */
    int64_t prefetch, threads;
    int shuffle; /* cvy_shuffle */
    int64_t block, window;
    struct {
      int keep;           /* cvy_keep */
      int64_t memory_mib; /* memory of each rank */
    } cache;
    int on_bad_record; /* CVY_BAD_RECORD_... */
  } data;
  int64_t batch, microbatch;
  cvy_ints radices;
  cvy_tree tree;
  int64_t epochs;
  int64_t seed;
  int convolution; /* cvy_conv_choice */
  int reduce;      /* cvy_exchange_way */
  int wire;        /* cvy_wire */
  int64_t bucket;  /* MiB; 0: to be measured */
  const cvy_yaml *solver, *learning_rate;
  cvy_warmup warmup;
  cvy_clipping clip;
  cvy_ema ema;
  cvy_early_stopping early_stopping;
  int on_divergence; /* CVY_DIVERGENCE_... */
  double exploding_loss;
  int64_t roll_backs;
  cvy_init_from init_from;
  const cvy_yaml *freeze, *unfreeze; /* NULL if not given */
  const char *freeze_until;          /* "": none */
  struct {
    const cvy_yaml *frozen; /* NULL: none */
  } batch_norm;
  const cvy_yaml *layers; /* NULL: all layers learn alike */
  const char *run;
  int64_t log_every, check_every, checkpoint_every;

  const cvy_rule *rule;
  void *rule_config;
  const cvy_schedule *schedule;
  void *schedule_config;
  cvy_layer_rules layer_rules;
  cvy_freezing freezing;
  const char *own_schedule; /* name of the schedule before the command line changed anything */
  const cvy_yaml *resolved; /* all of it as one self-contained mapping */
  char *text;               /* `resolved` as YAML */
};

extern const cvy_option cvy_recipe_options[];

/* Returns the chain that validation images go through. */
static inline const cvy_yaml *cvy_recipe_evaluation(const cvy_recipe *recipe) {
  return recipe->data.evaluation ? recipe->data.evaluation : recipe->data.augment;
}

/* Tells whether an average of the weights is kept. */
static inline bool cvy_recipe_averages(const cvy_recipe *recipe) {
  return recipe->ema.averaging.decay > 0;
}

/* Returns the set of weights whose score decides which step is the best. */
static inline cvy_weights cvy_recipe_judges(const cvy_recipe *recipe) {
  return cvy_recipe_averages(recipe) ? (cvy_weights)recipe->ema.best : CVY_WEIGHTS_RAW;
}

/* Reads "name" or "name: {options}" as an update rule, with its configuration in `pool`. */
cvy_err cvy_read_rule(const cvy_rule **rule, void **config, cvy_pool *pool,
                      const cvy_yaml *node) CVY_MUST_CHECK;

/* Returns the hash of everything that the ranks of a job must have in common, which is all but what is local
 * to each, as the option table says. */
cvy_hash cvy_recipe_hash(const cvy_recipe *recipe);

/* Checks whether a run that began with one recipe can go on with another. If not, it fails with CVY_E_INPUT
 * and names the key and both values. What changes no bit, as the option table says, may differ, such as the
 * paths. So may `epochs`, unless the schedule looks ahead. If `changes` is not NULL, so may what people
 * change their minds about (schedule, warm-up, clipping, averaging, early stopping, epochs, what learns
 * later, the solver's options), and it receives what differs, as far as it has room. */
cvy_err cvy_recipe_compare(const cvy_recipe *stored, const cvy_recipe *wanted, const char *stored_in,
                           cvy_text *changes) CVY_MUST_CHECK;
/* Tells whether recipes differ in the value of a key, such as "early_stopping.metric", or below it. */
bool cvy_recipe_differs(const cvy_recipe *a, const cvy_recipe *b, const char *path);

#endif
