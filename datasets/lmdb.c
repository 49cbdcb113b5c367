/* Reads LMDB, a tree of keys and values in one file that is mapped into memory, with Caffe's Datums as
 * values.
 *
 * The order of the records is that of the keys, as Caffe reads them. Values are used where they lie in the
 * map, by all threads, for as long as the transaction lives that found them. Nothing is locked, for a lock is
 * a file to be written; so a database must not change while it is read. */
#include "datasets/datum.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct opened {
  MDB_env *env;
  MDB_txn *txn;
} opened;

/* Judges by the file's first page, which begins with a head of 16 bytes and LMDB's number. */
static bool is_one(cvy_pool *pool, const char *path) {
  static const uint32_t magic = 0xBEEFC0DE;
  uint8_t head[20];
  const char *file = cvy_is_folder(path) ? cvy_pool_format(pool, "%s/data.mdb", path) : path;
  return cvy_database_head(head, sizeof head, file) && memcmp(head + 16, &magic, sizeof magic) == 0;
}

static void close_env(void *opened_) {
  opened *o = opened_;
  if (o->txn) mdb_txn_abort(o->txn);
  if (o->env) mdb_env_close(o->env);
  free(o);
}

static cvy_err failed(const char *path, int code) {
  const cvy_err err = code == ENOMEM || code == EIO ? CVY_E_SYSTEM : CVY_E_INPUT;
  return cvy_error(err, "%s: cannot read it as LMDB: %s", path, mdb_strerror(code));
}

/* Refuses a file that lacks pages, for the process would end as soon as one of these is looked at. */
static cvy_err check_whole(MDB_env *env, const char *path, int64_t file_bytes) {
  MDB_envinfo info;
  MDB_stat stat;
  if (mdb_env_info(env, &info) || mdb_env_stat(env, &stat) || stat.ms_psize == 0)
    return failed(path, MDB_INVALID);
  if (info.me_last_pgno < (size_t)file_bytes / stat.ms_psize) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: truncated: %" PRId64 " bytes, but it has pages up to number %zu, of %u bytes each"
                   " (if it is whole all the same, 'mdb_copy' writes it anew)",
                   path, file_bytes, info.me_last_pgno, stat.ms_psize);
}

static cvy_err open_env(opened *o, const char *path) {
  struct stat info;
  const bool folder = cvy_is_folder(path);
  cvy_pool *pool = cvy_pool_create();
  const char *file = folder ? cvy_pool_format(pool, "%s/data.mdb", path) : path;
  const int there = stat(file, &info);
  cvy_pool_destroy(pool);
  if (there != 0) return cvy_error(CVY_E_INPUT, "%s: no data.mdb in it, and no such file", path);
  int code = mdb_env_create(&o->env);
  if (!code) code = mdb_env_set_mapsize(o->env, (size_t)info.st_size);
  if (!code)
    code = mdb_env_open(o->env, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | (folder ? 0 : MDB_NOSUBDIR), 0);
  if (code) return failed(path, code);
  CVY_TRY(check_whole(o->env, path, (int64_t)info.st_size));
  code = mdb_txn_begin(o->env, NULL, MDB_RDONLY, &o->txn);
  return code ? failed(path, code) : CVY_OK;
}

static cvy_err add_records(cvy_database *db, int32_t input, MDB_cursor *cursor) {
  MDB_val key, value;
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; !code; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const cvy_database_entry entry = {
        .key = key.mv_data, .key_bytes = key.mv_size, .value = value.mv_data, .value_bytes = value.mv_size};
    CVY_TRY(cvy_database_add(db, input, entry, value.mv_data, value.mv_size));
  }
  return code == MDB_NOTFOUND ? CVY_OK : failed(db->paths[input], code);
}

static cvy_err list(cvy_database *db, int32_t input) {
  MDB_dbi dbi;
  MDB_cursor *cursor;
  opened *o = cvy_new(sizeof *o);
  db->opened[input] = o;
  CVY_TRY(open_env(o, db->paths[input]));
  int code = mdb_dbi_open(o->txn, NULL, 0, &dbi);
  if (!code) code = mdb_cursor_open(o->txn, dbi, &cursor);
  if (code) return failed(db->paths[input], code);
  const cvy_err err = add_records(db, input, cursor);
  mdb_cursor_close(cursor);
  return err;
}

static const cvy_database_kind kind = {
    .name = "lmdb",
    .what = "an LMDB with Caffe's Datums: its folder with data.mdb, or the file",
    .is_folder = true,
    .is_one = is_one,
    .list = list,
    .look = cvy_datum_look,
    .close = close_env,
};

/* ---- the reader ---- */

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_database_find_splits(out, count, pool, path, &kind);
}

static cvy_err open_lmdb(cvy_source *out, const void *config, const char *const *inputs, int64_t input_count,
                         int64_t h, int64_t w, uint64_t seed) {
  (void)seed;
  return cvy_database_open(out, &kind, config, inputs, input_count, h, w);
}

const cvy_reader cvy_reader_lmdb = {
    .kind = &(const cvy_kind){"lmdb", "Caffe's LMDB of Datums: its folder, or the file data.mdb",
                              cvy_datum_options, sizeof(cvy_database_config)},
    .keeps_files = true,
    .find_splits = find_splits,
    .open = open_lmdb,
    .read = cvy_database_read,
    .close = cvy_database_close,
    .again = cvy_database_again,
};
