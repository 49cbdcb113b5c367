/* Whatever the value of a Caffe database holds, it is refused or becomes a picture. */
#include "fuzz.h"

#include "datasets/datum.h"

static void deliver(cvy_database *db, const cvy_value *value, int64_t side) {
  cvy_record record = {.name = "a"};
  const cvy_source source = {.h = side, .w = side, .c = 3};
  db->common.delivery.h = db->common.delivery.w = side;
  db->common.delivery.c = source.c;
  snprintf(db->common.delivery.name, sizeof db->common.delivery.name, "a");
  if (value->picture.c == 2 || value->picture.c == 4) return; /* refused when a database is opened */
  if (cvy_held_deliver(&record, &db->common.delivery, &db->work, &source, &value->picture)) return;
  FUZZ_CHECK(record.image.px && record.image.c == 3 && record.image.h > 0);
  FUZZ_CHECK(side == 0 || (record.image.h == side && record.image.w == side));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const cvy_database_config config = {.raw = ""};
  cvy_database db = {.config = &config};
  uint8_t *copy = malloc(size + 1); /* the sanitizer sees reading behind a block of its own */
  memcpy(copy + 1, data, size);
  cvy_value value = {0};
  if (!cvy_datum_look(&value, &db, copy + 1, size)) {
    FUZZ_CHECK(value.label && strlen(value.label) > 0);
    for (int64_t side = 0; side <= 5; side += 5) deliver(&db, &value, side);
  }
  free(copy);
  cvy_bytes_free(&db.samples);
  cvy_bytes_free(&db.texts);
  cvy_bytes_free(&db.common.delivery.file);
  cvy_image_free(&db.common.delivery.decoded);
  cvy_image_free(&db.common.delivery.scaled);
  cvy_held_work_free(&db.work);
  return 0;
}
