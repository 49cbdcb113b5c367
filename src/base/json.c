/* JSON as it is written: commas, quotes, and null for numbers that it has no word for. */
#include "base/json.h"

#include <math.h>

static void quote(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      fputc(*c, out);
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
