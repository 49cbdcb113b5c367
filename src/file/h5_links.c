/* Finds every dataset of a file through its links: hard, soft and external ones, in groups at any depth.
 *
 * Links are followed here and not by HDF5, which would open whatever file an external link names, and would
 * not say which. The walk ends because no group is entered within itself, and because it counts. */
#define _DEFAULT_SOURCE /* realpath */
#include "file/h5_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_LINKS = 16, MOST_DEPTH = 32, MOST_DATASETS = 4096, MOST_GROUPS = 4096, MOST_FILES = 256 };

typedef struct open_file {
  const char *path; /* the path by which it was opened */
  hid_t id;
} open_file;

/* This is where something lies, with no link left on the way. */
typedef struct place {
  int file;
  const char *name; /* from the root, without "/" in front; "" is the root */
} place;

typedef struct identity {
  unsigned long file;
  haddr_t address;
} identity;

typedef struct walk {
  cvy_h5_call *c;
  cvy_pool *pool;
  bool outside;
  open_file files[MOST_FILES];
  int file_count;
  identity above[MOST_DEPTH]; /* the groups that lead to the present one */
  int64_t group_count, dataset_count;
  cvy_h5_entry *entries; /* [MOST_DATASETS] */
} walk;

/* ---- following links ---- */

static const char *join(walk *w, const char *group, const char *name) {
  return cvy_pool_format(w->pool, "%s%s%s", group, group[0] ? "/" : "", name);
}

/* Words a trouble with a link. It is no error of the walk, and is told only to those who want what the link
 * leads to. */
static const char *trouble(walk *w, const char *format, const char *a, const char *b) {
  return cvy_pool_format(w->pool, format, a, b);
}

static const char *folder_of(walk *w, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? cvy_pool_format(w->pool, "%.*s/", (int)(slash - path), path) : "";
}

static const char *real_path(walk *w, const char *path) {
  char *real = realpath(path, NULL);
  const char *out = real ? cvy_pool_format(w->pool, "%s", real) : NULL;
  free(real);
  return out;
}

static bool lies_inside(walk *w, const char *real) {
  const char *own = real_path(w, w->c->file->path);
  if (!own) return false;
  const char *folder = folder_of(w, own);
  return strncmp(real, folder, strlen(folder)) == 0;
}

/* Returns the path of an external link's file. A relative one is beside the file with the link. An absolute
 * one that is gone is looked for there, too, as HDF5 itself does. */
static const char *target_path(walk *w, const char *from, const char *target) {
  struct stat info;
  const char *folder = folder_of(w, from), *slash = strrchr(target, '/');
  if (target[0] != '/') return cvy_pool_format(w->pool, "%s%s", folder, target);
  if (stat(target, &info) == 0) return cvy_pool_format(w->pool, "%s", target);
  return cvy_pool_format(w->pool, "%s%s", folder, slash + 1);
}

/* Opens the file that an external link names, once. It is file *out then, and NULL is returned; else the
 * trouble is. */
static const char *open_target(walk *w, int *out, int from, const char *target) {
  const char *holder = w->files[from].path;
  const char *path = target_path(w, holder, target), *real = real_path(w, path);
  if (!real && real_path(w, holder)) /* the file may be a symbolic link to where both are */
    real = real_path(w, path = target_path(w, real_path(w, holder), target));
  if (!real) return trouble(w, "an external link to %s: %s", path, strerror(errno));
  if (!w->outside && !lies_inside(w, real))
    return trouble(w,
                   "an external link to %s, outside of the file's own folder%s: --outside-links follows it "
                   "(in a recipe, data.outside_links: true)",
                   real, "");
  for (*out = 0; *out < w->file_count; ++*out)
    if (strcmp(w->files[*out].path, path) == 0) return NULL;
  if (w->file_count == MOST_FILES) return trouble(w, "an external link to %s: too many files%s", path, "");
  const hid_t id = cvy_h5_open_id(path);
  if (id < 0) return trouble(w, "an external link to %s: not an HDF5 file%s", path, "");
  w->files[w->file_count++] = (open_file){path, id};
  return NULL;
}

static const char *follow(walk *w, place *at, const char *path, int links);

static const char *follow_value(walk *w, place *at, const char *link, const H5L_info_t *info, int links) {
  const char *target = NULL, *file = NULL;
  unsigned flags;
  if (info->u.val_size == 0 || info->u.val_size > 1 << 16)
    return trouble(w, "'%s' is a damaged link%s", link, "");
  char *value = cvy_pool_new(w->pool, info->u.val_size + 1);
  const hid_t id = w->files[at->file].id;
  if (H5Lget_val(id, link, value, info->u.val_size, H5P_DEFAULT) < 0)
    return trouble(w, "'%s' is a damaged link%s", link, "");
  if (info->type == H5L_TYPE_SOFT) return follow(w, at, value, links + 1);
  if (H5Lunpack_elink_val(value, info->u.val_size, &flags, &file, &target) < 0)
    return trouble(w, "'%s' is a damaged link%s", link, "");
  const char *problem = open_target(w, &at->file, at->file, file);
  at->name = "";
  return problem ? problem : follow(w, at, target, links + 1);
}

static const char *follow_one(walk *w, place *at, const char *name, int links) {
  const char *link = join(w, at->name, name);
  const hid_t id = w->files[at->file].id;
  H5L_info_t info;
  if (H5Lexists(id, link, H5P_DEFAULT) <= 0 || H5Lget_info(id, link, &info, H5P_DEFAULT) < 0)
    return trouble(w, "a link to '%s', which is not in %s", link, w->files[at->file].path);
  if (info.type == H5L_TYPE_SOFT || info.type == H5L_TYPE_EXTERNAL)
    return follow_value(w, at, link, &info, links);
  if (info.type != H5L_TYPE_HARD) return trouble(w, "'%s' is a link of an unknown kind%s", link, "");
  at->name = link;
  return NULL;
}

/* Goes along `path` from the group `at`, and returns NULL, or the trouble on the way. */
static const char *follow(walk *w, place *at, const char *path, int links) {
  if (links > MOST_LINKS) return trouble(w, "links that lead to links without end ('%s')%s", path, "");
  if (path[0] == '/') at->name = "";
  while (*path) {
    const size_t length = strcspn(path, "/");
    const bool stays = length == 0 || (length == 1 && path[0] == '.');
    const char *name = cvy_pool_format(w->pool, "%.*s", (int)length, path);
    path += length + (path[length] == '/');
    const char *problem = stays ? NULL : follow_one(w, at, name, links);
    if (problem) return problem;
  }
  return NULL;
}

/* ---- numbers that lie in other files ---- */

/* Returns what is wrong with what a dataset holds, so that reading it would give made-up numbers or crash. */
static const char *check_numbers(walk *w, hid_t dataset, hid_t plist) {
  H5D_space_status_t status;
  const hid_t space = H5Dget_space(dataset);
  const bool is_empty = H5Sget_simple_extent_npoints(space) <= 0;
  if (space >= 0) H5Sclose(space);
  const char *filter = cvy_h5_wrong_filter(dataset);
  if (filter)
    return trouble(w, "a dataset compressed by %s, whose parameters in the file are damaged or missing%s",
                   filter, "");
  const bool is_stored = H5Pget_layout(plist) == H5D_CONTIGUOUS || H5Pget_layout(plist) == H5D_CHUNKED;
  if (!is_stored || is_empty || H5Dget_space_status(dataset, &status) < 0) return NULL;
  return status == H5D_SPACE_STATUS_NOT_ALLOCATED ? "a dataset into which nothing was ever written" : NULL;
}

static const char *check_dataset(walk *w, hid_t dataset) {
  const hid_t plist = dataset < 0 ? -1 : H5Dget_create_plist(dataset);
  const char *problem = plist < 0 ? "a dataset that cannot be opened" : check_numbers(w, dataset, plist);
  if (plist >= 0) H5Pclose(plist);
  if (dataset >= 0) H5Dclose(dataset);
  return problem;
}

/* Checks that one source of a virtual dataset is there: HDF5 reads a lost source as zeros, without a word. */
static const char *check_source(walk *w, const place *at, hid_t plist, size_t index) {
  char file[1024] = "", name[1024] = "";
  place to = *at;
  if (H5Pget_virtual_filename(plist, index, file, sizeof file) < 0 ||
      H5Pget_virtual_dsetname(plist, index, name, sizeof name) < 0)
    return "a virtual dataset that cannot be read";
  if (strchr(file, '%') || strchr(name, '%'))
    return trouble(w, "a virtual dataset with numbered sources ('%s'); h5repack makes one without%s", file,
                   "");
  const char *problem = strcmp(file, ".") == 0 ? NULL : open_target(w, &to.file, at->file, file);
  to.name = "";
  if (!problem) problem = follow(w, &to, name, 0);
  if (!problem) problem = check_dataset(w, H5Dopen2(w->files[to.file].id, to.name, H5P_DEFAULT));
  return problem ? trouble(w, "a virtual dataset; one of its sources is %s%s", problem, "") : NULL;
}

/* Returns what is wrong with where the dataset's numbers lie; NULL if nothing is. */
static const char *check_storage(walk *w, const place *at, hid_t dataset) {
  const hid_t plist = H5Dget_create_plist(dataset);
  const char *problem = plist < 0 ? "cannot be opened" : NULL;
  size_t sources = 0;
  if (!problem && H5Pget_layout(plist) == H5D_VIRTUAL && H5Pget_virtual_count(plist, &sources) < 0)
    problem = "a virtual dataset that cannot be read";
  for (size_t i = 0; i < sources && !problem; i++) problem = check_source(w, at, plist, i);
  if (!problem && H5Pget_external_count(plist) > 0)
    problem = "a dataset whose numbers lie in another file; h5repack makes one that has its own";
  if (!problem) problem = check_numbers(w, dataset, plist);
  if (plist >= 0) H5Pclose(plist);
  return problem;
}

/* ---- walking ---- */

typedef struct names {
  walk *w;
  struct node {
    const char *name;
    struct node *next;
  } * first, **end;
} names;

static herr_t note_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  (void)group, (void)info;
  names *all = context;
  struct node *node = cvy_pool_new(all->w->pool, sizeof *node);
  node->name = cvy_pool_format(all->w->pool, "%s", name);
  *all->end = node;
  all->end = &node->next;
  return 0;
}

static void describe_type(cvy_h5_entry *e, hid_t dataset) {
  static const char *const words[] = {"whole numbers", "floats", "times",   "texts",
                                      "bits",          "opaque", "records", "references",
                                      "enumeration",   "lists",  "arrays"};
  const hid_t type = H5Dget_type(dataset);
  const int class = type < 0 ? -1 : (int)H5Tget_class(type);
  const int bits = type < 0 ? 0 : (int)(8 * H5Tget_size(type));
  e->holds = class == H5T_INTEGER || class == H5T_FLOAT || class == H5T_ENUM ? CVY_H5_NUMBERS
             : class == H5T_STRING                                           ? CVY_H5_TEXTS
                                                                             : CVY_H5_OTHER;
  if (class == H5T_INTEGER)
    snprintf(e->type, sizeof e->type, "%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
  else if (class == H5T_FLOAT)
    snprintf(e->type, sizeof e->type, "float%d", bits);
  else
    snprintf(e->type, sizeof e->type, "%s", class < 0 || class >= CVY_COUNT(words) ? "?" : words[class]);
  if (type >= 0) H5Tclose(type);
}

static void describe_shape(cvy_h5_entry *e, hid_t dataset) {
  hsize_t dims[H5S_MAX_RANK];
  const hid_t space = H5Dget_space(dataset);
  const int count = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dims, NULL);
  e->dim_count = count;
  for (int i = 0; i < count && i < CVY_H5_MAX_DIMS; i++)
    e->dims[i] = dims[i] > INT64_MAX ? INT64_MAX : (int64_t)dims[i];
  if (space >= 0) H5Sclose(space);
}

static cvy_h5_entry *new_entry(walk *w, const char *name) {
  if (w->dataset_count == MOST_DATASETS) return NULL;
  cvy_h5_entry *e = &w->entries[w->dataset_count++];
  *e = (cvy_h5_entry){.name = name};
  return e;
}

static void add_trouble(walk *w, const char *name, const char *problem) {
  cvy_h5_entry *e = new_entry(w, name);
  if (e) e->trouble = problem;
}

static void add_dataset(walk *w, const char *name, const place *at, const H5O_info_t *info) {
  const hid_t id = w->files[at->file].id, dataset = H5Dopen2(id, at->name, H5P_DEFAULT);
  cvy_h5_entry *e = new_entry(w, name);
  if (e) {
    e->file = w->files[at->file].path;
    e->place = at->name;
    e->identity[0] = info->fileno;
    e->identity[1] = info->addr;
    if (dataset < 0) e->trouble = "cannot be opened";
  }
  if (e && dataset >= 0) {
    describe_type(e, dataset);
    describe_shape(e, dataset);
    e->trouble = check_storage(w, at, dataset);
  }
  if (dataset >= 0) H5Dclose(dataset);
}

static cvy_err walk_group(walk *w, const char *name, const place *at, const identity *self, int depth);

static cvy_err walk_object(walk *w, const char *name, const place *at, int depth) {
  H5O_info_t info;
  if (H5Oget_info_by_name2(w->files[at->file].id, at->name[0] ? at->name : "/", &info, H5O_INFO_BASIC,
                           H5P_DEFAULT) < 0) {
    add_trouble(w, name, "cannot be opened");
    return CVY_OK;
  }
  if (info.type == H5O_TYPE_DATASET) add_dataset(w, name, at, &info);
  if (info.type != H5O_TYPE_GROUP || depth == MOST_DEPTH || w->group_count == MOST_GROUPS) return CVY_OK;
  const identity self = {info.fileno, info.addr};
  for (int i = 0; i < depth; i++)
    if (w->above[i].file == self.file && w->above[i].address == self.address) return CVY_OK;
  return walk_group(w, name, at, &self, depth);
}

/* Tells whether a group has this name for MATLAB's own use: what its cells point to lies in "/#refs#", often
 * thousands of datasets, which come before all others by name. */
static bool is_inner(const char *name, int depth) {
  return depth == 0 && name[0] == '#';
}

static cvy_err walk_group(walk *w, const char *name, const place *at, const identity *self, int depth) {
  names all = {.w = w};
  all.end = &all.first;
  w->above[depth] = *self;
  w->group_count++;
  H5_TRY(w->c,
         H5Literate_by_name(w->files[at->file].id, at->name[0] ? at->name : "/", H5_INDEX_NAME, H5_ITER_INC,
                            NULL, note_link, &all, H5P_DEFAULT) >= 0,
         "cannot list its datasets");
  for (const struct node *node = all.first; node; node = node->next) {
    if (is_inner(node->name, depth)) continue;
    place to = *at;
    const char *here = join(w, name, node->name), *problem = follow_one(w, &to, node->name, 0);
    if (problem)
      add_trouble(w, here, problem);
    else
      CVY_TRY(walk_object(w, here, &to, depth + 1));
  }
  return CVY_OK;
}

cvy_err cvy_h5_list(cvy_h5_entry **out, int64_t *count, cvy_h5 *file, bool outside, cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, "");
  walk w = {.c = &c, .pool = pool, .outside = outside, .file_count = 1};
  w.files[0] = (open_file){cvy_pool_format(pool, "%s", file->path), file->id};
  w.entries = cvy_new(sizeof *w.entries * MOST_DATASETS);
  const cvy_err err = walk_object(&w, "", &(place){0, ""}, 0);
  for (int i = 1; i < w.file_count; i++) H5Fclose(w.files[i].id);
  *count = w.dataset_count;
  *out = cvy_pool_new(pool, sizeof **out * (size_t)(w.dataset_count + 1));
  memcpy(*out, w.entries, sizeof **out * (size_t)w.dataset_count);
  free(w.entries);
  return cvy_h5_leave(&c, err);
}
