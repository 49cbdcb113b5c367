/* Tests metrics.jsonl: what is written comes back, and reading ends where the file stops being whole. */
#include "suite.h"

#include "scratch.h"
#include "train/folder.h"
#include "train/metrics.h"

#include <math.h>

static const cvy_metric of_steps[] = {CVY_METRIC_LOSS,     CVY_METRIC_TOP1,         CVY_METRIC_RATE,
                                      CVY_METRIC_SKIPPED,  CVY_METRIC_IMAGES_PER_S, CVY_METRIC_WAITED_S,
                                      CVY_METRIC_EXPOSED_S};
static const cvy_metric of_validation[] = {CVY_METRIC_VAL_LOSS, CVY_METRIC_VAL_TOP1, CVY_METRIC_VAL_TOP5,
                                           CVY_METRIC_VAL_SKIPPED};

static cvy_metrics steps_line(void) {
  cvy_metrics line = cvy_metrics_line(1 << 20, 2.5, of_steps, CVY_COUNT(of_steps));
  line.loss = 0.123456789012;
  line.top1 = 0.75;
  line.rate = 1e-5;
  line.skipped = 3;
  line.images_per_s = 123456;
  line.waited_s = 0.00012345;
  line.exposed_s = 0;
  return line;
}

static cvy_metrics validation_line(void) {
  cvy_metrics line = cvy_metrics_line(7, 1, of_validation, CVY_COUNT(of_validation));
  line.val_loss = 2.25;
  line.val_top1 = 0.5;
  line.val_top5 = 1;
  line.val_skipped = 8;
  return line;
}

/* The format, to the byte. */
static const char steps_text[] =
    "{\"step\": 1048576, \"epoch\": 2.5, \"loss\": 0.123456789012, \"top1\": 0.75, \"rate\": 0.00001, "
    "\"skipped\": 3, \"img_s\": 1.2346e+05, \"waited_s\": 0.0001234, \"exposed_s\": 0}\n";
static const char validation_text[] =
    "{\"step\": 7, \"epoch\": 1, \"val_loss\": 2.25, \"val_top1\": 0.5, \"val_top5\": 1, "
    "\"val_skipped\": 8}\n";

static FILE *file_of(const char *text) {
  FILE *file = tmpfile();
  CU_ASSERT_FATAL(file && fputs(text, file) >= 0);
  rewind(file);
  return file;
}

/* Tells whether the text's first line is one of metrics. */
static bool reads(cvy_metrics *out, const char *text) {
  FILE *file = file_of(text);
  const bool whole = cvy_metrics_next(out, file);
  fclose(file);
  return whole;
}

static void check_text(const cvy_metrics *line, const char *expected) {
  char text[1024] = "";
  FILE *file = fmemopen(text, sizeof text, "w");
  CU_ASSERT(cvy_metrics_write(file, line));
  fclose(file);
  CU_ASSERT_STRING_EQUAL(text, expected);
}

static void the_format_stays(void) {
  const cvy_metrics steps = steps_line(), validation = validation_line();
  check_text(&steps, steps_text);
  check_text(&validation, validation_text);
}

static void every_field_comes_back(void) {
  cvy_metrics line;
  int64_t seen = 0;
  CU_ASSERT_FATAL(reads(&line, steps_text));
  for (int64_t i = 0; i < CVY_METRICS; i++) seen += line.has[i];
  CU_ASSERT_EQUAL(seen, 2 + CVY_COUNT(of_steps));
  CU_ASSERT_EQUAL(line.step, 1 << 20);
  CU_ASSERT_EQUAL(line.epoch, 2.5);
  CU_ASSERT_EQUAL(line.loss, 0.123456789012);
  CU_ASSERT_EQUAL(line.top1, 0.75);
  CU_ASSERT_EQUAL(line.rate, 1e-5);
  CU_ASSERT_EQUAL(line.skipped, 3);
  CU_ASSERT_EQUAL(line.images_per_s, 123460);
  CU_ASSERT_EQUAL(line.waited_s, 0.0001234);
  CU_ASSERT_EQUAL(line.exposed_s, 0);
  CU_ASSERT_FATAL(reads(&line, validation_text));
  for (int64_t i = 0; i < CVY_METRICS; i++) seen += line.has[i];
  CU_ASSERT_EQUAL(seen, 2 + CVY_COUNT(of_steps) + 2 + CVY_COUNT(of_validation));
  CU_ASSERT_EQUAL(line.step, 7);
  CU_ASSERT_EQUAL(line.val_loss, 2.25);
  CU_ASSERT_EQUAL(line.val_top1, 0.5);
  CU_ASSERT_EQUAL(line.val_top5, 1);
  CU_ASSERT_EQUAL(line.val_skipped, 8);
  CU_ASSERT_EQUAL(line.loss, 0);
}

/* JSON has no word for such numbers. */
static void numbers_that_are_none_come_back(void) {
  cvy_metrics line = validation_line();
  line.val_loss = INFINITY;
  char text[1024] = "";
  FILE *file = fmemopen(text, sizeof text, "w");
  CU_ASSERT(cvy_metrics_write(file, &line));
  fclose(file);
  CU_ASSERT_FATAL(reads(&line, text));
  CU_ASSERT(line.has[CVY_METRIC_VAL_LOSS] && isnan(line.val_loss));
  CU_ASSERT_EQUAL(line.val_top1, 0.5);
}

static void a_line_that_is_cut_ends_the_file(void) {
  for (size_t length = 0; length < sizeof steps_text - 1; length++) {
    char text[1024];
    snprintf(text, sizeof text, "%s%.*s", validation_text, (int)length, steps_text);
    FILE *file = file_of(text);
    cvy_metrics line;
    CU_ASSERT(cvy_metrics_next(&line, file));
    CU_ASSERT(!cvy_metrics_next(&line, file));
    fclose(file);
  }
}

/* Such fields may be a later Convoy's, or somebody's own. */
static void unknown_fields_are_passed_over(void) {
  static const char *const unknown[] = {"1.5e-3",
                                        "null",
                                        "true",
                                        "\"text, with \\\" and }\"",
                                        "[]",
                                        "{}",
                                        "[1, {\"loss\": 9, \"s\": \"]\"}, [2]]"};
  for (int64_t i = 0; i < CVY_COUNT(unknown); i++) {
    char text[1024];
    cvy_metrics line;
    snprintf(text, sizeof text, "{\"new\": %s, \"step\": 12, \"new\": %s, \"loss\":0.5,\"new\": %s}\n",
             unknown[i], unknown[i], unknown[i]);
    CU_ASSERT_FATAL(reads(&line, text));
    CU_ASSERT_EQUAL(line.step, 12);
    CU_ASSERT_EQUAL(line.loss, 0.5);
    CU_ASSERT(line.has[CVY_METRIC_LOSS] && !line.has[CVY_METRIC_EPOCH]);
  }
}

static void other_lines_are_none(void) {
  static const char *const others[] = {"",
                                       "\n",
                                       "{}\n",
                                       "step 3\n",
                                       "{\"loss\": 3}\n",
                                       "{\"step\": \"3\"}\n",
                                       "{\"step\": 3.5}\n",
                                       "{\"step\": null}\n",
                                       "{\"step\": 3, \"loss\": true}\n",
                                       "{\"step\": 3, \"loss\": 1x}\n",
                                       "{\"step\": 3,}\n",
                                       "{\"step\": 3 \"loss\": 1}\n",
                                       "{\"step\": 3} {\"step\": 4}\n",
                                       "{\"step\" 3}\n",
                                       "{\"step\": }\n",
                                       "{step: 3}\n",
                                       "{\"step\": 3, \"new\": [1, }\n",
                                       "[\"step\", 3]\n"};
  for (int64_t i = 0; i < CVY_COUNT(others); i++) {
    cvy_metrics line;
    CU_ASSERT(!reads(&line, others[i]));
    if (reads(&line, others[i])) printf("taken for a line: %s", others[i]);
  }
}

static void a_full_disk_is_told(void) {
  FILE *full = fopen("/dev/full", "w");
  CU_ASSERT_FATAL(full != NULL);
  setvbuf(full, NULL, _IOLBF, 1 << 14);
  const cvy_metrics line = steps_line();
  CU_ASSERT(!cvy_metrics_write(full, &line));
  fclose(full);
}

/* ---- in the run folder ---- */

/* Checks what stands in metrics.jsonl once a run goes on after step 4, and has logged step 6. */
static void resume_with(const char *before, const char *expected) {
  char *log = cvy_format("%s/metrics.jsonl", scratch_folder()),
       *last = cvy_format("%s/last.h5", scratch_folder());
  const cvy_recipe recipe = {.run = scratch_folder(), .text = "some: recipe\n"};
  const cvy_train_options options = {.resume = true};
  const cvy_metrics line = cvy_metrics_line(6, 3, NULL, 0);
  cvy_folder *folder;
  size_t bytes;
  scratch_write(log, before, strlen(before));
  scratch_write(last, "", 0);
  CU_ASSERT_EQUAL_FATAL(cvy_folder_create(&folder, &recipe, &options), CVY_OK);
  CU_ASSERT_EQUAL_FATAL(cvy_folder_begin(folder, &recipe, 4), CVY_OK);
  cvy_folder_log(folder, &line);
  CU_ASSERT_EQUAL(cvy_folder_end(folder), CVY_OK);
  cvy_folder_destroy(folder);
  char *after = scratch_read(log, &bytes);
  after[bytes] = '\0';
  CU_ASSERT_STRING_EQUAL(after, expected);
  free(after);
  free(log);
  free(last);
}

#define TWO  "{\"step\": 2, \"epoch\": 1}\n"
#define FOUR "{\"step\": 4, \"epoch\": 2, \"more\": [\"}\"]}\n"
#define SIX  "{\"step\": 6, \"epoch\": 3}\n"

static void a_resumed_run_keeps_lines_of_its_steps(void) {
  resume_with("", SIX);
  resume_with(TWO FOUR, TWO FOUR SIX);
  resume_with(TWO FOUR SIX, TWO FOUR SIX);
  resume_with(TWO FOUR "{\"step\": 5, \"epo", TWO FOUR SIX);
  resume_with(TWO "{\"step\": 3\n" FOUR, TWO SIX);
  resume_with(TWO "{\"another\": \"program's\"}\n" FOUR, TWO SIX);
}

SUITE("metrics", TEST(the_format_stays), TEST(every_field_comes_back), TEST(numbers_that_are_none_come_back),
      TEST(a_line_that_is_cut_ends_the_file), TEST(unknown_fields_are_passed_over),
      TEST(other_lines_are_none), TEST(a_full_disk_is_told), TEST(a_resumed_run_keeps_lines_of_its_steps))
