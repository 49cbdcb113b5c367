/* `convoy inspect`: what a file holds. */
#include "base/fit.h"
#include "cmd/command.h"
#include "report/inspect.h"
#include "report/whatis.h"

typedef struct options {
  bool json;
} options;

static const cvy_option table[] = {
    {"json", CVY_BOOL, offsetof(options, json), "false", .help = "print one JSON object"}, {0}};

static cvy_err run(const cvy_arguments *arguments, const void *config, const void *further) {
  (void)further;
  CVY_TRY(cvy_expect_words(arguments, 1, 1, "one HDF5 file, or a file of weights"));
  const char *path = arguments->words[0];
  const cvy_thing thing = cvy_what_is(arguments->pool, path);
  const char *inside = thing == CVY_IS_SHARDS || thing == CVY_IS_RUN ? cvy_hdf5_in(arguments->pool, path)
                                                                     : NULL;
  if (inside)
    return cvy_error(CVY_E_INPUT,
                     "%s is a folder; expected one of the HDF5 files in it, as %s ('convoy %s %s' %s)", path,
                     inside, thing == CVY_IS_RUN ? "eval" : "verify", path,
                     thing == CVY_IS_RUN ? "scores its checkpoint" : "reads all of them");
  const bool json = ((const options *)config)->json;
  cvy_fitted fitted;
  const cvy_err err = cvy_inspect(json ? stdout : cvy_fit_begin(&fitted, stdout), path, json);
  if (!json) cvy_fit_lines(&fitted);
  return err;
}

static const cvy_kind kind = {"inspect", "what a shard or checkpoint holds, with a hash of its contents",
                              table, sizeof(options)};

const cvy_command cvy_command_inspect = {
    .kind = &kind,
    .usage = "FILE [--json]",
    .description =
        "Attributes; datasets with type, shape and stored checksum; of a shard also mean, deviation, "
        "colours, the lengths\n"
        "of encoded records, their names, and the images of each class; and a hash over names, "
        "shapes and values that does\n"
        "not depend on how HDF5 laid them out. Reads all of the file; convoy verify checks its records.\n"
        "Of another program's weights (safetensors, PyTorch's torch.save): tensors with type and shape,\n"
        "and a hash over names, shapes and values. Nothing that such a file holds is run.\n"
        "\n"
        "  convoy inspect runs/lenet5-hoda/best.h5\n"
        "  convoy inspect data/hoda/train-00000-of-00001.h5\n"
        "  convoy inspect resnet18.pth",
    .run = run};
