/* RMSProp (Tieleman and Hinton 2012, lecture 6.5), in PyTorch's form: h = g + decay w,
 * s = alpha s + (1 - alpha) h h, b = momentum b + h / (sqrt(s) + epsilon), w = w - rate b. TensorFlow has
 * epsilon below the root; with that and epsilon 1 Inception v3 was trained (Szegedy et al. 2016, section 8).
 * Centred (Graves 2013), s is less the square of the gradients' average. */
#include "optim/rule.h"

typedef struct rmsprop {
  double alpha, momentum, epsilon;
  bool centred;
  int epsilon_at;
  cvy_decay decay;
} rmsprop;

enum { BESIDE_ROOT, BELOW_ROOT };
static const char *const places[] = {[BESIDE_ROOT] = "beside_root", [BELOW_ROOT] = "below_root", NULL};

static const cvy_option options[] = {
    {"alpha", CVY_FLOAT, offsetof(rmsprop, alpha), "0.99", 0, CVY_MOST_KEPT,
     .help = "share of the average square that goes on"},
    {"momentum", CVY_FLOAT, offsetof(rmsprop, momentum), "0", 0, 1,
     .help = "share of the last update that goes on"},
    {"epsilon", CVY_FLOAT, offsetof(rmsprop, epsilon), "1e-8", 1e-30, 1e6,
     .help = "keeps small roots from making large steps"},
    {"epsilon_at", CVY_CHOICE, offsetof(rmsprop, epsilon_at), "beside_root", .words = places,
     .help = "sqrt(s) + epsilon (PyTorch), or sqrt(s + epsilon) (TensorFlow)"},
    {"centred", CVY_BOOL, offsetof(rmsprop, centred), "false",
     .help = "divide by the deviation in place of the root of the square"},
    CVY_DECAY_OPTIONS(rmsprop, decay, CVY_L2_HELP),
    {0}};

/* The compiler makes a loop of its own for either value of `centred`. */
static inline void move(const cvy_piece *piece, const rmsprop *r, const bool centred) {
  const float rate = (float)piece->rate, old = (float)r->alpha, new = (float)(1 - r->alpha),
              momentum = (float)r->momentum, decay = (float)cvy_decay_of(piece, &r->decay),
              below = r->epsilon_at == BELOW_ROOT ? (float)r->epsilon : 0,
              beside = r->epsilon_at == BELOW_ROOT ? 0 : (float)r->epsilon;
  float *w = piece->weights, *square = piece->state[0], *velocity = piece->state[1], *mean = piece->state[2];
  const float *g = piece->gradient;
  const cvy_clip clip = cvy_clip_of(piece);
  CVY_VECTOR
  for (int64_t i = 0; i < piece->count; i++) {
    const float gradient = cvy_clipped(g[i], clip) + decay * w[i];
    square[i] = old * square[i] + new *(gradient * gradient);
    float spread = square[i];
    if (centred) {
      mean[i] = old * mean[i] + new *gradient;
      spread -= mean[i] * mean[i];
    }
    velocity[i] = momentum * velocity[i] + gradient / (sqrtf(spread + below) + beside);
    w[i] -= rate * velocity[i];
  }
}

static void apply(const cvy_piece *piece, const void *config) {
  const rmsprop *r = config;
  r->centred ? move(piece, r, true) : move(piece, r, false);
}

/* Averages of the latest gradient alone have no deviation to divide by. */
static cvy_err check(const void *config, const cvy_yaml *given, const cvy_yaml *at) {
  const rmsprop *r = config;
  const cvy_yaml *alpha = cvy_yaml_get(given, "alpha");
  if (r->alpha > 0 || !r->centred) return CVY_OK;
  return cvy_yaml_error(alpha ? alpha : at,
                        "'alpha' must be above 0 where 'centred' is true, for a single gradient has no "
                        "deviation");
}

static const cvy_kind kind = {"rmsprop", "RMSProp: rates that fall with the average square of gradients",
                              options, sizeof(rmsprop)};

#define RULE .kind = &kind, .state_names = {"squares", "momentum", "averages"}, .apply = apply, .check = check

static const cvy_rule without_averages = {RULE, .state_count = 2};

static const cvy_rule *configured(const void *config) {
  const rmsprop *r = config;
  return r->centred ? NULL : &without_averages;
}

const cvy_rule CVY_RULE_CONSTANT(rmsprop) = {RULE, .state_count = 3, .configured = configured};
