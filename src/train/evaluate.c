#include "math/conv.h"
#include "train/checkpoint.h"
#include "train/stream.h"

#include <stdlib.h>

typedef struct evaluation {
  cvy_checkpoint *checkpoint;
  cvy_recipe *recipe;
  cvy_net *net;
  cvy_stream data;
} evaluation;

static cvy_err open_everything(evaluation *e, const char *path, const char *data) {
  CVY_TRY(cvy_checkpoint_open(&e->checkpoint, path));
  CVY_TRY_IN(cvy_recipe_parse(&e->recipe, cvy_checkpoint_recipe(e->checkpoint), "/recipe"), "%s", path);
  cvy_conv_use((cvy_conv_choice)e->recipe->convolution);
  CVY_TRY(cvy_net_create(&e->net, e->recipe->network, e->recipe->microbatch));
  const cvy_arenas arenas = {.net = e->net, .params = cvy_net_params(e->net)};
  cvy_run_state state;
  CVY_TRY(cvy_checkpoint_read(e->checkpoint, &arenas, &state));
  const char *from = data ? data : e->recipe->data.val;
  if (!from[0])
    return cvy_error(CVY_E_USAGE, "%s: its recipe has no validation data; name some with --data", path);
  return cvy_stream_open(&e->data, from, "val", cvy_recipe_evaluation(e->recipe), cvy_net_describe(e->net),
                         cvy_checkpoint_data_info(e->checkpoint));
}

static cvy_err compare_ranks(const evaluation *e, cvy_comm *comm) {
  char orders[128];
  snprintf(orders, sizeof orders, "%s %s", cvy_recipe_hash(e->recipe).hex, cvy_net_hash(e->net, NULL).hex);
  CVY_TRY(cvy_comm_expect_same(comm, orders, "another checkpoint"));
  return cvy_comm_expect_same(comm, cvy_dataset_fingerprint(e->data.data).hex, "other data");
}

cvy_err cvy_evaluate(cvy_score *out, cvy_comm *comm, const char *checkpoint, const char *data) {
  evaluation e = {0};
  *out = (cvy_score){0};
  cvy_err err = cvy_comm_agree(comm, open_everything(&e, checkpoint, data));
  if (!err) err = compare_ranks(&e, comm);
  if (!err) {
    const cvy_intake intake = cvy_intake_of(e.recipe);
    err = cvy_score_dataset(out, comm, e.net, &e.data, &intake, cvy_checkpoint_data_info(e.checkpoint));
  }
  cvy_stream_close(&e.data);
  cvy_net_destroy(e.net);
  cvy_recipe_destroy(e.recipe);
  cvy_checkpoint_close(e.checkpoint);
  return err;
}
