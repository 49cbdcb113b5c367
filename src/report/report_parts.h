/* Inside the report: the files, one after the other. */
#ifndef CVY_REPORT_REPORT_PARTS_H
#define CVY_REPORT_REPORT_PARTS_H

#include "picture/image.h"
#include "report/report.h"

/* Where the records of a dataset came from, as far as its files say. */
typedef struct cvy_sources {
  cvy_pool *pool;
  char ***names; /* [shard_count], each of the records of a file, or NULL */
  const cvy_dataset *dataset;
} cvy_sources;
cvy_sources cvy_sources_of(cvy_pool *pool, const cvy_dataset *dataset);
/* Returns where a record came from; NULL if nobody knows. */
const char *cvy_source_of(const cvy_sources *sources, int64_t record);

/* These print the files of text. */
void cvy_predictions_print(FILE *out, const cvy_report *report, const cvy_sources *sources);
void cvy_classes_print(FILE *out, const cvy_report *report);
void cvy_confusion_print(FILE *out, const cvy_report *report);
void cvy_mistakes_print(FILE *out, const cvy_report *report, const cvy_sources *sources);

/* These draw the pictures. */
void cvy_confusion_draw(FILE *out, const cvy_report *report);
void cvy_reliability_draw(FILE *out, const cvy_report *report);
cvy_err cvy_mistakes_draw(cvy_image *sheet, const cvy_report *report,
                          const cvy_sources *sources) CVY_MUST_CHECK;

/* Lists what was most often taken for something else, at most `most` pairs of classes, the most often first.
 * Returns how many there are. */
int64_t cvy_most_confused(const cvy_confused **out, int64_t most, const cvy_assessment *assessment);
/* Writes the name of a class, or its number, into `out`. */
enum { CVY_CLASS_TEXT = 200 };
const char *cvy_class_text(char out[CVY_CLASS_TEXT], const cvy_report *report, int64_t class);

#endif
