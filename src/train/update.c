/* Changes the weights in a step. They are cut into pieces of one tensor each, for the update rule or the
 * running averages. */
#include "train/update.h"

#include "base/count.h"
#include "math/kernels.h"
#include "optim/average.h"

enum { MEASURE_BLOCK = 1 << 16 }; /* values of a task */

/* A rank that shares the work touches its part of each block only. Small pages make an update 3 % slower. */
static cvy_err create_arena(float **out, int64_t count, const char *what) {
  void *memory;
  const cvy_err err = cvy_buffer_create_sparse(&memory, sizeof(float) * (size_t)count, what);
  *out = memory;
  return err;
}

cvy_err cvy_arenas_create(cvy_arenas *out, cvy_net *net, const cvy_rule *rule) {
  CVY_CHECK(rule->state_count <= CVY_MOST_STATE);
  *out = (cvy_arenas){.net = net,
                      .rule = rule,
                      .params = cvy_net_params(net),
                      .state_floats = cvy_net_describe(net)->learnt_count};
  for (int64_t k = 0; k < rule->state_count; k++) {
    const cvy_err err = create_arena(&out->state[k], out->state_floats, "the optimiser's state");
    if (!err) continue;
    cvy_arenas_destroy(out);
    return err;
  }
  return CVY_OK;
}

cvy_err cvy_arenas_add_average(cvy_arenas *arenas) {
  return create_arena(&arenas->average, cvy_net_describe(arenas->net)->arena_count, "the averaged weights");
}

void cvy_arenas_destroy(cvy_arenas *arenas) {
  for (int k = 0; k < CVY_MOST_STATE; k++) cvy_buffer_destroy(arenas->state[k]);
  cvy_buffer_destroy(arenas->average);
  *arenas = (cvy_arenas){0};
}

/* ---- pieces ---- */

/* Values first ... end-1 of the arena, all of one tensor. */
typedef struct part {
  int64_t tensor, first, end;
} part;

/* Finds what of the tensor lies in values first ... end-1 of the arena; false if nothing does. */
static bool cut(part *out, const cvy_net_info *net, int64_t tensor, int64_t first, int64_t end) {
  const cvy_net_param *p = &net->params[tensor];
  *out = (part){
      .tensor = tensor, .first = cvy_larger(p->offset, first), .end = cvy_smaller(p->offset + p->count, end)};
  return out->first < out->end;
}

/* ---- norms ---- */

int64_t cvy_norms_count(const cvy_arenas *arenas) {
  switch (arenas->rule->norms) {
  case CVY_NORMS_TENSOR:
    return cvy_net_describe(arenas->net)->param_tensors;
  case CVY_NORMS_GLOBAL:
    return 1;
  case CVY_NORMS_NONE:
    break;
  }
  return 0;
}

static int64_t norm_of(const cvy_rule *rule, int64_t tensor) {
  return rule->norms == CVY_NORMS_TENSOR ? tensor : 0;
}

typedef struct measuring {
  cvy_squares *sum;
  const float *values;
  const cvy_clip *clip; /* what becomes of the values first; NULL: nothing */
  int64_t count;
} measuring;

static void add_clipped(cvy_squares *sum, const float *values, int64_t count, const cvy_clip *clip) {
  enum { CHUNK = 1 << 12 };
  float clipped[CHUNK];
  for (int64_t first = 0; first < count; first += CHUNK) {
    const int64_t some = cvy_smaller(count - first, CHUNK);
    cvy_kernels_get()->scale_within(clipped, values + first, clip->scale, clip->bound, some);
    cvy_squares_add(sum, clipped, some);
  }
}

static void measure_block(const void *context, int64_t index, int thread) {
  (void)thread;
  const measuring *m = context;
  const int64_t first = index * MEASURE_BLOCK, count = cvy_smaller(m->count - first, MEASURE_BLOCK);
  cvy_squares squares = {0};
  if (m->clip)
    add_clipped(&squares, m->values + first, count, m->clip);
  else
    cvy_squares_add(&squares, m->values + first, count);
  cvy_squares_merge(m->sum, &squares);
}

static void measure(cvy_squares *sum, const float *values, int64_t count, const cvy_clip *clip) {
  cvy_parallel(cvy_pieces(count, MEASURE_BLOCK), measure_block, &(measuring){sum, values, clip, count});
}

void cvy_weights_measure(cvy_norm_sums *sums, const cvy_arenas *arenas, int64_t first, int64_t end) {
  const cvy_net_info *net = cvy_net_describe(arenas->net);
  part p;
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].learns && cut(&p, net, i, first, end))
      measure(&sums[norm_of(arenas->rule, i)].weights, arenas->params + p.first, p.end - p.first, NULL);
}

void cvy_gradients_measure(cvy_norm_sums *sums, const cvy_arenas *arenas, const float *gradients,
                           int64_t first, int64_t end, const cvy_clip *clip) {
  const cvy_net_info *net = cvy_net_describe(arenas->net);
  part p;
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].learns && cut(&p, net, i, first, end))
      measure(&sums[norm_of(arenas->rule, i)].gradient, gradients + (p.first - first), p.end - p.first, clip);
}

void cvy_norms_take(cvy_norms *out, const cvy_norm_sums *sums, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    out[i] = (cvy_norms){cvy_squares_root(&sums[i].weights), cvy_squares_root(&sums[i].gradient)};
}

/* ---- the update ---- */

static cvy_piece piece_of(const cvy_step_update *step, const part *p, const float *gradient) {
  const cvy_arenas *arenas = step->arenas;
  const cvy_net_param *param = &cvy_net_describe(arenas->net)->params[p->tensor];
  cvy_piece piece = {.tensor = p->tensor,
                     .tensor_count = param->count,
                     .decays = param->spec->decays,
                     .first = p->first - param->offset,
                     .count = p->end - p->first,
                     .weights = arenas->params + p->first,
                     .gradient = gradient,
                     .clip = step->clip,
                     .rate = step->rate,
                     .step = step->step};
  for (int64_t k = 0; k < arenas->rule->state_count; k++) piece.state[k] = arenas->state[k] + p->first;
  if (arenas->average) {
    piece.average = arenas->average + p->first;
    piece.average_share = step->average_share;
  }
  if (step->factors) {
    piece.rate *= step->factors[p->tensor].rate;
    piece.decay_factor = &step->factors[p->tensor].decay;
    piece.step -= step->factors[p->tensor].since;
  }
  return piece;
}

static void update_tensor(const cvy_step_update *step, const part *p, const float *gradient,
                          cvy_norm_sums *sums) {
  const cvy_rule *rule = step->arenas->rule;
  const int64_t norm = norm_of(rule, p->tensor);
  cvy_piece piece = piece_of(step, p, gradient);
  if (rule->norms != CVY_NORMS_NONE) piece.norms = step->norms[norm];
  cvy_rule_apply(rule, &piece, step->rule_config, sums ? &sums[norm].weights : NULL);
}

static void update_average(const cvy_step_update *step, const cvy_net_param *param, const part *p,
                           const float *sums) {
  float *average = step->arenas->params;
  const float share = (float)param->spec->averaging, scale = (float)(1.0 / (double)step->microbatches);
  for (int64_t k = p->first; k < p->end; k++) average[k] += share * (sums[k - p->first] * scale - average[k]);
  if (!step->arenas->average || step->average_share == 0) return;
  cvy_average_move(step->arenas->average + p->first, average + p->first,
                   step->use_buffers ? step->average_share : 1, p->end - p->first);
}

void cvy_update_weights(const cvy_step_update *step, const float *gradients, int64_t first, int64_t end,
                        cvy_norm_sums *sums) {
  const cvy_net_info *net = cvy_net_describe(step->arenas->net);
  part p;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *param = &net->params[i];
    if (!cut(&p, net, i, first, end)) continue;
    const float *gradient = gradients + (p.first - first);
    if (param->learns)
      update_tensor(step, &p, gradient, sums);
    else if (param->spec->averaging > 0 && !param->frozen)
      update_average(step, param, &p, gradient);
  }
}

void cvy_update_direct(const cvy_step_update *step, float *gradients, int64_t first, int64_t end,
                       cvy_norm_sums *sums) {
  const cvy_rule *rule = step->arenas->rule;
  const cvy_net_info *net = cvy_net_describe(step->arenas->net);
  part p;
  for (int64_t i = 0; i < net->param_tensors; i++) {
    if (!net->params[i].learns || !cut(&p, net, i, first, end)) continue;
    float *direction = gradients + (p.first - first);
    const cvy_piece piece = piece_of(step, &p, direction);
    cvy_rule_direct(rule, &piece, direction, step->rule_config,
                    sums ? &sums[norm_of(rule, i)].gradient : NULL);
  }
}
