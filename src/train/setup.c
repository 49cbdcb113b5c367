/* Everything before the first step. Each rank does its part, then all agree, so that a file missing on one
 * rank ends the job on all of them, once, with its message. */
#include "augment/chain.h"
#include "comm/layout.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "math/conv.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Files of other makers name no classes; theirs are numbers. */
static bool has_names(const cvy_dataset_info *data) {
  for (int64_t k = 0; k < data->class_count; k++) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)k);
    if (strcmp(data->class_names[k], number) != 0) return true;
  }
  return false;
}

static cvy_err check_classes(const char *path, const cvy_dataset_info *data, const cvy_dataset_info *known) {
  if (!known || !has_names(data) || !has_names(known)) return CVY_OK;
  for (int64_t k = 0; k < data->class_count; k++) {
    const char *expected = k < known->class_count ? known->class_names[k] : "no class";
    if (strcmp(data->class_names[k], expected) != 0)
      return cvy_error(CVY_E_INPUT,
                       "%s: class %lld is '%s'; where the network learns it is '%s' (prepare both together)",
                       path, (long long)k, data->class_names[k], expected);
  }
  return CVY_OK;
}

cvy_err cvy_open_data(cvy_dataset **data, cvy_augment **augment, const char *path, const char *split,
                      const cvy_yaml *chain, const cvy_net_info *net, const cvy_dataset_info *known) {
  CVY_TRY(cvy_dataset_open(data, path, split));
  const cvy_dataset_info *info = cvy_dataset_describe(*data);
  int64_t h = 0, w = 0;
  CVY_TRY(cvy_augment_create(augment, chain, info->h, info->w, &h, &w));
  if (h != net->input.h || w != net->input.w || info->c != net->input.c)
    return cvy_error(
        CVY_E_INPUT,
        "%s: images are %lldx%lldx%lld after augmentation (0: sizes vary); network '%s' takes %lldx%lldx%lld",
        path, (long long)h, (long long)w, (long long)info->c, net->name, (long long)net->input.h,
        (long long)net->input.w, (long long)net->input.c);
  CVY_TRY(cvy_augment_check_channels(*augment, net->input.c));
  if (info->class_count > net->class_count)
    return cvy_error(CVY_E_INPUT, "%s: has %lld classes; network '%s' tells apart %lld", path,
                     (long long)info->class_count, net->name, (long long)net->class_count);
  return check_classes(path, info, known);
}

static cvy_err check_trainable(const cvy_net_info *net) {
  if (net->param_count == 0)
    return cvy_error(CVY_E_INPUT, "network '%s' has no parameters that it could learn", net->name);
  for (int64_t i = 0; i < net->layer_count; i++)
    if (net->layers[i].untrainable)
      return cvy_error(CVY_E_INPUT, "network '%s', layer '%s': %s", net->name, net->layers[i].name,
                       net->layers[i].untrainable);
  return CVY_OK;
}

static cvy_learner_config learner_config(const trainer *t) {
  const cvy_recipe *r = t->recipe;
  return (cvy_learner_config){.comm = t->comm,
                              .tree = &r->tree,
                              .way = (cvy_exchange_way)r->reduce,
                              .bucket_mib = cvy_bucket_mib[CVY_BUCKET_USUAL],
                              .network = r->network,
                              .microbatch = r->microbatch,
                              .rule = r->rule,
                              .rule_config = r->rule_config};
}

static cvy_err open_everything(trainer *t, const cvy_train_options *options) {
  const cvy_recipe *r = t->recipe;
  CVY_TRY(cvy_tree_check_ranks(&r->tree, cvy_comm_size(t->comm), r->microbatch));
  cvy_conv_use((cvy_conv_choice)r->convolution);
  const cvy_learner_config config = learner_config(t);
  CVY_TRY(cvy_learner_create(&t->learner, &config));
  t->net = cvy_learner_net(t->learner);
  const cvy_net_info *net = cvy_net_describe(t->net);
  CVY_TRY(check_trainable(net));
  CVY_TRY_IN(cvy_open_data(&t->train, &t->train_augment, r->data.train, "train", r->data.augment, net, NULL),
             "data.train");
  CVY_TRY_IN(cvy_dataset_keep(t->train, (cvy_keep)r->data.cache.keep, (size_t)r->data.cache.memory_mib << 20),
             "data.cache");
  CVY_TRY(cvy_augment_check_training(t->train_augment, r->microbatch, t->train));
  if (r->data.val[0])
    CVY_TRY_IN(cvy_open_data(&t->val, &t->val_augment, r->data.val, "val", cvy_recipe_evaluation(r), net,
                             cvy_dataset_describe(t->train)),
               "data.val");
  if (cvy_comm_rank(t->comm) == 0) CVY_TRY(cvy_folder_create(&t->folder, r, options));
  t->fingerprint = cvy_dataset_fingerprint(t->train);
  t->images = cvy_dataset_describe(t->train)->count;
  return CVY_OK;
}

/* Whatever decides how many steps and collectives there are must be the same everywhere, or the ranks would wait for
 * each other for ever. */
static cvy_err compare_orders(trainer *t, const cvy_train_options *options) {
  char orders[128];
  snprintf(orders, sizeof orders, "%s %d %d %lld %d", cvy_recipe_hash(t->recipe).hex, options->resume,
           options->overwrite, (long long)options->stop_after, options->trace != NULL);
  return cvy_comm_expect_same(t->comm, orders, "another recipe, or other options,");
}

static cvy_err compare_ranks(trainer *t) {
  CVY_TRY(cvy_comm_expect_same(t->comm, t->fingerprint.hex, "other training data"));
  if (t->val)
    CVY_TRY(cvy_comm_expect_same(t->comm, cvy_dataset_fingerprint(t->val).hex, "other validation data"));
  char arithmetic[200];
  snprintf(arithmetic, sizeof arithmetic, "%s, %s", cvy_blas_core(), cvy_kernels_get()->name);
  const int other_cpu = cvy_comm_first_different(t->comm, arithmetic);
  if (other_cpu >= 0)
    cvy_warn(
        "rank %d has another processor type than rank 0 (%s): all replicas stay equal, but the run can be replayed "
        "to the bit only on the same mix of processors",
        other_cpu, arithmetic);
  return CVY_OK;
}

static cvy_err check_resumable(trainer *t, const cvy_checkpoint *checkpoint) {
  const char *path = t->folder->last;
  cvy_recipe *stored;
  CVY_TRY_IN(cvy_recipe_parse(&stored, cvy_checkpoint_recipe(checkpoint), "/recipe"), "%s", path);
  const cvy_err err = cvy_recipe_compare(stored->resolved, t->recipe->resolved, path);
  cvy_recipe_destroy(stored);
  if (err) return err;
  if (strcmp(cvy_checkpoint_fingerprint(checkpoint), t->fingerprint.hex) != 0)
    return cvy_error(CVY_E_INPUT, "%s was trained on other data than %s holds now", path,
                     t->recipe->data.train);
  return CVY_OK;
}

static cvy_err load_last(trainer *t) {
  cvy_checkpoint *checkpoint;
  CVY_TRY(cvy_checkpoint_open(&checkpoint, t->folder->last));
  cvy_err err = check_resumable(t, checkpoint);
  cvy_arenas whole = *cvy_learner_arenas(t->learner);
  for (int64_t k = 0; k < t->recipe->rule->state_count; k++)
    whole.state[k] = cvy_learner_room(t->learner, k);
  if (!err) err = cvy_checkpoint_read(checkpoint, &whole, &t->state);
  cvy_checkpoint_close(checkpoint);
  return err;
}

/* Rank 0 makes or loads the first weights and hands them to the others. */
static cvy_err begin_run(trainer *t, const cvy_train_options *options) {
  const cvy_net_info *net = cvy_net_describe(t->net);
  const size_t bytes = sizeof(float) * (size_t)net->arena_count;
  cvy_err err = CVY_OK;
  if (t->folder) {
    cvy_net_init(t->net, (uint64_t)t->recipe->seed);
    if (options->resume) err = load_last(t);
  }
  CVY_TRY(cvy_comm_agree(t->comm, err));
  cvy_comm_broadcast(t->comm, &t->state, sizeof t->state);
  cvy_comm_broadcast(t->comm, cvy_net_params(t->net), bytes);
  for (int64_t k = 0; options->resume && k < t->recipe->rule->state_count; k++)
    cvy_learner_deal_state(t->learner, k);
  return CVY_OK;
}

static cvy_err start_loader(trainer *t) {
  const cvy_recipe *r = t->recipe;
  const cvy_net_info *net = cvy_net_describe(t->net);
  const cvy_dataset_info *data = cvy_dataset_describe(t->train);
  cvy_loader_config config = {.dataset = t->train,
                              .augment = t->train_augment,
                              .training = true,
                              .shuffle = (cvy_shuffle)r->data.shuffle,
                              .blocks = {r->data.block, r->data.window},
                              .seed = (uint64_t)r->seed,
                              .h = net->input.h,
                              .w = net->input.w,
                              .c = net->input.c,
                              .microbatch = r->microbatch,
                              .per_step = r->tree.leaves,
                              .first = t->first_microbatch,
                              .own = t->own_microbatches,
                              .first_step = t->state.step,
                              .end_step = t->total_steps,
                              .depth = r->data.prefetch,
                              .threads = r->data.threads,
                              .skips_bad = r->data.on_bad_record == CVY_BAD_RECORD_SKIPPED};
  for (int64_t c = 0; c < net->input.c; c++) {
    config.mean[c] = data->mean[c];
    config.deviation[c] = data->deviation[c];
  }
  return cvy_loader_create(&t->loader, &config);
}

bool cvy_trainer_is_done(const trainer *t) {
  return t->state.step >= t->total_steps && t->state.epoch.images == 0;
}

static cvy_err check_stop(const trainer *t, const cvy_train_options *options) {
  if (options->stop_after == 0 || options->stop_after > t->state.step) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "--stop-after %lld: the run stands after step %lld already",
                   (long long)options->stop_after, (long long)t->state.step);
}

static cvy_err create(trainer *t, const cvy_train_options *options) {
  const cvy_recipe *r = t->recipe;
  const int rank = cvy_comm_rank(t->comm), size = cvy_comm_size(t->comm);
  CVY_TRY(compare_orders(t, options));
  CVY_TRY(cvy_comm_agree(t->comm, open_everything(t, options)));
  CVY_TRY(compare_ranks(t));
  cvy_layout_warn(t->comm, cvy_threads());
  t->own_microbatches = r->tree.leaves / size;
  t->first_microbatch = rank * t->own_microbatches;
  t->total_steps = (r->epochs * t->images + r->batch - 1) / r->batch;
  const cvy_learner_config config = learner_config(t);
  CVY_TRY(cvy_bucket_choose(&t->bucket, t->learner, &config, r->bucket));
  CVY_TRY(begin_run(t, options));
  if (cvy_trainer_is_done(t)) {
    if (options->trace && rank == 0)
      cvy_warn("--trace %s: the run is at its end, so there is nothing to trace", options->trace);
    return CVY_OK;
  }
  CVY_TRY(check_stop(t, options));
  CVY_TRY(cvy_tracing_create(&t->tracing, t->comm, r->run, options));
  CVY_TRY(cvy_comm_agree(t->comm, start_loader(t)));
  return cvy_comm_agree(t->comm, t->folder ? cvy_folder_begin(t->folder, t->recipe, t->state.step) : CVY_OK);
}

cvy_err cvy_trainer_create(trainer *t, cvy_comm *comm, const cvy_recipe *recipe,
                           const cvy_train_options *options) {
  *t = (trainer){.comm = comm, .recipe = recipe, .state = {.last_top1 = NAN, .last_loss = NAN}};
  const cvy_err err = create(t, options);
  if (err) cvy_trainer_destroy(t);
  return err;
}

void cvy_trainer_rest(trainer *t) {
  cvy_loader_destroy(t->loader);
  cvy_learner_destroy(t->learner);
  t->loader = NULL;
  t->learner = NULL;
  t->net = NULL;
}

void cvy_trainer_destroy(trainer *t) {
  cvy_trainer_rest(t);
  cvy_augment_destroy(t->train_augment);
  cvy_augment_destroy(t->val_augment);
  cvy_dataset_close(t->train);
  cvy_dataset_close(t->val);
  cvy_folder_destroy(t->folder);
  cvy_tracing_destroy(t->tracing);
}

cvy_err cvy_check_replicas(cvy_comm *comm, const cvy_net *net, int64_t step) {
  if (cvy_comm_first_different(comm, cvy_net_hash(net, NULL).hex) < 0) return CVY_OK;
  const cvy_net_info *info = cvy_net_describe(net);
  for (int64_t i = 0; i < info->param_tensors; i++) {
    const int rank = cvy_comm_first_different(comm, cvy_net_param_hash(net, NULL, i).hex);
    if (rank >= 0)
      return cvy_error(
          CVY_E_RUN,
          "after step %lld rank %d holds other weights than rank 0: %s is the first tensor that differs",
          (long long)step, rank, info->params[i].name);
  }
  return cvy_error(CVY_E_RUN, "after step %lld the ranks' weights differ", (long long)step);
}
