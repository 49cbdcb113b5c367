/* Reads LevelDB, a folder of sorted tables, with Caffe's Datums as values.
 *
 * LevelDB has no way to open a database without writing into its folder: a lock, a log, a new list of tables,
 * and later tables that it makes of others. So it is given a folder of its own in $TMPDIR, of links to the
 * database's files, and the database stays as it is, on read-only file systems too. What LevelDB writes at
 * its opening is small. Only files that belong to the database are linked. A table that a killed process has
 * left is not: LevelDB may give its own first table that name, and write through the link. Nor may LevelDB
 * rewrite tables, which takes time and room. So folders take the names of the tables that it would write
 * next; it then gives up rewriting, and goes on reading. */
#define _DEFAULT_SOURCE /* realpath */
#include "datasets/datum.h"
#include "datasets/leveldb_tables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <leveldb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  OPEN_TABLES = 200,
  NAMES_TAKEN = 256 /* more than LevelDB gives away between its opening and the taking */
};

typedef struct opened {
  leveldb_t *db;
  leveldb_options_t *options;
  leveldb_readoptions_t *reading;
  leveldb_cache_t *cache;
  char *folder; /* of links; NULL: not made yet */
} opened;

static bool is_one(cvy_pool *pool, const char *path) {
  char head[9];
  return cvy_is_folder(path) &&
         cvy_database_head(head, sizeof head, cvy_pool_format(pool, "%s/CURRENT", path)) &&
         memcmp(head, "MANIFEST-", sizeof head) == 0;
}

/* ---- the folder of links ---- */

/* The belongings are the files of a database that are linked: the list of its tables, and the tables on it.
 * CURRENT and all logs are linked too. */
typedef struct belongings {
  char *manifest; /* MANIFEST-000002 */
  cvy_leveldb_tables tables;
} belongings;

static cvy_err find_belongings(belongings *out, cvy_pool *pool, const char *path) {
  cvy_bytes file = {0};
  cvy_err err = cvy_bytes_read(&file, cvy_pool_format(pool, "%s/CURRENT", path));
  if (!err) {
    const char *name = cvy_pool_format(pool, "%.*s", (int)file.count, (const char *)file.data);
    out->manifest = cvy_pool_format(pool, "%.*s", (int)strcspn(name, "\n"), name);
    if (strchr(out->manifest, '/'))
      err = cvy_error(CVY_E_INPUT, "%s: CURRENT names '%s'; expected a file beside it", path, out->manifest);
  }
  if (!err) err = cvy_bytes_read(&file, cvy_pool_format(pool, "%s/%s", path, out->manifest));
  if (!err && !cvy_leveldb_tables_read(&out->tables, pool, file.data, file.count))
    err = cvy_error(CVY_E_INPUT, "%s: its list of tables, %s, is damaged", path, out->manifest);
  cvy_bytes_free(&file);
  return err;
}

static bool belongs(const belongings *b, const char *name) {
  char *end;
  const unsigned long long number = strtoull(name, &end, 10);
  if (strcmp(name, "CURRENT") == 0 || strcmp(name, b->manifest) == 0) return true;
  if (end == name) return false;
  if (strcmp(end, ".log") == 0) return true;
  return (strcmp(end, ".ldb") == 0 || strcmp(end, ".sst") == 0) &&
         cvy_leveldb_tables_have(&b->tables, number);
}

static cvy_err link_file(const char *from, const char *folder, const char *name) {
  char *target = cvy_format("%s/%s", from, name), *link = cvy_format("%s/%s", folder, name);
  const int code = symlink(target, link);
  cvy_err err = CVY_OK;
  if (code != 0) err = cvy_error(CVY_E_SYSTEM, "%s: cannot make a link there: %s", link, strerror(errno));
  free(target);
  free(link);
  return err;
}

static cvy_err link_files(const char *from, const char *folder, const belongings *b) {
  DIR *dir = opendir(from);
  if (!dir) return cvy_error(CVY_E_INPUT, "%s: cannot read: %s", from, strerror(errno));
  cvy_err err = CVY_OK;
  for (const struct dirent *entry; !err && (entry = readdir(dir));)
    if (belongs(b, entry->d_name)) err = link_file(from, folder, entry->d_name);
  closedir(dir);
  return err;
}

static cvy_err make_folder(opened *o, cvy_pool *pool, const char *path) {
  belongings b = {0};
  CVY_TRY(find_belongings(&b, pool, path));
  const char *base = getenv("TMPDIR");
  char *from = realpath(path, NULL);
  if (!from) return cvy_error(CVY_E_INPUT, "%s: cannot read: %s", path, strerror(errno));
  char *folder = cvy_format("%s/convoy-leveldb-XXXXXX", base && base[0] ? base : "/tmp");
  cvy_err err;
  if (mkdtemp(folder)) {
    o->folder = folder;
    err = link_files(from, folder, &b);
  } else {
    err = cvy_error(CVY_E_SYSTEM, "%s: cannot make a folder for links to %s: %s (TMPDIR names another place)",
                    folder, path, strerror(errno));
    free(folder);
  }
  free(from);
  return err;
}

/* Removes the folder with the links, LevelDB's own files, and the folders in place of tables. */
static void remove_folder(const char *folder) {
  DIR *dir = opendir(folder);
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      const int fd = dirfd(dir);
      if (unlinkat(fd, entry->d_name, 0) != 0) unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
  if (dir) closedir(dir);
  rmdir(folder);
}

/* Makes folders that take the names of the tables that come next. */
static void take_names(const char *folder) {
  unsigned long long last = 0;
  DIR *dir = opendir(folder);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    const bool is_manifest = strncmp(entry->d_name, "MANIFEST-", 9) == 0;
    const unsigned long long number = strtoull(entry->d_name + (is_manifest ? 9 : 0), NULL, 10);
    if (number > last) last = number;
  }
  if (dir) closedir(dir);
  for (unsigned long long i = 1; i <= NAMES_TAKEN; i++) {
    char *name = cvy_format("%s/%06llu.ldb", folder, last + i);
    mkdir(name, 0700);
    free(name);
  }
}

/* ---- opening ---- */

static cvy_err failed(const char *path, char *message) {
  const cvy_err err = cvy_error(CVY_E_INPUT, "%s: cannot read it as LevelDB: %s", path, message);
  leveldb_free(message);
  return err;
}

/* Refuses a database that a process has open, for that may remove tables at any time. */
static cvy_err check_unlocked(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  char *name = cvy_format("%s/LOCK", path);
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  free(name);
  if (fd < 0) return CVY_OK;
  const bool locked = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(fd);
  if (!locked) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: process %ld has it open, and may change it; end that first", path,
                   (long)lock.l_pid);
}

static void close_db(void *opened_) {
  opened *o = opened_;
  if (o->db) leveldb_close(o->db);
  if (o->reading) leveldb_readoptions_destroy(o->reading);
  if (o->options) leveldb_options_destroy(o->options);
  if (o->cache) leveldb_cache_destroy(o->cache);
  if (o->folder) remove_folder(o->folder);
  free(o->folder);
  free(o);
}

static cvy_err open_db(opened *o, cvy_pool *pool, const char *path) {
  char *message = NULL;
  if (!is_one(pool, path))
    return cvy_error(CVY_E_INPUT, "%s: no LevelDB (a folder with CURRENT, a MANIFEST and tables)", path);
  CVY_TRY(check_unlocked(path));
  CVY_TRY(make_folder(o, pool, path));
  o->cache = leveldb_cache_create_lru(8 << 20);
  o->options = leveldb_options_create();
  leveldb_options_set_cache(o->options, o->cache);
  leveldb_options_set_max_open_files(o->options, OPEN_TABLES);
  o->db = leveldb_open(o->options, o->folder, &message);
  if (message) return failed(path, message);
  take_names(o->folder);
  o->reading = leveldb_readoptions_create();
  leveldb_readoptions_set_verify_checksums(o->reading, 1);
  return CVY_OK;
}

/* ---- records ---- */

static cvy_err add_record(cvy_database *db, int32_t input, const leveldb_iterator_t *at) {
  size_t key_bytes, value_bytes;
  const char *key = leveldb_iter_key(at, &key_bytes), *value = leveldb_iter_value(at, &value_bytes);
  void *copy = cvy_pool_new(db->common.pool, key_bytes + 1);
  memcpy(copy, key, key_bytes);
  const cvy_database_entry entry = {.key = copy, .key_bytes = key_bytes, .value_bytes = value_bytes};
  return cvy_database_add(db, input, entry, (const uint8_t *)value, value_bytes);
}

static cvy_err add_records(cvy_database *db, int32_t input, leveldb_iterator_t *at) {
  char *message = NULL;
  for (leveldb_iter_seek_to_first(at); leveldb_iter_valid(at); leveldb_iter_next(at))
    CVY_TRY(add_record(db, input, at));
  leveldb_iter_get_error(at, &message);
  return message ? failed(db->paths[input], message) : CVY_OK;
}

static cvy_err list(cvy_database *db, int32_t input) {
  opened *o = cvy_new(sizeof *o);
  db->opened[input] = o;
  CVY_TRY(open_db(o, db->common.pool, db->paths[input]));
  leveldb_readoptions_set_fill_cache(o->reading, 0);
  leveldb_iterator_t *at = leveldb_create_iterator(o->db, o->reading);
  const cvy_err err = add_records(db, input, at);
  leveldb_iter_destroy(at);
  leveldb_readoptions_set_fill_cache(o->reading, 1); /* records of one block are read one after the other */
  return err;
}

static cvy_err fetch(const uint8_t **value, size_t *bytes, cvy_database *db, const cvy_database_entry *e) {
  const opened *o = db->opened[e->input];
  char *message = NULL;
  char *found = leveldb_get(o->db, o->reading, e->key, e->key_bytes, bytes, &message);
  if (message) {
    const cvy_err err = cvy_error(CVY_E_INPUT, "%s", message);
    leveldb_free(message);
    return err;
  }
  if (!found) return cvy_error(CVY_E_RUN, "it is gone; the database was changed while it was read");
  const cvy_err err = cvy_bytes_reserve(&db->value, *bytes + 1, "a value");
  if (!err) memcpy(db->value.data, found, *bytes);
  leveldb_free(found);
  *value = db->value.data;
  return err;
}

static const cvy_database_kind kind = {
    .name = "leveldb",
    .what = "a LevelDB with Caffe's Datums: its folder",
    .is_folder = true,
    .is_one = is_one,
    .list = list,
    .look = cvy_datum_look,
    .fetch = fetch,
    .close = close_db,
};

/* ---- the reader ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_database_find_splits(out, count, pool, path, &kind);
}

static cvy_err open_leveldb(cvy_source *out, const void *config, const char *const *inputs,
                            int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  (void)seed;
  return cvy_database_open(out, &kind, config, inputs, input_count, h, w);
}

const cvy_reader cvy_reader_leveldb = {
    .kind = &(const cvy_kind){"leveldb", "Caffe's LevelDB of Datums: its folder", cvy_datum_options,
                              sizeof(cvy_database_config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_leveldb,
    .read = cvy_database_read,
    .close = cvy_database_close,
    .again = cvy_database_again,
};
