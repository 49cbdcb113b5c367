/* Puts one layer on a bench: it is planned from YAML, has arrays of exact size for everything that it may
 * touch, and is run as the net runs it (in place where it says that it may be). */
#ifndef CVY_TESTS_RIG_H
#define CVY_TESTS_RIG_H

#include "arrays.h"

#include "base/options.h"
#include "layer/layer.h"

enum { RIG_THREADS = 3 };

typedef struct rig {
  cvy_pool *pool;
  const cvy_layer_type *type;
  int64_t type_index;
  void *config;
  cvy_layer_plan plan;
  cvy_pass pass;
  int64_t x_count, y_count;
  int64_t x2_count; /* 0: the layer has one input */
  float *x;         /* the input; never overwritten */
  float *x2, *dx2;
  float *y, *dx; /* results; in place y and dx are where x and dy were for the layer */
  float *dy;     /* never overwritten; none for a loss */
  float *params[CVY_MAX_PARAMS], *grads[CVY_MAX_PARAMS];
  void *state, *scratch;
  int32_t *labels;
  int32_t *partners;
  float *shares;
  cvy_targets targets;
  double *losses;
} rig;

static inline int64_t find_type(const char *name) {
  for (int64_t i = 0; i < cvy_layer_type_count(); i++)
    if (strcmp(cvy_layer_type_at(i)->kind->name, name) == 0) return i;
  return -1;
}

/* Reads the layer and plans it. On an error the message is cvy_err_message, and rig_close is still due. */
static inline cvy_err rig_plan_for(rig *r, const char *yaml, cvy_shape x, cvy_shape x2, bool learns,
                                   bool gives_dx) {
  const cvy_kind *kinds[64];
  cvy_yaml *node;
  *r = (rig){.pool = cvy_pool_create(), .type_index = -1};
  r->plan.learns = learns;
  r->plan.gives_dx = gives_dx;
  for (int64_t i = 0; i < cvy_layer_type_count(); i++) kinds[i] = cvy_layer_type_at(i)->kind;
  CVY_TRY(cvy_yaml_parse(&node, r->pool, yaml, "test"));
  CVY_TRY(cvy_kind_read(&r->type_index, &r->config, r->pool, kinds, cvy_layer_type_count(), node, "layer"));
  r->type = cvy_layer_type_at(r->type_index);
  r->plan.input_count = x2.n > 0 ? 2 : 1;
  r->plan.x[0] = x;
  r->plan.x[1] = x2;
  return r->type->plan(&r->plan, r->config);
}

static inline cvy_err rig_plan(rig *r, const char *yaml, cvy_shape x) {
  return rig_plan_for(r, yaml, x, (cvy_shape){0}, true, true);
}

static inline void rig_allocate(rig *r) {
  const cvy_layer_plan *plan = &r->plan;
  r->x_count = cvy_shape_count(plan->x[0]);
  r->y_count = cvy_shape_count(plan->y);
  r->x = random_array(r->x_count, 1);
  r->y = array(r->y_count);
  r->x2_count = cvy_shape_count(plan->x[1]);
  r->x2 = random_array(r->x2_count, 4);
  r->dx2 = array(r->x2_count);
  r->dx = array(r->x_count);
  r->dy = random_array(r->y_count, 2);
  for (int64_t i = 0; i < plan->param_count; i++) {
    const int64_t count = cvy_param_count(&plan->params[i]);
    r->params[i] = random_array(count, (uint32_t)(10 + i));
    r->grads[i] = array(count);
    /* A running average may be that of a variance, which is positive. */
    for (int64_t k = 0; plan->params[i].averaging > 0 && k < count; k++) r->params[i][k] += 1.5f;
  }
  r->state = array_of_bytes(plan->state_bytes);
  r->scratch = array_of_bytes(cvy_aligned(plan->scratch_bytes) +
                              RIG_THREADS * cvy_aligned(plan->scratch_bytes_per_thread));
  r->labels = calloc((size_t)plan->y.n, sizeof *r->labels);
  r->partners = calloc((size_t)plan->y.n, sizeof *r->partners);
  r->shares = calloc((size_t)plan->y.n, sizeof *r->shares);
  r->targets = (cvy_targets){.labels = r->labels}; /* a test of mixing sets the others */
  r->losses = calloc((size_t)plan->y.n, sizeof *r->losses);
  r->pass = (cvy_pass){.training = true, .seed = 11, .step = 3, .first_sample = 0, .loss_scale = 0.25f};
}

static inline void rig_open_for(rig *r, const char *yaml, cvy_shape x, cvy_shape x2, bool learns,
                                bool gives_dx) {
  const cvy_err err = rig_plan_for(r, yaml, x, x2, learns, gives_dx);
  if (err) printf("\n    %s: %s\n", yaml, cvy_err_message());
  CU_ASSERT_FATAL(!err);
  rig_allocate(r);
}

static inline void rig_open_two(rig *r, const char *yaml, cvy_shape x, cvy_shape x2) {
  rig_open_for(r, yaml, x, x2, true, true);
}

static inline void rig_open(rig *r, const char *yaml, cvy_shape x) {
  rig_open_two(r, yaml, x, (cvy_shape){0});
}

static inline void rig_close(rig *r) {
  for (int64_t i = 0; i < r->plan.param_count; i++) free(r->params[i]), free(r->grads[i]);
  free(r->x2), free(r->dx2), free(r->x), free(r->y), free(r->dx), free(r->dy), free(r->state),
      free(r->scratch);
  free(r->labels), free(r->partners), free(r->shares), free(r->losses);
  cvy_pool_destroy(r->pool);
}

static inline cvy_layer_call rig_call(rig *r) {
  cvy_layer_call call = {.config = r->config,
                         .plan = &r->plan,
                         .layer_index = 5,
                         .pass = &r->pass,
                         .x = {r->x, r->x2_count ? r->x2 : NULL},
                         .y = r->y,
                         .state = r->state,
                         .scratch = r->scratch,
                         .targets = r->type->is_loss ? &r->targets : NULL,
                         .losses = r->type->is_loss ? r->losses : NULL};
  for (int64_t i = 0; i < r->plan.param_count; i++) {
    call.params[i] = r->params[i];
    call.grads[i] = r->plan.learns ? r->grads[i] : NULL;
  }
  if (r->plan.in_place) {
    memcpy(r->y, r->x, sizeof *r->x * (size_t)r->x_count);
    call.x[0] = r->y;
  }
  return call;
}

static inline void rig_forward(rig *r) {
  const cvy_layer_call call = rig_call(r);
  r->type->forward(&call);
}

/* Runs backward, after rig_forward. Backward is not given what it has not declared that it reads. */
static inline void rig_backward(rig *r) {
  float *y = copy_of(r->y, r->y_count);
  cvy_layer_call call = rig_call(r);
  memcpy(r->y, y, sizeof *y * (size_t)r->y_count);
  free(y);
  call.x[0] = r->plan.backward_reads_x ? r->x : NULL;
  call.y = r->plan.backward_reads_y ? r->y : NULL;
  call.dy = r->type->is_loss ? NULL : r->dy;
  call.dx[0] = r->dx;
  if (r->x2_count) {
    call.x[1] = r->plan.backward_reads_x ? r->x2 : NULL;
    call.dx[1] = r->dx2;
  }
  call.losses = NULL;
  if (r->plan.in_place) {
    memcpy(r->dx, r->dy, sizeof *r->dx * (size_t)r->x_count);
    call.dy = r->dx;
  }
  r->type->backward(&call);
}

#endif
