/* `convoy average`: the mean of checkpoints' weights, as a model of its own. */
#include "cmd/members.h"
#include "cmd/ranks.h"
#include "model/average.h"
#include "model/stored.h"
#include "train/statistics.h"

#include <stdlib.h>

typedef struct options {
  cvy_rank_options ranks;
  const char *output, *data;
  int weights;
} options;

static const cvy_option table[] = {
    CVY_RANK_OPTIONS(options, ranks),
    {"output", CVY_STRING, offsetof(options, output), NULL, .help = "the file to write (-o for short)"},
    {"data", CVY_STRING, offsetof(options, data), "",
     .help = "training data, a folder of shards or what else recipes take: the statistics of batch "
             "normalisation are found anew in a pass over them; none: they are averaged as the weights are"},
    {"weights", CVY_CHOICE, offsetof(options, weights), "auto", .words = cvy_weights_words,
     .help = "of runs that average their weights themselves (recipe key ema): the averaged ones, or the raw "
             "ones; auto: those by which the run chose its best"},
    {0}};

typedef struct work {
  const char *const *paths;
  int64_t count;
  cvy_model **models;
} work;

static cvy_err open_models(work *w, const cvy_arguments *arguments, const options *o) {
  CVY_TRY(cvy_members_of(&w->paths, &w->count, arguments));
  w->models = cvy_pool_new(arguments->pool, sizeof(cvy_model *) * (size_t)w->count);
  if (w->count < arguments->count)
    return cvy_error(CVY_E_INPUT, "%s is no model: expected checkpoints or run folders",
                     arguments->words[w->count]);
  if (w->count < 2) return cvy_error(CVY_E_USAGE, "one model is its own mean; expected two or more");
  for (int64_t i = 0; i < w->count; i++)
    CVY_TRY(cvy_model_open_weights(&w->models[i], w->paths[i], (cvy_weights)o->weights));
  if (!cvy_model_spec_of(w->models[0])->recipe_text)
    return cvy_error(CVY_E_INPUT,
                     "%s: does not say how it was trained, which the mean's file would have to say",
                     w->paths[0]);
  return cvy_models_average(w->models, w->count);
}

static cvy_err compare_ranks(const work *w, cvy_comm *comm) {
  return cvy_comm_expect_same(comm, cvy_model_hash(w->models[0]).hex, "other models");
}

static cvy_err save(const work *w, const options *o) {
  const cvy_model_spec *spec = cvy_model_spec_of(w->models[0]);
  cvy_net *net = cvy_model_net(w->models[0]);
  cvy_text_stream origin;
  cvy_text_stream_begin(&origin);
  fputs("the mean of", origin.out);
  for (int64_t i = 0; i < w->count; i++) fprintf(origin.out, "%s %s", i ? "," : "", w->paths[i]);
  char *text = cvy_text_stream_end(&origin, NULL);
  const cvy_model_head head = {spec->recipe_text, "", spec->data};
  const cvy_err err = cvy_model_save(o->output, text, &head, net, cvy_net_params(net));
  free(text);
  return err;
}

static void tell(const work *w, const options *o, int64_t images) {
  const cvy_model *mean = w->models[0];
  printf("%s: the mean of %" PRId64 " models, weights %s\n", o->output, w->count,
         cvy_model_weights(mean).hex);
  if (images > 0)
    printf("statistics of batch normalisation were found anew on %" PRId64 " images\n", images);
  else if (cvy_net_describe(cvy_model_net(w->models[0]))->average_count > 0)
    puts("statistics of batch normalisation are means, too; they fit the mean of the weights only about: "
         "--data DATA finds them anew");
}

static cvy_err average_into(work *w, cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  int64_t images = 0;
  CVY_TRY(cvy_comm_agree(comm, open_models(w, arguments, o)));
  CVY_TRY(compare_ranks(w, comm));
  if (o->data[0]) CVY_TRY(cvy_statistics_renew(&images, comm, w->models[0], o->data));
  if (o->data[0] && images == 0)
    cvy_warn("--data %s: the network has no batch normalisation, so that nothing is found anew", o->data);
  CVY_TRY(cvy_comm_agree(comm, cvy_comm_rank(comm) == 0 ? save(w, o) : CVY_OK));
  if (cvy_comm_rank(comm) == 0) tell(w, o, images);
  return CVY_OK;
}

static cvy_err average(cvy_comm *comm, const cvy_arguments *arguments, const options *o) {
  work w = {0};
  CVY_TRY(cvy_ranks_same(comm, arguments));
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX, "checkpoints or run folders, two or more"));
  const cvy_err err = average_into(&w, comm, arguments, o);
  for (int64_t i = 0; i < w.count && w.models; i++) cvy_model_close(w.models[i]);
  return err;
}

static const cvy_kind kind = {"average", "the mean of checkpoints' weights, as one model", table,
                              sizeof(options)};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_comm *comm = cvy_ranks_start(&o->ranks);
  return cvy_ranks_finish(comm, average(comm, arguments, o), kind.name);
}

const cvy_command cvy_command_average = {
    .kind = &kind,
    .usage = "MODEL MODEL... -o FILE.h5 [--data DATA] [--weights ema|raw]",
    .description =
        "The checkpoints, or the best.h5 of run folders, must be of the same network, with the same\n"
        "classes. Their means are worked out in double and rounded once; the order makes no difference. The\n"
        "statistics of batch normalisation are then no longer right (Izmailov et al. 2018): name the\n"
        "training data with --data, and a pass over them finds new ones, the same at any number of ranks.\n"
        "'convoy eval' and 'predict' take the file as they take a checkpoint; no run can go on from it.\n"
        "\n"
        "  convoy average runs/lenet5-1 runs/lenet5-2 -o mean.h5\n"
        "  mpirun -n 4 convoy average runs/a/best.h5 runs/a/last.h5 -o mean.h5 --data data/cifar10",
    .run = run};
