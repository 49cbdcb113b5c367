/* Evaluation of a stored model: the model gives the network and what images go through, the recipe by
 * which it was trained says how to load them. */
#include "model/model.h"
#include "train/recipe.h"
#include "train/score.h"

typedef struct evaluation {
  cvy_model *model;
  cvy_recipe *recipe;
  cvy_stream data;
} evaluation;

static cvy_err open_everything(evaluation *e, const char *path, const char *data) {
  CVY_TRY(cvy_model_open(&e->model, path));
  const cvy_model_spec *spec = cvy_model_spec_of(e->model);
  CVY_TRY_IN(cvy_recipe_parse(&e->recipe, spec->recipe_text, "/recipe"), "%s", path);
  const char *from = data ? data : e->recipe->data.val;
  if (!from[0])
    return cvy_error(CVY_E_USAGE, "%s: its recipe has no validation data; name some with --data", path);
  return cvy_stream_open(&e->data, from, "val", spec->evaluation, cvy_net_describe(cvy_model_net(e->model)),
                         spec->data);
}

static cvy_err compare_ranks(const evaluation *e, cvy_comm *comm) {
  CVY_TRY(cvy_comm_expect_same(comm, cvy_model_hash(e->model).hex, "another checkpoint"));
  return cvy_comm_expect_same(comm, cvy_dataset_fingerprint(e->data.data).hex, "other data");
}

static cvy_err score(cvy_score *out, const evaluation *e, cvy_comm *comm) {
  const cvy_intake intake = cvy_intake_of(e->recipe);
  CVY_TRY(compare_ranks(e, comm));
  return cvy_score_dataset(out, comm, cvy_model_net(e->model), &e->data, &intake,
                           cvy_model_spec_of(e->model)->data);
}

cvy_err cvy_evaluate(cvy_score *out, cvy_comm *comm, const char *checkpoint, const char *data) {
  evaluation e = {0};
  *out = (cvy_score){0};
  cvy_doing("opening %s", checkpoint);
  cvy_err err = cvy_comm_agree(comm, open_everything(&e, checkpoint, data));
  if (!err) err = score(out, &e, comm);
  cvy_progress_drop();
  cvy_stream_close(&e.data);
  cvy_recipe_destroy(e.recipe);
  cvy_model_close(e.model);
  return err;
}
