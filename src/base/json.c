/* JSON as it is written: commas, quotes, and null for numbers that it has no word for. */
#include "base/json.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void quote_byte(FILE *out, unsigned char byte) {
  if (byte == '"' || byte == '\\')
    fprintf(out, "\\%c", byte);
  else if (byte < 0x20 || byte == 0x7f)
    fprintf(out, "\\u%04x", byte);
  else
    fputc(byte, out);
}

/* Writes a text. JSON is UTF-8, so another byte becomes the escape of base/utf8.h, whose backslash JSON
 * doubles. */
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

/* Returns how many digits are needed to read the same value back: the same float, or the same double. */
static int digits_needed(double value, bool as_float) {
  char text[40];
  int digits = 0;
  do snprintf(text, sizeof text, "%.*e", digits, value);
  while (++digits < 17 && !(as_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value));
  return digits;
}

/* Writes a number with `digits` digits. It has an exponent only if it is tiny or huge. */
static void write_number(FILE *out, double value, int digits) {
  char text[40];
  snprintf(text, sizeof text, "%.*e", digits - 1, value);
  const int exponent = atoi(strchr(text, 'e') + 1), decimals = digits - 1 - exponent;
  if (exponent >= -5 && exponent < 17)
    fprintf(out, "%.*f", decimals > 0 ? decimals : 0, value);
  else
    fputs(text, out);
}

void cvy_json_number(cvy_json *json, const char *key, double value, int significant_digits) {
  const bool as_float = significant_digits == 9 && (double)(float)value == value;
  begin_item(json, key);
  if (!isfinite(value))
    fputs("null", json->out);
  else if (significant_digits >= 9)
    write_number(json->out, value, digits_needed(value, as_float));
  else
    fprintf(json->out, "%.*g", significant_digits, value);
}

void cvy_json_null(cvy_json *json, const char *key) {
  begin_item(json, key);
  fputs("null", json->out);
}
