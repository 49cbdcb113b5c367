/* A learning rate that falls by a factor whenever validation has stopped improving (AlexNet's "divide by
 * ten", Krizhevsky et al. 2012, section 5), in the form of PyTorch's ReduceLROnPlateau. The score is the
 * exact one of all validation images, so all ranks decide alike. */
#include "optim/position.h"

#include <math.h>

enum { TOP1, LOSS };
static const char *const score_words[] = {[TOP1] = "top1", [LOSS] = "loss", NULL};

/* These are the places in the schedule's memory. */
enum { REDUCTIONS, BEST, WITHOUT, REST };

typedef struct plateau {
  double rate, factor, threshold, lowest;
  int64_t patience, cooldown;
  int score;
} plateau;

static const cvy_option options[] = {
    {"rate", CVY_FLOAT, offsetof(plateau, rate), "0.01", 0, 1e6, .help = "the learning rate at first"},
    {"factor", CVY_FLOAT, offsetof(plateau, factor), "0.1", 0, 1, .help = "what it is multiplied with"},
    {"patience", CVY_INT, offsetof(plateau, patience), "10", 0, 1 << 20,
     .help = "how many validations in a row may be no better than the best"},
    {"threshold", CVY_FLOAT, offsetof(plateau, threshold), "0.0001", 0, 1,
     .help = "by what share of the best a better score must differ"},
    {"cooldown", CVY_INT, offsetof(plateau, cooldown), "0", 0, 1 << 20,
     .help = "how many validations after a change do not count"},
    {"lowest", CVY_FLOAT, offsetof(plateau, lowest), "0", 0, 1e6, .help = "the rate falls no lower"},
    {"score", CVY_CHOICE, offsetof(plateau, score), "top1", .words = score_words,
     .help = "what is to improve: top-1 accuracy, or loss"},
    {0}};

static double rate(const void *config, const cvy_schedule_moment *moment) {
  const plateau *p = config;
  return fmax(p->rate * pow(p->factor, moment->memory[REDUCTIONS]), p->lowest);
}

/* The rate would begin where it may fall to, which is not the one that was asked for. */
static cvy_err check(const void *config, const cvy_yaml *given, const cvy_yaml *at) {
  const plateau *p = config;
  const cvy_yaml *lowest = cvy_yaml_get(given, "lowest");
  if (p->lowest <= p->rate) return CVY_OK;
  return cvy_yaml_error(lowest ? lowest : at,
                        "'lowest' must be at most the 'rate' of %g from which it falls, not %g", p->rate,
                        p->lowest);
}

static bool is_better(const plateau *p, double score, double best) {
  return p->score == LOSS ? score < best * (1 - p->threshold) : score > best * (1 + p->threshold);
}

/* memory[WITHOUT] is 0 before the first validation, and else one more than the validations in a row without a
 * better score. */
static void validated(const void *config, double memory[CVY_SCHEDULE_MEMORY],
                      const cvy_schedule_moment *moment) {
  const plateau *p = config;
  const double score = p->score == LOSS ? moment->last_loss : moment->last_top1;
  const bool better = memory[WITHOUT] == 0 || is_better(p, score, memory[BEST]);
  if (better) memory[BEST] = score;
  memory[WITHOUT] = better ? 1 : memory[WITHOUT] + 1;
  if (memory[REST] > 0) {
    memory[REST]--;
    memory[WITHOUT] = 1;
  }
  if (memory[WITHOUT] - 1 <= (double)p->patience) return;
  memory[REDUCTIONS]++;
  memory[WITHOUT] = 1;
  memory[REST] = (double)p->cooldown;
}

/* Reductions stay, unless they are of another rate. Scores of another kind are not compared. */
static bool goes_on(const void *before, const void *now, double memory[CVY_SCHEDULE_MEMORY]) {
  const plateau *was = before, *is = now;
  if (was->rate != is->rate) return false;
  if (was->score != is->score) memory[WITHOUT] = 0;
  return true;
}

static const cvy_kind kind = {"plateau", "rate * factor ^ (how often validation has stopped improving)",
                              options, sizeof(plateau)};

const cvy_schedule cvy_schedule_plateau = {.kind = &kind,
                                           .rate = rate,
                                           .validated = validated,
                                           .needs_scores = true,
                                           .goes_on = goes_on,
                                           .check = check};
