/* Whatever bytes are taken for a protocol buffer, nothing outside them is read, and every walk ends. */
#include "fuzz.h"

#include "archive/protobuf.h"

enum { MOST_NUMBERS = 4096 };

static void read_numbers(const cvy_protobuf_field *f) {
  static double room[MOST_NUMBERS];
  int64_t count;
  for (int kind = 0; kind < 3; kind++) {
    if (cvy_protobuf_count(&count, f, (cvy_number)kind)) continue;
    FUZZ_CHECK(count >= 0 && (f->wire != CVY_WIRE_BYTES || count <= (int64_t)f->count));
    if (count > MOST_NUMBERS) continue;
    if (kind == CVY_NUMBER_INTEGER) cvy_protobuf_integers((int64_t *)(void *)room, f);
    if (kind == CVY_NUMBER_FLOAT) cvy_protobuf_floats((float *)(void *)room, f);
    if (kind == CVY_NUMBER_DOUBLE) cvy_protobuf_doubles(room, f);
  }
}

/* Follows every field that can be taken for a message, as far as a budget of fields lasts. */
static void walk(cvy_protobuf message, int *budget) {
  cvy_protobuf_field f;
  const uint8_t *before = message.at;
  while (*budget > 0 && cvy_protobuf_next(&f, &message)) {
    FUZZ_CHECK(f.number > 0 && message.at > before && message.at <= message.end);
    before = message.at;
    (*budget)--;
    read_numbers(&f);
    cvy_protobuf inner;
    int64_t number;
    FUZZ_CHECK((cvy_protobuf_integer(&number, &f) == CVY_OK) == (f.wire == CVY_WIRE_VARINT));
    if (cvy_protobuf_bytes(&f)) continue;
    FUZZ_CHECK(f.bytes >= message.first && f.bytes + f.count <= message.end);
    if (!cvy_protobuf_message(&inner, &f)) walk(inner, budget);
  }
  const cvy_err err = cvy_protobuf_end(&message);
  FUZZ_CHECK(err == CVY_OK || err == CVY_E_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int budget = 20000;
  uint8_t *copy = malloc(size + 1); /* the sanitizer sees reading behind a block of its own */
  memcpy(copy + 1, data, size);
  walk(cvy_protobuf_of(copy + 1, size), &budget);
  free(copy);
  return 0;
}
