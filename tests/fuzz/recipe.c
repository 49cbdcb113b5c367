/* Fuzzes recipes: the resolved text of one that is read is read again, as the same text. */
#include "fuzz.h"

#include "train/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cvy_recipe *recipe, *again;
  char *text = fuzz_text(data, size);
  if (!cvy_recipe_parse(&recipe, text, "fuzz", NULL, 0)) {
    FUZZ_CHECK(!cvy_recipe_parse(&again, recipe->text, "resolved", NULL, 0));
    if (strcmp(recipe->text, again->text) != 0)
      fprintf(stderr, "%s\nbecame\n%s\n", recipe->text, again->text);
    FUZZ_CHECK(strcmp(recipe->text, again->text) == 0);
    FUZZ_CHECK(!cvy_recipe_compare(recipe, again, "fuzz", NULL));
    cvy_recipe_destroy(again);
    cvy_recipe_destroy(recipe);
  }
  free(text);
  return 0;
}
