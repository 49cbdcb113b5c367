/* Opening and reading databases of pictures; how each kind stores them is its own file's matter. */
#include "datasets/database.h"

#include "base/classes.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* If none of the first so many records makes sense, the others will not either. */
enum { FIRST_RECORDS = 100 };

const char *const cvy_database_colours[] = {"auto", "rgb", "grey", NULL};
const char *const cvy_database_orders[] = {"bgr", "rgb", NULL};

/* ---- names ---- */

/* Tells whether a key can name its record in errors. Keys may also be numbers in binary. */
static bool is_name(const uint8_t *bytes, size_t count) {
  enum { MOST = 1024 };
  for (size_t i = 0; i < count; i++)
    if (bytes[i] < ' ' || bytes[i] == 127) return false;
  return count > 0 && count <= MOST;
}

/* Names a record in delivery.name: "train_lmdb/00000012", "train.rec: record 12". */
static void name_record(cvy_database *db, const cvy_database_entry *e) {
  char *to = db->common.delivery.name;
  const size_t room = sizeof db->common.delivery.name;
  if (e->key && is_name(e->key, e->key_bytes))
    snprintf(to, room, "%s%.*s", db->prefixes[e->input], (int)e->key_bytes, (const char *)e->key);
  else
    snprintf(to, room, "%srecord %" PRId32, db->prefixes[e->input], e->number);
}

/* Names a record in delivery.name by the file that it was made of, which says more than its number. */
static void name_file(cvy_database *db, const cvy_database_entry *e, const char *file) {
  if (is_name((const uint8_t *)file, strlen(file)))
    snprintf(db->common.delivery.name, sizeof db->common.delivery.name, "%s%s", db->prefixes[e->input], file);
}

/* ---- listing ---- */

static cvy_database_entry *new_entry(cvy_database *db) {
  if (db->count == db->capacity) {
    db->capacity = 2 * db->capacity + 1024;
    cvy_database_entry *more = cvy_pool_new(db->common.pool, sizeof *more * (size_t)db->capacity);
    if (db->count > 0) memcpy(more, db->entries, sizeof *more * (size_t)db->count);
    db->entries = more;
  }
  return &db->entries[db->count++];
}

/* Remembers what kind of pictures there are. */
static void note_picture(cvy_database *db, const cvy_held *picture) {
  if (picture->h == 0) {
    db->file_count++;
    return;
  }
  if (db->first.h == 0) db->first = *picture;
  db->sizes_vary |= picture->h != db->first.h || picture->w != db->first.w;
  db->channels_vary |= picture->c != db->first.c;
  db->odd_channels |= picture->c != 1 && picture->c != 3;
}

static bool same_name(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static cvy_err contradiction(const cvy_label *label, const cvy_value *v) {
  return cvy_error(CVY_E_INPUT, "label %.40s is called '%.100s' here, but '%.100s' in an earlier record",
                   v->label, v->class_name ? v->class_name : "", label->name ? label->name : "");
}

/* Gives the entry its label's id, a new one if the label is new. A damaged record must not make a class, so a
 * record with a new label, or one that contradicts an earlier record, is verified first. */
static cvy_err take_label(cvy_database_entry *e, cvy_database *db, const cvy_value *v) {
  const cvy_label *label = cvy_labels_find(&db->labels, v->label);
  if (label && same_name(label->name, v->class_name)) {
    e->label = label->id;
    return CVY_OK;
  }
  if (db->kind->verify) CVY_TRY(db->kind->verify(e));
  const cvy_err err = label ? contradiction(label, v)
                            : cvy_labels_add(&db->labels, db->common.pool, v->label, v->class_name);
  db->refused = err != CVY_OK;
  if (!err) e->label = (int32_t)db->labels.count - 1;
  return err;
}

/* Passes a refusal of the whole input on, unless it is the record that is damaged. */
static cvy_err check_refusal(cvy_database *db, const cvy_database_entry *e) {
  cvy_saved_error refusal;
  cvy_error_save(&refusal, CVY_E_INPUT);
  const cvy_err damage = db->kind->verify ? db->kind->verify(e) : CVY_OK;
  if (!damage) return cvy_error_restore(&refusal);
  db->refused = false;
  return damage;
}

static cvy_err take_record(cvy_database_entry *e, cvy_database *db, const uint8_t *value, size_t bytes) {
  cvy_value v = {0};
  const cvy_err err = db->kind->look(&v, db, value, bytes);
  if (err) return db->refused ? check_refusal(db, e) : err;
  CVY_TRY(take_label(e, db, &v));
  note_picture(db, &v.picture);
  return CVY_OK;
}

static cvy_err none_makes_sense(const cvy_database *db) {
  return cvy_error(CVY_E_INPUT, "%s; expected %s", db->complaint, db->kind->what);
}

cvy_err cvy_database_refuse(cvy_database *db, const char *format, ...) {
  char text[CVY_MESSAGE_BYTES / 2];
  va_list va;
  va_start(va, format);
  vsnprintf(text, sizeof text, format, va);
  va_end(va);
  db->refused = true;
  return cvy_error(CVY_E_INPUT, "%s", text);
}

cvy_err cvy_database_add(cvy_database *db, int32_t input, cvy_database_entry entry, const uint8_t *value,
                         size_t bytes) {
  cvy_database_entry *e = new_entry(db);
  *e = entry;
  e->input = input;
  e->number = (int32_t)db->listed++;
  e->label = -1;
  if (db->listed % 16384 == 0) cvy_progress("%s: %" PRId64 " records listed", db->paths[input], db->listed);
  const cvy_err err = take_record(e, db, value, bytes);
  if (!err) return CVY_OK;
  name_record(db, e);
  if (err != CVY_E_INPUT || db->refused) return cvy_error_in(err, "%s", db->common.delivery.name);
  if (db->bad++ == 0)
    db->complaint = cvy_pool_format(db->common.pool, "%s: %s", db->common.delivery.name, cvy_err_message());
  return db->bad == db->listed && db->bad == FIRST_RECORDS ? none_makes_sense(db) : CVY_OK;
}

static cvy_err list_all(cvy_database *db) {
  for (int32_t i = 0; i < db->path_count; i++) {
    db->listed = db->bad = 0;
    CVY_TRY(db->kind->list(db, i));
    if (db->listed > 0 && db->bad == db->listed) return none_makes_sense(db);
  }
  cvy_progress_end();
  if (db->count == 0) return cvy_error(CVY_E_INPUT, "%s: no record in it", db->paths[0]);
  return CVY_OK;
}

/* ---- files of a folder ---- */

/* Finds the databases in a folder, in byte order of their names. */
static cvy_err list_folder(const char ***out, int64_t *count, cvy_pool *pool, const char *path,
                           const cvy_database_kind *kind) {
  DIR *dir = opendir(path);
  int64_t capacity = 0;
  *out = NULL;
  *count = 0;
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: cannot read: %s", path, strerror(errno));
  for (const struct dirent *entry; (entry = readdir(dir));) {
    const char *file = cvy_pool_format(pool, "%s/%s", path, entry->d_name);
    if (entry->d_name[0] == '.' || !kind->is_one(pool, file)) continue;
    if (*count == capacity) {
      capacity = 2 * capacity + 16;
      const char **more = cvy_pool_new(pool, sizeof *more * (size_t)capacity);
      if (*count > 0) memcpy(more, *out, sizeof *more * (size_t)*count);
      *out = more;
    }
    (*out)[(*count)++] = file;
  }
  closedir(dir);
  cvy_sort_by_text(*out, *count, sizeof **out);
  return cvy_check_folder_whole(*out, *count);
}

cvy_err cvy_database_find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path,
                                 const cvy_database_kind *kind) {
  const char **files;
  int64_t n;
  *count = 0;
  if (!cvy_is_folder(path) || kind->is_one(pool, path)) return CVY_OK;
  CVY_TRY(list_folder(&files, &n, pool, path, kind));
  cvy_splits_of_files(out, count, pool, files, n);
  return CVY_OK;
}

/* ---- opening ---- */

static void add_names(cvy_database *db, const char *const *files, int64_t count, const char *behind) {
  const int64_t had = db->path_count, all = had + count;
  const char **paths = cvy_pool_new(db->common.pool, 2 * sizeof *paths * (size_t)all),
             **prefixes = paths + all;
  if (had > 0) memcpy(paths, db->paths, sizeof *paths * (size_t)had);
  if (had > 0) memcpy(prefixes, db->prefixes, sizeof *prefixes * (size_t)had);
  for (int64_t i = 0; i < count; i++) {
    paths[had + i] = cvy_pool_format(db->common.pool, "%s", files[i]);
    prefixes[had + i] = cvy_pool_format(db->common.pool, "%s%s", files[i], behind);
  }
  db->paths = paths;
  db->prefixes = prefixes;
  db->path_count = all;
}

/* Adds the input, or the files in it where it is a folder of them. */
static cvy_err add_paths(cvy_database *db, const char *input) {
  const char **files;
  int64_t n = 1;
  const bool whole = !cvy_is_folder(input) ||
                     (db->kind->is_folder && db->kind->is_one(db->common.pool, input));
  if (whole)
    files = &input;
  else
    CVY_TRY(list_folder(&files, &n, db->common.pool, input, db->kind));
  if (n == 0 || (db->kind->is_folder && !whole))
    return cvy_error(CVY_E_INPUT, "%s: %s%s%s; expected %s", input,
                     n > 0 ? "a folder of several, such as " : "", n > 0 ? files[0] : "none in this folder",
                     n > 0 ? ", of which one is an input" : "", db->kind->what);
  add_names(db, files, n, whole && cvy_is_folder(input) ? "/" : ": ");
  return CVY_OK;
}

static cvy_err read_raw_size(cvy_database *db) {
  const char *text = db->config->raw;
  long long w, h, c;
  char rest;
  if (!text || !text[0]) return CVY_OK;
  if (sscanf(text, "%lldx%lldx%lld%c", &w, &h, &c, &rest) != 3 || h < 1 || w < 1 || c < 1 || h > 65536 ||
      w > 65536 || c > 4)
    return cvy_error(CVY_E_USAGE, "--raw %s: expected WIDTHxHEIGHTxCHANNELS, such as 32x32x3", text);
  db->raw[0] = h;
  db->raw[1] = w;
  db->raw[2] = c;
  return CVY_OK;
}

/* Refuses a label that is hardly a class. */
static cvy_err check_labels(const cvy_database *db) {
  const char **texts = cvy_pool_new(db->common.pool, sizeof *texts * (size_t)(db->labels.count + 1));
  int64_t which = 0, i = 0;
  for (int64_t k = 0; k < db->labels.count; k++) texts[k] = db->labels.items[k].text;
  const char *doubt = cvy_classes_doubt(&which, texts, db->labels.count);
  if (!doubt) return CVY_OK;
  while (i + 1 < db->count && db->entries[i].label != db->labels.items[which].id) i++;
  return cvy_error(CVY_E_INPUT, "%s: record %d: label '%s' %s", db->paths[db->entries[i].input],
                   (int)db->entries[i].number, texts[which], doubt);
}

static cvy_err number_classes(cvy_source *out, cvy_database *db) {
  CVY_TRY(check_labels(db));
  const cvy_label_classes classes = cvy_labels_classes(db->common.pool, &db->labels, db->config->encoding);
  for (int64_t i = 0; i < db->count; i++)
    if (db->entries[i].label >= 0) db->entries[i].label = classes.class_of[db->entries[i].label];
  out->class_count = classes.count;
  out->class_names = classes.names;
  return CVY_OK;
}

/* Decides how many channels are delivered, and of which size. */
static cvy_err choose_form(cvy_source *out, cvy_database *db) {
  const bool samples_only = db->file_count == 0;
  const int colour = db->config->colour;
  const int64_t own = samples_only && !db->channels_vary ? db->first.c : 3;
  out->c = colour == 0 ? own : colour == 1 ? 3 : 1;
  if (out->h == 0 && samples_only && !db->sizes_vary) {
    out->h = db->first.h;
    out->w = db->first.w;
  }
  if (db->odd_channels && (db->channels_vary || out->c != db->first.c || out->h == 0))
    return cvy_error(CVY_E_INPUT,
                     "%s: samples of %" PRId64
                     " channels, which stay as they are only where all pictures are alike, and with "
                     "--size WIDTHxHEIGHT if their sizes are not",
                     db->paths[0], db->first.c);
  db->common.delivery.h = out->h;
  db->common.delivery.w = out->w;
  db->common.delivery.c = out->c;
  return CVY_OK;
}

static cvy_err open_state(cvy_source *out, const char *const *inputs, int64_t input_count) {
  cvy_database *db = out->state;
  if (input_count == 0)
    return cvy_error(CVY_E_USAGE, "%s: which? an input is %s", db->kind->name, db->kind->what);
  CVY_TRY(read_raw_size(db));
  for (int64_t i = 0; i < input_count; i++) CVY_TRY(add_paths(db, inputs[i]));
  db->opened = cvy_pool_new(db->common.pool, sizeof *db->opened * (size_t)db->path_count);
  CVY_TRY(list_all(db));
  out->count = db->count;
  for (int64_t i = 0; i < db->count; i++) out->encoded_bytes += (int64_t)db->entries[i].value_bytes;
  CVY_TRY(number_classes(out, db));
  return choose_form(out, db);
}

cvy_err cvy_database_open(cvy_source *out, const cvy_database_kind *kind, const void *config,
                          const char *const *inputs, int64_t input_count, int64_t h, int64_t w) {
  cvy_database *db = cvy_pictures_begin(out, sizeof *db, 0, h, w);
  db->kind = kind;
  db->config = config;
  out->encoding = db->config->encoding;
  return cvy_pictures_opened(out, open_state(out, inputs, input_count), cvy_database_close);
}

void cvy_database_close(cvy_source *source) {
  cvy_database *db = source->state;
  for (int64_t i = 0; i < db->path_count && db->opened && !db->common.borrows; i++)
    if (db->opened[i]) db->kind->close(db->opened[i]);
  cvy_bytes_free(&db->value);
  cvy_bytes_free(&db->samples);
  cvy_bytes_free(&db->texts);
  cvy_held_work_free(&db->work);
  cvy_pictures_end(source);
}

void cvy_database_again(cvy_source *out, const cvy_source *first) {
  cvy_pictures_share(out, first, sizeof(cvy_database));
  cvy_database *db = out->state;
  db->value = db->samples = db->texts = (cvy_bytes){0};
  db->work = (cvy_held_work){0};
}

/* ---- reading ---- */

static cvy_err look_at(cvy_value *out, cvy_database *db, const cvy_database_entry *e) {
  const uint8_t *value = e->value;
  size_t bytes = e->value_bytes;
  if (db->kind->fetch) CVY_TRY(db->kind->fetch(&value, &bytes, db, e));
  if (db->kind->verify) CVY_TRY(db->kind->verify(e));
  return db->kind->look(out, db, value, bytes);
}

cvy_err cvy_database_read(cvy_record *out, cvy_source *source, int64_t index) {
  cvy_database *db = source->state;
  const cvy_database_entry *e = &db->entries[index];
  cvy_value value = {0};
  name_record(db, e);
  *out = (cvy_record){.label = e->label < 0 ? 0 : e->label, .name = db->common.delivery.name};
  CVY_TRY_IN(look_at(&value, db, e), "%s", out->name);
  if (e->label < 0) return cvy_error(CVY_E_INPUT, "%s: made no sense when it was listed", out->name);
  if (value.file_name) name_file(db, e, value.file_name);
  return cvy_held_deliver(out, &db->common.delivery, &db->work, source, &value.picture);
}

bool cvy_database_head(void *out, size_t count, const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  const ssize_t got = pread(fd, out, count, 0);
  close(fd);
  return got == (ssize_t)count;
}
