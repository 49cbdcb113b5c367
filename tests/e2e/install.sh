# cmake --install gives a program that finds its networks, and a library that pkg-config knows.
. "$(dirname "$0")/lib" "$1"
build=$(dirname "$convoy")
cmake --install "$build" --prefix "$work/prefix" >/dev/null || fail "cmake --install"
expect 0 "total: 61,706 parameters" "$work/prefix/bin/convoy" summary lenet5
expect 0 "lenet5-digits" "$work/prefix/bin/convoy" train --help

cat >use.c <<'END'
#include <convoy/net.h>
#include <convoy/train.h>
#include <stdio.h>
int main(void) {
  const cvy_random where = {.seed = 1, .purpose = CVY_FOR_TEST};
  printf("%s %lld\n", CVY_VERSION, (long long)cvy_random_permute(&where, 3, 10));
  return cvy_layer_type_count() > 5 ? 0 : 1;
}
END
pc=$(find prefix -name convoy.pc)
export PKG_CONFIG_PATH=$work/$(dirname "$pc")
sanitize=$(grep -o '^CONVOY_SANITIZE:STRING=.*' "$build/CMakeCache.txt" | cut -d= -f2)
# shellcheck disable=SC2046
cc ${sanitize:+-fsanitize=$sanitize} use.c -o use $(pkg-config --cflags --libs --static convoy) || fail "linking against the library"
expect 0 "0.1.0" ./use
finish
