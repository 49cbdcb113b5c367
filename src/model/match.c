/* Finds the places of a file's tensors in a network. */
#include "model/match.h"

#include "base/text.h"

#include <string.h>

enum { SHAPE_BYTES = 128, LIST_BYTES = 300 };

/* ---- names of tensors ---- */

/* What a tensor is to its layer, as Convoy calls it. */
static const struct {
  const char *word, *own;
} roles[] = {
    {"weight", "weights"},
    {"weights", "weights"},
    {"kernel", "weights"},
    {"bias", "bias"},
    {"beta", "bias"},
    {"gamma", "scale"},
    {"scale", "scale"},
    {"mean", "mean"},
    {"running_mean", "mean"},
    {"moving_mean", "mean"},
    {"running_var", "variance"},
    {"var", "variance"},
    {"moving_variance", "variance"},
    {"variance", "variance"},
    {"running_variance", "variance"},
};
static const char counter[] = "num_batches_tracked"; /* of PyTorch; nobody needs it */

/* A tensor of the file, by its module and role: "layer1.0.conv1/weights". */
typedef struct entry {
  const char *key; /* first, for cvy_sort_by_text */
  const char *module, *role;
  int64_t stored;
} entry;

typedef struct entries {
  int64_t count, outside; /* outside: tensors that are no part of the network, such as an optimiser's */
  entry *items;           /* in the order of the file */
  entry *sorted;
} entries;

static const char *last_separator(const char *name) {
  const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');
  return dot > slash ? dot : slash;
}

static const char *role_of(const char *word, const cvy_stored_tensor *tensor) {
  for (int64_t i = 0; i < CVY_COUNT(roles); i++) {
    if (strcmp(roles[i].word, word) != 0) continue;
    /* PyTorch calls the scale of a normalisation its weight. */
    return strcmp(roles[i].own, "weights") == 0 && tensor->dim_count == 1 ? "scale" : roles[i].own;
  }
  return word;
}

static const char *with_dots(cvy_pool *pool, const char *name, size_t length) {
  char *text = cvy_pool_new(pool, length + 1);
  for (size_t i = 0; i < length; i++) text[i] = name[i] == '/' ? '.' : name[i];
  return text;
}

static entry entry_of(cvy_pool *pool, const cvy_stored_tensor *tensor, size_t passed_over, int64_t index) {
  const char *name = tensor->name + passed_over, *end = last_separator(name);
  const char *module = with_dots(pool, name, end ? (size_t)(end - name) : 0);
  const char *last = end ? end + 1 : name; /* TensorFlow's have ":0" behind them */
  const char *role = role_of(cvy_pool_format(pool, "%.*s", (int)strcspn(last, ":"), last), tensor);
  return (entry){cvy_pool_format(pool, "%s/%s", module, role), module, role, index};
}

/* Finds what the tensors of the network are wrapped in, and returns its length. */
static size_t find_wrapping(const cvy_weights_file *file, char *prefix, size_t bytes) {
  static const char *const words[] = {
      "state_dict", "model_state_dict", "model_state", "module", "model", "network", "net", "params", NULL};
  size_t length = 0;
  prefix[0] = '\0';
  for (const char *const *word = words; *word;) {
    char longer[LIST_BYTES];
    snprintf(longer, sizeof longer, "%s%s.", prefix, *word);
    bool is_there = false;
    for (int64_t i = 0; i < file->tensor_count && !is_there; i++)
      is_there = strncmp(file->tensors[i].name, longer, strlen(longer)) == 0;
    word++;
    if (!is_there || strlen(longer) >= bytes) continue;
    length = strlen(strcpy(prefix, longer));
    word = words;
  }
  return length;
}

static entries list_entries(cvy_pool *pool, const cvy_weights_file *file) {
  char prefix[LIST_BYTES];
  const size_t length = find_wrapping(file, prefix, sizeof prefix);
  entries out = {.items = cvy_pool_new(pool, sizeof *out.items * (size_t)(file->tensor_count + 1))};
  for (int64_t i = 0; i < file->tensor_count; i++) {
    const cvy_stored_tensor *t = &file->tensors[i];
    const char *end = last_separator(t->name);
    if (strncmp(t->name, prefix, length) != 0)
      out.outside++;
    else if (strcmp(end ? end + 1 : t->name, counter) != 0)
      out.items[out.count++] = entry_of(pool, t, length, i);
  }
  out.sorted = cvy_pool_new(pool, sizeof *out.sorted * (size_t)(out.count + 1));
  if (out.count) memcpy(out.sorted, out.items, sizeof *out.items * (size_t)out.count);
  cvy_sort_by_text(out.sorted, out.count, sizeof *out.sorted);
  return out;
}

/* ---- shapes ---- */

/* Tells whether two shapes are the same but for dimensions of 1. */
static bool same_but_ones(const int64_t *a, int a_count, const int64_t *b, int b_count) {
  int i = 0, k = 0;
  for (;;) {
    while (i < a_count && a[i] == 1) i++;
    while (k < b_count && b[k] == 1) k++;
    if (i == a_count || k == b_count) return i == a_count && k == b_count;
    if (a[i++] != b[k++]) return false;
  }
}

/* Weights of a fully connected layer may be filters as large as the map that they read. */
static bool fits_shape(const cvy_tensor_layout *layout, const cvy_stored_tensor *t, int64_t count) {
  if (t->count != count) return false;
  if (same_but_ones(layout->shape, layout->shape_count, t->dims, t->dim_count)) return true;
  if (layout->shape_count != 2 || t->dim_count != 4) return false;
  return t->outputs_last ? t->dims[3] == layout->shape[1] : t->dims[0] == layout->shape[0];
}

static cvy_err assign(cvy_matching *m, cvy_pool *pool, int64_t index, int64_t stored, bool bgr) {
  cvy_tensor_match *match = &m->of[index];
  *match = (cvy_tensor_match){.stored = stored};
  if (stored < 0) return CVY_OK;
  const cvy_stored_tensor *t = &m->file->tensors[stored];
  const cvy_tensor_rules rules = {
      .outputs_last = t->outputs_last, .channels_last = m->file->channels_last, .bgr = bgr};
  CVY_TRY_IN(cvy_tensor_layout_of(&match->layout, pool, m->net, index, &rules), "%s", m->file->path);
  match->fits = fits_shape(&match->layout, t, cvy_net_describe(m->net)->params[index].count);
  m->fitting += match->fits;
  return CVY_OK;
}

/* ---- the ways ---- */

typedef struct matcher {
  cvy_pool *pool;
  entries entries;
  entry *targets; /* sorted */
  int64_t target_count;
  bool bgr;
} matcher;

static cvy_matching begin(const cvy_matching *like, cvy_pool *pool, cvy_match_way way) {
  cvy_matching m = {.file = like->file, .net = like->net, .way = way, .count = like->count};
  m.of = cvy_pool_new(pool, sizeof *m.of * (size_t)(m.count + 1));
  for (int64_t i = 0; i < m.count; i++) m.of[i].stored = -1;
  return m;
}

static int64_t stored_of(const entry *sorted, int64_t count, const char *key) {
  const int64_t at = cvy_find_by_text(sorted, count, sizeof *sorted, key);
  return at < 0 ? -1 : sorted[at].stored;
}

static cvy_err match_targets(cvy_matching *m, const matcher *by) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  for (int64_t i = 0; i < m->count; i++)
    CVY_TRY(assign(m, by->pool, i, stored_of(by->targets, by->target_count, info->params[i].name), by->bgr));
  return CVY_OK;
}

/* Matches by the names of the layers, or by what a map calls them. */
static cvy_err match_names(cvy_matching *m, const matcher *by, const cvy_name_map *map) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  for (int64_t i = 0; i < m->count; i++) {
    const cvy_net_param *p = &info->params[i];
    const char *layer = info->layers[p->layer].name;
    const char *name = map ? cvy_mapped_name(by->pool, map, info->name, layer) : layer;
    const char *key = cvy_pool_format(by->pool, "%s/%s", name ? name : "", p->spec->name);
    CVY_TRY(
        assign(m, by->pool, i, name ? stored_of(by->entries.sorted, by->entries.count, key) : -1, by->bgr));
  }
  return CVY_OK;
}

/* Returns how many entries from `at` on belong to the same module. */
static int64_t module_length(const entries *all, int64_t at) {
  int64_t length = 1;
  while (at + length < all->count && strcmp(all->items[at + length].module, all->items[at].module) == 0)
    length++;
  return length;
}

/* Gives the tensors of a layer those of the module that begins at `at`; false unless they are alike. */
static bool pair_layer(int64_t *stored, const cvy_net_info *info, int64_t layer, const entries *all,
                       int64_t at, int64_t length) {
  int64_t own = 0;
  for (int64_t i = 0; i < info->param_tensors; i++) {
    if (info->params[i].layer != layer) continue;
    own++;
    stored[i] = -1;
    for (int64_t k = at; k < at + length; k++)
      if (strcmp(all->items[k].role, info->params[i].spec->name) == 0) stored[i] = all->items[k].stored;
    if (stored[i] < 0) return false;
  }
  return own == length;
}

/* Pairs modules and layers in their order. It finds nothing unless all of them are alike. */
static cvy_err match_order(cvy_matching *m, const matcher *by) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  const entries *all = &by->entries;
  int64_t *stored = cvy_pool_new(by->pool, sizeof *stored * (size_t)(m->count + 1)), at = 0, before = -1;
  if (!m->file->format->in_order) return CVY_OK;
  for (int64_t i = 0; i < m->count; i++) {
    const int64_t layer = info->params[i].layer;
    if (layer == before) continue;
    if (layer < before || at == all->count) return CVY_OK;
    const int64_t length = module_length(all, at);
    if (!pair_layer(stored, info, layer, all, at, length)) return CVY_OK;
    at += length;
    before = layer;
  }
  for (int64_t i = 0; at == all->count && i < m->count; i++)
    CVY_TRY(assign(m, by->pool, i, stored[i], by->bgr));
  return CVY_OK;
}

static void list_targets(matcher *by, const cvy_weights_file *file) {
  by->targets = cvy_pool_new(by->pool, sizeof *by->targets * (size_t)(file->tensor_count + 1));
  for (int64_t i = 0; i < file->tensor_count; i++)
    if (file->tensors[i].target)
      by->targets[by->target_count++] = (entry){.key = file->tensors[i].target, .stored = i};
  cvy_sort_by_text(by->targets, by->target_count, sizeof *by->targets);
}

static void list_left(cvy_matching *m, const matcher *by) {
  bool *used = cvy_pool_new(by->pool, sizeof *used * (size_t)(m->file->tensor_count + 1));
  m->left = cvy_pool_new(by->pool, sizeof *m->left * (size_t)(m->file->tensor_count + 1));
  for (int64_t i = 0; i < m->count; i++)
    if (m->of[i].stored >= 0) used[m->of[i].stored] = true;
  for (int64_t i = 0; i < by->entries.count; i++)
    if (!used[by->entries.items[i].stored]) m->left[m->left_count++] = by->entries.items[i].stored;
}

static void keep_better(cvy_matching *best, const cvy_matching *m) {
  if (!best->of || m->fitting > best->fitting) *best = *m;
}

cvy_err cvy_match(cvy_matching *out, cvy_pool *pool, const cvy_weights_file *file, const cvy_net *net,
                  const cvy_name_map *maps, int64_t map_count, bool bgr) {
  const cvy_matching all = {.file = file, .net = net, .count = cvy_net_describe(net)->param_tensors};
  matcher by = {.pool = pool, .entries = list_entries(pool, file), .bgr = bgr};
  *out = (cvy_matching){0};
  list_targets(&by, file);
  cvy_matching m = begin(&all, pool, CVY_MATCH_BY_TARGET);
  CVY_TRY(match_targets(&m, &by));
  keep_better(out, &m);
  m = begin(&all, pool, CVY_MATCH_BY_NAME);
  CVY_TRY(match_names(&m, &by, NULL));
  keep_better(out, &m);
  for (int64_t i = 0; i < map_count; i++) {
    m = begin(&all, pool, CVY_MATCH_BY_MAP);
    m.map = maps[i].name;
    CVY_TRY(match_names(&m, &by, &maps[i]));
    keep_better(out, &m);
  }
  m = begin(&all, pool, CVY_MATCH_BY_ORDER);
  CVY_TRY(match_order(&m, &by));
  keep_better(out, &m);
  list_left(out, &by);
  return CVY_OK;
}

/* ---- what came out ---- */

const char *cvy_match_way_said(cvy_pool *pool, const cvy_matching *m) {
  switch (m->way) {
  case CVY_MATCH_BY_TARGET:
    return "as the file says";
  case CVY_MATCH_BY_NAME:
    return "by the names of the layers";
  case CVY_MATCH_BY_MAP:
    return cvy_pool_format(pool, "by the names of %s", m->map);
  case CVY_MATCH_BY_ORDER:
    return "by their order, for their names are unknown";
  }
  return "";
}

static const char *shape_said(cvy_pool *pool, const int64_t *dims, int count) {
  char text[SHAPE_BYTES];
  cvy_text_dims(text, sizeof text, dims, count);
  return cvy_pool_format(pool, "%s", count ? text : "one number");
}

static void say_missing(cvy_text *text, cvy_pool *pool, const cvy_matching *m) {
  const cvy_net_info *info = cvy_net_describe(m->net);
  for (int64_t i = 0; i < m->count; i++) {
    const cvy_tensor_match *match = &m->of[i];
    const char *name = info->params[i].name;
    if (match->stored < 0) {
      cvy_text_item(text, ", ", "%s is not there", name);
    } else if (!match->fits) {
      const cvy_stored_tensor *t = &m->file->tensors[match->stored];
      cvy_text_item(text, ", ", "%s ('%s') is %s and should be %s", name, t->name,
                    shape_said(pool, t->dims, t->dim_count),
                    shape_said(pool, match->layout.shape, match->layout.shape_count));
    }
  }
}

static void say_left(cvy_text *text, cvy_pool *pool, const cvy_matching *m) {
  for (int64_t i = 0; i < m->left_count; i++) {
    const cvy_stored_tensor *t = &m->file->tensors[m->left[i]];
    cvy_text_item(text, ", ", "'%s' %s", t->name, shape_said(pool, t->dims, t->dim_count));
  }
}

cvy_err cvy_match_expect_all(const cvy_matching *m) {
  char missing[LIST_BYTES], left[LIST_BYTES];
  if (m->fitting == m->count) return CVY_OK;
  cvy_pool *pool = cvy_pool_create();
  cvy_text text = cvy_text_in(missing, sizeof missing), more = cvy_text_in(left, sizeof left);
  say_missing(&text, pool, m);
  say_left(&more, pool, m);
  const cvy_err err = cvy_error(
      CVY_E_INPUT, "%s: has %" PRId64 " of the %" PRId64 " tensors of network '%s' (looked for %s): %s%s%s",
      m->file->path, m->fitting, m->count, cvy_net_describe(m->net)->name, cvy_match_way_said(pool, m),
      missing, m->left_count ? "; these of the file belong nowhere: " : "", left);
  cvy_pool_destroy(pool);
  return err;
}

cvy_err cvy_match_read(float *arena, const cvy_matching *m, int64_t index) {
  const cvy_tensor_match *match = &m->of[index];
  const cvy_net_param *p = &cvy_net_describe(m->net)->params[index];
  void *stored;
  CVY_CHECK(match->fits);
  CVY_TRY(cvy_buffer_create(&stored, sizeof(float) * (size_t)p->count, "a tensor"));
  const cvy_err err = cvy_weights_read(stored, m->file, match->stored);
  if (!err) cvy_tensor_take(arena + p->offset, stored, &match->layout);
  cvy_buffer_destroy(stored);
  return err;
}
