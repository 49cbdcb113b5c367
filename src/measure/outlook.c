/* The rows of `convoy plan`: which numbers of ranks are possible, and what a step, an epoch and memory are
 * with each. */
#include "measure/outlook.h"

#include "optim/optim.h"
#include "train/bucket.h"

enum { PREFETCH = 4 /* microbatches, a recipe's usual number */ };

/* ---- one row ---- */

/* Foretells a step with the bucket size that is asked for, or with each of those that training tries. The
 * usual one is kept where no other gains. */
static void foretell_step(cvy_outlook_row *row, const cvy_plan_work *work, const cvy_plan_cluster *cluster,
                          const cvy_tree *tree, int64_t asked_mib) {
  cvy_plan_step steps[CVY_BUCKET_SIZES];
  double step_s[CVY_BUCKET_SIZES];
  cvy_plan_work cut = *work;
  for (int64_t i = 0; i < CVY_BUCKET_SIZES; i++) {
    cut.bucket_bytes = (asked_mib ? asked_mib : cvy_bucket_mib[i]) << 20;
    cvy_plan_foretell(&steps[i], &cut, cluster, tree, row->ranks);
    step_s[i] = steps[i].step_s;
  }
  const int64_t best = cvy_bucket_best(step_s);
  row->step = steps[best];
  row->bucket_mib = asked_mib ? asked_mib : cvy_bucket_mib[best];
}

static cvy_plan_work work_of(const cvy_outlook *outlook, const cvy_outlook_options *o,
                             const cvy_layer_times *times) {
  return (cvy_plan_work){
      .forward_s = times->forward_s,
      .backward_s = times->backward_s,
      .losses_s = times->losses_s,
      /* The communication thread updates alone. */
      .update_s = times->update_s * (double)outlook->cluster.threads,
      .microbatches = outlook->microbatches,
      .sharded = o->way == CVY_EXCHANGE_SHARDED,
  };
}

static int64_t nodes_of(const cvy_plan_cluster *cluster, int64_t ranks) {
  return ranks > cluster->ranks_per_node ? ranks / cluster->ranks_per_node : 1;
}

/* `one_images_per_s` is what a single rank does, or 0 where that is not known. */
static cvy_err foretell(cvy_outlook_row *row, const cvy_outlook *outlook, const cvy_outlook_options *o,
                        const cvy_layer_times *times, const cvy_tree *tree, int64_t ranks,
                        double one_images_per_s) {
  const cvy_peers peers = cvy_plan_peers(tree, ranks);
  const cvy_plan_cluster *cluster = &outlook->cluster;
  cvy_plan_work work = work_of(outlook, o, times);
  cvy_net *net;
  const cvy_net_wishes wishes = {.peers = &peers, .convolution = o->convolution};
  CVY_TRY(cvy_net_create(&net, o->network, o->microbatch, &wishes));
  work.net = cvy_net_describe(net);
  *row = (cvy_outlook_row){.ranks = ranks,
                           .nodes = nodes_of(cluster, ranks),
                           .batch = ranks * work.microbatches * o->microbatch,
                           .split = work.net->sharded_count};
  foretell_step(row, &work, cluster, tree, o->bucket_mib);
  const int64_t arrays = cvy_rule_at(0)->state_count + (o->averages ? 1 : 0);
  row->memory = cvy_plan_need(&work, cluster, tree, ranks, arrays, PREFETCH);
  cvy_net_destroy(net);
  row->images_per_s = (double)row->batch / row->step.step_s;
  row->efficiency = one_images_per_s > 0 ? row->images_per_s / ((double)ranks * one_images_per_s) : 1;
  row->epoch_s = (double)o->images / row->images_per_s;
  return CVY_OK;
}

/* ---- all rows ---- */

/* Returns the next power of two, or the cluster's own number if that comes before. */
static int64_t next_count(int64_t ranks, int64_t own) {
  int64_t power = 1;
  while (power <= ranks) power *= 2;
  return ranks < own && own < power ? own : power;
}

static bool is_possible(cvy_tree *tree, const cvy_outlook *outlook, int64_t ranks) {
  const int64_t per_node = outlook->cluster.ranks_per_node;
  if (ranks > per_node && ranks % per_node != 0) return false;
  return !cvy_tree_create(tree, ranks * outlook->microbatches, NULL, 0) && cvy_tree_allows(tree, ranks);
}

/* Where layers are split, a number of ranks may not suit them, or need more memory than there is. Such a row
 * is left out, unless it is the cluster's own. */
cvy_err cvy_outlook_add_rows(cvy_outlook *out, const cvy_outlook_options *options,
                             const cvy_layer_times *times) {
  const cvy_outlook_row *first = out->rows;
  out->row_count = 0;
  for (int64_t ranks = 1; ranks <= CVY_OUTLOOK_RANKS; ranks = next_count(ranks, out->ranks)) {
    cvy_tree tree;
    if (!is_possible(&tree, out, ranks)) continue;
    const double one_images_per_s = out->row_count && first->ranks == 1 ? first->images_per_s : 0;
    CVY_CHECK(out->row_count < CVY_OUTLOOK_ROWS);
    cvy_outlook_row *row = &out->rows[out->row_count];
    const cvy_err err = foretell(row, out, options, times, &tree, ranks, one_images_per_s);
    if (err && ranks == out->ranks) return err;
    if (!err) out->row_count++;
  }
  return CVY_OK;
}

/* ---- before them ---- */

/* Finds how many microbatches a rank has, provided that the whole cluster can share the batch. */
static cvy_err share_batch(cvy_outlook *out, const cvy_outlook_options *o) {
  const int64_t per_node = o->cluster.ranks_per_node, ranks = o->nodes * per_node;
  const int64_t images = ranks * o->microbatch, batch = o->batch ? o->batch : images;
  cvy_tree tree;
  if (ranks > CVY_OUTLOOK_RANKS)
    return cvy_error(CVY_E_USAGE,
                     "%" PRId64 " nodes of %" PRId64 " ranks are %" PRId64 " ranks; plans reach to %d",
                     o->nodes, per_node, ranks, CVY_OUTLOOK_RANKS);
  if (batch % images != 0)
    return cvy_error(CVY_E_USAGE,
                     "batch %" PRId64 " is not shared evenly by %" PRId64
                     " ranks with microbatches of %" PRId64 "; %" PRId64 " would be",
                     batch, ranks, o->microbatch, (batch / images + 1) * images);
  out->ranks = ranks;
  out->microbatches = batch / images;
  CVY_TRY(cvy_tree_create(&tree, batch / o->microbatch, NULL, 0));
  return cvy_tree_check_ranks(&tree, ranks, o->microbatch);
}

static void describe_cluster(cvy_plan_cluster *out, const cvy_outlook_options *o) {
  *out = o->cluster;
  out->threads = cvy_threads();
  if (out->cores == 0) out->cores = (double)(out->ranks_per_node * (out->threads + 1));
}

static cvy_err measure(cvy_outlook *out, cvy_layer_times *times, cvy_pool *pool, cvy_net *net,
                       const cvy_outlook_options *o) {
  const cvy_net_info *info = cvy_net_describe(net);
  out->network = cvy_pool_format(pool, "%s", info->name);
  out->param_count = info->param_count;
  if (info->param_count == 0)
    return cvy_error(CVY_E_INPUT, "network '%s' has no parameters that it could learn", info->name);
  CVY_TRY(o->times ? cvy_layer_times_read(times, pool, info, o->times)
                   : cvy_layer_times_measure(times, pool, net, o->steps));
  return cvy_plan_measure(&out->cluster);
}

cvy_err cvy_outlook_make(cvy_outlook *out, cvy_pool *pool, const cvy_outlook_options *options) {
  cvy_layer_times times;
  cvy_net *net;
  *out = (cvy_outlook){0};
  CVY_TRY(share_batch(out, options));
  describe_cluster(&out->cluster, options);
  const cvy_net_wishes wishes = {.convolution = options->convolution};
  CVY_TRY(cvy_net_create(&net, options->network, options->microbatch, &wishes));
  cvy_net_warn(net);
  const cvy_err err = measure(out, &times, pool, net, options);
  cvy_net_destroy(net);
  return err ? err : cvy_outlook_add_rows(out, options, &times);
}
