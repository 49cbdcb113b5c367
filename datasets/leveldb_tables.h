/* Which tables belong to a LevelDB, as its MANIFEST tells. Killed processes leave others beside them. */
#ifndef CVY_DATASETS_LEVELDB_TABLES_H
#define CVY_DATASETS_LEVELDB_TABLES_H

#include "base/base.h"

typedef struct cvy_leveldb_tables {
  uint64_t *numbers; /* the 121 of 000121.ldb; in no order */
  int64_t count, capacity;
} cvy_leveldb_tables;

/* Reads a MANIFEST's bytes. The result is in `pool`. It returns false where the bytes are none; what is
 * damaged in the midst of one is passed over, for LevelDB itself judges that. */
bool cvy_leveldb_tables_read(cvy_leveldb_tables *out, cvy_pool *pool, const void *manifest, size_t count);
bool cvy_leveldb_tables_have(const cvy_leveldb_tables *tables, uint64_t number);

#endif
