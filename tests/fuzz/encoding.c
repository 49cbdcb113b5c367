/* Whatever a text holds, in whatever encoding, it is refused or becomes UTF-8. Whatever a JSON holds, its
 * field is refused or found. The first byte chooses the encoding. */
#include "fuzz.h"

#include "archive/encoding.h"
#include "archive/json_field.h"

static void decode(const char *said, const uint8_t *data, size_t size) {
  cvy_bytes text = {0}, again = {0};
  cvy_pool *pool = cvy_pool_create();
  const char *encoding = said, *utf8 = "UTF-8";
  FUZZ_CHECK(!cvy_bytes_reserve(&text, size + 1, "fuzz"));
  if (size > 0) memcpy(text.data, data, size);
  text.count = size;
  if (!cvy_text_to_utf8(&text, &encoding, "fuzz")) {
    FUZZ_CHECK(!cvy_bytes_reserve(&again, text.count + 1, "fuzz"));
    if (text.count > 0) memcpy(again.data, text.data, text.count);
    again.count = text.count;
    FUZZ_CHECK(!cvy_text_to_utf8(&again, &utf8, "fuzz"));
    char *whole = fuzz_text(text.data, text.count);
    const char *back = cvy_text_from_utf8(pool, whole, encoding);
    FUZZ_CHECK(!back || strlen(back) <= 8 * size + 16);
    free(whole);
  }
  cvy_bytes_free(&text);
  cvy_bytes_free(&again);
  cvy_pool_destroy(pool);
}

static void find_field(const uint8_t *data, size_t size) {
  static const char *const keys[] = {"label", "a.label"};
  cvy_pool *pool = cvy_pool_create();
  const char *out;
  for (int i = 0; i < 2; i++)
    if (!cvy_json_field(&out, pool, data, size, keys[i], "fuzz")) FUZZ_CHECK(!out || strlen(out) <= size);
  cvy_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const encodings[] = {"",         "utf-8",    "latin-1", "windows-1252", "utf-16",
                                          "utf-16le", "utf-32be", "gb18030", "shift_jis",    "iso-2022-jp"};
  if (size == 0) return 0;
  decode(encodings[data[0] % CVY_COUNT(encodings)], data + 1, size - 1);
  find_field(data + 1, size - 1);
  return 0;
}
