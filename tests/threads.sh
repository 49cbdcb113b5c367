#!/bin/bash
# Looks for races and for wrong memory, by ThreadSanitizer on the exchange and on training over two ranks, and
# by valgrind on a tiny training. It builds in folders of its own. It is not one of ctest's tests, for it
# takes minutes.
#   bash tests/threads.sh [tsan|valgrind]
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_mpi_yield_when_idle=1 CONVOY_SOURCE=$source

cat >"$work/recipe.yaml" <<END
network:
  name: split
  input: [32, 32, 1]
  layers: [{conv: {filters: 6, kernel: 5}}, relu, {max_pool: {kernel: 2}}, {fc: {outputs: 120, parallel: sharded}}, relu,
           {fc: {outputs: 84}}, relu, {fc: {outputs: 10, parallel: sharded}}, softmax_loss]
data: {train: $work/data, val: $work/data, threads: 2, augment: [{translate: {by: 2}}]}
batch: 16
microbatch: 4
epochs: 1
check_every: 2
log_every: 1
run: $work/run
END

# trains BINARY STEPS RUNNER...
trains() {
  local binary=$1 steps=$2 status=0
  shift 2
  [ -e "$work/data" ] || "$binary" prepare synthetic -o "$work/data" --count 200 >/dev/null
  mpirun -n 2 "$@" "$binary" train "$work/recipe.yaml" --overwrite --threads 2 bucket=1 --stop-after "$steps" || status=$?
  [ $status = 75 ] || { echo "training ended with $status, not with 75"; exit 1; }
}

tsan() {
  cmake --preset tsan >/dev/null
  cmake --build --preset tsan -j "$(nproc)"
  export TSAN_OPTIONS="exitcode=66 suppressions=$source/tests/tsan.supp"
  mpirun -n 2 build/tsan/tests/test_comm
  trains build/tsan/convoy 6
}

# Runs without AVX-512, which valgrind 3.19 does not know and therefore hides.
run_valgrind() {
  command -v valgrind >/dev/null || { echo "skipped: valgrind is not there"; return; }
  cmake --preset release >/dev/null
  cmake --build --preset release -j "$(nproc)" --target convoy
  trains build/release/convoy 2 valgrind --quiet --error-exitcode=66 --suppressions=/usr/share/openmpi/openmpi-valgrind.supp \
    --suppressions="$source/tests/valgrind.supp"
}

case ${1:-all} in
tsan) tsan ;;
valgrind) run_valgrind ;;
all) tsan && run_valgrind ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' && exit 2 ;;
esac
echo "all passed"
