/* A chain of augmentations, as the recipe lists them. */
#ifndef CVY_AUGMENT_CHAIN_H
#define CVY_AUGMENT_CHAIN_H

#include "picture/picture.h"
#include <convoy/data.h>

struct cvy_yaml; /* base/yaml.h */

/* A chain of augmentations as the recipe lists them. `list` is the recipe's YAML (NULL: none); in_h, in_w of
 * 0 mean that sizes vary. *out_h, *out_w receive the size that leaves the chain, 0 if it still varies. */
typedef struct cvy_augment cvy_augment;
cvy_err cvy_augment_create(cvy_augment **out, const struct cvy_yaml *list, int64_t in_h, int64_t in_w,
                           int64_t *out_h, int64_t *out_w) CVY_MUST_CHECK;
/* Whether pictures of `c` channels can go through it (NULL: none, so they can). Errors point at the recipe. */
cvy_err cvy_augment_check_channels(const cvy_augment *augment, int64_t c) CVY_MUST_CHECK;
/* Whether it can train, on microbatches of so many images of this set: what mixes pictures takes them by twos, several views
 * are for evaluation, and some augmentations want to know more about the set than others. Errors likewise. */
cvy_err cvy_augment_check_training(const cvy_augment *augment, int64_t microbatch,
                                   const cvy_dataset *dataset) CVY_MUST_CHECK;
/* Whether it mixes pictures. */
bool cvy_augment_mixes(const cvy_augment *augment);
/* How many views of each image evaluation takes the mean over; 1 of most chains. */
int64_t cvy_augment_views(const cvy_augment *augment);
/* The same list with every option written out, in `pool`. */
cvy_err cvy_augment_resolve(struct cvy_yaml **out, cvy_pool *pool,
                            const struct cvy_yaml *list) CVY_MUST_CHECK;
void cvy_augment_destroy(cvy_augment *augment);

#endif
