/* Which class each picture in a tree is of, and reading them. */
#include "datasets/class_folders.h"

#include "base/text.h"
#include "base/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef cvy_class_layout layout;
typedef cvy_class_folders state;
typedef cvy_class_picture picture;

/* ---- what lies above the classes ---- */

static size_t folder_length(const char *name, size_t length) {
  while (length > 0 && name[length - 1] != '/') length--;
  return length;
}

void cvy_class_layout_find(layout *l) {
  bool any = false;
  for (int64_t i = 0; i < l->count; i++)
    any |= !l->members[i]->folder && cvy_looks_like_picture(l->members[i]->name);
  l->above = NULL;
  l->flat = true;
  for (int64_t i = 0; i < l->count; i++) {
    const char *name = l->members[i]->name;
    if (l->members[i]->folder || (any && !cvy_looks_like_picture(name))) continue;
    const size_t own = folder_length(name, strlen(name));
    if (!l->above) {
      l->above = name;
      l->above_length = own;
    }
    while (l->above_length > 0 && strncmp(l->above, name, l->above_length) != 0)
      l->above_length = folder_length(l->above, l->above_length - 1);
    l->flat &= own == l->above_length;
  }
}

size_t cvy_class_layout_above(const layout *l) {
  return l->above_length > 0 ? folder_length(l->above, l->above_length - 1) : 0;
}

/* ---- names ---- */

/* Returns the number of bytes in front of ".1.jpg", "_1.jpg" or "-1.jpg"; 0 if the name ends otherwise. */
static size_t before_number(const char *base) {
  const char *dot = strrchr(base, '.');
  const char *p = dot;
  while (p && p > base && isdigit((unsigned char)p[-1])) p--;
  return !p || p == dot || p - base < 2 || !strchr("._-", p[-1]) ? 0 : (size_t)(p - 1 - base);
}

size_t cvy_class_of_member(const char **out, const layout *l, const cvy_member *m) {
  *out = m->name + l->above_length;
  if (strncmp(m->name, l->above, l->above_length) != 0) return 0;
  if (l->flat) return m->folder ? 0 : before_number(*out);
  const size_t length = strcspn(*out, "/");
  return (*out)[length] || m->folder ? length : 0;
}

/* Finds two folders that would be one class, as '1' and '01' would. */
static cvy_err one_class_twice(const cvy_classes *classes, const char *const *names, int64_t count,
                               const cvy_file_tree *tree) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t k = 0; k < i; k++)
      if (cvy_classes_find(classes, names[i]) == cvy_classes_find(classes, names[k]))
        return cvy_error(CVY_E_INPUT,
                         "%s: the folders '%s' and '%s' are the same %s, so they would be one class; "
                         "join them or rename one",
                         tree->path, names[k], names[i], classes->are_numbers ? "number" : "name in UTF-8");
  return CVY_OK;
}

cvy_err cvy_class_folders_name(cvy_classes *out, cvy_pool *pool, const layout *l, const cvy_file_tree *tree,
                               const char *encoding) {
  const char **names = cvy_pool_new(pool, sizeof *names * (size_t)(l->count + 1));
  const char *last = "", *name;
  size_t last_length = 0;
  int64_t n = 0;
  /* Members of one class mostly follow each other, so few names are listed twice. */
  for (int64_t i = 0; i < l->count; i++) {
    const size_t length = cvy_class_of_member(&name, l, l->members[i]);
    if (length == 0 || (length == last_length && memcmp(name, last, length) == 0)) continue;
    last = names[n++] = cvy_pool_format(pool, "%.*s", (int)length, name);
    last_length = length;
  }
  cvy_sort_by_text(names, n, sizeof *names);
  n = cvy_drop_repeats(names, n);
  *out = cvy_classes_in(pool, names, n, encoding);
  return l->flat || out->count == n ? CVY_OK : one_class_twice(out, names, n, tree);
}

/* ---- pictures ---- */

typedef struct finding {
  cvy_pool *pool;
  const layout *l;
  const cvy_classes *classes;
  picture *found;
  int64_t count, bytes;
  int64_t *sizes;               /* pictures of each class */
  const picture *deep;          /* one that lies in a folder below its class's; NULL: there is none */
  const picture *deep_in_split; /* one such of a class that is called as a split is; NULL: there is none */
} finding;

static void find_pictures(finding *f) {
  const char *last = "";
  int64_t label = -1;
  for (int64_t i = 0; i < f->l->count; i++) {
    const cvy_member *m = f->l->members[i];
    const char *name;
    const size_t length = m->folder ? 0 : cvy_class_of_member(&name, f->l, m);
    if (length == 0) continue;
    if (label < 0 || strncmp(name, last, length) != 0 || last[length]) {
      last = cvy_pool_format(f->pool, "%.*s", (int)length, name);
      label = cvy_classes_find(f->classes, last);
    }
    picture *p = &f->found[f->count++];
    *p = (picture){m, (int32_t)label};
    f->sizes[label]++;
    f->bytes += m->size;
    if (f->l->flat || !strchr(name + length + 1, '/')) continue;
    if (!f->deep) f->deep = p;
    if (!f->deep_in_split && cvy_split_called(last)) f->deep_in_split = p;
  }
}

/* Refuses classes that are splits: one is called as a split is and holds folders, or all are called so. */
static cvy_err check_splits(const finding *f, const cvy_file_tree *tree) {
  const cvy_classes *c = f->classes;
  int64_t splits = 0;
  for (int64_t k = 0; k < c->count; k++) splits += cvy_split_called(c->names[k]) != NULL;
  if (!f->deep_in_split && (splits < c->count || splits == 0)) return CVY_OK;
  const char *name = c->names[f->deep_in_split ? f->deep_in_split->label : 0];
  return cvy_error(CVY_E_INPUT,
                   "%s: holds a split '%s', not classes; name it, %s=%s%s%.*s%s, or leave --split away",
                   tree->path, name, cvy_split_called(name), tree->path, tree->fd < 0 ? "/" : ":",
                   (int)f->l->above_length, f->l->above, name);
}

static cvy_err check_found(const finding *f, const cvy_file_tree *tree) {
  if (f->count == 0)
    return cvy_error(CVY_E_INPUT, "%s: %s", tree->path,
                     f->classes->count > 0
                         ? "no picture in any of its folders"
                         : "no sub-folders with pictures; expected one a class, with JPEG and PNG files");
  CVY_TRY(check_splits(f, tree));
  if (f->deep)
    cvy_log("%s: pictures in folders below a class's own are of that class: '%s' is of '%s'", tree->path,
            f->deep->member->name, f->classes->names[f->deep->label]);
  return CVY_OK;
}

static void sort_by_class(state *s, const finding *f) {
  int64_t *next = cvy_pool_new(s->common.pool, sizeof *next * (size_t)(f->classes->count + 1));
  s->pictures = cvy_pool_new(s->common.pool, sizeof *s->pictures * (size_t)(f->count + 1));
  for (int64_t k = 1; k < f->classes->count; k++) next[k] = next[k - 1] + f->sizes[k - 1];
  for (int64_t i = 0; i < f->count; i++) s->pictures[next[f->found[i].label]++] = f->found[i];
}

cvy_err cvy_class_folders_fill(cvy_source *out, const layout *l) {
  state *s = out->state;
  cvy_pool *pool = s->common.pool;
  cvy_classes classes;
  CVY_TRY(cvy_class_folders_name(&classes, pool, l, s->tree, out->encoding));
  finding f = {.pool = pool,
               .l = l,
               .classes = &classes,
               .sizes = cvy_pool_new(pool, sizeof *f.sizes * (size_t)(classes.count + 1)),
               .found = cvy_new(sizeof *f.found * (size_t)(l->count + 1))};
  find_pictures(&f);
  const cvy_err err = check_found(&f, s->tree);
  sort_by_class(s, &f);
  free(f.found);
  out->count = f.count;
  out->encoded_bytes = f.bytes;
  out->class_count = classes.count;
  out->class_names = classes.names;
  out->class_sizes = f.sizes;
  return err;
}

/* ---- the reader's functions ---- */

void cvy_class_folders_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(state));
}

cvy_err cvy_class_folders_read(cvy_record *out, cvy_source *source, int64_t index) {
  state *s = source->state;
  cvy_pictures *delivery = &s->common.delivery;
  const picture *p = &s->pictures[index];
  cvy_file_tree_name(delivery->name, sizeof delivery->name, s->tree, p->member);
  *out = (cvy_record){.label = p->label, .name = delivery->name};
  CVY_TRY(cvy_pictures_reserve(delivery, p->member->size));
  CVY_TRY(cvy_file_tree_read(&delivery->file, s->tree, p->member));
  return cvy_pictures_deliver(out, delivery, source);
}

void cvy_class_folders_close(cvy_source *source) {
  const state *s = source->state;
  if (!s->common.borrows) cvy_file_tree_close(s->tree);
  cvy_pictures_end(source);
}
