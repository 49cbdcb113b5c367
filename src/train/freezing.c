/* Reads what is frozen, and tells the phases of a run. */
#include "train/freezing.h"

#include "base/count.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const cvy_option options[] = {
    {"at", CVY_INT, offsetof(cvy_unfreezing, at), NULL, 1, 1e9,
     .help = "the epochs after which these layers begin to learn"},
    {"layers", CVY_NODE, offsetof(cvy_unfreezing, layers), .help = "names of layers, or patterns: [conv4*]"},
    {"rate", CVY_FLOAT, offsetof(cvy_unfreezing, rate), "1", 1e-30, 1e6,
     .help = "what their learning rate is multiplied with"},
    {0}};

static cvy_err read_entry(cvy_unfreezing *out, cvy_pool *pool, const cvy_yaml *node) {
  if (node->kind != CVY_YAML_MAPPING)
    return cvy_yaml_error(node, "an entry of unfreeze is {at: EPOCH, layers: PATTERNS, rate: X}, not %s",
                          cvy_yaml_describe(node));
  CVY_TRY(cvy_options_read(out, pool, options, node, node, "unfreeze"));
  out->node = node;
  if (!out->layers) return cvy_yaml_error(node, "unfreeze needs 'layers': which begin to learn then?");
  CVY_TRY(cvy_patterns_read(&out->patterns, &out->layers, pool, "layers"));
  if (out->patterns.names.count == 0)
    return cvy_yaml_error(node, "unfreeze needs 'layers': which begin to learn then?");
  return CVY_OK;
}

static cvy_err check_order(const cvy_unfreezing *entries, int64_t index, int64_t epochs) {
  const cvy_unfreezing *e = &entries[index];
  const cvy_yaml *at = cvy_yaml_get(e->node, "at");
  if (e->at >= epochs)
    return cvy_yaml_error(at,
                          "at %" PRId64 ": the run ends after %" PRId64
                          " epoch%s, so nothing would learn from then on; a "
                          "smaller number, or more epochs, would be right",
                          e->at, epochs, epochs > 1 ? "s" : "");
  if (index > 0 && e->at <= entries[index - 1].at)
    return cvy_yaml_error(at,
                          "at %" PRId64 " comes after at %" PRId64
                          ": entries of unfreeze stand in the order of their epochs, one for each",
                          e->at, entries[index - 1].at);
  return CVY_OK;
}

static cvy_err read_unfreezings(cvy_freezing *out, cvy_pool *pool, const cvy_freezing_keys *keys) {
  const cvy_yaml *list = *keys->unfreeze;
  if (!list) return CVY_OK;
  if (list->kind != CVY_YAML_SEQUENCE)
    return cvy_yaml_error(list, "unfreeze takes a list, as [{at: 3, layers: \"conv*\", rate: 0.1}], not %s",
                          cvy_yaml_describe(list));
  cvy_unfreezing *entries = cvy_pool_new(pool, sizeof *entries * (size_t)(list->count + 1));
  cvy_yaml *resolved = cvy_yaml_new_sequence(pool, list->file);
  for (int64_t i = 0; i < list->count; i++) {
    CVY_TRY(read_entry(&entries[i], pool, list->items[i]));
    CVY_TRY(check_order(entries, i, keys->epochs));
    cvy_yaml_add(pool, resolved, NULL, cvy_options_dump(&entries[i], pool, options));
  }
  out->count = list->count;
  out->unfreezings = entries;
  *keys->unfreeze = resolved;
  return CVY_OK;
}

/* The statistics of all batch_norm layers, or of those that match. */
static cvy_err read_statistics(cvy_freezing *out, cvy_pool *pool, const cvy_freezing_keys *keys) {
  const cvy_yaml *given = *keys->statistics;
  if (given && given->kind == CVY_YAML_SCALAR && strcmp(given->text, "false") == 0) *keys->statistics = NULL;
  if (given && given->kind == CVY_YAML_SCALAR && strcmp(given->text, "true") == 0) {
    cvy_yaml *all = cvy_pool_new(pool, sizeof *all);
    *all = *given;
    all->text = "*";
    *keys->statistics = all;
  }
  return cvy_patterns_read(&out->statistics, keys->statistics, pool, "frozen");
}

cvy_err cvy_freezing_read(cvy_freezing *out, cvy_pool *pool, const cvy_freezing_keys *keys) {
  *out = (cvy_freezing){0};
  CVY_TRY(cvy_patterns_read(&out->frozen, keys->freeze, pool, "freeze"));
  if (keys->freeze_until[0]) {
    out->through = keys->freeze_until;
    out->through_at = cvy_yaml_get(keys->root, "freeze_until");
  }
  CVY_TRY(read_statistics(out, pool, keys));
  return read_unfreezings(out, pool, keys);
}

/* ---- phases ---- */

void cvy_freezing_wish(cvy_net_wishes *wishes, cvy_pool *pool, const cvy_freezing *freezing,
                       const cvy_layer_rules *rules, int64_t phase) {
  int64_t count = 0;
  for (int64_t k = 0; k < phase; k++) count += freezing->unfreezings[k].patterns.names.count;
  const char **thawed = cvy_pool_new(pool, sizeof *thawed * (size_t)(count + 1));
  count = 0;
  for (int64_t k = 0; k < phase; k++) {
    const cvy_net_names *names = &freezing->unfreezings[k].patterns.names;
    for (int64_t i = 0; i < names->count; i++) thawed[count++] = names->names[i];
  }
  wishes->frozen_at_first = freezing->frozen.names;
  wishes->frozen_at_first_at = freezing->frozen.at;
  wishes->frozen_through = freezing->through;
  wishes->frozen_through_at = freezing->through_at;
  wishes->fixed_statistics = freezing->statistics.names;
  wishes->fixed_statistics_at = freezing->statistics.at;
  wishes->thawed = (cvy_net_names){thawed, count};
  cvy_layer_rules_freeze(wishes, pool, rules);
}

int64_t cvy_freezing_begin(const cvy_freezing *freezing, int64_t phase, int64_t images, int64_t batch) {
  return phase == 0 ? 0 : cvy_pieces(freezing->unfreezings[phase - 1].at * images, batch);
}

int64_t cvy_freezing_phase(const cvy_freezing *freezing, int64_t step, int64_t images, int64_t batch) {
  int64_t phase = 0;
  while (phase < freezing->count && cvy_freezing_begin(freezing, phase + 1, images, batch) <= step) phase++;
  return phase;
}

cvy_thaws cvy_freezing_thaws(const cvy_freezing *freezing, cvy_pool *pool, int64_t phase, int64_t images,
                             int64_t batch) {
  cvy_thaw *thaws = cvy_pool_new(pool, sizeof *thaws * (size_t)(phase + 1));
  for (int64_t k = 0; k < phase; k++)
    thaws[k] = (cvy_thaw){.layers = freezing->unfreezings[k].patterns.names,
                          .rate = freezing->unfreezings[k].rate,
                          .since = cvy_freezing_begin(freezing, k + 1, images, batch)};
  return (cvy_thaws){phase, thaws};
}

static bool are_same(const cvy_unfreezing *a, const cvy_unfreezing *b) {
  const cvy_net_names *x = &a->patterns.names, *y = &b->patterns.names;
  if (a->at != b->at || a->rate != b->rate || x->count != y->count) return false;
  for (int64_t i = 0; i < x->count; i++)
    if (strcmp(x->names[i], y->names[i]) != 0) return false;
  return true;
}

bool cvy_freezing_has_same(const cvy_freezing *a, const cvy_freezing *b, int64_t count) {
  if (a->count < count || b->count < count) return false;
  for (int64_t k = 0; k < count; k++)
    if (!are_same(&a->unfreezings[k], &b->unfreezings[k])) return false;
  return true;
}

/* ---- against the network ---- */

/* Tells whether a tensor has the rate 0 for good. */
static bool never_learns(const cvy_layer_rules *rules, const cvy_net_info *net, int64_t tensor) {
  for (int64_t k = 0; k < rules->count; k++)
    if (rules->rules[k].rate == 0 && cvy_matches_tensor(rules->rules[k].match, net, tensor)) return true;
  return false;
}

/* What of a pattern's tensors does not begin to learn. */
typedef struct idle {
  int64_t matched, begun;
  const char *tensor, *layer; /* the first one */
  bool has_rate_0;
} idle;

static cvy_err nothing_begins(const cvy_yaml *at, const idle *i) {
  if (i->has_rate_0)
    return cvy_yaml_error(
        at,
        "'%s' has rate 0 in 'layers', which holds for the whole run; 'freeze: [\"%s\"]' in its place "
        "would end here",
        i->tensor, i->layer);
  return cvy_yaml_error(
      at,
      "'%s' is not frozen then, for it learns already; 'freeze: [\"%s\"]' would freeze it until "
      "there",
      i->tensor, i->layer);
}

/* Checks what a pattern matches, and marks what learns from then on. */
static cvy_err check_pattern(const char *pattern, const cvy_yaml *at, const cvy_layer_rules *rules,
                             const cvy_net_info *net, bool *learns) {
  idle found = {0};
  for (int64_t i = 0; i < net->param_tensors; i++) {
    const cvy_net_param *p = &net->params[i];
    const char *layer = net->layers[p->layer].name;
    const bool has_rate_0 = never_learns(rules, net, i);
    if (p->spec->averaging > 0 || !cvy_matches_tensor(pattern, net, i)) continue;
    if (found.matched++ == 0) found.tensor = p->name, found.layer = layer, found.has_rate_0 = has_rate_0;
    if (learns[i] || has_rate_0) continue;
    if (net->layers[p->layer].frozen && fnmatch(pattern, layer, 0) != 0)
      return cvy_yaml_error(at, "'%s' is part of a frozen layer, which begins to learn as a whole: name '%s'",
                            p->name, layer);
    learns[i] = true;
    found.begun++;
  }
  if (found.matched == 0) return cvy_pattern_matches_nothing(at, pattern, net);
  return found.begun > 0 ? CVY_OK : nothing_begins(at, &found);
}

cvy_err cvy_freezing_check(const cvy_freezing *freezing, const cvy_layer_rules *rules,
                           const cvy_net_info *net) {
  bool *learns = cvy_new(sizeof *learns * (size_t)(net->param_tensors + 1));
  for (int64_t i = 0; i < net->param_tensors; i++) learns[i] = net->params[i].learns;
  cvy_err err = CVY_OK;
  for (int64_t k = 0; k < freezing->count && !err; k++) {
    const cvy_patterns *p = &freezing->unfreezings[k].patterns;
    for (int64_t i = 0; i < p->names.count && !err; i++)
      err = check_pattern(p->names.names[i], p->at[i], rules, net, learns);
  }
  free(learns);
  return err;
}
