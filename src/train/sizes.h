/* Sizes of pictures: whether all of a set can go through a chain of augmentations, and what would make
 * them fit a network. Nothing here is collective. */
#ifndef CVY_TRAIN_SIZES_H
#define CVY_TRAIN_SIZES_H

#include "augment/chain.h"
#include "base/text.h"
#include "data/dataset.h"
#include "net/net.h"

/* Looks at every picture of `data` whose size is known without reading it. CVY_E_INPUT names the first
 * one that the chain (NULL: none) cannot take, at least not always, and says how many there are; if such
 * records are skipped, that is a warning. */
cvy_err cvy_sizes_check(const cvy_dataset *data, const cvy_augment *augment, bool training,
                        bool skips_bad) CVY_MUST_CHECK;

/* CVY_E_INPUT unless what leaves the chain, h x w x c (0 x 0: sizes vary), is the network's input; says
 * what would make it so. `path` is the dataset's. */
cvy_err cvy_sizes_fit(int64_t h, int64_t w, int64_t c, const char *path,
                      const cvy_net_info *net) CVY_MUST_CHECK;

/* Appends which augmentations end that sizes vary, with h x w as what may come out. */
void cvy_sizes_advise_crop(cvy_text *out, int64_t h, int64_t w);

#endif
