/* `convoy import`: a network or weights of another program become Convoy's. */
#include "base/fit.h"
#include "base/json.h"
#include "cmd/network.h"
#include "cmd/ranks.h"
#include "convert/convert.h"

#include <string.h>

typedef struct options {
  const char *out, *weights, *network, *classes, *solver, *input;
  int64_t images;
  int preprocess;
  cvy_floats mean, deviation;
  int64_t microbatch;
  int channels;
  const char *labelled;
  bool json;
} options;

static const cvy_option table[] = {
    {"output", CVY_STRING, offsetof(options, out), "",
     .help = "where the model goes: a file that ends in .h5; or a folder, for network.yaml, recipe.yaml and "
             "model.h5 (-o does as well)"},
    {"network", CVY_STRING, offsetof(options, network), "",
     .help = "the network of the weights: one that comes with convoy, or a file; none: the file's own"},
    {"weights", CVY_STRING, offsetof(options, weights), "",
     .help = "another file for the weights, where FILE has the network"},
    {"input", CVY_STRING, offsetof(options, input), "",
     .help = "HEIGHTxWIDTHxCHANNELS of the images, where FILE has a network and does not say it"},
    {"solver", CVY_STRING, offsetof(options, solver), "",
     .help = "Caffe's solver.prototxt, whose rates and rules go into recipe.yaml"},
    {"images", CVY_INT, offsetof(options, images), "0", 0, 1e12, .needs = "solver",
     .help = "how many images there are to train on, by which the solver's steps become epochs"},
    {"preprocess", CVY_CHOICE, offsetof(options, preprocess), "file", .words = cvy_preprocess_words,
     .help =
         "what images the network takes: as the file says; torchvision's mean and deviation; Caffe's blue "
         "first, minus 104,117,123; from -1 to 1; from 0 to 1; from 0 to 255"},
    {"mean", CVY_FLOATS, offsetof(options, mean), "[]", -1e6, 1e6,
     .help = "of each channel instead, of samples from 0 to 255; one number is that of all"},
    {"deviation", CVY_FLOATS, offsetof(options, deviation), "[]", 1e-9, 1e6, .help = "likewise"},
    {"channels", CVY_CHOICE, offsetof(options, channels), "auto", .words = cvy_channel_order_words,
     .help = "which comes first, red or blue, in --mean and --deviation too; auto: as --preprocess says"},
    {"try", CVY_STRING, offsetof(options, labelled), "",
     .help = "try all of these on labelled pictures, a dataset (its val-*.h5), and take the best"},
    {"classes", CVY_STRING, offsetof(options, classes), "",
     .help = "a file with the name of a class in each line, in the order of the network's outputs"},
    {"microbatch", CVY_INT, offsetof(options, microbatch), "0", 0, 1 << 20,
     .help = "images that the model computes at a time; 0: as the file says, or 32"},
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"},
    {0}};

static void print_lines(const cvy_imported *m, const char *out) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  printf("%s: network '%s', %" PRId64 " parameters, %" PRId64 " classes%s\n", out, info->name,
         info->param_count, info->class_count, m->classes_are_numbers ? " without names" : "");
  if (!m->has_weights) return;
  printf("  %" PRId64 " tensors of %s, found %s\n", m->matching.count, m->weights->path,
         cvy_match_way_said(m->pool, &m->matching));
  printf("  weights %s\n", cvy_net_hash(m->net, NULL).hex);
}

static void print_json(const cvy_imported *m, const char *out) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  cvy_json json = {.out = stdout};
  cvy_json_open(&json, NULL, '{');
  cvy_json_text(&json, "out", out);
  cvy_json_text(&json, "network", info->name);
  cvy_json_int(&json, "parameters", info->param_count);
  cvy_json_int(&json, "classes", info->class_count);
  cvy_json_int(&json, "named_classes", m->classes_are_numbers ? 0 : m->data.class_count);
  if (m->has_weights) {
    cvy_json_int(&json, "tensors", m->matching.count);
    cvy_json_text(&json, "found", cvy_match_way_said(m->pool, &m->matching));
    cvy_json_text(&json, "weights", cvy_net_hash(m->net, NULL).hex);
  }
  cvy_json_close(&json, '}');
  putchar('\n');
}

/* Warns of what a user should look at. */
static void warn_of(const cvy_imported *m) {
  if (!m->has_weights) return;
  if (m->matching.way == CVY_MATCH_BY_ORDER)
    cvy_warn(
        "%s: the names of its tensors are unknown, so they were matched by their order; all kinds and shapes "
        "agree, but layers of one shape could be exchanged: check the score on labelled pictures",
        m->weights->path);
  for (int64_t i = 0; i < m->matching.left_count && i < 3; i++)
    cvy_warn("%s: tensor '%s' belongs nowhere in the network, and is left out%s", m->weights->path,
             m->weights->tensors[m->matching.left[i]].name,
             i == 2 && m->matching.left_count > 3 ? "; so are others" : "");
}

static bool ends_in(const char *text, const char *ending) {
  const size_t length = strlen(text), letters = strlen(ending);
  return length > letters && strcmp(text + length - letters, ending) == 0;
}

static cvy_err finish(const cvy_imported *m, const options *o) {
  const bool is_file = ends_in(o->out, ".h5");
  CVY_TRY(is_file ? cvy_imported_save(m, o->out) : cvy_imported_save_all(m, o->out));
  warn_of(m);
  (o->json ? print_json : print_lines)(m, o->out);
  return CVY_OK;
}

/* ---- trying ---- */

static void print_trials(const cvy_trial *trials, int count) {
  cvy_log("--preprocess  --channels      top-1        loss");
  for (int i = 0; i < count; i++)
    cvy_log("%-12s  %-10s  %7.2f %%  %10.4f", cvy_preprocess_words[trials[i].preprocess],
            cvy_channel_order_words[trials[i].channels], 100 * trials[i].top1, trials[i].loss);
}

/* Wishes for the best of what was tried. */
static cvy_err try_all(cvy_import_wishes *wishes, const options *o) {
  cvy_trial trials[CVY_MOST_TRIALS];
  int count;
  if (o->preprocess != CVY_PREPROCESS_FILE || o->channels != CVY_ORDER_AUTO || o->mean.count ||
      o->deviation.count)
    return cvy_error(CVY_E_USAGE, "--try finds out how images are prepared: it goes without --preprocess, "
                                  "--channels, --mean and --deviation");
  cvy_comm *comm = cvy_ranks_start(&(cvy_rank_options){0});
  const cvy_err err = cvy_import_try(trials, &count, comm, wishes, o->labelled);
  cvy_progress_drop();
  if (!err) print_trials(trials, count);
  cvy_comm_finish(comm);
  if (err) return err;
  wishes->preprocess = trials[0].preprocess;
  wishes->channels = trials[0].channels;
  if (trials[0].top1 - trials[1].top1 < 0.02)
    cvy_warn("%s: the two best are close; more labelled pictures tell them apart", o->labelled);
  return CVY_OK;
}

/* People of other programs name the program first: "import caffe X". It is told from the file itself. */
static int64_t passed_over(const cvy_arguments *arguments) {
  static const char *const programs[] = {"torch", "pytorch", "caffe", "keras", "onnx", "safetensors"};
  for (int64_t i = 0; i < CVY_COUNT(programs) && arguments->count > 1; i++)
    if (strcmp(arguments->words[0], programs[i]) == 0) return 1;
  return 0;
}

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  cvy_imported m;
  CVY_TRY(cvy_expect_words(arguments, 1, INT64_MAX,
                           "a file of weights or of a network, then parameter=value ..."));
  const int64_t first = passed_over(arguments);
  if (!o->out[0])
    return cvy_error(CVY_E_USAGE,
                     "where does the model go? -o MODEL.h5, or -o DIR for network, recipe and model");
  cvy_import_wishes wishes = {.file = arguments->words[first],
                              .weights = o->weights,
                              .solver = o->solver,
                              .images = o->images,
                              .input = o->input,
                              .network = o->network,
                              .settings = arguments->words + first + 1,
                              .setting_count = arguments->count - first - 1,
                              .preprocess = o->preprocess,
                              .mean = o->mean,
                              .deviation = o->deviation,
                              .channels = o->channels,
                              .classes = o->classes,
                              .microbatch = o->microbatch};
  if (o->solver[0] && ends_in(o->out, ".h5"))
    return cvy_error(
        CVY_E_USAGE,
        "--solver %s: its rates and rules go into recipe.yaml, which only a folder gets; expected "
        "-o DIR",
        o->solver);
  if (o->labelled[0]) CVY_TRY(try_all(&wishes, o));
  CVY_TRY(cvy_import(&m, &wishes));
  const cvy_err err = finish(&m, o);
  cvy_imported_close(&m);
  return err;
}

static const cvy_kind kind = {"import", "a network or weights of another program become a model of convoy's",
                              table, sizeof(options)};

const cvy_command cvy_command_import = {
    .kind = &kind,
    .usage = "FILE [parameter=value ...] -o MODEL.h5|DIR [options]",
    .description =
        "FILE is told by its contents: safetensors, PyTorch's torch.save in any of its forms, Caffe's\n"
        "prototxt and caffemodel, ONNX, Keras' .h5, .weights.h5 and .keras. What has a network of its own\n"
        "brings it; what in it has no counterpart is an error that names it. Weights without a network need\n"
        "one: --network names it, and parameter=value is about that. Tensors find their places as the file\n"
        "says, by the names of the layers, by a map of names (launch/names has torchvision's), or by their\n"
        "order, which is said. All must be there and fit.\n"
        "\n"
        "What images go through before the network, and the names of classes, travel inside the model.\n"
        "Where FILE does not say them, you must: --preprocess and --classes.\n"
        "\n"
        "  convoy import resnet50.pth --network resnet50 --preprocess torch --classes names.txt -o r50.h5\n"
        "  convoy import mine.pt --network ./mine.yaml classes=12 --mean 127 --deviation 64 -o mine.h5\n"
        "  convoy import deploy.prototxt --weights alexnet.caffemodel --classes synsets.txt -o alexnet\n"
        "  convoy import train_val.prototxt --solver solver.prototxt --images 1281167 -o alexnet\n"
        "  convoy import model.onnx -o model.h5\n"
        "  convoy eval r50.h5 --data data/imagenet",
    .more_help = cvy_print_networks,
    .run = run};
