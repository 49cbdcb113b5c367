/* Texts of fixed and of variable length. We write fixed ones; other programs' files have both. */
#include "file/h5_texts.h"

#include <stdlib.h>
#include <string.h>

hid_t cvy_h5_text_type(cvy_h5_call *c, size_t bytes) {
  const hid_t type = cvy_h5_keep(c, H5Tcopy(H5T_C_S1));
  const bool good = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
                    H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
  return good ? type : H5I_INVALID_HID;
}

cvy_err cvy_h5_unpadded(char **out, const cvy_h5_call *c, int64_t index, const char *text, size_t width,
                        H5T_str_t padding, cvy_pool *pool) {
  size_t length = padding == H5T_STR_NULLTERM ? strnlen(text, width) : width;
  while (length > 0 && (!text[length - 1] || (padding == H5T_STR_SPACEPAD && text[length - 1] == ' ')))
    length--;
  if (strnlen(text, length) < length)
    return cvy_error(CVY_E_INPUT,
                     "%s: dataset '%s': text %" PRId64 " has a zero byte within; zeros may only end a text",
                     c->file->path, c->name, index);
  *out = cvy_pool_format(pool, "%.*s", (int)length, text);
  return CVY_OK;
}

cvy_err cvy_h5_read_block(cvy_h5_call *c, cvy_h5_text_reader read, hid_t from, hid_t type, hid_t space,
                          char **texts, int64_t count, cvy_pool *pool) {
  const bool varies = H5Tis_variable_str(type) > 0;
  const size_t width = varies ? sizeof(char *) : H5Tget_size(type);
  const hid_t memory_type = cvy_h5_keep(c, H5Tcopy(type));
  if (varies) CVY_TRY(cvy_h5_check_heaps(c));
  H5_TRY(c, memory_type >= 0 && width > 0 && width <= INT_MAX, "cannot read its texts");
  char *block = calloc((size_t)count + 1, width);
  if (!block) return cvy_error(CVY_E_SYSTEM, "%s: out of memory for its texts", c->file->path);
  if (read(from, memory_type, block) < 0) {
    free(block);
    return cvy_h5_unreadable(c, from, "cannot read its texts");
  }
  char **pointers = (char **)(void *)block;
  cvy_err err = CVY_OK;
  for (int64_t i = 0; i < count && !err; i++)
    if (varies)
      texts[i] = cvy_pool_format(pool, "%s", pointers[i] ? pointers[i] : "");
    else
      err = cvy_h5_unpadded(&texts[i], c, i, block + width * (size_t)i, width, H5Tget_strpad(type), pool);
  if (varies) H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, block);
  free(block);
  return err;
}
