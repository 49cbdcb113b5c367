/* Finding images and labels by the names that people give them.
 *
 * A name is cut into words (X_train: x, train). Words that tell a split are taken out, of groups too; what is
 * left of the dataset's own name tells what it holds, and what is left of the groups is its place. Images and
 * labels of one place and one split make a pair. */
#include "archive/arrays_find.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

typedef enum role { IMAGES, LABELS, CLASSES, ROLES } role;

/* These are the words that each role is known by, the better ones first. Those of images and labels may have
 * an s behind them, which makes no difference. */
static const char *const image_words[] = {"image",   "data",  "x",       "img", "pixel",
                                          "picture", "input", "feature", NULL};
static const char *const label_words[] = {"label",    "y",   "target", "class",   "cls",
                                          "category", "ans", "lab",    "classes", NULL};
static const char *const class_words[] = {"class_names", "classes",    "list_classes",
                                          "label_names", "categories", NULL};
static const char *const *const usual[ROLES] = {image_words, label_words, class_words};

static const char *const split_names[CVY_ARRAYS_SPLITS] = {"", "train", "val", "test"};
static const struct {
  const char *word;
  int split;
} split_words[] = {{"train", 1}, {"training", 1}, {"val", 2}, {"valid", 2}, {"validation", 2}, {"dev", 2},
                   {"test", 3},  {"testing", 3},  {"tr", 1},  {"va", 2},    {"te", 3}};

/* ---- names ---- */

typedef struct parsed {
  const cvy_h5_entry *entry;
  int split;         /* index of split_names */
  const char *stem;  /* the dataset's own name, without words that tell a split */
  const char *place; /* the names of its groups, likewise */
  int depth;         /* how many groups the place has */
} parsed;

static int split_called(const char *word) {
  for (int64_t i = 0; i < CVY_COUNT(split_words); i++)
    if (strcmp(word, split_words[i].word) == 0) return split_words[i].split;
  return 0;
}

/* Cuts "xtrain" and "trainx", which have no seam, and returns the split; 0 if the word tells none. */
static int split_within(char *word) {
  const size_t length = strlen(word);
  for (int64_t i = 0; i < CVY_COUNT(split_words); i++) {
    const char *split = split_words[i].word;
    const size_t part = strlen(split);
    static const char *const rests[] = {"x", "y", "images", "labels", "data", "label"};
    for (int64_t k = 0; k < CVY_COUNT(rests); k++) {
      if (strlen(rests[k]) + part != length) continue;
      const bool before = strncmp(word, split, part) == 0 && strcmp(word + part, rests[k]) == 0;
      const bool behind = strcmp(word + length - part, split) == 0 &&
                          strncmp(word, rests[k], length - part) == 0;
      if (!before && !behind) continue;
      strcpy(word, rests[k]);
      return split_words[i].split;
    }
  }
  return 0;
}

static bool is_seam(const char *text, size_t i) {
  const bool starts_upper = isupper((unsigned char)text[i]);
  if (i == 0 || !starts_upper) return false;
  return islower((unsigned char)text[i - 1]) || islower((unsigned char)text[i + 1]);
}

/* Adds a word to what is left, unless it tells a split. */
static void take_word(cvy_text *left, int *split, char *word) {
  if (!word[0] || strcmp(word, "set") == 0) return;
  int told = split_called(word);
  const bool whole = told != 0;
  if (!told) told = split_within(word);
  if (told) *split = told;
  if (!whole) cvy_text_item(left, "_", "%s", word);
}

/* Cuts one component of a path into words, in lower case. */
static void take_component(cvy_text *left, int *split, const char *component, size_t length) {
  char word[128];
  size_t count = 0;
  for (size_t i = 0; i <= length; i++) {
    const char c = i < length ? component[i] : '_';
    const bool ends = strchr("_- .", c) != NULL;
    if ((ends || is_seam(component, i)) && count > 0) {
      word[count] = '\0';
      take_word(left, split, word);
      count = 0;
    }
    if (!ends && count + 1 < sizeof word) word[count++] = (char)tolower((unsigned char)c);
  }
}

/* Parses a dataset's path. If its last component says nothing about what it holds (Octave's GROUP/value, or
 * images/train), the group before counts as the dataset's own name. */
static void parse_name(parsed *out, const char *name, cvy_pool *pool) {
  char stem_chars[256] = "", place_chars[1024] = "", part_chars[256];
  cvy_text place = cvy_text_in(place_chars, sizeof place_chars);
  out->split = 0;
  out->depth = 0;
  while (*name) {
    const size_t length = strcspn(name, "/");
    cvy_text part = cvy_text_in(part_chars, sizeof part_chars);
    take_component(&part, &out->split, name, length);
    name += length + (name[length] == '/');
    const bool says_nothing = part.length == 0 || (!*name && strcmp(part_chars, "value") == 0);
    if (says_nothing) continue;
    if (stem_chars[0]) {
      cvy_text_item(&place, "/", "%s", stem_chars);
      out->depth++;
    }
    snprintf(stem_chars, sizeof stem_chars, "%s", part_chars);
  }
  out->stem = cvy_pool_format(pool, "%s", stem_chars);
  out->place = cvy_pool_format(pool, "%s", place_chars);
}

/* ---- candidates ---- */

typedef struct candidate {
  parsed name;
  int rank;       /* 0 is the best */
  bool plausible; /* by what it holds, and its dimensions */
} candidate;

typedef struct search {
  const char *path;
  cvy_pool *pool;
  const cvy_arrays_said *said;
  const cvy_h5_entry *entries;
  int64_t entry_count;
  candidate *of[ROLES];
  int64_t count[ROLES];
} search;

static const char *said_of(const search *s, role r) {
  const char *said = r == IMAGES ? s->said->images : r == LABELS ? s->said->labels : NULL;
  return said && said[0] ? said + (said[0] == '/') : NULL;
}

static bool same_text(const char *a, const char *b) {
  for (; *a && *b; a++, b++)
    if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
  return *a == *b;
}

static bool is_plausible(role r, const cvy_h5_entry *e) {
  if (e->trouble) return true;
  if (r == IMAGES) return e->holds == CVY_H5_NUMBERS && (e->dim_count == 3 || e->dim_count == 4);
  if (r == CLASSES) return e->holds == CVY_H5_TEXTS;
  return e->dim_count >= 1 && e->dim_count <= CVY_H5_MAX_DIMS;
}

/* Tells whether a dataset holds as many numbers as some other holds images. */
static bool has_a_number_for_each(const search *s, const cvy_h5_entry *e) {
  if (e->trouble || e->holds != CVY_H5_NUMBERS || e->dim_count < 1) return false;
  for (int64_t i = 0; i < s->entry_count; i++)
    if (is_plausible(IMAGES, &s->entries[i]) && s->entries[i].dims[0] == e->dims[0]) return true;
  return false;
}

/* Returns how well a name fits a role: 0 is the best, and a negative number means not at all. A dataset
 * `classes` holds labels if it has a number for each image, and else names. */
static int rank_of(const search *s, role r, const parsed *p) {
  const char *said = said_of(s, r);
  if (said) {
    if (strcmp(said, p->entry->name) == 0) return 0;
    const char *whole = cvy_pool_format(s->pool, "%s%s%s", p->place, p->place[0] ? "/" : "", p->stem);
    return same_text(said, whole) || same_text(said, p->stem) ? 1 : -1;
  }
  if (r == LABELS && strcmp(p->stem, "classes") == 0 && !has_a_number_for_each(s, p->entry)) return -1;
  for (int i = 0; usual[r][i]; i++) {
    const size_t length = strlen(usual[r][i]);
    if (strncmp(usual[r][i], p->stem, length) != 0) continue;
    if (!p->stem[length] || (r != CLASSES && strcmp(p->stem + length, "s") == 0)) return i;
  }
  return -1;
}

static void gather(search *s) {
  for (int r = 0; r < ROLES; r++)
    s->of[r] = cvy_pool_new(s->pool, sizeof(candidate) * (size_t)(s->entry_count + 1));
  for (int64_t i = 0; i < s->entry_count; i++) {
    candidate c = {.name.entry = &s->entries[i]};
    parse_name(&c.name, s->entries[i].name, s->pool);
    for (int r = 0; r < ROLES; r++) {
      c.rank = rank_of(s, (role)r, &c.name);
      c.plausible = is_plausible((role)r, c.name.entry);
      if (c.rank >= 0 && (r != CLASSES || c.plausible)) s->of[r][s->count[r]++] = c;
    }
  }
}

/* ---- pairs ---- */

static bool same_dataset(const cvy_h5_entry *a, const cvy_h5_entry *b) {
  return a == b ||
         (!a->trouble && !b->trouble && a->identity[0] == b->identity[0] && a->identity[1] == b->identity[1]);
}

/* Returns the best candidate for a role in a split, in one place or (NULL) in any. A name that fits better
 * counts more than a place that is nearer the root. If another dataset is equally good, it is *rival. */
static const candidate *best_of(const search *s, role r, int split, const char *place, bool plausible,
                                const candidate **rival) {
  const candidate *best = NULL;
  *rival = NULL;
  for (int64_t i = 0; i < s->count[r]; i++) {
    const candidate *c = &s->of[r][i];
    if (c->name.split != split || (plausible && !c->plausible)) continue;
    if (place && strcmp(place, c->name.place) != 0) continue;
    if (best && c->rank == best->rank && c->name.depth == best->name.depth) {
      if (!same_dataset(c->name.entry, best->name.entry)) *rival = c;
    } else if (!best || c->rank < best->rank || (c->rank == best->rank && c->name.depth < best->name.depth)) {
      best = c;
      *rival = NULL;
    }
  }
  return best;
}

/* Returns the best of the candidates that `best` was preferred to, if it has as many rows. */
static const cvy_h5_entry *next_best(const search *s, role r, const candidate *best, const char *place) {
  const candidate *found = NULL;
  for (int64_t i = 0; best && best->plausible && !said_of(s, r) && i < s->count[r]; i++) {
    const candidate *c = &s->of[r][i];
    const cvy_h5_entry *e = c->name.entry, *b = best->name.entry;
    const bool rivals = c->name.split == best->name.split && c->plausible && !e->trouble &&
                        (!place || strcmp(place, c->name.place) == 0) && c->rank > best->rank;
    if (!rivals || same_dataset(e, b) || e->dims[0] != b->dims[0]) continue;
    if (!found || c->rank < found->rank) found = c;
  }
  return found ? found->name.entry : NULL;
}

void cvy_arrays_list(char *out, size_t bytes, const cvy_h5_entry *entries, int64_t count) {
  cvy_text all = cvy_text_in(out, bytes);
  for (int64_t i = 0; i < count; i++) {
    const cvy_h5_entry *e = &entries[i];
    char shape[160] = "";
    cvy_text_dims(shape, sizeof shape, e->dims,
                  e->dim_count < CVY_H5_MAX_DIMS ? e->dim_count : CVY_H5_MAX_DIMS);
    if (e->trouble)
      cvy_text_item(&all, ", ", "%s (%s)", e->name, e->trouble);
    else
      cvy_text_item(&all, ", ", "%s %s %s", e->name, e->type, e->dim_count > 0 ? shape : "single");
  }
  if (count == 0) cvy_text_add(&all, "no datasets");
}

/* Returns the images in the place of the split that has both images and labels and is nearest to the root. If
 * another place is equally near, *rival is the images there. */
static const candidate *place_with_both(const search *s, int split, bool plausible, const candidate **rival) {
  const candidate *found = NULL, *other;
  *rival = NULL;
  for (int64_t i = 0; i < s->count[IMAGES]; i++) {
    const candidate *c = &s->of[IMAGES][i];
    if (c->name.split != split || (plausible && !c->plausible)) continue;
    if (!best_of(s, LABELS, split, c->name.place, plausible, &other)) continue;
    if (!found || c->name.depth < found->name.depth) {
      found = c;
      *rival = NULL;
    } else if (c->name.depth == found->name.depth && strcmp(c->name.place, found->name.place) != 0 &&
               !same_dataset(c->name.entry, found->name.entry)) {
      *rival = c;
    }
  }
  return found;
}

/* Returns the names of classes: those in the pair's own place, else those of the file if it has one list
 * only. */
static const cvy_h5_entry *classes_for(const search *s, int split, const char *place) {
  const candidate *rival, *best = NULL;
  for (int any = 0; any < 2; any++)
    for (int k = 0; k < 2 && !best; k++) {
      best = best_of(s, CLASSES, k == 0 ? split : 0, any ? NULL : place, true, &rival);
      if (rival) best = NULL;
    }
  return best ? best->name.entry : NULL;
}

static void note_rivals(cvy_arrays_pair *pair, const candidate *a, const candidate *b) {
  if (!b || pair->rivals[0]) return;
  pair->rivals[0] = a->name.entry->name;
  pair->rivals[1] = b->name.entry->name;
}

static void find_pair(cvy_arrays_pair *out, const search *s, int split, bool plausible) {
  const candidate *rival, *home = place_with_both(s, split, plausible, &rival);
  *out = (cvy_arrays_pair){.split = split_names[split]};
  note_rivals(out, home, rival);
  const char *place = home ? home->name.place : NULL;
  const candidate *images = best_of(s, IMAGES, split, place, plausible, &rival);
  note_rivals(out, images, rival);
  const candidate *labels = best_of(s, LABELS, split, place, plausible, &rival);
  note_rivals(out, labels, rival);
  if (images) out->images = images->name.entry;
  if (labels) out->labels = labels->name.entry;
  out->worse_images = next_best(s, IMAGES, images, place);
  out->worse_labels = next_best(s, LABELS, labels, place);
  if (images || labels) out->classes = classes_for(s, split, place ? place : "");
}

static cvy_err nothing_found(const search *s) {
  char all[1500];
  cvy_arrays_list(all, sizeof all, s->entries, s->entry_count);
  const char *images = said_of(s, IMAGES), *labels = said_of(s, LABELS);
  if (images || labels)
    return cvy_error(CVY_E_INPUT, "%s: no dataset named '%s' (it has: %s)", s->path, images ? images : labels,
                     all);
  return cvy_error(
      CVY_E_INPUT,
      "%s: no dataset named images, data, X or the like, and none named labels, label, y or the "
      "like: say which by --images NAME --labels NAME (in a recipe, data.images and data.labels; "
      "it has: %s)",
      s->path, all);
}

/* Refuses a name that the user said and the file does not have. */
static cvy_err check_said(const search *s) {
  char all[1500];
  for (int r = IMAGES; r <= LABELS; r++) {
    if (!said_of(s, (role)r) || s->count[r] > 0) continue;
    cvy_arrays_list(all, sizeof all, s->entries, s->entry_count);
    return cvy_error(CVY_E_INPUT, "%s: no dataset named '%s' (it has: %s)", s->path, said_of(s, (role)r),
                     all);
  }
  return CVY_OK;
}

static bool is_whole(const cvy_arrays_pair *pair) {
  return pair->images && pair->labels;
}

/* There are three attempts, and the first that finds anything decides: pairs of images and labels that hold
 * what they should, pairs that merely have the right names, and images or labels alone. */
cvy_err cvy_arrays_pairs(cvy_arrays_pair out[CVY_ARRAYS_SPLITS], int64_t *count, const cvy_h5_entry *entries,
                         int64_t entry_count, const cvy_arrays_said *said, const char *path, cvy_pool *pool) {
  search s = {.path = path, .pool = pool, .said = said, .entries = entries, .entry_count = entry_count};
  gather(&s);
  *count = 0;
  for (int try = 0; try < 3 && *count == 0; try++)
    for (int split = 0; split < CVY_ARRAYS_SPLITS; split++) {
      cvy_arrays_pair pair;
      find_pair(&pair, &s, split, try == 0);
      if (is_whole(&pair) || (try == 2 && (pair.images || pair.labels))) out[(*count)++] = pair;
    }
  if (*count > 0) return CVY_OK;
  CVY_TRY(check_said(&s));
  return nothing_found(&s);
}

/* ---- choosing ---- */

static cvy_err check_rivals(const cvy_arrays_pair *pair, const cvy_h5_entry *entries, int64_t entry_count,
                            const char *path) {
  char all[1500];
  if (!pair->rivals[0]) return CVY_OK;
  cvy_arrays_list(all, sizeof all, entries, entry_count);
  return cvy_error(
      CVY_E_INPUT,
      "%s: '%s' and '%s' fit equally well: say which by --images NAME --labels NAME (in a recipe, "
      "data.images and data.labels), or by FILE:GROUP (it has: %s)",
      path, pair->rivals[0], pair->rivals[1], all);
}

static const cvy_arrays_pair *pair_of(const cvy_arrays_pair *pairs, int64_t count, const char *split) {
  for (int64_t i = 0; i < count; i++)
    if (strcmp(pairs[i].split, split) == 0) return &pairs[i];
  return NULL;
}

/* Returns the pair that serves for a split; NULL if none does. Where there is no val, test serves for it, and
 * datasets whose names tell no split, or the only pair, serve for any. */
static const cvy_arrays_pair *pair_for(const cvy_arrays_pair *pairs, int64_t count, const char *split) {
  const cvy_arrays_pair *pair = split ? pair_of(pairs, count, split) : NULL;
  if (!pair && split && strcmp(split, "val") == 0 && count > 1) pair = pair_of(pairs, count, "test");
  if (!pair) pair = pair_of(pairs, count, "");
  return !pair && count == 1 ? &pairs[0] : pair;
}

static cvy_err no_such_split(const cvy_arrays_pair *pairs, int64_t count, const char *split,
                             const char *path) {
  char all[64];
  cvy_text text = cvy_text_in(all, sizeof all);
  for (int64_t i = 0; i < count; i++) cvy_text_item(&text, ", ", "%s", pairs[i].split);
  return cvy_error(CVY_E_INPUT, "%s: holds the splits %s%s%s%s: %s:%s, say, takes one", path, all,
                   split ? ", but not '" : "", split ? split : "", split ? "'" : "", path, pairs[0].split);
}

/* Copies the entries below a group, named from there, and returns how many there are. */
static int64_t below(cvy_h5_entry *out, const cvy_h5_entry *entries, int64_t count, const char *group) {
  const size_t length = strlen(group);
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    if (strncmp(entries[i].name, group, length) != 0 || entries[i].name[length] != '/') continue;
    out[found] = entries[i];
    out[found++].name += length + 1;
  }
  return found;
}

static cvy_err choose_in_group(cvy_arrays_pair *out, const cvy_h5_entry *entries, int64_t entry_count,
                               const cvy_arrays_said *said, const char *group, const char *path,
                               cvy_pool *pool) {
  cvy_arrays_pair pairs[CVY_ARRAYS_SPLITS];
  int64_t count;
  char all[1500];
  cvy_h5_entry *inner = cvy_pool_new(pool, sizeof *inner * (size_t)(entry_count + 1));
  const int64_t inner_count = below(inner, entries, entry_count, group + (group[0] == '/'));
  cvy_arrays_list(all, sizeof all, entries, entry_count);
  if (inner_count == 0)
    return cvy_error(CVY_E_INPUT, "%s: no split and no group '%s' (it has: %s)", path, group, all);
  CVY_TRY(cvy_arrays_pairs(pairs, &count, inner, inner_count, said, path, pool));
  const cvy_arrays_pair *pair = pair_for(pairs, count, NULL);
  if (!pair) return no_such_split(pairs, count, NULL, path);
  *out = *pair;
  return check_rivals(pair, entries, entry_count, path);
}

cvy_err cvy_arrays_choose(cvy_arrays_pair *out, const cvy_h5_entry *entries, int64_t entry_count,
                          const cvy_arrays_said *said, const char *split, const char *part, const char *path,
                          cvy_pool *pool) {
  cvy_arrays_pair pairs[CVY_ARRAYS_SPLITS];
  int64_t count = 0;
  const cvy_err err = cvy_arrays_pairs(pairs, &count, entries, entry_count, said, path, pool);
  const cvy_arrays_pair *pair = NULL;
  if (part) {
    pair = err ? NULL : pair_of(pairs, count, part);
    if (!pair) return choose_in_group(out, entries, entry_count, said, part, path, pool);
  } else {
    CVY_TRY(err);
    pair = pair_for(pairs, count, split);
    if (!pair) return no_such_split(pairs, count, split, path);
  }
  *out = *pair;
  return check_rivals(pair, entries, entry_count, path);
}
