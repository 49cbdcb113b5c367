/* What the values of enumerations are called. */
#include "file/h5_call.h"

#include <stdlib.h>

typedef struct member {
  int64_t value;
  char *name;
} member;

static int by_value(const void *a, const void *b) {
  const member *x = a, *y = b;
  return (x->value > y->value) - (x->value < y->value);
}

/* Reads member `index`, whatever whole number its type is. */
static cvy_err read_member(member *out, cvy_h5_call *c, hid_t type, hid_t base, unsigned index,
                           cvy_pool *pool) {
  union {
    unsigned char bytes[64];
    int64_t value;
  } held = {{0}};
  char *name = H5Tget_member_name(type, index);
  if (name) out->name = cvy_pool_format(pool, "%s", name);
  H5free_memory(name);
  const bool good = name && H5Tget_size(base) <= sizeof held &&
                    H5Tget_member_value(type, index, &held) >= 0 &&
                    H5Tconvert(base, H5T_NATIVE_INT64, 1, &held, NULL, H5P_DEFAULT) >= 0;
  H5_TRY(c, good, "cannot read its enumeration");
  out->value = held.value;
  return CVY_OK;
}

static cvy_err read_members(cvy_h5_call *c, char ***names, int64_t **values, int64_t *count, cvy_pool *pool) {
  *count = 0;
  const hid_t dataset = cvy_h5_keep(c, H5Dopen2(c->file->id, c->name, H5P_DEFAULT));
  H5_TRY(c, dataset >= 0, "cannot open");
  const hid_t type = cvy_h5_keep(c, H5Dget_type(dataset));
  if (type < 0 || H5Tget_class(type) != H5T_ENUM) return CVY_OK;
  const hid_t base = cvy_h5_keep(c, H5Tget_super(type));
  const int members = H5Tget_nmembers(type);
  H5_TRY(c, base >= 0 && members >= 0, "cannot read its enumeration");
  member *all = cvy_pool_new(pool, sizeof *all * (size_t)(members + 1));
  for (int i = 0; i < members; i++) CVY_TRY(read_member(&all[i], c, type, base, (unsigned)i, pool));
  qsort(all, (size_t)members, sizeof *all, by_value);
  *names = cvy_pool_new(pool, sizeof **names * (size_t)(members + 1));
  *values = cvy_pool_new(pool, sizeof **values * (size_t)(members + 1));
  for (int i = 0; i < members; i++) {
    (*names)[i] = all[i].name;
    (*values)[i] = all[i].value;
  }
  *count = members;
  return CVY_OK;
}

cvy_err cvy_h5_members(cvy_h5 *file, const char *name, char ***names, int64_t **values, int64_t *count,
                       cvy_pool *pool) {
  cvy_h5_call c = cvy_h5_enter(file, name);
  return cvy_h5_leave(&c, read_members(&c, names, values, count, pool));
}
