/* A chain of augmentations, as a recipe lists them. */
#ifndef CVY_AUGMENT_CHAIN_H
#define CVY_AUGMENT_CHAIN_H

#include "augment/augmentation.h"
#include "base/yaml.h"

typedef struct cvy_augment cvy_augment;

/* Makes a chain of the recipe's YAML `list` (NULL: none). in_h, in_w of 0 mean that sizes vary. *out_h,
 * *out_w receive the size that leaves the chain, 0 if it varies. */
cvy_err cvy_augment_create(cvy_augment **out, const cvy_yaml *list, int64_t in_h, int64_t in_w,
                           int64_t *out_h, int64_t *out_w) CVY_MUST_CHECK;
void cvy_augment_destroy(cvy_augment *augment);
/* Makes a copy of the list with every option written out, in `pool`. */
cvy_err cvy_augment_resolve(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list) CVY_MUST_CHECK;

/* Finds the size that leaves the chain for pictures of h x w (0 x 0: it varies). Errors point at the
 * recipe. */
cvy_err cvy_augment_size(int64_t *out_h, int64_t *out_w, const cvy_augment *augment, int64_t h,
                         int64_t w) CVY_MUST_CHECK;
/* Finds the smallest size that may leave the chain for a picture of h x w, neither of which is 0. An error
 * says that the chain cannot take this picture, at least not always. */
cvy_err cvy_augment_least(int64_t *out_h, int64_t *out_w, const cvy_augment *augment, int64_t h, int64_t w,
                          bool training) CVY_MUST_CHECK;
/* Checks that pictures of `c` channels can go through the chain (NULL: there is none, so they can). Errors
 * point at the recipe. */
cvy_err cvy_augment_check_channels(const cvy_augment *augment, int64_t c) CVY_MUST_CHECK;
/* Checks that each augmentation finds what it needs to know about the training set. Errors point at the
 * recipe. */
cvy_err cvy_augment_check_source(const cvy_augment *augment, const cvy_augment_source *source) CVY_MUST_CHECK;
/* Checks that the chain can train on microbatches of `microbatch` images of this set. What mixes pictures
 * takes them by twos, several views are for evaluation, and some augmentations want to know more about the
 * set than others. Errors point at the recipe. */
cvy_err cvy_augment_check_training(const cvy_augment *augment, int64_t microbatch,
                                   const cvy_augment_source *source) CVY_MUST_CHECK;
/* Tells whether the chain mixes pictures. */
bool cvy_augment_mixes(const cvy_augment *augment);
/* Returns over how many views of each image evaluation takes the mean. Most chains have 1. */
int64_t cvy_augment_views(const cvy_augment *augment);

/* Runs the chain (NULL: there is none) for view call->view of cvy_augment_views. It sets
 * call->random.layer for each augmentation. */
cvy_err cvy_augment_apply(cvy_picture *picture, const cvy_augment *augment,
                          cvy_augment_call *call) CVY_MUST_CHECK;
/* Does to a pair what the chain's last augmentation does, where cvy_augment_mixes. */
void cvy_augment_mix(cvy_pair *pair, const cvy_augment *augment, cvy_augment_call *call);

/* ---- the same chain, for another way of evaluating ---- */

/* Makes the list with views of h x w in place of what it cuts out: the centre (`crops` 1) or ten_crops (10).
 * It fails with CVY_E_USAGE if nothing in the list cuts, or if what does scales too. The result is in
 * `pool`. */
cvy_err cvy_augment_recrop(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list, int64_t crops, int64_t h,
                           int64_t w) CVY_MUST_CHECK;
/* Makes the list without what cuts and scales, but with whole pictures scaled to a shorter side first. */
cvy_err cvy_augment_uncropped(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list,
                              int64_t shorter) CVY_MUST_CHECK;

/* ---- for augmentations that hold others ---- */

/* Reads a chain inside an augmentation, a list or one augmentation, into `pool`. */
cvy_err cvy_augment_read(cvy_augment **out, cvy_pool *pool, const cvy_yaml *node) CVY_MUST_CHECK;
/* Makes the list with every option written out. */
cvy_yaml *cvy_augment_dump(const cvy_augment *augment, cvy_pool *pool);
/* Runs the chain from within the apply of the augmentation that it stands in, with random numbers of its
 * own. */
cvy_err cvy_augment_apply_inside(cvy_picture *picture, const cvy_augment *augment,
                                 const cvy_augment_call *call) CVY_MUST_CHECK;
/* Mixes a pair from within the mix of the augmentation that the chain stands in. */
void cvy_augment_mix_inside(cvy_pair *pair, const cvy_augment *augment, const cvy_augment_call *call);

#endif
