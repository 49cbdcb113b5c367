/* A LevelDB's MANIFEST tells which tables belong to it. Processes that were killed leave others beside them.
 * */
#ifndef CVY_DATASETS_LEVELDB_TABLES_H
#define CVY_DATASETS_LEVELDB_TABLES_H

#include "base/base.h"

typedef struct cvy_leveldb_tables {
  uint64_t *numbers; /* the 121 of 000121.ldb; in no order */
  int64_t count, capacity;
} cvy_leveldb_tables;

/* Reads a MANIFEST's bytes. The result is in `pool`. Returns false if there is no edit in the bytes. Damage
 * in their midst is passed over, for LevelDB itself judges that. */
bool cvy_leveldb_tables_read(cvy_leveldb_tables *out, cvy_pool *pool, const void *manifest, size_t count);
/* Tells whether the table of this number belongs to the database. */
bool cvy_leveldb_tables_have(const cvy_leveldb_tables *tables, uint64_t number);

#endif
