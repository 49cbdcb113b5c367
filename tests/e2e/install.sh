# Tests that a plain cmake makes an optimised program, and that cmake --install gives one that finds its
# networks, also after a move, and a library that pkg-config and CMake know.
. "$(dirname "$0")/lib" "$1"
build=$(dirname "$convoy")
cmake --install "$build" --prefix "$work/prefix" >/dev/null || fail "cmake --install"
expect 0 "total: 61,706 parameters" "$work/prefix/bin/convoy" summary lenet5
expect 0 "lenet5-digits" "$work/prefix/bin/convoy" train --help
mv prefix "moved prefix"
expect 0 "\"path\": \"$work/moved prefix/share/convoy/networks/lenet5.yaml\"" "$work/moved prefix/bin/convoy" networks --json
mv "moved prefix" prefix

cat >use.c <<'END'
#include <convoy/train.h>
#include <stdio.h>
int main(void) {
  cvy_recipe *recipe;
  printf("%s\n", CVY_VERSION);
  if (!cvy_recipe_load(&recipe, "no-such-recipe", NULL, 0)) return 1;
  printf("%s\n", cvy_err_message());
  if (cvy_recipe_load(&recipe, "lenet5-digits", NULL, 0)) return 1;
  cvy_recipe_destroy(recipe);
  return 0;
}
END
pc=$(find prefix -name convoy.pc)
export PKG_CONFIG_PATH=$work/$(dirname "$pc")
sanitize=$(grep -o '^CONVOY_SANITIZE:STRING=.*' "$build/CMakeCache.txt" | cut -d= -f2)
# shellcheck disable=SC2046
cc ${sanitize:+-fsanitize=$sanitize} use.c -o use $(pkg-config --cflags --libs convoy) || fail "linking against the library"
expect 0 "0.1.0" ./use
expect 0 "no recipe is named 'no-such-recipe'" ./use
expect 0 "/own/recipes (not there)" env CONVOY_PATH=/own ./use

# Another project may have Convoy as a part of itself (add_subdirectory, FetchContent).
mkdir part && cat >part/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(part LANGUAGES C)
add_subdirectory("$CONVOY_SOURCE" convoy)
add_executable(use ../use.c)
target_link_libraries(use PRIVATE libconvoy)
END
cmake -S part -B part-build >part.log 2>&1 || fail "as a part of another project: $(tail -5 part.log)"

# A program from outside opens a model. It tells what the model is, and what it makes of an image.
cat >model.c <<'END'
#include <convoy/model.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  cvy_model *model;
  if (argc < 2 || cvy_model_open(&model, argv[1])) {
    printf("%s\n", cvy_err_message());
    return 1;
  }
  const cvy_model_info *info = cvy_model_describe(model);
  const cvy_model_tensor first = cvy_model_tensor_at(model, 0);
  printf("%s %dx%dx%d, %d classes from %s on, %d tensors from %s on, weights %s\n", info->name, (int)info->h,
         (int)info->w, (int)info->c, (int)info->class_count, info->class_names[0], (int)info->tensor_count, first.name,
         cvy_model_weights(model).hex);
  const size_t floats = (size_t)(info->h * info->w * info->c);
  float *image = (float *)calloc(floats, sizeof *image), *p = (float *)calloc((size_t)info->class_count, sizeof *p);
  double sum = 0;
  cvy_model_run(model, p, image, 1);
  for (int64_t k = 0; k < info->class_count; k++) sum += (double)p[k];
  printf("probabilities add up to %.3f\n", sum);
  free(image);
  free(p);
  cvy_model_close(model);
  return 0;
}
END
"$convoy" prepare synthetic -o data --count 400 >prepare.log 2>&1 || fail "$(cat prepare.log)"
"$convoy" train lenet5-digits data.train=data data.val=data epochs=1 run=run >train.log 2>&1 || fail "$(cat train.log)"
weights=$("$convoy" inspect run/best.h5 | awk '$1 == "weights" {print $2}')
cp model.c model.cc
for compiler in "cc model.c" "c++ model.cc"; do
  command -v "${compiler%% *}" >/dev/null || continue
  # shellcheck disable=SC2046,SC2086
  $compiler ${sanitize:+-fsanitize=$sanitize} -o model $(pkg-config --cflags --libs convoy) || fail "$compiler"
  expect 0 "lenet5 32x32x1, 10 classes from 0 on, 10 tensors from c1/weights on, weights $weights" ./model run/best.h5
  expect 0 "probabilities add up to 1.000" ./model run/best.h5
  expect 1 "none.h5" ./model none.h5
done

# So does one that tells what is in a picture.
cat >top5.c <<'END'
#include <convoy/model.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  static unsigned char bytes[1 << 24];
  cvy_model *model;
  if (argc != 3 || cvy_model_open(&model, argv[1])) {
    printf("%s\n", argc == 3 ? cvy_err_message() : "usage: top5 MODEL PICTURE");
    return 1;
  }
  FILE *file = fopen(argv[2], "rb");
  cvy_model_picture picture = {bytes, file ? fread(bytes, 1, sizeof bytes, file) : 0, 0, 0, 0};
  const cvy_model_info *info = cvy_model_describe(model);
  float *p = (float *)calloc((size_t)info->class_count, sizeof *p);
  if (cvy_model_predict(model, p, &picture, 1)) {
    printf("%s: %s\n", argv[2], cvy_err_message());
    return 1;
  }
  for (int i = 0; i < 5 && i < info->class_count; i++) {
    int64_t best = 0;
    for (int64_t k = 1; k < info->class_count; k++)
      if (p[k] > p[best]) best = k;
    printf("%6.2f %%  %s\n", 100 * p[best], info->class_names[best]);
    p[best] = -1;
  }
  free(p);
  cvy_model_close(model);
  return 0;
}
END
cp top5.c top5.cc
"$convoy" predict run "$CONVOY_SOURCE/tests/e2e/dot.png" 2>predict.log | tail -n 5 | sed 's/^ *//' >expected || fail "$(cat predict.log)"
[ "$(grep -c ' %  [0-9]$' expected)" = 5 ] || fail "predict says: $(cat expected predict.log)"
for compiler in "cc top5.c" "c++ top5.cc"; do
  command -v "${compiler%% *}" >/dev/null || continue
  # shellcheck disable=SC2046,SC2086
  $compiler ${sanitize:+-fsanitize=$sanitize} -o top5 $(pkg-config --cflags --libs convoy) || fail "$compiler"
  ./top5 run/best.h5 "$CONVOY_SOURCE/tests/e2e/dot.png" | sed 's/^ *//' | cmp - expected || fail "a program predicts otherwise than convoy"
  expect 1 "top5.c: picture 0: neither JPEG nor PNG" ./top5 run/best.h5 top5.c
  expect 1 "top5.c" ./top5 top5.c top5.c
done

mkdir -p project && cp use.c project/
cat >project/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(use C)
find_package(convoy 0.1 REQUIRED)
add_executable(use use.c)
target_link_libraries(use convoy::convoy)
END
unset PKG_CONFIG_PATH
cmake -S project -B "project/a build" -DCMAKE_PREFIX_PATH="$work/prefix" ${sanitize:+-DCMAKE_C_FLAGS=-fsanitize=$sanitize} >project.log 2>&1 &&
  cmake --build "project/a build" >>project.log 2>&1 || fail "find_package(convoy): $(tail -20 project.log)"
expect 0 "0.1.0" "project/a build/use"

# A plain build is optimised, and its warnings are no errors. What is missing is told by Debian's names, all at
# once.
cmake -S "$CONVOY_SOURCE" -B "$work/a plain build" -DCONVOY_TESTS=OFF >plain.log 2>&1 || fail "a plain cmake: $(tail -20 plain.log)"
grep -q "Build type: RelWithDebInfo" plain.log || fail "a plain cmake names no build type: $(cat plain.log)"
grep -q -- '-O3 -g.* .*command.c' "a plain build/compile_commands.json" || fail "a plain cmake does not optimise"
! grep -q -- -Werror "a plain build/compile_commands.json" || fail "a plain cmake makes errors of warnings"
make -C "$work/a plain build" src/train/places.c.o >plain.log 2>&1 || fail "a build folder with a blank: $(tail plain.log)"
env PKG_CONFIG_LIBDIR=/nowhere PKG_CONFIG_PATH= cmake -S "$CONVOY_SOURCE" -B bare -DCONVOY_TESTS=OFF >bare.log 2>&1 && fail "a build without libraries"
for word in "HDF5 (serial): libhdf5-dev" "libyaml: libyaml-dev" "apt-get install --no-install-recommends"; do
  grep -qF "$word" bare.log || fail "missing packages are told without '$word': $(cat bare.log)"
done
finish
