/* Evaluation of a stored model: the model gives the network and what images go through, the recipe by
 * which it was trained says how to load them. */
#include "train/evaluate.h"

#include "base/text.h"
#include "data/dataset.h"
#include "file/bytes.h"
#include "train/recipe.h"
#include "train/score.h"

#include <string.h>

/* Finds the split, and where it lies: in what was named, or in the recipe's own data. */
static cvy_err find_split(const char **from, const char **split, const cvy_recipe *recipe,
                          const cvy_evaluate_options *asked) {
  const char *train = recipe->data.train, *val = recipe->data.val;
  *split = asked->split ? asked->split : "val";
  const bool is_train = strcmp(*split, "train") == 0, is_val = strcmp(*split, "val") == 0;
  *from = asked->data ? asked->data : is_train ? train : val[0] || is_val ? val : train;
  if (!(*from)[0])
    return cvy_error(CVY_E_USAGE, "its recipe has no validation data; name some with --data, or a split "
                                  "with --split");
  const bool is_own = !asked->data && (is_train || is_val);
  if (!asked->split || is_own || cvy_is_folder(*from)) return CVY_OK;
  return cvy_error(
      CVY_E_USAGE,
      "--split %s: a split is chosen among the shards of a folder, and %s is none; name the data "
      "itself with --data (%s:%s, if it is an HDF5 file of another maker with several splits)",
      *split, *from, *from, *split);
}

/* Refuses settings that evaluation would not look at, for the model has all else that the recipe says. */
static cvy_err check_settings(const cvy_evaluate_options *asked) {
  static const char *const known[] = {"data.images",       "data.labels",        "data.first_label",
                                      "data.axes",         "data.outside_links", "data.evaluation",
                                      "data.prefetch",     "data.threads",       "data.cache.keep",
                                      "data.cache.memory", "data.on_bad_record"};
  for (int64_t i = 0; i < asked->setting_count; i++) {
    const char *setting = asked->settings[i];
    bool is_known = false;
    if (!strchr(setting, '='))
      return cvy_error(CVY_E_USAGE, "'%s': expected data.key=value; other data are named with --data %s",
                       setting, setting);
    for (int64_t k = 0; k < CVY_COUNT(known) && !is_known; k++) {
      const size_t length = strlen(known[k]);
      is_known = strncmp(setting, known[k], length) == 0 && setting[length] == '=';
    }
    if (is_known) continue;
    char list[400];
    cvy_text_list(list, sizeof list, ", ", known, CVY_COUNT(known));
    return cvy_error(CVY_E_USAGE,
                     "'%s': an evaluation takes the network from the checkpoint; what can be set is how its "
                     "data are read, and what they go through: %s",
                     setting, list);
  }
  return CVY_OK;
}

static bool sets_chain(const cvy_evaluate_options *asked) {
  static const char key[] = "data.evaluation=";
  for (int64_t i = 0; i < asked->setting_count; i++)
    if (strncmp(asked->settings[i], key, sizeof key - 1) == 0) return true;
  return false;
}

/* Finds what pictures go through. */
static cvy_err choose_chain(const cvy_yaml **chain, cvy_evaluation *e, const cvy_evaluate_options *asked) {
  const cvy_net_info *net = cvy_net_describe(cvy_model_net(e->model));
  cvy_yaml *changed;
  *chain = sets_chain(asked) ? e->recipe->data.evaluation : cvy_model_spec_of(e->model)->evaluation;
  if (asked->crops == 0) return CVY_OK;
  CVY_TRY(cvy_augment_recrop(&changed, e->recipe->pool, *chain, asked->crops, net->input.h, net->input.w));
  *chain = changed;
  return CVY_OK;
}

static cvy_err open_dense(cvy_evaluation *e, const cvy_yaml *chain, const cvy_evaluate_options *asked) {
  CVY_TRY(cvy_dataset_open_said(&e->data.data, e->from, e->split, &e->recipe->data.arrays));
  CVY_TRY(cvy_dense_create(&e->dense, e->model, e->data.data, e->from, chain, asked));
  e->views = cvy_dense_views(e->dense);
  return CVY_OK;
}

static cvy_err find_weights(cvy_weights *out, const cvy_evaluate_options *asked) {
  *out = CVY_WEIGHTS_AUTO;
  if (!asked->weights) return CVY_OK;
  for (int k = 0; cvy_weights_words[k]; k++)
    if (strcmp(cvy_weights_words[k], asked->weights) == 0) *out = (cvy_weights)k;
  if (*out != CVY_WEIGHTS_AUTO) return CVY_OK;
  return cvy_error(CVY_E_USAGE, "weights '%s': expected ema or raw", asked->weights);
}

/* Opens the members beside the model. The data are read as the model's recipe says, and each member has its
 * own chain, unless another is asked for. */
static cvy_err open_ensemble(cvy_evaluation *e, cvy_weights wanted, const cvy_evaluate_options *asked) {
  if (asked->scale_count > 0)
    return cvy_error(CVY_E_USAGE, "a dense evaluation is of one model; %" PRId64 " are named",
                     asked->member_count + 1);
  e->model_count = asked->member_count + 1;
  e->models = cvy_pool_new(e->recipe->pool, sizeof(cvy_model *) * (size_t)e->model_count);
  e->models[0] = e->model;
  for (int64_t i = 0; i < asked->member_count; i++)
    CVY_TRY(cvy_model_open_weights(&e->models[i + 1], asked->members[i], wanted));
  CVY_TRY(cvy_dataset_open_said(&e->data.data, e->from, e->split, &e->recipe->data.arrays));
  const cvy_ensemble_options options = {
      .preprocess = {.crops = asked->crops,
                     .chain = sets_chain(asked) ? e->recipe->data.evaluation : NULL,
                     .dataset = e->data.data}};
  CVY_TRY(cvy_ensemble_create(&e->ensemble, e->models, e->model_count, &options));
  e->views = cvy_ensemble_views(e->ensemble);
  return CVY_OK;
}

static cvy_err open_pictures(cvy_evaluation *e, const cvy_evaluate_options *asked) {
  const cvy_net_info *net = cvy_net_describe(cvy_model_net(e->model));
  const cvy_yaml *chain;
  if (asked->member_count > 0) {
    cvy_weights wanted;
    CVY_TRY(find_weights(&wanted, asked));
    return open_ensemble(e, wanted, asked);
  }
  CVY_TRY(choose_chain(&chain, e, asked));
  if (asked->scale_count > 0) return open_dense(e, chain, asked);
  CVY_TRY(cvy_stream_open(&e->data, e->from, e->split, &e->recipe->data.arrays, chain, net));
  e->views = cvy_augment_views(e->data.augment);
  return CVY_OK;
}

/* Opens the data. If nothing stands where the recipe's own should be, the error says to which folder the
 * recipe's paths are relative. */
static cvy_err open_data(cvy_evaluation *e, const cvy_evaluate_options *asked) {
  const cvy_err err = open_pictures(e, asked);
  if (!err || asked->data || e->from[0] == '/') return err;
  cvy_saved_error why;
  cvy_error_save(&why, err);
  const bool stands = cvy_dataset_stands(e->from);
  const cvy_err same = cvy_error_restore(&why);
  if (stands) return same;
  return cvy_error(same,
                   "%s; the recipe names its data from the folder in which convoy was run: run it there, or "
                   "name the data with --data",
                   cvy_err_message());
}

static cvy_err check_ways(const cvy_evaluate_options *asked) {
  CVY_CHECK(asked->crops == 0 || asked->crops == 1 || asked->crops == 10);
  if (asked->crops && asked->scale_count)
    return cvy_error(CVY_E_USAGE, "a dense evaluation sees whole pictures, and crops are parts of them: name "
                                  "one of the two");
  return CVY_OK;
}

/* Samples of an imported model are as those of pictures. */
static void warn_of_scale(const cvy_evaluation *e, const cvy_model_spec *spec) {
  cvy_dataset_info known = *spec->data;
  for (int64_t c = 0; spec->is_imported && c < known.c; c++) {
    known.mean[c] = 128;
    known.deviation[c] = 64;
  }
  cvy_dataset_warn_of_scale(e->from, cvy_dataset_describe(e->data.data), &known);
}

/* Opens the model and the data. The recipe's assume_classes holds for the recipe's own data alone. */
static cvy_err open_everything(cvy_evaluation *e, const char *path, const cvy_evaluate_options *asked) {
  CVY_TRY(check_ways(asked));
  CVY_TRY(check_settings(asked));
  cvy_weights wanted;
  CVY_TRY(find_weights(&wanted, asked));
  CVY_TRY(cvy_model_open_weights(&e->model, path, wanted));
  const cvy_model_spec *spec = cvy_model_spec_of(e->model);
  CVY_TRY_IN(
      cvy_recipe_parse(&e->recipe, spec->recipe_text, "its recipe", asked->settings, asked->setting_count),
      "%s", path);
  CVY_TRY_IN(find_split(&e->from, &e->split, e->recipe, asked), "%s", path);
  const bool assume = asked->assume_classes || (!asked->data && e->recipe->data.arrays.assume_classes);
  e->recipe->data.arrays.assume_classes = assume;
  CVY_TRY(open_data(e, asked));
  CVY_TRY(cvy_dataset_check_classes(e->from, cvy_dataset_describe(e->data.data), spec->data,
                                    assume ? CVY_ASSUMES : CVY_ASSUMES_ASKED));
  warn_of_scale(e, spec);
  const cvy_intake intake = cvy_intake_of(e->recipe);
  return e->dense || e->ensemble ? CVY_OK : cvy_stream_check_sizes(&e->data, &intake, false);
}

static cvy_err compare_ranks(const cvy_evaluation *e, cvy_comm *comm) {
  CVY_TRY(cvy_comm_expect_same(comm, cvy_model_hash(e->model).hex, "another checkpoint"));
  for (int64_t i = 1; i < e->model_count; i++)
    CVY_TRY(cvy_comm_expect_same(comm, cvy_model_hash(e->models[i]).hex, "another checkpoint"));
  return cvy_comm_expect_same(comm, cvy_dataset_fingerprint(e->data.data).hex, "other data");
}

static cvy_err score(cvy_evaluation *e, cvy_comm *comm) {
  const cvy_intake intake = cvy_intake_of(e->recipe);
  CVY_TRY(compare_ranks(e, comm));
  if (e->ensemble) {
    const cvy_picture_source source = {.count = cvy_dataset_describe(e->data.data)->count,
                                       .dataset = e->data.data,
                                       .skips_bad = intake.skips_bad};
    return cvy_score_ensemble(&e->score, &e->verdicts, comm, e->ensemble, &source, cvy_model_net(e->model));
  }
  if (e->dense) return cvy_dense_score(&e->score, &e->verdicts, comm, e->dense, &intake);
  return cvy_score_dataset(&e->score, &e->verdicts, comm, cvy_model_net(e->model), &e->data, &intake,
                           cvy_model_spec_of(e->model)->data);
}

cvy_err cvy_evaluation_run(cvy_evaluation *e, cvy_comm *comm, const char *checkpoint,
                           const cvy_evaluate_options *asked) {
  *e = (cvy_evaluation){0};
  cvy_doing("opening %s", checkpoint);
  cvy_err err = cvy_comm_agree(comm, open_everything(e, checkpoint, asked));
  if (!err) err = score(e, comm);
  cvy_progress_drop();
  return err;
}

void cvy_evaluation_close(cvy_evaluation *e) {
  cvy_verdicts_free(&e->verdicts);
  cvy_dense_destroy(e->dense);
  cvy_ensemble_destroy(e->ensemble);
  for (int64_t i = 1; i < e->model_count; i++) cvy_model_close(e->models[i]);
  cvy_stream_close(&e->data);
  cvy_recipe_destroy(e->recipe);
  cvy_model_close(e->model);
  *e = (cvy_evaluation){0};
}

cvy_err cvy_evaluate(cvy_score *out, cvy_comm *comm, const char *checkpoint,
                     const cvy_evaluate_options *options) {
  cvy_evaluation e;
  *out = (cvy_score){0};
  const cvy_err err = cvy_evaluation_run(&e, comm, checkpoint, options);
  if (!err) *out = e.score;
  cvy_evaluation_close(&e);
  return err;
}
