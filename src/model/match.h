/* Which tensors of a file belong to which of a network.
 *
 * Other programs call layers by names of their own. A tensor's place is found in one of these ways, which are
 * tried in this order:
 *   1. The file has a network of its own and says it (cvy_stored_tensor's target).
 *   2. The names are those of the network's layers: "conv1.weight" belongs to conv1.
 *   3. A map of names says it, such as launch/names/torchvision.yaml: "layer1.0.conv1" is resnet18's
 *      stage1.1.path.conv_bn1.conv1.
 *   4. The file lists its tensors in the order of the layers, and all kinds and shapes agree. This is said to
 *      whoever wants to know, because two layers of the same shape could be exchanged.
 * Where a file wraps its tensors ("state_dict.module.conv1.weight"), what they are wrapped in is passed over.
 *
 * What a tensor is for follows from the last part of its name: weight, kernel, gamma, running_mean and so on.
 */
#ifndef CVY_MODEL_MATCH_H
#define CVY_MODEL_MATCH_H

#include "formats/formats.h"
#include "formats/tensor_layout.h"
#include "net/net.h"

struct cvy_yaml; /* base/yaml.h */

typedef enum cvy_match_way {
  CVY_MATCH_BY_TARGET,
  CVY_MATCH_BY_NAME,
  CVY_MATCH_BY_MAP,
  CVY_MATCH_BY_ORDER
} cvy_match_way;

/* A tensor of the network. */
typedef struct cvy_tensor_match {
  int64_t stored; /* which tensor of the file it is; -1: the file has none for it */
  bool fits;      /* that one has the shape that it should have */
  cvy_tensor_layout layout;
} cvy_tensor_match;

typedef struct cvy_matching {
  const cvy_weights_file *file;
  const cvy_net *net;
  cvy_match_way way;
  const char *map;        /* by map: its name */
  int64_t count, fitting; /* tensors of the network; how many of them are found and fit */
  cvy_tensor_match *of;   /* [count] */
  int64_t left_count;     /* tensors of the file that belong nowhere, but for counters */
  int64_t *left;          /* [left_count] */
} cvy_matching;

/* A map of names: of each network, its layers with their names elsewhere. */
typedef struct cvy_name_map {
  const char *name; /* "torchvision" */
  const struct cvy_yaml *networks;
} cvy_name_map;

/* Finds the place of each tensor, in the way by which the most are found. `bgr`: the file's network reads
 * blue first. The result lies in `pool`. It is no error if nothing fits: look at it. */
cvy_err cvy_match(cvy_matching *out, cvy_pool *pool, const cvy_weights_file *file, const cvy_net *net,
                  const cvy_name_map *maps, int64_t map_count, bool bgr) CVY_MUST_CHECK;
/* It is an error, which lists the worst of it, unless every tensor of the network is there and fits. */
cvy_err cvy_match_expect_all(const cvy_matching *matching) CVY_MUST_CHECK;
/* Reads tensor `index` of the network, which must fit, to its place in `arena`, laid out as the network's
 * parameters. */
cvy_err cvy_match_read(float *arena, const cvy_matching *matching, int64_t index) CVY_MUST_CHECK;

/* Returns "the names of torchvision" and the like, for people. */
const char *cvy_match_way_said(cvy_pool *pool, const cvy_matching *matching);

/* Returns what a map calls a layer of the network; NULL if it has no name for it. */
const char *cvy_mapped_name(cvy_pool *pool, const cvy_name_map *map, const char *network, const char *layer);
/* Returns what the map calls the network's tensors, [tensors], with torch's words for them ("conv1.weight").
 * Without a map, layers have their own names. The result is NULL if the map does not know a layer, which
 * *missing then names. */
const char *const *cvy_mapped_tensors(const char **missing, cvy_pool *pool, const cvy_name_map *map,
                                      const cvy_net *net);

#endif
