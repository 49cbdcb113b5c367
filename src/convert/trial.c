/* Which way to prepare images a network was trained with, found by trying them on labelled pictures. */
#include "convert/convert.h"
#include "convert/preprocess.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Gives the classes the dataset's names, where they have none and are as many. */
static void name_classes(cvy_imported *m, const cvy_dataset_info *data) {
  if (!m->classes_are_numbers || data->class_count != m->data.class_count) return;
  m->data.class_names = data->class_names;
}

static cvy_err score(cvy_trial *trial, cvy_comm *comm, const cvy_import_wishes *wishes,
                     const cvy_dataset_info *data, const char *labelled, const char *place) {
  cvy_imported m;
  cvy_score found;
  CVY_TRY(cvy_import(&m, wishes));
  name_classes(&m, data);
  cvy_err err = cvy_imported_save(&m, place);
  cvy_imported_close(&m);
  if (err) return err;
  const cvy_evaluate_options options = {.data = labelled};
  CVY_TRY(cvy_evaluate(&found, comm, place, &options));
  trial->loss = found.loss;
  trial->top1 = found.top1;
  return CVY_OK;
}

static int better_first(const void *a, const void *b) {
  const cvy_trial *x = a, *y = b;
  if (x->top1 != y->top1) return x->top1 > y->top1 ? -1 : 1;
  return (x->loss > y->loss) - (x->loss < y->loss);
}

static cvy_err try_all(cvy_trial out[CVY_MOST_TRIALS], int *count, cvy_comm *comm,
                       const cvy_import_wishes *wishes, const cvy_dataset_info *data, const char *labelled,
                       const char *place) {
  const bool has_colours = data->c == 3;
  const int first = has_colours ? CVY_ORDER_RGB : CVY_ORDER_AUTO,
            last = has_colours ? CVY_ORDER_BGR : CVY_ORDER_AUTO;
  for (int way = CVY_PREPROCESS_TORCH; way < CVY_PREPROCESS_COUNT; way++)
    for (int channels = first; channels <= last; channels++) {
      cvy_import_wishes guess = *wishes;
      if (!has_colours && cvy_preprocess_wants_colours(way)) continue;
      guess.preprocess = way;
      guess.channels = channels;
      out[*count] = (cvy_trial){.preprocess = way, .channels = channels};
      CVY_TRY(score(&out[*count], comm, &guess, data, labelled, place));
      ++*count;
    }
  qsort(out, (size_t)*count, sizeof *out, better_first);
  return CVY_OK;
}

cvy_err cvy_import_try(cvy_trial out[CVY_MOST_TRIALS], int *count, cvy_comm *comm,
                       const cvy_import_wishes *wishes, const char *labelled) {
  cvy_dataset *data;
  const char *base = getenv("TMPDIR");
  cvy_pool *pool = cvy_pool_create();
  *count = 0;
  char *place = cvy_pool_format(pool, "%s/convoy-try-%ld.h5", base ? base : "/tmp", (long)getpid());
  cvy_err err = cvy_dataset_open(&data, labelled, "val");
  if (!err) err = try_all(out, count, comm, wishes, cvy_dataset_describe(data), labelled, place);
  unlink(place);
  cvy_dataset_close(data);
  cvy_pool_destroy(pool);
  return err;
}
