/* Checks sizes of pictures: whether all of a set can go through a chain of augmentations, and whether they
 * fit a network then. Nothing here is collective. */
#ifndef CVY_TRAIN_SIZES_H
#define CVY_TRAIN_SIZES_H

#include "augment/chain.h"
#include "base/text.h"
#include "data/dataset.h"
#include "net/net.h"

/* Checks whether the chain (NULL: there is none) can take every picture of `data` whose size is known without
 * reading it. If it cannot, at least not always, the check fails with CVY_E_INPUT, which names the first such
 * picture and says how many there are. If bad records are skipped, and some pictures are good, it warns
 * instead. It also warns if no size is known and the chain cannot take every picture. */
cvy_err cvy_sizes_check(const cvy_dataset *data, const cvy_augment *augment, bool training,
                        bool skips_bad) CVY_MUST_CHECK;

/* Checks that what leaves the chain, h x w x c (0 x 0: sizes vary), is the network's input. If not, it fails
 * with CVY_E_INPUT and says what would make it so. `path` is the dataset's. */
cvy_err cvy_sizes_fit(int64_t h, int64_t w, int64_t c, const char *path,
                      const cvy_net_info *net) CVY_MUST_CHECK;

/* Appends which augmentations would make all sizes the same, with h x w as an example. */
void cvy_sizes_advise_crop(cvy_text *out, int64_t h, int64_t w);

#endif
