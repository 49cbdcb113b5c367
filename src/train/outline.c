/* Tells what a run would do, and trains nothing. */
#include "train/setup.h"

#include <stdlib.h>

static int64_t count_learnt(const cvy_net_info *net) {
  int64_t learnt = 0;
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].learns) learnt += net->params[i].count;
  return learnt;
}

static int64_t count_parameters(const cvy_net_info *net) {
  int64_t count = 0;
  for (int64_t i = 0; i < net->param_tensors; i++)
    if (net->params[i].spec->averaging == 0) count += net->params[i].count;
  return count;
}

cvy_err cvy_train_outline_create(cvy_train_outline *out, cvy_comm *comm, const cvy_recipe *recipe) {
  cvy_run run;
  *out = (cvy_train_outline){0};
  CVY_TRY(cvy_run_outline(&run, comm, recipe));
  const cvy_net_info *net = cvy_net_describe(run.net);
  *out = (cvy_train_outline){.images = run.images,
                             .val_images = run.val.data ? cvy_dataset_describe(run.val.data)->count : 0,
                             .classes = cvy_dataset_describe(run.train.data)->class_count,
                             .parameters = count_parameters(net),
                             .learnt = count_learnt(net),
                             .batch = recipe->batch,
                             .microbatches = run.config.tree.leaves,
                             .epochs = recipe->epochs,
                             .total_steps = run.total_steps,
                             .depends = recipe->schedule->needs_scores};
  out->rates = cvy_new(sizeof *out->rates * (size_t)(out->total_steps + 1));
  for (run.state.step = 0; run.state.step < run.total_steps; run.state.step++)
    out->rates[run.state.step] = cvy_run_rate(&run);
  cvy_progress_end();
  cvy_run_destroy(&run);
  return CVY_OK;
}

void cvy_train_outline_free(cvy_train_outline *outline) {
  free(outline->rates);
}
