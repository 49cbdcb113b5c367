#include "train/bucket.h"

#include "train/cut.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 3 };

const int64_t cvy_bucket_mib[CVY_BUCKET_SIZES] = {1, 4, 16, 64};

static const double most_s = 60;
static const double worth_waiting = 0.02, noise = 0.02; /* of a step */

/* Steps of one microbatch, the last of a rank's, which is the one that the sums hide behind. */
typedef struct rehearsal {
  cvy_comm *comm;
  cvy_learner *learner;
  const cvy_net_info *info;
  int64_t last_microbatch;
  float *images;
  int32_t *labels;
  double start_s, seconds[CVY_BUCKET_SIZES][MOST_ROUNDS];
} rehearsal;

/* ---- choosing ---- */

int64_t cvy_bucket_best(const double step_s[CVY_BUCKET_SIZES]) {
  int64_t best = CVY_BUCKET_USUAL;
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++)
    if (step_s[i] > 0 && step_s[i] < (1 - noise) * step_s[CVY_BUCKET_USUAL] && step_s[i] < step_s[best])
      best = i;
  return best;
}

void cvy_bucket_describe(char *out, size_t capacity, const cvy_bucket_choice *choice) {
  char sizes[64] = "";
  out[0] = '\0';
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++) {
    if (choice->step_s[i] <= 0) continue;
    const size_t used = strlen(out), sizes_used = strlen(sizes);
    const char *comma = used ? ", " : "";
    const double ms = 1e3 * choice->step_s[i];
    snprintf(out + used, capacity - used, "%s%.*f", comma, ms < 100 ? 2 : 0, ms);
    snprintf(sizes + sizes_used, sizeof sizes - sizes_used, "%s%lld", comma, (long long)cvy_bucket_mib[i]);
  }
  const size_t used = strlen(out);
  snprintf(out + used, capacity - used, " ms with %s MiB", sizes);
}

/* Whether the network's gradients are cut otherwise than by the next size towards the usual one. */
static bool is_another(const cvy_net_info *net, int64_t size) {
  if (size == CVY_BUCKET_USUAL) return true;
  const int64_t next = size < CVY_BUCKET_USUAL ? size + 1 : size - 1;
  cvy_bucket *cut = cvy_new(2 * sizeof *cut * (size_t)(net->param_tensors + 1)),
             *next_cut = cut + net->param_tensors + 1;
  const int64_t count = cvy_cut_buckets(cut, net, cvy_bucket_mib[size] * CVY_FLOATS_OF_MIB),
                next_count = cvy_cut_buckets(next_cut, net, cvy_bucket_mib[next] * CVY_FLOATS_OF_MIB);
  const bool differs = count != next_count || memcmp(cut, next_cut, sizeof *cut * (size_t)count) != 0;
  free(cut);
  return differs;
}

/* ---- a step ---- */

static double step_s(const rehearsal *r) {
  const cvy_targets targets = {.labels = r->labels};
  const cvy_pass pass = {.training = true,
                         .params = cvy_params_of_pass(0, 1),
                         .first_sample = r->last_microbatch * r->info->input.n,
                         .loss_scale = 1};
  cvy_comm_wait(r->comm);
  const double start_s = cvy_now_s();
  cvy_learner_begin_at_last(r->learner);
  cvy_net_forward(cvy_learner_net(r->learner), r->images, &targets, &pass);
  cvy_learner_backward(r->learner, r->images, &targets, &pass);
  cvy_learner_finish(r->learner);
  return cvy_comm_mean_s(r->comm, cvy_now_s() - start_s);
}

static bool has_time_for_round(const rehearsal *r, double usual_s) {
  return cvy_comm_mean_s(r->comm, cvy_now_s() - r->start_s) + CVY_BUCKET_SIZES * usual_s < most_s;
}

static cvy_err run_round(rehearsal *r, int64_t round) {
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++) {
    if (!is_another(r->info, i)) continue;
    CVY_TRY(cvy_comm_agree(r->comm, cvy_learner_cut(r->learner, cvy_bucket_mib[i])));
    r->seconds[i][round] = step_s(r);
  }
  return CVY_OK;
}

static cvy_err measure(cvy_bucket_choice *out, rehearsal *r) {
  int64_t rounds = 0;
  step_s(r); /* touches all memory */
  const double before_s = cvy_learner_times(r->learner).exposed_s, usual_s = step_s(r);
  out->exposed_s = cvy_comm_mean_s(r->comm, cvy_learner_times(r->learner).exposed_s - before_s);
  out->step_s[CVY_BUCKET_USUAL] = usual_s;
  if (out->exposed_s < worth_waiting * usual_s) return CVY_OK;
  while (rounds < MOST_ROUNDS && has_time_for_round(r, usual_s)) CVY_TRY(run_round(r, rounds++));
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++)
    if (rounds > 0 && r->seconds[i][0] > 0) out->step_s[i] = cvy_spread_of(r->seconds[i], rounds).median;
  out->mib = cvy_bucket_mib[cvy_bucket_best(out->step_s)];
  return CVY_OK;
}

/* ---- before and after ---- */

static cvy_err create(rehearsal *r) {
  void *memory;
  CVY_TRY(cvy_buffer_create(&memory, sizeof(float) * (size_t)cvy_shape_count(r->info->input), "the images"));
  r->images = memory;
  r->labels = cvy_new(sizeof *r->labels * (size_t)r->info->input.n);
  return cvy_learner_cut(r->learner, cvy_bucket_mib[CVY_BUCKET_USUAL]);
}

static bool is_one_way_to_cut(const cvy_net_info *net) {
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++)
    if (i != CVY_BUCKET_USUAL && is_another(net, i)) return false;
  return true;
}

cvy_err cvy_bucket_choose(cvy_bucket_choice *out, cvy_learner *learner, const cvy_learner_config *config,
                          int64_t mib) {
  const cvy_net_info *info = cvy_net_describe(cvy_learner_net(learner));
  const int64_t ranks = cvy_comm_size(config->comm);
  *out = (cvy_bucket_choice){.mib = mib ? mib : cvy_bucket_mib[CVY_BUCKET_USUAL]};
  if (mib || ranks == 1 || config->way == CVY_EXCHANGE_MPI || is_one_way_to_cut(info))
    return cvy_comm_agree(config->comm, cvy_learner_cut(learner, out->mib));
  rehearsal r = {.comm = config->comm,
                 .learner = learner,
                 .info = info,
                 .last_microbatch = config->tree->leaves / ranks - 1,
                 .start_s = cvy_now_s()};
  cvy_err err = cvy_comm_agree(r.comm, create(&r));
  if (!err) err = measure(out, &r);
  cvy_buffer_destroy(r.images);
  free(r.labels);
  if (err) return err;
  err = cvy_learner_forget(learner);
  if (!err) err = cvy_learner_cut(learner, out->mib);
  return cvy_comm_agree(r.comm, err);
}
