/* `convoy export`: a model becomes a file of another program. */
#include "cmd/command.h"
#include "cmd/mistaken.h"
#include "convert/convert.h"

typedef struct options {
  const char *output, *names;
  bool bgr;
} options;

static const cvy_option table[] = {
    {"output", CVY_STRING, offsetof(options, output), "",
     .help = "(or -o) the file, whose ending says the format"},
    {"names", CVY_STRING, offsetof(options, names), "",
     .help =
         "what tensors are called, where names are free: a map of launch/names, such as torchvision; own: "
         "as the layers; none: a map that knows all layers, or else own"},
    {"bgr", CVY_BOOL, offsetof(options, bgr), "false",
     .help = "the other program's images have blue first: the first layer is turned round"},
    {0}};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  const options *o = config;
  const char *checkpoint;
  cvy_exported done;
  CVY_TRY(cvy_expect_words(arguments, 1, 1, "a checkpoint or run folder"));
  if (!o->output[0]) return cvy_error(CVY_E_USAGE, "where does it go? -o FILE, such as -o model.safetensors");
  CVY_TRY(cvy_checkpoint_of(&checkpoint, arguments->pool, arguments->words[0]));
  const cvy_export_wishes wishes = {.model = checkpoint, .out = o->output, .names = o->names, .bgr = o->bgr};
  CVY_TRY(cvy_export(&done, arguments->pool, &wishes));
  printf("%s: %s, %" PRId64 " tensors", o->output, done.format, done.tensors);
  if (done.names) printf(" by the names of %s", done.names);
  putchar('\n');
  return CVY_OK;
}

static const cvy_kind kind = {"export", "a model of convoy's becomes a file of another program", table,
                              sizeof(options)};

const cvy_command cvy_command_export = {
    .kind = &kind,
    .usage = "CHECKPOINT|RUNFOLDER -o FILE.safetensors|FILE.onnx|FILE.caffemodel|FILE.h5 [options]",
    .description =
        "The network, what images go through before it, and the names of classes go into the file's notes,\n"
        "so that 'convoy import FILE' needs no more to make the same model again, to the bit.\n"
        "A caffemodel has no notes: mean, deviation and the order of channels go into its Input layer, and\n"
        "what else there is must be said again (--classes, --microbatch).\n"
        "\n"
        "  convoy export runs/resnet18 -o resnet18.safetensors\n"
        "  python3 -c 'import safetensors.torch, torchvision\n"
        "  model = torchvision.models.resnet18()\n"
        "  model.load_state_dict(safetensors.torch.load_file(\"resnet18.safetensors\"), strict=False)'",
    .run = run};
