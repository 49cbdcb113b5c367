/* What several of the files tell: names of classes and records, and what is confused most often. */
#include "report/report_parts.h"

#include "base/utf8.h"
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

const char *cvy_class_text(char out[CVY_CLASS_TEXT], const cvy_report *f, int64_t class) {
  if (f->class_names[class])
    cvy_utf8_show_in(out, CVY_CLASS_TEXT, f->class_names[class]);
  else
    snprintf(out, CVY_CLASS_TEXT, "%" PRId64, class);
  return out;
}

cvy_sources cvy_sources_of(cvy_pool *pool, const cvy_dataset *dataset) {
  const int64_t files = cvy_dataset_describe(dataset)->shard_count;
  cvy_sources s = {pool, cvy_pool_new(pool, sizeof *s.names * (size_t)files), dataset};
  for (int64_t i = 0; i < files; i++) s.names[i] = cvy_dataset_names_in(pool, dataset, i);
  return s;
}

const char *cvy_source_of(const cvy_sources *s, int64_t record) {
  for (int64_t i = 0; i < cvy_dataset_describe(s->dataset)->shard_count; i++) {
    const cvy_file_records file = cvy_dataset_records_in(s->dataset, i);
    if (record < file.first + file.count) return s->names[i] ? s->names[i][record - file.first] : NULL;
  }
  return NULL;
}

static int more_images(const void *a, const void *b) {
  const cvy_confused *x = *(const cvy_confused *const *)a, *y = *(const cvy_confused *const *)b;
  if (x->images != y->images) return x->images > y->images ? -1 : 1;
  return (x > y) - (x < y);
}

int64_t cvy_most_confused(const cvy_confused **out, int64_t most, const cvy_assessment *a) {
  const cvy_confused **all = cvy_new(sizeof *all * (size_t)(a->cell_count + 1));
  int64_t count = 0;
  for (int64_t i = 0; i < a->cell_count; i++)
    if (a->cells[i].label != a->cells[i].predicted) all[count++] = &a->cells[i];
  qsort(all, (size_t)count, sizeof *all, more_images);
  if (count > most) count = most;
  memcpy(out, all, sizeof *all * (size_t)count);
  free(all);
  return count;
}
