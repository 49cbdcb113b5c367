/* Writes and reads lines of metrics.jsonl by one table of fields. */
#include "train/metrics.h"

#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(cvy_metrics, name)

/* Digits are those of cvy_json_number for a double; 0 marks an int64_t. */
static const struct {
  const char *key;
  size_t offset;
  int digits;
} fields[CVY_METRICS] = {
    [CVY_METRIC_STEP] = {"step", FIELD(step), 0},
    [CVY_METRIC_EPOCH] = {"epoch", FIELD(epoch), 17},
    [CVY_METRIC_LOSS] = {"loss", FIELD(loss), 17},
    [CVY_METRIC_TOP1] = {"top1", FIELD(top1), 17},
    [CVY_METRIC_RATE] = {"rate", FIELD(rate), 17},
    [CVY_METRIC_SKIPPED] = {"skipped", FIELD(skipped), 0},
    [CVY_METRIC_IMAGES_PER_S] = {"img_s", FIELD(images_per_s), 5},
    [CVY_METRIC_WAITED_S] = {"waited_s", FIELD(waited_s), 4},
    [CVY_METRIC_EXPOSED_S] = {"exposed_s", FIELD(exposed_s), 4},
    [CVY_METRIC_TRAIN_LOSS] = {"train_loss", FIELD(train_loss), 17},
    [CVY_METRIC_TRAIN_TOP1] = {"train_top1", FIELD(train_top1), 17},
    [CVY_METRIC_VAL_LOSS] = {"val_loss", FIELD(val_loss), 17},
    [CVY_METRIC_VAL_TOP1] = {"val_top1", FIELD(val_top1), 17},
    [CVY_METRIC_VAL_TOP5] = {"val_top5", FIELD(val_top5), 17},
    [CVY_METRIC_VAL_SKIPPED] = {"val_skipped", FIELD(val_skipped), 0},
    [CVY_METRIC_EMA_LOSS] = {"ema_loss", FIELD(ema_loss), 17},
    [CVY_METRIC_EMA_TOP1] = {"ema_top1", FIELD(ema_top1), 17},
    [CVY_METRIC_EMA_TOP5] = {"ema_top5", FIELD(ema_top5), 17},
    [CVY_METRIC_ROLL_BACKS] = {"roll_backs", FIELD(roll_backs), 0},
    [CVY_METRIC_DIVERGED_AT] = {"diverged_at", FIELD(diverged_at), 0},
};

/* ---- writing ---- */

cvy_metrics cvy_metrics_line(int64_t step, double epoch, const cvy_metric *further, int64_t count) {
  cvy_metrics line = {.step = step, .epoch = epoch};
  line.has[CVY_METRIC_STEP] = line.has[CVY_METRIC_EPOCH] = true;
  for (int64_t i = 0; i < count; i++) line.has[further[i]] = true;
  return line;
}

static void write_field(cvy_json *json, const cvy_metrics *line, int64_t field) {
  const char *value = (const char *)line + fields[field].offset;
  int64_t whole;
  double number;
  if (fields[field].digits == 0) {
    memcpy(&whole, value, sizeof whole);
    cvy_json_int(json, fields[field].key, whole);
  } else {
    memcpy(&number, value, sizeof number);
    cvy_json_number(json, fields[field].key, number, fields[field].digits);
  }
}

bool cvy_metrics_write(FILE *out, const cvy_metrics *line) {
  cvy_json json = {.out = out};
  cvy_json_open(&json, NULL, '{');
  for (int64_t i = 0; i < CVY_METRICS; i++)
    if (line->has[i]) write_field(&json, line, i);
  cvy_json_close(&json, '}');
  return fputc('\n', out) != EOF && !ferror(out);
}

/* ---- reading ---- */

/* The part of a line that is still to be read; NULL once something was not as JSON wants it. */
typedef const char *rest;

static rest skip_space(rest at) {
  while (at && (*at == ' ' || *at == '\t')) at++;
  return at;
}

static rest expect(rest at, char c) {
  at = skip_space(at);
  return at && *at == c ? at + 1 : NULL;
}

/* Passes over a text in quotes, whose characters are those from *begin to the quote before the result. */
static rest skip_text(rest at, const char **begin) {
  *begin = at = expect(at, '"');
  if (!at) return NULL;
  for (; *at != '"'; at++) {
    if (*at == '\\') at++;
    if (*at == '\0') return NULL;
  }
  return at + 1;
}

/* Passes over brackets with all that they hold. */
static rest skip_brackets(rest at) {
  const char *text;
  int64_t depth = 0;
  do {
    if (*at == '\0') return NULL;
    if (*at == '"') {
      if (!(at = skip_text(at, &text))) return NULL;
      continue;
    }
    depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    at++;
  } while (depth > 0);
  return at;
}

/* Passes over any value. */
static rest skip_value(rest at) {
  const char *text;
  at = skip_space(at);
  if (!at || *at == '\0') return NULL;
  if (*at == '"') return skip_text(at, &text);
  if (*at == '{' || *at == '[') return skip_brackets(at);
  const size_t length = strcspn(at, ",}] \t\n");
  return length ? at + length : NULL;
}

static int64_t find_field(const char *key, const char *quote) {
  const size_t length = (size_t)(quote - key);
  for (int64_t i = 0; i < CVY_METRICS; i++)
    if (strlen(fields[i].key) == length && memcmp(fields[i].key, key, length) == 0) return i;
  return -1;
}

/* Sets a known field. Its value is a number, or the null that stands for one that is none. */
static bool set_field(cvy_metrics *line, int64_t field, const char *text, const char *end) {
  char *value = (char *)line + fields[field].offset, *parsed;
  const bool is_null = end - text == 4 && memcmp(text, "null", 4) == 0;
  if (!is_null && *text != '-' && !isdigit((unsigned char)*text)) return false;
  if (fields[field].digits == 0) {
    const int64_t whole = strtoll(text, &parsed, 10);
    memcpy(value, &whole, sizeof whole);
  } else {
    const double number = is_null ? NAN : strtod(text, &parsed);
    if (is_null) parsed = (char *)end;
    memcpy(value, &number, sizeof number);
  }
  line->has[field] = true;
  return parsed == end;
}

static rest read_item(cvy_metrics *line, rest at) {
  const char *key, *quote;
  if (!(at = skip_text(at, &key))) return NULL;
  quote = at - 1;
  const rest value = skip_space(expect(at, ':'));
  at = skip_value(value);
  const int64_t field = find_field(key, quote);
  return !at || field < 0 || set_field(line, field, value, at) ? at : NULL;
}

static bool read_line(cvy_metrics *out, const char *text) {
  *out = (cvy_metrics){0};
  rest at = expect(text, '{');
  do at = read_item(out, at);
  while (at && *(at = skip_space(at)) == ',' && at++);
  at = expect(at, '}');
  return at && strcmp(at, "\n") == 0 && out->has[CVY_METRIC_STEP];
}

bool cvy_metrics_next(cvy_metrics *out, FILE *file) {
  char text[4096];
  return fgets(text, sizeof text, file) && read_line(out, text);
}
