/* Fuzzes the text form of protocol buffers: what is read and written again is read as the same tree. */
#include "fuzz.h"

#include "archive/prototext.h"

static bool same(const cvy_prototext *a, const cvy_prototext *b) {
  if (a->count != b->count) return false;
  for (int64_t i = 0; i < a->count; i++) {
    const cvy_prototext_field *x = &a->fields[i], *y = &b->fields[i];
    if (strcmp(x->name, y->name) != 0 || !x->text != !y->text || x->quoted != y->quoted) return false;
    if (x->text ? strcmp(x->text, y->text) != 0 : !same(x->message, y->message)) return false;
  }
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cvy_pool *pool = cvy_pool_create();
  cvy_prototext *root, *again;
  if (!cvy_prototext_parse(&root, pool, (const char *)data, size, "fuzz")) {
    cvy_text_stream text;
    size_t bytes;
    cvy_text_stream_begin(&text);
    cvy_prototext_print(text.out, root, 0);
    char *printed = cvy_text_stream_end(&text, &bytes);
    FUZZ_CHECK(!cvy_prototext_parse(&again, pool, printed, bytes, "printed") && same(root, again));
    free(printed);
  }
  cvy_pool_destroy(pool);
  return 0;
}
