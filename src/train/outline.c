/* Tells what a run would do, and trains nothing. */
#include "base/text.h"
#include "train/initial.h"
#include "train/phase.h"
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

static void fill_initial(cvy_train_outline *out, const cvy_initial *initial) {
  cvy_text_stream text;
  cvy_text_stream_begin(&text);
  cvy_initial_print(text.out, initial);
  out->initial = cvy_text_stream_end(&text, NULL);
  out->loaded = initial->copied;
  out->tensors = initial->net->param_tensors;
  out->left_out = initial->left_count;
}

static cvy_err fill_phases(cvy_train_outline *out, const cvy_run *run) {
  const cvy_freezing *f = &run->recipe->freezing;
  int64_t *learnt = cvy_new(sizeof *learnt * (size_t)(f->count + 1));
  const cvy_err err = cvy_phase_check_all(run, learnt);
  out->phases = cvy_new(sizeof *out->phases * (size_t)(f->count + 1));
  out->phase_count = f->count;
  for (int64_t k = 0; k < f->count && !err; k++) {
    const cvy_unfreezing *u = &f->unfreezings[k];
    cvy_train_phase *p = &out->phases[k];
    *p = (cvy_train_phase){.at = u->at,
                           .step = cvy_freezing_begin(f, k + 1, run->images, run->recipe->batch),
                           .learnt = learnt[k + 1],
                           .rate = u->rate};
    cvy_text_list(p->layers, sizeof p->layers, ", ", u->patterns.names.names, u->patterns.names.count);
  }
  free(learnt);
  return err;
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
  const cvy_err err = fill_phases(out, &run);
  if (err) {
    cvy_run_destroy(&run);
    cvy_train_outline_free(out);
    return err;
  }
  if (run.initial) fill_initial(out, run.initial);
  out->rates = cvy_new(sizeof *out->rates * (size_t)(out->total_steps + 1));
  for (run.state.step = 0; run.state.step < run.total_steps; run.state.step++)
    out->rates[run.state.step] = cvy_run_rate(&run);
  cvy_progress_end();
  cvy_run_destroy(&run);
  return CVY_OK;
}

void cvy_train_outline_free(cvy_train_outline *outline) {
  free(outline->rates);
  free(outline->phases);
  free(outline->initial);
}
