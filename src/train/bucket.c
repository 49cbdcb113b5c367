/* Tries sizes of buckets on steps of one microbatch, and takes the fastest. */
#include "train/bucket.h"

#include "base/text.h"
#include "train/cut.h"
#include "train/fixed.h"
#include "train/step.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 3 };

const int64_t cvy_bucket_mib[CVY_BUCKET_SIZES] = {1, 4, 16, 64};

static const double most_s = 60;
static const double worth_waiting = 0.02, noise = 0.02; /* shares of a step */

/* Steps of one microbatch, which stands for the last one of a rank, behind which the sums hide. */
typedef struct rehearsal {
  cvy_comm *comm;
  const cvy_net_info *info;
  cvy_learner *learner;
  cvy_fixed images;
  cvy_step step;
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
  char sizes_text[64];
  cvy_text times = cvy_text_in(out, capacity), sizes = cvy_text_in(sizes_text, sizeof sizes_text);
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++) {
    if (choice->step_s[i] <= 0) continue;
    const double ms = 1e3 * choice->step_s[i];
    cvy_text_item(&times, ", ", "%.*f", ms < 100 ? 2 : 0, ms);
    cvy_text_item(&sizes, ", ", "%" PRId64, cvy_bucket_mib[i]);
  }
  cvy_text_add(&times, " ms with %s MiB", sizes_text);
}

/* Tells whether this size cuts the network's gradients otherwise than the next one towards the usual one
 * does. */
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
  cvy_comm_wait(r->comm);
  const double start_s = cvy_now_s();
  cvy_step_run(&r->step, 0, 0);
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

static cvy_err create(rehearsal *r, const cvy_step_config *config, cvy_net *net) {
  const int ranks = cvy_comm_size(r->comm);
  CVY_TRY(cvy_fixed_create(&r->images, r->info));
  r->step = cvy_step_of(config, net, cvy_comm_rank(r->comm), ranks);
  r->step.first = config->tree.leaves / ranks - 1;
  r->step.own = 1;
  r->step.learner = r->learner;
  r->step.rehearses = true;
  r->step.fixed = cvy_fixed_microbatch(&r->images);
  return cvy_learner_cut(r->learner, cvy_bucket_mib[CVY_BUCKET_USUAL]);
}

static bool is_one_way_to_cut(const cvy_net_info *net) {
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++)
    if (i != CVY_BUCKET_USUAL && is_another(net, i)) return false;
  return true;
}

cvy_err cvy_bucket_choose(cvy_bucket_choice *out, cvy_learner *learner, cvy_comm *comm,
                          const cvy_step_config *config, int64_t wanted) {
  cvy_net *net = cvy_learner_net(learner);
  const cvy_net_info *info = cvy_net_describe(net);
  *out = (cvy_bucket_choice){.mib = wanted ? wanted : cvy_bucket_mib[CVY_BUCKET_USUAL]};
  if (wanted || cvy_comm_size(comm) == 1 || config->way == CVY_EXCHANGE_MPI || is_one_way_to_cut(info))
    return cvy_comm_agree(comm, cvy_learner_cut(learner, out->mib));
  cvy_doing("trying sizes of the gradients' buckets");
  rehearsal r = {.comm = comm, .info = info, .learner = learner, .start_s = cvy_now_s()};
  cvy_err err = cvy_comm_agree(comm, create(&r, config, net));
  if (!err) err = measure(out, &r);
  cvy_fixed_destroy(&r.images);
  if (err) return err;
  err = cvy_learner_forget(learner);
  if (!err) err = cvy_learner_cut(learner, out->mib);
  return cvy_comm_agree(comm, err);
}
