/* A split of a dataset on its way to a network: the records, what they go through, and how they are read. */
#ifndef CVY_TRAIN_STREAM_H
#define CVY_TRAIN_STREAM_H

#include "augment/chain.h"
#include "data/loader.h"
#include "net/net.h"
#include "train/recipe.h"

typedef struct cvy_stream {
  cvy_dataset *data; /* NULL: not open */
  cvy_augment *augment;
  int64_t h, w; /* size of what leaves the chain; 0: sizes vary */
} cvy_stream;

/* Opens a split and its chain of augmentations. It checks that what leaves the chain is what the network
 * wants. Whether the classes are those that the network learns is for cvy_dataset_check_classes. `said` is
 * about HDF5 files of other makers (NULL: nothing is said). */
cvy_err cvy_stream_open(cvy_stream *out, const char *path, const char *split, const cvy_arrays_said *said,
                        const cvy_yaml *chain, const cvy_net_info *net) CVY_MUST_CHECK;
/* Opens a split for no network in particular. A chain of NULL does nothing; `chain_of_varying` takes its
 * place where images differ in size. It fails with CVY_E_INPUT where they still do behind the chain. */
cvy_err cvy_stream_open_any(cvy_stream *out, const char *path, const char *split, const cvy_arrays_said *said,
                            const cvy_yaml *chain, const cvy_yaml *chain_of_varying) CVY_MUST_CHECK;
/* A stream of zeros is closed already. */
void cvy_stream_close(cvy_stream *stream);

/* How records are read. */
typedef struct cvy_intake {
  cvy_shuffle shuffle; /* order in training */
  cvy_blocks blocks;
  uint64_t seed;
  int64_t depth, threads;
  bool skips_bad;
} cvy_intake;

cvy_intake cvy_intake_of(const cvy_recipe *recipe);

/* Checks, as cvy_sizes_check does, that the stream's chain can take every picture whose size is known without
 * reading it. */
cvy_err cvy_stream_check_sizes(const cvy_stream *stream, const cvy_intake *intake,
                               bool training) CVY_MUST_CHECK;

/* Returns the configuration of a loader for training. It lacks which microbatches of which steps the loader
 * delivers. The samples are normalised by the mean and deviation of the dataset itself. */
cvy_loader_config cvy_stream_for_training(const cvy_stream *stream, const cvy_intake *intake,
                                          int64_t microbatch);
/* Returns the configuration of a loader by which rank `rank` of `ranks` sees its range of the microbatches
 * once; `own` of the result may be 0. The samples are normalised as those that the network was trained on. */
cvy_loader_config cvy_stream_for_evaluation(const cvy_stream *stream, const cvy_intake *intake,
                                            int64_t microbatch, const cvy_dataset_info *trained_on, int rank,
                                            int ranks);

#endif
