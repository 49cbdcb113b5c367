/* Tests the files of an evaluation: tables to the letter, and pictures of few and many classes. */
#include "report/report.h"

#include "data/dataset.h"
#include "report/report_parts.h"
#include "report/svg.h"

#include "shards.h"

enum { RECORDS = 4, H = 6, W = 5 };

typedef struct rig {
  char *dir;
  cvy_pool *pool;
  cvy_dataset *dataset;
  cvy_verdict items[RECORDS];
  cvy_verdicts verdicts;
  cvy_assessment assessment;
  cvy_score score;
  cvy_report report;
} rig;

static const char *const names[] = {"cat", "dog, \"big\"", NULL};

/* Images 0 and 3 are hits. Nobody knows the name of class 2. */
static void open_rig(rig *r, const char *name) {
  *r = (rig){.dir = raw_dataset(name, 2, RECORDS, H, W, 3), .pool = cvy_pool_create()};
  CU_ASSERT_EQUAL_FATAL(cvy_dataset_open(&r->dataset, r->dir, "train"), CVY_OK);
  r->items[0] = (cvy_verdict){.record = 0, .label = 0, .classes = {0, 1, 2, -1, -1}, .loss = 0.5};
  r->items[1] = (cvy_verdict){
      .record = 1, .label = 1, .classes = {2, 1, 0, -1, -1}, .place = 1, .loss = 1.25};
  r->items[2] = (cvy_verdict){.record = 3, .label = 1, .classes = {0, 2, 1, -1, -1}, .place = 2, .loss = 4};
  r->items[3] = (cvy_verdict){.record = 3, .label = 2, .classes = {2, 0, 1, -1, -1}, .loss = 0.25};
  for (int64_t i = 0; i < RECORDS; i++) {
    static const float p[] = {0.5f, 0.375f, 0.125f};
    memcpy(r->items[i].probabilities, p, sizeof p);
    r->items[i].of_label = (double)p[r->items[i].place];
  }
  r->verdicts = (cvy_verdicts){.count = RECORDS, .items = r->items};
  cvy_assess(&r->assessment, &r->verdicts, 3);
  r->score = (cvy_score){.images = RECORDS, .loss = 1.5, .top1 = 0.5, .top5 = 1, .classes = 3};
  r->report = (cvy_report){.title = "net on <data>, val",
                           .dataset = r->dataset,
                           .class_names = names,
                           .views = 1,
                           .score = &r->score,
                           .verdicts = &r->verdicts,
                           .assessment = &r->assessment};
}

static void close_rig(rig *r) {
  cvy_assessment_free(&r->assessment);
  cvy_dataset_close(r->dataset);
  cvy_pool_destroy(r->pool);
  free(r->dir);
}

static void check_text(cvy_text_stream *stream, const char *want) {
  char *got = cvy_text_stream_end(stream, NULL);
  if (strcmp(got, want) != 0) printf("  it is\n%s  and not\n%s", got, want);
  CU_ASSERT_STRING_EQUAL(got, want);
  free(got);
}

/* ---- tables ---- */

static void tables_to_the_letter(void) {
  rig r;
  cvy_text_stream s;
  open_rig(&r, "tables");
  const cvy_sources sources = cvy_sources_of(r.pool, r.dataset);
  cvy_text_stream_begin(&s);
  cvy_predictions_print(s.out, &r.report, &sources);
  check_text(
      &s, "record,source,label,label_name,class_1,name_1,probability_1,class_2,name_2,probability_2,class_3,"
          "name_3,probability_3\n"
          "0,,0,cat,0,cat,0.5,1,\"dog, \"\"big\"\"\",0.375,2,,0.125\n"
          "1,,1,\"dog, \"\"big\"\"\",2,,0.5,1,\"dog, \"\"big\"\"\",0.375,0,cat,0.125\n"
          "3,,1,\"dog, \"\"big\"\"\",0,cat,0.5,2,,0.375,1,\"dog, \"\"big\"\"\",0.125\n"
          "3,,2,,2,,0.5,0,cat,0.375,1,\"dog, \"\"big\"\"\",0.125\n");
  cvy_text_stream_begin(&s);
  cvy_classes_print(s.out, &r.report);
  check_text(&s, "class,name,images,hits,accuracy,predicted,precision\n0,cat,1,1,1,2,0.5\n"
                 "1,\"dog, \"\"big\"\"\",2,0,0,0,\n2,,1,1,1,2,0.5\n");
  cvy_text_stream_begin(&s);
  cvy_confusion_print(s.out, &r.report);
  check_text(&s, "label,cat,\"dog, \"\"big\"\"\",2\ncat,1,0,0\n\"dog, \"\"big\"\"\",1,0,1\n2,0,0,1\n");
  cvy_text_stream_begin(&s);
  cvy_mistakes_print(s.out, &r.report, &sources);
  check_text(&s,
             "record,source,label,label_name,predicted,predicted_name,probability,probability_of_label,loss\n"
             "3,,1,\"dog, \"\"big\"\"\",0,cat,0.5,0.125,4\n1,,1,\"dog, \"\"big\"\"\",2,,0.5,0.375,1.25\n");
  close_rig(&r);
}

static void figures_for_people_and_programs(void) {
  rig r;
  cvy_text_stream s;
  open_rig(&r, "figures");
  cvy_text_stream_begin(&s);
  cvy_report_print(s.out, &r.report);
  check_text(
      &s,
      "expected calibration error 0.00 %; accuracy of a class 66.67 % in the mean, 0.00 % of dog, \"big\" at "
      "worst\nmost often taken for another: dog, \"big\" for cat (1), dog, \"big\" for 2 (1)\n");
  cvy_text_stream_begin(&s);
  cvy_json json = {.out = s.out};
  cvy_report_json(&json, &r.report);
  char *text = cvy_text_stream_end(&s, NULL);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(text, "\"images\": 4, \"loss\": 1.5, \"top1\": 0.5, \"mean_class_accuracy\": 0.66666"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"ece\": 0, \"views\": 1, \"skipped\": 0, \"calibration\": ["));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"bin_images\": 4, \"confidence\": 0.5, \"accuracy\": 0.5}"));
  CU_ASSERT_PTR_NULL(strstr(text, "top5")); /* of three classes it says nothing */
  free(text);
  close_rig(&r);
}

/* ---- names ---- */

static void names_are_the_models_or_the_datas(void) {
  cvy_pool *pool = cvy_pool_create();
  static const char *const numbers[] = {"0", "1"}, *const animals[] = {"cat", "dog"};
  const cvy_dataset_info data = {.class_count = 2, .class_names = animals};
  cvy_model_info model = {.class_count = 3, .name_count = 2, .class_names = numbers};
  CU_ASSERT_STRING_EQUAL(cvy_report_names(pool, &model, &data)[1], "dog");
  CU_ASSERT_PTR_NULL(cvy_report_names(pool, &model, &data)[2]);
  /* Where the data names fewer classes than the model, the model's names stay for the others. */
  model = (cvy_model_info){
      .class_count = 3, .name_count = 3, .class_names = (const char *const[]){"0", "1", "2"}};
  CU_ASSERT_STRING_EQUAL(cvy_report_names(pool, &model, &data)[1], "dog");
  CU_ASSERT_STRING_EQUAL(cvy_report_names(pool, &model, &data)[2], "2");
  model.name_count = 2;
  model.class_names = (const char *const[]){"Katze", "Hund"};
  CU_ASSERT_STRING_EQUAL(cvy_report_names(pool, &model, &data)[1], "Hund");
  cvy_pool_destroy(pool);
}

/* ---- pictures ---- */

static void texts_in_a_picture(void) {
  cvy_text_stream s;
  cvy_text_stream_begin(&s);
  cvy_svg_text(s.out, "a<b>&\"c\"\n", 99);
  fputc('|', s.out);
  cvy_svg_text(s.out, "abcdefghij", 6);
  check_text(&s, "a&lt;b&gt;&amp;&quot;c&quot;\\x0A|abcd...");
}

/* Draws `classes` classes of which each is once taken for itself and once for the next but one. */
static char *draw_confusion(int64_t classes, size_t *bytes) {
  cvy_verdict *items = cvy_new(2 * sizeof *items * (size_t)classes);
  const char **own = cvy_new(sizeof *own * (size_t)classes);
  for (int64_t i = 0; i < 2 * classes; i++)
    items[i] = (cvy_verdict){.label = (int32_t)(i / 2),
                             .place = (int32_t)(i % 2),
                             .classes = {(int32_t)((i / 2 + i % 2 * 2) % classes), -1, -1, -1, -1},
                             .probabilities = {0.5f}};
  const cvy_verdicts verdicts = {.count = 2 * classes, .items = items};
  cvy_assessment a;
  cvy_assess(&a, &verdicts, classes);
  const cvy_report report = {.title = "t", .class_names = own, .verdicts = &verdicts, .assessment = &a};
  cvy_text_stream s;
  cvy_text_stream_begin(&s);
  cvy_confusion_draw(s.out, &report);
  cvy_assessment_free(&a);
  free(own);
  free(items);
  return cvy_text_stream_end(&s, bytes);
}

static void few_classes_have_numbers_and_many_a_list(void) {
  size_t bytes;
  char *few = draw_confusion(10, &bytes);
  CU_ASSERT_PTR_NOT_NULL(strstr(few, ">50.0 %</text>"));
  CU_ASSERT_PTR_NOT_NULL(strstr(few, "M1 1h1v1h-1z"));
  CU_ASSERT_PTR_NULL(strstr(few, "most often confused"));
  free(few);
  char *many = draw_confusion(1000, &bytes);
  CU_ASSERT_PTR_NOT_NULL(strstr(many, "most often confused"));
  CU_ASSERT_PTR_NOT_NULL(strstr(many, "A square stands for 4 by 4 classes"));
  CU_ASSERT(strstr(many, ">200</text>") && !strstr(many, ">100</text>"));
  CU_ASSERT(bytes < 40000);
  free(many);
}

static void a_folder_has_all_files(void) {
  static const char *const files[] = {"predictions.csv", "classes.csv",  "confusion.csv",   "confusion.svg",
                                      "mistakes.csv",    "mistakes.png", "reliability.svg", "score.json"};
  rig r;
  cvy_report_files out;
  open_rig(&r, "folder");
  char *folder = cvy_format("%s/a/report", r.dir), *single = cvy_format("%s/p.csv", r.dir);
  CU_ASSERT_EQUAL_FATAL(cvy_report_begin(&out, folder, single), CVY_OK);
  CU_ASSERT_FALSE(scratch_exists(single));
  CU_ASSERT_EQUAL_FATAL(cvy_report_write(&out, &r.report), CVY_OK);
  cvy_report_drop(&out);
  for (int i = 0; i < CVY_COUNT(files); i++) {
    char *path = cvy_format("%s/%s", folder, files[i]);
    CU_ASSERT_TRUE(scratch_exists(path));
    free(path);
  }
  CU_ASSERT_EQUAL(scratch_count(folder), CVY_COUNT(files));
  CU_ASSERT_TRUE(scratch_exists(single));
  free(folder);
  free(single);
  close_rig(&r);
}

/* A disk that is full is known before the last file stands there. */
static void a_full_disk(void) {
  rig r;
  cvy_report_files out;
  const char *disk = scratch_small_disk("a report on a full disk");
  if (!disk) return;
  open_rig(&r, "full");
  char *rest = cvy_format("%s/rest", disk), *folder = cvy_format("%s/report", disk);
  char *bytes = calloc(1, (1 << 20) - 16384);
  scratch_write(rest, bytes, (1 << 20) - 16384);
  CU_ASSERT_EQUAL_FATAL(cvy_report_begin(&out, folder, NULL), CVY_OK);
  CU_ASSERT_EQUAL(cvy_report_write(&out, &r.report), CVY_E_SYSTEM);
  cvy_report_drop(&out);
  char *last = cvy_format("%s/score.json", folder);
  CU_ASSERT_FALSE(scratch_exists(last));
  free(last);
  free(bytes);
  free(rest);
  free(folder);
  close_rig(&r);
}

SUITE("report", TEST(tables_to_the_letter), TEST(figures_for_people_and_programs),
      TEST(names_are_the_models_or_the_datas), TEST(texts_in_a_picture),
      TEST(few_classes_have_numbers_and_many_a_list), TEST(a_folder_has_all_files), TEST(a_full_disk))
