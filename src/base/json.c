/* JSON as it is written: commas, quotes, and null for numbers that it has no word for. */
#include "base/json.h"

#include "base/utf8.h"

#include <math.h>

static void quote_byte(FILE *out, unsigned char byte) {
  if (byte == '"' || byte == '\\')
    fprintf(out, "\\%c", byte);
  else if (byte < 0x20 || byte == 0x7f)
    fprintf(out, "\\u%04x", byte);
  else
    fputc(byte, out);
}

/* JSON is UTF-8: a byte that is not becomes the escape of base/utf8.h, whose backslash JSON doubles. */
static void quote(FILE *out, const char *text) {
  fputc('"', out);
  while (*text) {
    uint32_t letter;
    const size_t length = cvy_utf8_next(&letter, text);
    if (length == 0) fprintf(out, "\\\\x%02X", (unsigned char)*text++);
    for (size_t i = 0; i < length; i++) quote_byte(out, (unsigned char)*text++);
  }
  fputc('"', out);
}

static void begin_item(cvy_json *json, const char *key) {
  if (json->comma) fputs(", ", json->out);
  json->comma = true;
  if (!key) return;
  quote(json->out, key);
  fputs(": ", json->out);
}

void cvy_json_open(cvy_json *json, const char *key, char bracket) {
  begin_item(json, key);
  fputc(bracket, json->out);
  json->comma = false;
}

void cvy_json_close(cvy_json *json, char bracket) {
  fputc(bracket, json->out);
  json->comma = true;
}

void cvy_json_text(cvy_json *json, const char *key, const char *value) {
  begin_item(json, key);
  quote(json->out, value);
}

void cvy_json_int(cvy_json *json, const char *key, int64_t value) {
  begin_item(json, key);
  fprintf(json->out, "%" PRId64, value);
}

void cvy_json_number(cvy_json *json, const char *key, double value, int significant_digits) {
  begin_item(json, key);
  if (isfinite(value))
    fprintf(json->out, "%.*g", significant_digits, value);
  else
    fputs("null", json->out);
}

void cvy_json_null(cvy_json *json, const char *key) {
  begin_item(json, key);
  fputs("null", json->out);
}
