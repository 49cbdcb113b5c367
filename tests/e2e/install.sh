# cmake --install gives a program that finds its networks, and a library that pkg-config knows.
. "$(dirname "$0")/lib" "$1"
build=$(dirname "$convoy")
cmake --install "$build" --prefix "$work/prefix" >/dev/null || fail "cmake --install"
expect 0 "total: 61,706 parameters" "$work/prefix/bin/convoy" summary lenet5
expect 0 "lenet5-digits" "$work/prefix/bin/convoy" train --help

cat >use.c <<'END'
#include <convoy/train.h>
#include <stdio.h>
int main(void) {
  cvy_recipe *recipe;
  printf("%s\n", CVY_VERSION);
  if (!cvy_recipe_load(&recipe, "no-such-recipe", NULL, 0)) return 1;
  printf("%s\n", cvy_err_message());
  return recipe != NULL;
}
END
pc=$(find prefix -name convoy.pc)
export PKG_CONFIG_PATH=$work/$(dirname "$pc")
sanitize=$(grep -o '^CONVOY_SANITIZE:STRING=.*' "$build/CMakeCache.txt" | cut -d= -f2)
# shellcheck disable=SC2046
cc ${sanitize:+-fsanitize=$sanitize} use.c -o use $(pkg-config --cflags --libs --static convoy) || fail "linking against the library"
expect 0 "0.1.0" ./use
expect 0 "no recipe is named 'no-such-recipe'" ./use
finish
