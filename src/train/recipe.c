/* The recipe: its tables of keys, how it is read and resolved, and how two are compared. */
#include "train/recipe.h"

#include "augment/chain.h"
#include "base/utf8.h"
#include "comm/exchange.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "math/conv.h"
#include "net/net.h"
#include "train/find.h"

#include <stdlib.h>
#include <string.h>

#define RECIPE(field) offsetof(cvy_recipe, field)

static const char *const bad_record_words[] = {
    [CVY_BAD_RECORD_FAILS] = "fail", [CVY_BAD_RECORD_SKIPPED] = "skip", NULL};

static const cvy_option cache_options[] = {
    {"keep", CVY_CHOICE, RECIPE(data.cache.keep) - RECIPE(data.cache), "nothing", .words = cvy_keep_words,
     .effect = CVY_CHANGES_NO_BIT,
     .help =
         "training records as they are stored (for slow disks and far file systems; those of a local disk "
         "the system keeps anyway), or pictures decoded whole (for small sets, where decoding takes the "
         "time)"},
    {"memory", CVY_INT, RECIPE(data.cache.memory_mib) - RECIPE(data.cache), "4096", 1, 1 << 24,
     .needs = "keep", .effect = CVY_CHANGES_NO_BIT,
     .help = "MiB of each rank, at most: what fits stays, the rest is read again each epoch"},
    {0}};

static const cvy_option data_options[] = {
    {"train", CVY_STRING, RECIPE(data.train) - RECIPE(data), NULL, .effect = CVY_LOCAL,
     .help = "training shards: a folder (its train-*.h5), a prefix, or a file"},
    {"val", CVY_STRING, RECIPE(data.val) - RECIPE(data), "", .effect = CVY_LOCAL,
     .help = "validation shards (a folder: its val-*.h5); none: no validation"},
    {"assume_classes", CVY_BOOL, RECIPE(data.arrays.assume_classes) - RECIPE(data), "false",
     .effect = CVY_CHANGES_NO_BIT,
     .help =
         "where only train or val, or only some of several HDF5 files, names its classes, and the others' "
         "are numbers from 0 on: these are taken for the same"},
    {"images", CVY_STRING, RECIPE(data.arrays.images) - RECIPE(data), "", .effect = CVY_LOCAL,
     .help = "HDF5 files of other makers: the dataset that holds the images; none: found by the usual names"},
    {"labels", CVY_STRING, RECIPE(data.arrays.labels) - RECIPE(data), "", .effect = CVY_LOCAL,
     .help = "the same of the labels"},
    {"first_label", CVY_INT, RECIPE(data.arrays.first_label) - RECIPE(data), "-1", -1, 1 << 20,
     .effect = CVY_CHANGES_BITS,
     .help = "the same: the label of the first class; -1: it is 0, or else that is an error"},
    {"axes", CVY_CHOICE, RECIPE(data.arrays.axes) - RECIPE(data), "auto", .words = cvy_axes_words,
     .effect = CVY_CHANGES_BITS,
     .help = "the same: the order in which an image's height, width and channels lie"},
    {"outside_links", CVY_BOOL, RECIPE(data.arrays.outside_links) - RECIPE(data), "false",
     .effect = CVY_CHANGES_NO_BIT,
     .help = "the same: whether external links may lead out of the file's folder"},
    {"augment", CVY_NODE, RECIPE(data.augment) - RECIPE(data), .effect = CVY_CHANGES_BITS,
     .help = "list of augmentations, in order"},
    {"evaluation", CVY_NODE, RECIPE(data.evaluation) - RECIPE(data), .effect = CVY_CHANGES_BITS,
     .help = "the same for evaluation, where none is random; not given: 'augment' serves both"},
    {"prefetch", CVY_INT, RECIPE(data.prefetch) - RECIPE(data), "4", 2, 1024, .effect = CVY_CHANGES_NO_BIT,
     .help = "microbatches kept ready"},
    {"threads", CVY_INT, RECIPE(data.threads) - RECIPE(data), "1", 1, 256, .effect = CVY_CHANGES_NO_BIT,
     .help = "threads of each rank that read, decode and augment"},
    {"shuffle", CVY_CHOICE, RECIPE(data.shuffle) - RECIPE(data), "full", .words = cvy_shuffle_words,
     .effect = CVY_CHANGES_BITS,
     .help = "the order of an epoch: any; by blocks of neighbouring records, for file systems that dislike "
             "small reads here and there; or as they lie"},
    {"block", CVY_INT, RECIPE(data.block) - RECIPE(data), "256", 1, 1 << 16, .needs = "shuffle",
     .effect = CVY_CHANGES_BITS, .help = "records in a block of 'shuffle: block'"},
    {"window", CVY_INT, RECIPE(data.window) - RECIPE(data), "16", 1, 256, .needs = "shuffle",
     .effect = CVY_CHANGES_BITS,
     .help =
         "blocks among which its records are shuffled again; the system is asked for them a window ahead"},
    {"cache", CVY_TABLE, RECIPE(data.cache) - RECIPE(data), .table = cache_options,
     .help = "what stays in memory once it was read"},
    {"on_bad_record", CVY_CHOICE, RECIPE(data.on_bad_record) - RECIPE(data), "fail",
     .words = bad_record_words, .effect = CVY_CHANGES_NO_BIT,
     .help =
         "a record that cannot be read ends the run, or is replaced by the next one with a warning (skip)"},
    {0}};

static const cvy_option clip_options[] = {
    {"norm", CVY_FLOAT, offsetof(cvy_clipping, norm), "0", 1e-30, 1e30, .or_zero = true,
     .effect = CVY_CHANGES_BITS,
     .help =
         "the longest that the gradient of the whole network may be: a longer one is made shorter; 0: any"},
    {"value", CVY_FLOAT, offsetof(cvy_clipping, value), "0", 1e-30, 1e30, .or_zero = true,
     .effect = CVY_CHANGES_BITS,
     .help = "the largest magnitude that each number of it may have, after that; 0: any"},
    {0}};

static const cvy_option ema_options[] = {
    {"decay", CVY_FLOAT, offsetof(cvy_ema, averaging.decay), "0", 0, 0.999999, .effect = CVY_CHANGES_BITS,
     .help = "the share of the average that stays in a step, such as 0.999 or 0.9999; 0: none is kept"},
    {"warmup", CVY_BOOL, offsetof(cvy_ema, averaging.warmup), "false", .needs = "decay",
     .effect = CVY_CHANGES_BITS,
     .help =
         "the n-th average keeps (1 + n) / (10 + n) as long as that is less (TensorFlow's num_updates), for "
         "short runs"},
    {"every", CVY_INT, offsetof(cvy_ema, averaging.every), "1", 1, CVY_NO_LIMIT, .needs = "decay",
     .effect = CVY_CHANGES_BITS, .help = "steps from one average to the next"},
    {"start", CVY_INT, offsetof(cvy_ema, averaging.start), "0", 0, CVY_NO_LIMIT, .needs = "decay",
     .effect = CVY_CHANGES_BITS,
     .help = "the step after which averaging starts; until then the average is the weights themselves"},
    {"use_buffers", CVY_BOOL, offsetof(cvy_ema, averaging.use_buffers), "false", .needs = "decay",
     .effect = CVY_CHANGES_BITS,
     .help = "batch_norm's running statistics are averaged too (as torchvision and timm do), not copied (as "
             "PyTorch's AveragedModel does unless told so)"},
    {"best", CVY_CHOICE, offsetof(cvy_ema, best), "ema", .max = CVY_WEIGHTS_AUTO, .words = cvy_weights_words,
     .needs = "decay", .effect = CVY_CHANGES_BITS,
     .help = "whose validation decides which step is the best, and which weights stand for a checkpoint: the "
             "average's, or the raw ones"},
    {0}};

const char *const cvy_watched_words[] = {[CVY_WATCHES_VAL_LOSS] = "val_loss",
                                         [CVY_WATCHES_VAL_TOP1] = "val_top1",
                                         [CVY_WATCHES_EMA_LOSS] = "ema_loss",
                                         [CVY_WATCHES_EMA_TOP1] = "ema_top1",
                                         NULL};

static const cvy_option early_stopping_options[] = {
    {"patience", CVY_INT, offsetof(cvy_early_stopping, patience), "0", 0, CVY_NO_LIMIT,
     .effect = CVY_CHANGES_BITS,
     .help = "the epochs in a row without a better score after which training ends; 0: it goes on"},
    {"min_delta", CVY_FLOAT, offsetof(cvy_early_stopping, min_delta), "0", 0, 1e6, .needs = "patience",
     .effect = CVY_CHANGES_BITS, .help = "a better score differs from the best by more than this"},
    {"metric", CVY_CHOICE, offsetof(cvy_early_stopping, metric), "val_loss", .words = cvy_watched_words,
     .needs = "patience", .effect = CVY_CHANGES_BITS,
     .help = "which score: a lower loss is better, and a higher top-1"},
    {0}};

static const char *const head_words[] = {
    [CVY_HEAD_KEPT] = "keep", [CVY_HEAD_AUTO] = "auto", [CVY_HEAD_NEW] = "new", NULL};

static const char *const normalising_words[] = {
    [CVY_NORMALISES_AS_FILE] = "file", [CVY_NORMALISES_AS_DATA] = "data", NULL};

static const cvy_option init_from_options[] = {
    {"weights", CVY_STRING, offsetof(cvy_init_from, weights), "", .effect = CVY_LOCAL,
     .help = "a checkpoint, a run folder (its best.h5), or a file of weights of another program"},
    {"head", CVY_CHOICE, offsetof(cvy_init_from, head), "keep", .words = head_words, .needs = "weights",
     .effect = CVY_CHANGES_BITS,
     .help =
         "the layer that tells the classes apart, and those of auxiliary heads: copied, so that it must fit "
         "(keep); made anew if it does not fit, as with another number of classes (auto); made anew (new)"},
    {"normalise", CVY_CHOICE, offsetof(cvy_init_from, normalise), "file", .words = normalising_words,
     .needs = "weights", .effect = CVY_CHANGES_BITS,
     .help =
         "by whose mean and deviation: those with which the weights were trained, where the file says them, "
         "or those of the training data"},
    {"layers", CVY_NODE, offsetof(cvy_init_from, layers), .needs = "weights", .effect = CVY_CHANGES_BITS,
     .help = "the layers that are copied, as [conv1, fc*]; not given: all that the file has"},
    {"anew", CVY_NODE, offsetof(cvy_init_from, anew), .needs = "weights", .effect = CVY_CHANGES_BITS,
     .help = "layers that are made anew although the file has them"},
    {0}};

static const cvy_option batch_norm_options[] = {
    {"frozen", CVY_NODE, RECIPE(batch_norm.frozen) - RECIPE(batch_norm), .effect = CVY_CHANGES_BITS,
     .help = "true, or the names of some: these normalise by their running averages in training too, and do "
             "not move them, while their scale and bias learn unless they are frozen"},
    {0}};

static const char *const divergence_words[] = {
    [CVY_DIVERGENCE_STOPS] = "stop", [CVY_DIVERGENCE_ROLLS_BACK] = "roll_back", NULL};

const cvy_option cvy_recipe_options[] = {
    {"network", CVY_NODE, RECIPE(network), .effect = CVY_CHANGES_BITS,
     .help = "a network's name or file, {name: {its parameters}}, or a description"},
    {"data", CVY_TABLE, RECIPE(data), .table = data_options, .help = "where images come from"},
    {"batch", CVY_INT, RECIPE(batch), NULL, 1, 1 << 24, .effect = CVY_CHANGES_BITS,
     .help = "images a step, over all ranks; of any size on few ranks, one included, whose microbatches' "
             "gradients accumulate"},
    {"microbatch", CVY_INT, RECIPE(microbatch), NULL, 1, 1 << 20, .effect = CVY_CHANGES_BITS,
     .help = "images a pass, for which memory must suffice; batch must be a multiple, and the gradients of "
             "batch / microbatch passes accumulate"},
    {"tree", CVY_INTS, RECIPE(radices), "[]", 2, 1 << 24, .effect = CVY_CHANGES_BITS,
     .help = "radices of the summation tree, top first; none: odd factors of batch / microbatch, then twos"},
    {"epochs", CVY_INT, RECIPE(epochs), NULL, 1, 1e9, .effect = CVY_CHANGES_TOTAL, .on_request = true,
     .help = "passes over the training images"},
    {"convolution", CVY_CHOICE, RECIPE(convolution), "auto", .words = cvy_conv_words,
     .effect = CVY_CHANGES_BITS,
     .help =
         "algorithms: the fastest for each shape (Winograd's rounds more, and may leave 1e-7 where a plain "
         "sum is exactly 0), or im2col and a matrix product for all"},
    {"reduce", CVY_CHOICE, RECIPE(reduce), "sharded", .words = cvy_exchange_words, .effect = CVY_CHANGES_BITS,
     .help =
         "how ranks share their gradients: each updates its part of the weights (sharded), or all of them "
         "(whole), with the same bits at any number of ranks; or MPI_Allreduce, for comparison, whose bits "
         "depend on that number (mpi)"},
    {"wire", CVY_CHOICE, RECIPE(wire), "fp32", .words = cvy_wire_words, .effect = CVY_CHANGES_BITS,
     .help =
         "how gradients cross between ranks. bf16: each node of the tree, leaves and root included, is "
         "rounded to bfloat16 (at any number of ranks, so their bits stay the same) and added in fp32; a "
         "tree of L levels is off by at most (L + 1) / 256 of the sum of magnitudes. It halves what is sent"
         " with 'reduce: whole', and saves a quarter with sharded, which sends weights back as they are. "
         "Gradients of layers with 'parallel: sharded' never cross, and are never rounded; what those send "
         "instead stays fp32"},
    {"bucket", CVY_INT, RECIPE(bucket), "0", 0, 1 << 20, .effect = CVY_CHANGES_NO_BIT,
     .help =
         "MiB of gradients that are sent as soon as they are there. 0: the best of 1, 4, 16 and 64, measured "
         "before the first step (4 with 'reduce: mpi', whose bits depend on it)"},
    {"seed", CVY_INT, RECIPE(seed), "1", 0, 1e15, .effect = CVY_CHANGES_BITS,
     .help = "of every random number of the run"},
    {"solver", CVY_NODE, RECIPE(solver), .effect = CVY_CHANGES_BITS, .on_request = true,
     .help = "the update rule: 'name' or 'name: {options}'"},
    {"learning_rate", CVY_NODE, RECIPE(learning_rate), .effect = CVY_CHANGES_BITS, .on_request = true,
     .help = "the schedule, likewise"},
    {"init_from", CVY_TABLE, RECIPE(init_from), .table = init_from_options,
     .help =
         "weights that a new run begins with, as far as names and shapes agree: a FILE, or {weights: FILE, "
         "head: auto}. A run that is resumed does not read them again"},
    {"freeze", CVY_NODE, RECIPE(freeze), .effect = CVY_CHANGES_BITS,
     .help = "the layers that do not learn, as [conv*, fc1]; a frozen batch_norm normalises by its "
             "running averages"},
    {"freeze_until", CVY_STRING, RECIPE(freeze_until), "", .effect = CVY_CHANGES_BITS,
     .help = "a layer that does not learn, with all that its output depends on"},
    {"batch_norm", CVY_TABLE, RECIPE(batch_norm), .table = batch_norm_options,
     .help = "what becomes of statistics"},
    {"unfreeze", CVY_NODE, RECIPE(unfreeze), .effect = CVY_CHANGES_BITS, .on_request = true,
     .help =
         "list of {at, layers, rate}: frozen layers that learn once so many epochs are done, with a factor "
         "for their rate, as [{at: 3, layers: conv5*, rate: 0.1}]"},
    {"layers", CVY_NODE, RECIPE(layers), .effect = CVY_CHANGES_BITS,
     .help =
         "list of {match, rate, decay}: factors for the rate and the decay of layers whose names match, as "
         "[{match: \"fc*\", rate: 10, decay: 0}]; rate: 0 freezes"},
    {"clip", CVY_TABLE, RECIPE(clip), .table = clip_options, .on_request = true,
     .help = "what bounds gradients"},
    {"warmup", CVY_TABLE, RECIPE(warmup), .table = cvy_warmup_options, .on_request = true,
     .help = "how the rate rises in front of the schedule"},
    {"ema", CVY_TABLE, RECIPE(ema), .table = ema_options, .on_request = true,
     .help = "an exponential moving average of the weights, which is validated and saved beside them"},
    {"early_stopping", CVY_TABLE, RECIPE(early_stopping), .table = early_stopping_options, .on_request = true,
     .help = "ends training where validation has stopped improving"},
    {"on_divergence", CVY_CHOICE, RECIPE(on_divergence), "stop", .words = divergence_words,
     .effect = CVY_CHANGES_NO_BIT,
     .help =
         "where a loss is not a number below a million, or explodes: end the run, whose last checkpoint "
         "stays, or go back to that and halve the learning rate from there on (roll_back; where checkpoints "
         "are, as at a stop, then changes bits)"},
    {"exploding_loss", CVY_FLOAT, RECIPE(exploding_loss), "100", 0, 1e15, .effect = CVY_CHANGES_NO_BIT,
     .help =
         "a step's mean loss explodes if it is more than this many times the first step's, or than this many "
         "times ln(classes), whichever is more; 0: it never does"},
    {"roll_backs", CVY_INT, RECIPE(roll_backs), "3", 1, 1000, .needs = "on_divergence",
     .effect = CVY_CHANGES_NO_BIT, .help = "how often a run goes back; after that, divergence ends it"},
    {"run", CVY_STRING, RECIPE(run), NULL, .effect = CVY_LOCAL,
     .help = "the folder for checkpoints and metrics"},
    {"log_every", CVY_INT, RECIPE(log_every), "50", 1, CVY_NO_LIMIT, .effect = CVY_CHANGES_NO_BIT,
     .help = "steps from one line of metrics to the next"},
    {"check_every", CVY_INT, RECIPE(check_every), "500", 1, CVY_NO_LIMIT, .effect = CVY_CHANGES_NO_BIT,
     .help = "steps from one check that all ranks hold the same weights to the next"},
    {"checkpoint_every", CVY_INT, RECIPE(checkpoint_every), "0", 0, CVY_NO_LIMIT,
     .effect = CVY_CHANGES_NO_BIT, .help = "steps between checkpoints; 0: one an epoch"},
    {0}};

cvy_err cvy_read_rule(const cvy_rule **rule, void **config, cvy_pool *pool, const cvy_yaml *node) {
  const cvy_kind **kinds = cvy_pool_new(pool, sizeof *kinds * (size_t)cvy_rule_count());
  for (int64_t i = 0; i < cvy_rule_count(); i++) kinds[i] = cvy_rule_at(i)->kind;
  int64_t index;
  CVY_TRY(cvy_kind_read(&index, config, pool, kinds, cvy_rule_count(), node, "solver"));
  *rule = cvy_rule_configured(cvy_rule_at(index), *config);
  return CVY_OK;
}

/* Returns the mapping of "name: {options}"; NULL if the name stands alone. */
static const cvy_yaml *options_given(const cvy_yaml *node) {
  return node->kind == CVY_YAML_MAPPING ? node->items[0] : NULL;
}

static cvy_err read_solver(cvy_recipe *r) {
  if (!r->solver) r->solver = cvy_yaml_new_scalar(r->pool, r->root->file, "sgd");
  CVY_TRY(cvy_read_rule(&r->rule, &r->rule_config, r->pool, r->solver));
  return r->rule->check ? r->rule->check(r->rule_config, options_given(r->solver), r->solver) : CVY_OK;
}

static bool is_number(const cvy_yaml *node) {
  char *end;
  if (node->kind != CVY_YAML_SCALAR || !node->text[0]) return false;
  (void)strtod(node->text, &end);
  return *end == '\0';
}

/* Says how a rate is written that stands alone. */
static cvy_err rate_alone(const cvy_recipe *r) {
  const cvy_yaml *node = r->learning_rate;
  const bool typed = cvy_yaml_is_typed(node);
  return cvy_yaml_error(node,
                        "expected the name of a learning-rate schedule, not the number %s; did you mean "
                        "%s%s%s%s%s?",
                        node->text, typed ? "learning_rate." : "'learning_rate: {", r->own_schedule,
                        typed ? ".rate=" : ": {rate: ", node->text, typed ? "" : "}}'");
}

static cvy_err read_schedule(cvy_recipe *r) {
  const cvy_kind **kinds = cvy_pool_new(r->pool, sizeof *kinds * (size_t)cvy_schedule_count());
  for (int64_t i = 0; i < cvy_schedule_count(); i++) kinds[i] = cvy_schedule_at(i)->kind;
  int64_t index;
  if (!r->learning_rate) r->learning_rate = cvy_yaml_new_scalar(r->pool, r->root->file, "constant");
  if (is_number(r->learning_rate)) return rate_alone(r);
  CVY_TRY(cvy_kind_read(&index, &r->schedule_config, r->pool, kinds, cvy_schedule_count(), r->learning_rate,
                        "learning-rate schedule"));
  r->schedule = cvy_schedule_at(index);
  if (!r->schedule->check) return CVY_OK;
  return r->schedule->check(r->schedule_config, options_given(r->learning_rate), r->learning_rate);
}

static cvy_err read_tree(cvy_recipe *r) {
  const cvy_yaml *batch = cvy_yaml_get(r->root, "batch"), *tree = cvy_yaml_get(r->root, "tree");
  const int64_t below = r->batch / r->microbatch * r->microbatch;
  if (below == 0)
    return cvy_yaml_error(batch, "batch %" PRId64 " is smaller than microbatch %" PRId64, r->batch,
                          r->microbatch);
  if (below < r->batch)
    return cvy_yaml_error(batch,
                          "batch %" PRId64 " is not a multiple of microbatch %" PRId64 "; %" PRId64
                          " or %" PRId64 " would be",
                          r->batch, r->microbatch, below, below + r->microbatch);
  if (cvy_tree_create(&r->tree, r->batch / r->microbatch, r->radices.values, r->radices.count))
    return cvy_yaml_error(tree ? tree : batch, "%s", cvy_err_message());
  r->tree.wire = (cvy_wire)r->wire;
  if (r->wire == CVY_WIRE_BF16 && r->reduce == CVY_EXCHANGE_MPI)
    return cvy_yaml_error(
        cvy_yaml_get(r->root, "wire"),
        "wire: bf16 is rounded along the tree, which reduce: mpi does not follow; 'sharded' "
        "and 'whole' do");
  return CVY_OK;
}

/* Errors keep pointing into the user's own network file, so only the resolved text has the defaults filled
 * in. */
static void resolve(cvy_recipe *r) {
  r->solver = cvy_kind_dump(r->rule->kind, r->rule_config, r->pool);
  r->learning_rate = cvy_kind_dump(r->schedule->kind, r->schedule_config, r->pool);
  cvy_recipe copy = *r;
  copy.network = r->network_resolved;
  copy.data.augment = r->augment_resolved;
  copy.data.evaluation = r->evaluation_resolved;
  int64_t *radices = cvy_pool_new(r->pool, sizeof r->tree.radix);
  for (int i = 0; i < r->tree.level_count; i++) radices[i] = r->tree.radix[r->tree.level_count - 1 - i];
  copy.radices = (cvy_ints){r->tree.level_count, radices};
  r->resolved = cvy_options_dump(&copy, r->pool, cvy_recipe_options);
  r->text = cvy_yaml_text(r->resolved);
}

/* Loads the network of "name", or of "{name: {its parameters}}". */
static cvy_err load_network(cvy_recipe *r, const cvy_yaml *name, const cvy_yaml *settings) {
  const char *path, *recipe = r->root->file;
  const char *beside = strcmp(name->file, recipe) == 0 ? recipe : NULL; /* else the command line named it */
  if (cvy_find_yaml(&path, r->pool, name->text, "networks", beside))
    return cvy_yaml_error(name, "%s", cvy_err_message());
  cvy_yaml *loaded;
  CVY_TRY(cvy_network_load(&loaded, r->pool, path, settings));
  r->network = loaded;
  return CVY_OK;
}

/* Refuses "{name: lenet5}", as other programs have it. */
static cvy_err refuse_named(const cvy_yaml *given) {
  static const char *const words[] = {"name", "model", "type", "arch"};
  for (int64_t i = 0; i < CVY_COUNT(words) && !cvy_yaml_get(given, "layers"); i++) {
    const cvy_yaml *name = cvy_yaml_get(given, words[i]);
    if (name && name->kind == CVY_YAML_SCALAR)
      return cvy_yaml_error(given,
                            "a network is named without the word '%s': network: %s, or, with its parameters, "
                            "network: {%s: {classes: 10}}",
                            words[i], name->text, name->text);
  }
  return CVY_OK;
}

/* Replaces a name or a file by what stands there, so that the resolved recipe needs no other file. */
static cvy_err read_network(cvy_recipe *r) {
  const cvy_yaml *given = r->network;
  CVY_TRY(refuse_named(given));
  if (given->kind == CVY_YAML_SCALAR) CVY_TRY(load_network(r, given, NULL));
  if (given->kind == CVY_YAML_MAPPING && given->count == 1)
    CVY_TRY(load_network(r, given->keys[0], given->items[0]));
  cvy_yaml *resolved;
  CVY_TRY(cvy_net_resolve(&resolved, r->pool, r->network));
  r->network_resolved = resolved;
  return CVY_OK;
}

/* Checks that what early stopping watches will be there. */
static cvy_err check_early_stopping(const cvy_recipe *r) {
  const cvy_early_stopping *e = &r->early_stopping;
  const cvy_yaml *at = cvy_yaml_get(r->root, "early_stopping");
  if (e->patience == 0) return CVY_OK;
  if (!r->data.val[0])
    return cvy_yaml_error(at ? at : r->root,
                          "early_stopping waits for scores of validation; name validation data with "
                          "data.val");
  const bool of_average = e->metric == CVY_WATCHES_EMA_LOSS || e->metric == CVY_WATCHES_EMA_TOP1;
  if (!of_average || cvy_recipe_averages(r)) return CVY_OK;
  const cvy_yaml *metric = at ? cvy_yaml_get(at, "metric") : NULL;
  return cvy_yaml_error(metric ? metric : r->root,
                        "the metric %s is of averaged weights, and none are kept; 'ema: {decay: 0.9999}' "
                        "keeps some",
                        cvy_watched_words[e->metric]);
}

/* Has "init_from: FILE" mean "init_from: {weights: FILE}". */
static void name_weights(cvy_recipe *r) {
  for (int64_t i = 0; i < r->root->count; i++) {
    const cvy_yaml *given = r->root->items[i];
    if (r->root->kind != CVY_YAML_MAPPING || strcmp(r->root->keys[i]->text, "init_from") != 0 ||
        given->kind != CVY_YAML_SCALAR || !given->text[0])
      continue;
    cvy_yaml *mapping = cvy_yaml_new_mapping(r->pool, given->file);
    mapping->line = given->line;
    mapping->column = given->column;
    cvy_yaml_add(r->pool, mapping, "weights", r->root->items[i]);
    r->root->items[i] = mapping;
  }
}

static cvy_err read_transfer(cvy_recipe *r) {
  cvy_init_from *init = &r->init_from;
  CVY_TRY(cvy_patterns_read(&init->copied, &init->layers, r->pool, "layers"));
  CVY_TRY(cvy_patterns_read(&init->made_anew, &init->anew, r->pool, "anew"));
  return cvy_freezing_read(&r->freezing, r->pool,
                           &(cvy_freezing_keys){.freeze = &r->freeze,
                                                .statistics = &r->batch_norm.frozen,
                                                .unfreeze = &r->unfreeze,
                                                .freeze_until = r->freeze_until,
                                                .root = r->root,
                                                .epochs = r->epochs});
}

static cvy_err read_recipe(cvy_recipe *r) {
  name_weights(r);
  CVY_TRY(cvy_options_read(r, r->pool, cvy_recipe_options, r->root, r->root, "the recipe"));
  if (!r->network)
    return cvy_yaml_error(r->root, "the recipe needs 'network' (a name such as lenet5, or a file)");
  CVY_TRY(read_network(r));
  cvy_yaml *chain;
  CVY_TRY(cvy_augment_resolve(&chain, r->pool, r->data.augment));
  r->augment_resolved = chain;
  if (r->data.evaluation) {
    CVY_TRY(cvy_augment_resolve(&chain, r->pool, r->data.evaluation));
    r->evaluation_resolved = chain;
  }
  CVY_TRY(read_solver(r));
  CVY_TRY(read_schedule(r));
  CVY_TRY(cvy_layer_rules_read(&r->layer_rules, r->pool, r->layers));
  CVY_TRY(read_transfer(r));
  CVY_TRY(read_tree(r));
  CVY_TRY(check_early_stopping(r));
  resolve(r);
  return CVY_OK;
}

/* Returns the name of the schedule that a recipe has before anything in it is changed. */
static const char *schedule_of(const cvy_yaml *root) {
  const cvy_yaml *schedule = cvy_yaml_get(root, "learning_rate");
  if (schedule && schedule->kind == CVY_YAML_MAPPING && schedule->count == 1) schedule = schedule->keys[0];
  const bool is_name = schedule && schedule->kind == CVY_YAML_SCALAR && schedule->text[0];
  return is_name && !is_number(schedule) ? schedule->text : "constant";
}

/* Tells whether a word, up to a dot, is the name of an update rule or a schedule. */
static bool names_kind(const char *key, const char *word) {
  const size_t length = strcspn(word, ".=");
  const bool is_rule = strcmp(key, "solver") == 0;
  const int64_t count = is_rule                             ? cvy_rule_count()
                        : strcmp(key, "learning_rate") == 0 ? cvy_schedule_count()
                                                            : 0;
  for (int64_t i = 0; i < count; i++) {
    const char *name = (is_rule ? cvy_rule_at(i)->kind : cvy_schedule_at(i)->kind)->name;
    if (strlen(name) == length && strncmp(name, word, length) == 0) return true;
  }
  return false;
}

/* Says how an option of something that the recipe gives by its name alone is set: network.classes=11. */
static cvy_err below_name(const cvy_yaml *root, const char *setting, cvy_err err) {
  const char *dot = strchr(setting, '.');
  for (const cvy_option *o = cvy_recipe_options; dot && o->name; o++) {
    const size_t length = strlen(o->name);
    const cvy_yaml *name = cvy_yaml_get(root, o->name);
    if (o->type != CVY_NODE || (size_t)(dot - setting) != length || strncmp(setting, o->name, length) != 0 ||
        !name || name->kind != CVY_YAML_SCALAR)
      continue;
    if (names_kind(o->name, dot + 1)) {
      const int letters = (int)strcspn(dot + 1, ".=");
      return cvy_error(err,
                       "%s: %s is '%s', and these are options of '%.*s', of which only one can be chosen: "
                       "change its own (%s.%s.KEY=VALUE), or choose the other first (%s=%.*s %s)",
                       setting, o->name, name->text, letters, dot + 1, o->name, name->text, o->name, letters,
                       dot + 1, setting);
    }
    cvy_saved_error why;
    cvy_error_save(&why, err);
    if (!strpbrk(name->text, "./"))
      return cvy_error(err, "%s; did you mean %s.%s%s?", why.message, o->name, name->text, dot);
    const char *equals = strchr(dot, '=');
    return cvy_error(err, "%s; did you mean '%s={%s: {%.*s: %s}}'?", why.message, o->name, name->text,
                     (int)(equals - dot) - 1, dot + 1, equals + 1);
  }
  return err;
}

/* Changes the recipe as the command line says. */
static cvy_err change(cvy_recipe *r, cvy_yaml *root, const char *const *settings, int64_t count) {
  r->root = root;
  r->own_schedule = schedule_of(root);
  for (int64_t i = 0; i < count; i++) {
    const cvy_err err = cvy_yaml_override(root, r->pool, settings[i]);
    if (err) return below_name(root, settings[i], err);
  }
  return CVY_OK;
}

static cvy_err finish(cvy_recipe **out, cvy_recipe *r, cvy_err err) {
  if (!err) err = read_recipe(r);
  *out = err ? NULL : r;
  if (err) cvy_recipe_destroy(r);
  return err;
}

cvy_err cvy_recipe_load(cvy_recipe **out, const char *name, const char *const *overrides,
                        int64_t override_count) {
  cvy_recipe *r = cvy_new(sizeof *r);
  r->pool = cvy_pool_create();
  const char *path;
  cvy_yaml *root = NULL;
  cvy_err err = cvy_find_yaml(&path, r->pool, name, "recipes", NULL);
  if (!err) err = cvy_yaml_load(&root, r->pool, path);
  if (!err && cvy_is_network(root))
    err = cvy_yaml_error(root,
                         "this is a network, not a recipe: a recipe has data and a batch, and names the "
                         "network: 'network: %s'",
                         path);
  if (!err) err = change(r, root, overrides, override_count);
  return finish(out, r, err);
}

cvy_err cvy_recipe_parse(cvy_recipe **out, const char *text, const char *name, const char *const *overrides,
                         int64_t override_count) {
  cvy_recipe *r = cvy_new(sizeof *r);
  r->pool = cvy_pool_create();
  cvy_yaml *root = NULL;
  cvy_err err = cvy_yaml_parse(&root, r->pool, text, name);
  if (!err) err = change(r, root, overrides, override_count);
  return finish(out, r, err);
}

void cvy_recipe_destroy(cvy_recipe *recipe) {
  if (!recipe) return;
  free(recipe->text);
  cvy_pool_destroy(recipe->pool);
  free(recipe);
}

/* ---- comparing ---- */

/* Ranks may have different local texts, but all of them or none must have one. */
static void forget_local(void *config, const cvy_option *table) {
  for (const cvy_option *option = table; option->name; option++) {
    void *field = (char *)config + option->offset;
    if (option->type == CVY_TABLE) forget_local(field, option->table);
    if (option->effect != CVY_LOCAL) continue;
    CVY_CHECK(option->type == CVY_STRING, "'%s' is no text", option->name);
    const char **text = field;
    if ((*text)[0]) *text = "some";
  }
}

cvy_hash cvy_recipe_hash(const cvy_recipe *recipe) {
  cvy_recipe copy = *recipe;
  copy.network = recipe->network_resolved;
  copy.data.augment = recipe->augment_resolved;
  copy.data.evaluation = recipe->evaluation_resolved;
  forget_local(&copy, cvy_recipe_options);
  cvy_pool *pool = cvy_pool_create();
  char *text = cvy_yaml_text(cvy_options_dump(&copy, pool, cvy_recipe_options));
  const cvy_hash hash = cvy_hash_of_text(text);
  free(text);
  cvy_pool_destroy(pool);
  return hash;
}

typedef struct comparison {
  const char *stored_in;
  bool looks_ahead;  /* one of the schedules does, to the total of steps */
  bool changeable;   /* what is compared now may be changed on request */
  cvy_text *changes; /* receives the differences that may be asked for; NULL: they are errors */
} comparison;

/* Tells whether both nodes are {name: options}, with the same name. */
static bool have_one_name(const cvy_yaml *was, const cvy_yaml *is) {
  const bool both = was && is && was->kind == CVY_YAML_MAPPING && is->kind == CVY_YAML_MAPPING &&
                    was->count == 1 && is->count == 1;
  return both && strcmp(was->keys[0]->text, is->keys[0]->text) == 0;
}

/* Prints a list or mapping on one line: "[2, 2]", "step: {rate: 0.1, every: 10}". */
static void print_node(FILE *out, const cvy_yaml *node, bool is_within) {
  const bool is_list = node->kind == CVY_YAML_SEQUENCE, has_braces = !is_list && is_within;
  if (node->kind == CVY_YAML_SCALAR) {
    fputs(node->text, out);
    return;
  }
  fputs(is_list ? "[" : has_braces ? "{" : "", out);
  for (int64_t i = 0; i < node->count; i++) {
    if (i > 0) fputs(", ", out);
    if (!is_list) fprintf(out, "%s: ", node->keys[i]->text);
    print_node(out, node->items[i], true);
  }
  fputs(is_list ? "]" : has_braces ? "}" : "", out);
}

/* Writes a node on one line, a scalar as "'0.05'", nothing as "not set". If that is long, it ends with
 * "...". */
static void describe(char out[200], const cvy_yaml *node) {
  static const char more[] = "...";
  const bool is_scalar = node && node->kind == CVY_YAML_SCALAR;
  cvy_text_stream line;
  cvy_pool *pool = cvy_pool_create();
  cvy_text_stream_begin(&line);
  if (is_scalar) fputs("'", line.out);
  if (node) print_node(line.out, node, false);
  if (is_scalar) fputs("'", line.out);
  char *text = cvy_text_stream_end(&line, NULL);
  const char *shown = node ? cvy_utf8_shown(pool, text) : "not set";
  const size_t length = cvy_utf8_show_in(out, 200 - strlen(more), shown);
  if (shown[length]) strcpy(out + length, more);
  free(text);
  cvy_pool_destroy(pool);
}

static cvy_err differ(const comparison *c, const char *path, const cvy_yaml *was, const cvy_yaml *is) {
  char stored[200], wanted[200];
  describe(stored, was);
  describe(wanted, is);
  return cvy_error(CVY_E_INPUT,
                   "%s was trained with another recipe: '%s' was %s and is now %s; resume with the same "
                   "recipe%s, or begin another run",
                   c->stored_in, path, stored, wanted,
                   c->changeable ? ", with --change, which takes the new value from this step on" : "");
}

static void extend_path(char out[512], const char *path, const char *key) {
  snprintf(out, 512, "%.250s%s%.250s", path, path[0] ? "." : "", key);
}

static cvy_err compare_values(const comparison *c, const char *path, const cvy_yaml *was,
                              const cvy_yaml *is) {
  if (!was && !is) return CVY_OK;
  if (!was || !is || was->kind != is->kind || was->count != is->count) return differ(c, path, was, is);
  if (is->kind == CVY_YAML_SCALAR) return strcmp(was->text, is->text) ? differ(c, path, was, is) : CVY_OK;
  for (int64_t i = 0; i < is->count; i++) {
    char inner[512];
    if (is->kind == CVY_YAML_MAPPING)
      extend_path(inner, path, is->keys[i]->text);
    else
      snprintf(inner, sizeof inner, "%.250s[%" PRId64 "]", path, i);
    const cvy_yaml *item = is->kind == CVY_YAML_MAPPING ? cvy_yaml_get(was, is->keys[i]->text)
                                                        : was->items[i];
    CVY_TRY(compare_values(c, inner, item, is->items[i]));
  }
  return CVY_OK;
}

static bool changes_bits(const comparison *c, cvy_effect effect) {
  return effect == CVY_EFFECT_UNSAID || effect == CVY_CHANGES_BITS ||
         (effect == CVY_CHANGES_TOTAL && c->looks_ahead);
}

static bool has_keys_of(const cvy_yaml *a, const cvy_yaml *b) {
  if (a->kind != CVY_YAML_MAPPING || b->kind != CVY_YAML_MAPPING || a->count != b->count) return false;
  for (int64_t i = 0; i < a->count; i++)
    if (!cvy_yaml_get(b, a->keys[i]->text)) return false;
  return true;
}

static bool are_same(const cvy_yaml *a, const cvy_yaml *b) {
  if (!a || !b) return a == b;
  char *x = cvy_yaml_text(a), *y = cvy_yaml_text(b);
  const bool same = strcmp(x, y) == 0;
  free(x);
  free(y);
  return same;
}

/* Adds what differs below `path`, key by key as far as both have the same keys. */
static void note_differences(cvy_text *changes, const char *path, const cvy_yaml *was, const cvy_yaml *is) {
  if (was && is && has_keys_of(was, is)) {
    for (int64_t i = 0; i < is->count; i++) {
      char inner[512];
      extend_path(inner, path, is->keys[i]->text);
      note_differences(changes, inner, cvy_yaml_get(was, is->keys[i]->text), is->items[i]);
    }
    return;
  }
  if (are_same(was, is)) return;
  char stored[200], wanted[200];
  describe(stored, was);
  describe(wanted, is);
  cvy_text_item(changes, "; ", "'%s' was %s and is now %s", path, stored, wanted);
}

/* Compares an option that changes bits. A difference that is asked for is noted, and is no error. The update
 * rule's state stays, so the solver must be the same one. */
static cvy_err compare_option(const comparison *c, const char *path, const cvy_yaml *was,
                              const cvy_yaml *is) {
  comparison own = *c;
  if (strcmp(path, "solver") == 0 && !have_one_name(was, is)) own.changeable = false;
  const cvy_err err = compare_values(&own, path, was, is);
  if (!err || !own.changeable || !c->changes) return err;
  note_differences(c->changes, path, was, is);
  return CVY_OK;
}

static cvy_err compare_tables(const comparison *c, const cvy_option *table, const char *path,
                              const cvy_yaml *stored, const cvy_yaml *wanted) {
  for (const cvy_option *option = table; option->name; option++) {
    char inner[512];
    extend_path(inner, path, option->name);
    const cvy_yaml *was = cvy_yaml_get(stored, option->name), *is = cvy_yaml_get(wanted, option->name);
    comparison own = *c;
    own.changeable = c->changeable || option->on_request;
    if (option->type == CVY_TABLE)
      CVY_TRY(compare_tables(&own, option->table, inner, was, is));
    else if (changes_bits(c, option->effect))
      CVY_TRY(compare_option(&own, inner, was, is));
  }
  return CVY_OK;
}

static const cvy_yaml *value_at(const cvy_recipe *recipe, const char *path) {
  const cvy_yaml *at = recipe->resolved;
  for (const char *key = path; at && key; key = strchr(key, '.') ? strchr(key, '.') + 1 : NULL) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(key, "."), key);
    at = cvy_yaml_get(at, name);
  }
  return at;
}

bool cvy_recipe_differs(const cvy_recipe *a, const cvy_recipe *b, const char *path) {
  return !are_same(value_at(a, path), value_at(b, path));
}

cvy_err cvy_recipe_compare(const cvy_recipe *stored, const cvy_recipe *wanted, const char *stored_in,
                           cvy_text *changes) {
  const comparison c = {.stored_in = stored_in,
                        .looks_ahead = cvy_schedule_looks_ahead(stored->schedule, stored->schedule_config) ||
                                       cvy_schedule_looks_ahead(wanted->schedule, wanted->schedule_config),
                        .changes = changes};
  return compare_tables(&c, cvy_recipe_options, "", stored->resolved, wanted->resolved);
}
