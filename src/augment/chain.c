/* The chain: what the recipe lists, in order. */
#include "augment/chain.h"

#include <stdlib.h>

typedef struct link {
  const cvy_augmentation *type;
  void *config;
  const cvy_yaml *node; /* a copy of the place it was read from */
} link;

/* A chain inside the augmentation `layer` has the layers from (layer + 1) * MOST_LINKS on, so that each
 * draws random numbers of its own. */
enum { MOST_LINKS = 64 };

struct cvy_augment {
  cvy_pool *pool;
  int64_t count;
  link *links;
};

static bool mixes(const link *l) {
  return l->type->mix && (!l->type->mixes || l->type->mixes(l->config));
}

static int64_t views(const link *l) {
  return l->type->views ? l->type->views : 1;
}

/* The recipe's nodes die with the recipe; the place in it is worth keeping for later errors. */
static const cvy_yaml *keep_place(cvy_pool *pool, const cvy_yaml *node) {
  cvy_yaml *place = cvy_yaml_new_scalar(pool, cvy_pool_format(pool, "%s", node->file), "");
  place->line = node->line;
  place->column = node->column;
  return place;
}

static cvy_err read_link(link *out, cvy_pool *pool, const cvy_yaml *node) {
  const int64_t count = cvy_augmentation_count();
  const cvy_kind **kinds = cvy_pool_new(pool, sizeof *kinds * (size_t)count);
  for (int64_t i = 0; i < count; i++) kinds[i] = &cvy_augmentation_at(i)->kind;
  int64_t index;
  CVY_TRY(cvy_kind_read(&index, &out->config, pool, kinds, count, node, "augmentation"));
  out->type = cvy_augmentation_at(index);
  out->node = keep_place(pool, node);
  if (out->type->read) CVY_TRY(out->type->read(out->config, pool, node));
  if (out->type->prepare && out->type->prepare(out->config))
    return cvy_yaml_error(out->node, "%s: %s", out->type->kind.name, cvy_err_message());
  return CVY_OK;
}

static cvy_err read_chain(cvy_augment *augment, const cvy_yaml *list) {
  const bool nothing = !list || (list->kind == CVY_YAML_SCALAR && !list->text[0]);
  if (nothing) return CVY_OK;
  if (list->kind != CVY_YAML_SEQUENCE)
    return cvy_yaml_error(list, "expected a list of augmentations, as '- crop: {size: 24}', not %s",
                          cvy_yaml_describe(list));
  if (list->count > MOST_LINKS)
    return cvy_yaml_error(list, "%" PRId64 " augmentations in a list; at most %d will do", list->count,
                          MOST_LINKS);
  augment->links = cvy_pool_new(augment->pool, sizeof *augment->links * (size_t)list->count);
  for (; augment->count < list->count; augment->count++)
    CVY_TRY(read_link(&augment->links[augment->count], augment->pool, list->items[augment->count]));
  for (int64_t i = 0; i + 1 < augment->count; i++)
    if (mixes(&augment->links[i]))
      return cvy_yaml_error(augment->links[i].node,
                            "%s mixes pictures that are finished: it must stand last in the list",
                            augment->links[i].type->kind.name);
  return CVY_OK;
}

/* Checks that the chain can stand inside another augmentation. */
static cvy_err check_inside(const cvy_augment *augment) {
  for (int64_t i = 0; i < augment->count; i++) {
    const link *l = &augment->links[i];
    const char *name = l->type->kind.name;
    if (mixes(l) && augment->count > 1)
      return cvy_yaml_error(
          l->node, "%s mixes finished pictures, and %s changes one before: it needs a place of its own", name,
          augment->links[0].type->kind.name);
    if (views(l) > 1)
      return cvy_yaml_error(
          l->node, "%s makes %" PRId64 " views: it cannot stand inside another augmentation", name, views(l));
  }
  return CVY_OK;
}

cvy_err cvy_augment_resolve(cvy_yaml **out, cvy_pool *pool, const cvy_yaml *list) {
  cvy_augment chain = {.pool = pool};
  *out = NULL;
  CVY_TRY(read_chain(&chain, list));
  *out = cvy_augment_dump(&chain, pool);
  return CVY_OK;
}

cvy_yaml *cvy_augment_dump(const cvy_augment *augment, cvy_pool *pool) {
  cvy_yaml *list = cvy_yaml_new_sequence(pool, "resolved");
  for (int64_t i = 0; i < augment->count; i++)
    cvy_yaml_add(pool, list, NULL,
                 cvy_kind_dump(&augment->links[i].type->kind, augment->links[i].config, pool));
  return list;
}

cvy_err cvy_augment_read(cvy_augment **out, cvy_pool *pool, const cvy_yaml *node) {
  cvy_augment *augment = cvy_pool_new(pool, sizeof *augment);
  augment->pool = pool;
  *out = NULL;
  if (node->kind == CVY_YAML_SEQUENCE) {
    CVY_TRY(read_chain(augment, node));
  } else {
    augment->links = cvy_pool_new(pool, sizeof *augment->links);
    augment->count = 1;
    CVY_TRY(read_link(augment->links, pool, node));
  }
  CVY_TRY(check_inside(augment));
  *out = augment;
  return CVY_OK;
}

cvy_err cvy_augment_create(cvy_augment **out, const cvy_yaml *list, int64_t in_h, int64_t in_w,
                           int64_t *out_h, int64_t *out_w) {
  cvy_augment *augment = cvy_new(sizeof *augment);
  augment->pool = cvy_pool_create();
  *out = NULL;
  cvy_err err = read_chain(augment, list);
  if (!err) err = cvy_augment_size(out_h, out_w, augment, in_h, in_w);
  if (err)
    cvy_augment_destroy(augment);
  else
    *out = augment;
  return err;
}

void cvy_augment_destroy(cvy_augment *augment) {
  if (!augment) return;
  cvy_pool_destroy(augment->pool);
  free(augment);
}

cvy_err cvy_augment_size(int64_t *out_h, int64_t *out_w, const cvy_augment *augment, int64_t h, int64_t w) {
  for (int64_t i = 0; i < augment->count; i++) {
    const link *l = &augment->links[i];
    if (l->type->size(&h, &w, l->config, h, w))
      return cvy_yaml_error(l->node, "%s: %s", l->type->kind.name, cvy_err_message());
  }
  *out_h = h;
  *out_w = w;
  return CVY_OK;
}

static cvy_err least_of_link(int64_t *h, int64_t *w, const link *l, bool training) {
  int64_t out_h, out_w;
  CVY_TRY(l->type->size(&out_h, &out_w, l->config, *h, *w));
  if (l->type->least) CVY_TRY(l->type->least(&out_h, &out_w, l->config, *h, *w, training));
  *h = out_h;
  *w = out_w;
  return CVY_OK;
}

cvy_err cvy_augment_least(int64_t *out_h, int64_t *out_w, const cvy_augment *augment, int64_t h, int64_t w,
                          bool training) {
  for (int64_t i = 0; augment && i < augment->count; i++) {
    const link *l = &augment->links[i];
    if (least_of_link(&h, &w, l, training))
      return cvy_yaml_error(l->node, "%s: %s", l->type->kind.name, cvy_err_message());
  }
  *out_h = h;
  *out_w = w;
  return CVY_OK;
}

cvy_err cvy_augment_check_channels(const cvy_augment *augment, int64_t c) {
  for (int64_t i = 0; augment && i < augment->count; i++) {
    const link *l = &augment->links[i];
    if (l->type->channels && l->type->channels(l->config, c))
      return cvy_yaml_error(l->node, "%s: %s", l->type->kind.name, cvy_err_message());
  }
  return CVY_OK;
}

cvy_err cvy_augment_check_source(const cvy_augment *augment, const cvy_augment_source *source) {
  for (int64_t i = 0; augment && i < augment->count; i++) {
    const link *l = &augment->links[i];
    if (l->type->source && l->type->source(l->config, source))
      return cvy_yaml_error(l->node, "%s: %s", l->type->kind.name, cvy_err_message());
  }
  return CVY_OK;
}

cvy_err cvy_augment_check_training(const cvy_augment *augment, int64_t microbatch,
                                   const cvy_augment_source *source) {
  for (int64_t i = 0; augment && i < augment->count; i++) {
    const link *l = &augment->links[i];
    if (mixes(l) && microbatch % 2)
      return cvy_yaml_error(l->node,
                            "%s mixes pictures by twos, so microbatch %" PRId64
                            " would leave one over; %" PRId64 " or %" PRId64 " would not",
                            l->type->kind.name, microbatch, microbatch > 1 ? microbatch - 1 : 2,
                            microbatch > 1 ? microbatch + 1 : 4);
    if (views(l) > 1)
      return cvy_yaml_error(l->node, "%s makes %" PRId64 " views of a picture: it is for data.evaluation",
                            l->type->kind.name, views(l));
  }
  return cvy_augment_check_source(augment, source);
}

bool cvy_augment_mixes(const cvy_augment *augment) {
  return augment && augment->count > 0 && mixes(&augment->links[augment->count - 1]);
}

int64_t cvy_augment_views(const cvy_augment *augment) {
  int64_t product = 1;
  for (int64_t i = 0; augment && i < augment->count; i++) product *= views(&augment->links[i]);
  return product;
}

static void key(cvy_augment_call *call, uint32_t layer) {
  call->random.purpose = CVY_FOR_AUGMENT;
  call->random.layer = layer;
  call->random.unit = 0;
}

static cvy_err apply(cvy_picture *picture, const cvy_augment *augment, cvy_augment_call *call,
                     uint32_t first_layer) {
  int64_t view = call->view;
  for (int64_t i = 0; augment && i < augment->count; i++) {
    const link *l = &augment->links[i];
    int64_t h, w;
    if (mixes(l)) continue;
    CVY_TRY_IN(l->type->size(&h, &w, l->config, picture->h, picture->w), "%s", l->type->kind.name);
    key(call, first_layer + (uint32_t)i);
    call->view = view % views(l);
    view /= views(l);
    CVY_TRY_IN(l->type->apply(picture, l->config, call), "%s", l->type->kind.name);
  }
  return CVY_OK;
}

cvy_err cvy_augment_apply(cvy_picture *picture, const cvy_augment *augment, cvy_augment_call *call) {
  return apply(picture, augment, call, 0);
}

cvy_err cvy_augment_apply_inside(cvy_picture *picture, const cvy_augment *augment,
                                 const cvy_augment_call *call) {
  cvy_augment_call inside = *call;
  return apply(picture, augment, &inside, (call->random.layer + 1) * MOST_LINKS);
}

static void mix(cvy_pair *pair, const cvy_augment *augment, cvy_augment_call *call, uint32_t first_layer) {
  CVY_CHECK(cvy_augment_mixes(augment));
  const link *last = &augment->links[augment->count - 1];
  key(call, first_layer + (uint32_t)augment->count - 1);
  last->type->mix(pair, last->config, call);
}

void cvy_augment_mix(cvy_pair *pair, const cvy_augment *augment, cvy_augment_call *call) {
  mix(pair, augment, call, 0);
}

void cvy_augment_mix_inside(cvy_pair *pair, const cvy_augment *augment, const cvy_augment_call *call) {
  cvy_augment_call inside = *call;
  mix(pair, augment, &inside, (call->random.layer + 1) * MOST_LINKS);
}
