/* Checked values. ISA-L's CRC-32 runs at the speed of memory, so reading a record costs little more than a
 * copy. */
#include "file/checked.h"

#include <isa-l/crc.h>
#include <string.h>

static const char attribute[] = "checksum";

uint32_t cvy_checked_sum(const void *bytes, size_t byte_count) {
  return crc32_gzip_refl(0, bytes, byte_count);
}

uint32_t cvy_checked_sum_of_texts(const char *const *texts, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum = crc32_gzip_refl(sum, (const unsigned char *)texts[i], strlen(texts[i]) + 1);
  return sum;
}

/* ---- writing ---- */

cvy_err cvy_checked_write(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values, int dim_count,
                          const int64_t dims[]) {
  size_t bytes = cvy_h5_type_bytes(type);
  for (int i = 0; i < dim_count; i++) bytes *= (size_t)dims[i];
  CVY_TRY(cvy_h5_write(file, name, type, values, dim_count, dims));
  return cvy_h5_write_attr_i64(file, name, attribute, cvy_checked_sum(values, bytes));
}

cvy_err cvy_checked_write_list(cvy_h5 *file, const char *name, cvy_h5_type type, const void *values,
                               int64_t count) {
  return cvy_checked_write(file, name, type, values, 1, &count);
}

cvy_err cvy_checked_write_texts(cvy_h5 *file, const char *name, const char *const *texts, int64_t count) {
  CVY_TRY(cvy_h5_write_texts(file, name, texts, count));
  return cvy_h5_write_attr_i64(file, name, attribute, cvy_checked_sum_of_texts(texts, count));
}

/* ---- reading ---- */

static cvy_err check(cvy_h5 *file, const char *name, uint32_t found) {
  int64_t expected;
  CVY_TRY(cvy_h5_read_attr_i64(file, name, attribute, &expected));
  if (found == expected) return CVY_OK;
  return cvy_error(CVY_E_INPUT,
                   "%s: dataset '%s': checksum %08" PRIx64 " does not match %08" PRIx64
                   "; the file is damaged",
                   cvy_h5_path(file), name, (uint64_t)found, (uint64_t)expected);
}

cvy_err cvy_checked_read(void *out, cvy_h5 *file, const char *name, cvy_h5_type type, int64_t count) {
  CVY_TRY(cvy_h5_read(file, name, type, out, count));
  return check(file, name, cvy_checked_sum(out, cvy_h5_type_bytes(type) * (size_t)count));
}

static cvy_err check_list(cvy_h5 *file, const char *name, int64_t count) {
  int64_t dims[CVY_H5_MAX_DIMS];
  int dim_count;
  CVY_TRY(cvy_h5_shape(file, name, dims, &dim_count));
  if (dim_count == 1 && dims[0] == count) return CVY_OK;
  return cvy_error(CVY_E_INPUT, "%s: dataset '%s' must be a list of %" PRId64 " numbers%s", cvy_h5_path(file),
                   name, count, dim_count == 1 ? "; its length differs" : "");
}

cvy_err cvy_checked_read_list(void *out, cvy_h5 *file, const char *name, cvy_h5_type type, int64_t count) {
  CVY_TRY(check_list(file, name, count));
  return cvy_checked_read(out, file, name, type, count);
}

cvy_err cvy_checked_load_list(void **out, cvy_h5 *file, const char *name, cvy_h5_type type, int64_t count) {
  void *values;
  *out = NULL;
  CVY_TRY(check_list(file, name, count));
  CVY_TRY_IN(cvy_buffer_create(&values, cvy_h5_type_bytes(type) * (size_t)count, name), "%s",
             cvy_h5_path(file));
  const cvy_err err = cvy_checked_read(values, file, name, type, count);
  if (err)
    cvy_buffer_destroy(values);
  else
    *out = values;
  return err;
}

cvy_err cvy_checked_read_texts(char ***out, int64_t *count, cvy_h5 *file, const char *name, cvy_pool *pool) {
  CVY_TRY(cvy_h5_read_texts(file, name, out, count, pool));
  return check(file, name, cvy_checked_sum_of_texts((const char *const *)*out, *count));
}
