#!/bin/sh
# Feeds all that is read from outside with damaged inputs: sh tests/fuzz.sh [SECONDS [TARGET...]]
# It installs what is missing, builds with Clang and its sanitizers in build/fuzz, and runs each target of
# tests/fuzz/CMakeLists.txt for SECONDS (60). The corpora in build/fuzz/corpora grow from run to run. It
# prints a line for each target: name, inputs run, features covered, result. CONVOY_FUZZ_SEED makes a run like
# another one. If something was found it names the input that shows it again, and exits with 1.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# = 0 ] || shift
case $seconds in
  '' | *[!0-9]* | 0)
    echo "usage: sh tests/fuzz.sh [SECONDS [TARGET...]]" >&2
    exit 2
    ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/convoy-fuzz-XXXXXX")
# Inputs of readers are files; where there is memory for them, they need no disk.
memory=$(mktemp -d /dev/shm/convoy-fuzz-XXXXXX 2>/dev/null) || memory=$work
trap 'rm -rf "$work" "$memory"' EXIT
hunters=
trap 'kill $hunters 2>/dev/null; exit 1' HUP INT TERM

has_libfuzzer() {
  echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n); int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p && n ? 0 : 0; }' >"$work/probe.c"
  clang -fsanitize=fuzzer,address,undefined "$work/probe.c" -o "$work/probe" >/dev/null 2>&1
}
has_libfuzzer || sh launch/packages.sh tests || exit 2
if ! has_libfuzzer; then
  echo "skipped: fuzzing (this machine's Clang has no libFuzzer)"
  exit 77
fi

{ cmake --preset fuzz && cmake --build --preset fuzz -j "$(nproc)"; } >"$work/build.log" 2>&1 || {
  cat "$work/build.log"
  exit 2
}
programs=build/fuzz
export TMPDIR="$memory" UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=512:quarantine_size_mb=16
export LSAN_OPTIONS=suppressions="$PWD/tests/lsan.supp":print_suppressions=0
rm -rf build/fuzz/seeds
$programs/fuzz_seeds build/fuzz/seeds
mkdir -p build/fuzz/seeds/weights
cp tests/reference/golden/formats/* tests/reference/golden/onnx/*.onnx build/fuzz/seeds/weights
mkdir -p build/fuzz/seeds/prototext build/fuzz/seeds/solver build/fuzz/seeds/keras
cp tests/reference/golden/keras/*.json build/fuzz/seeds/keras
cp tests/reference/golden/formats/*.prototxt tests/reference/golden/caffe/*.prototxt build/fuzz/seeds/prototext
cp tests/reference/golden/caffe/solver.prototxt build/fuzz/seeds/solver

field() { # field PATTERN LOG: prints the last text that it finds
  sed -n "s/$1/\1/p" "$2" | tail -n 1
}

# Damage may ask for much time or memory; more than this for an input of 64 KiB is a finding.
fuzz() { # fuzz TARGET
  corpus=build/fuzz/corpora/$1
  log=build/fuzz/corpora/$1.log
  mkdir -p "$corpus"
  result=passed
  $programs/fuzz_"$1" -max_total_time="$seconds" -max_len=65536 -timeout=60 -seed="${CONVOY_FUZZ_SEED:-0}" -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/corpora/$1-" "$corpus" "build/fuzz/seeds/$1" >"$log" 2>&1 &
  trap "kill $!" HUP INT TERM
  wait $! || result=FAILED
  printf '%-14s %9s inputs %6s features  %s\n' "$1" "$(field '.*number_of_executed_units: *\([0-9]*\)' "$log")" \
    "$(field '.* ft: \([0-9]*\).*' "$log")" $result
  [ $result = passed ] && return
  found=$(field '.*Test unit written to \(.*\)' "$log")
  grep -E 'ERROR|SUMMARY|runtime error|does not hold|should always hold' "$log" || tail -n 20 "$log"
  echo "again: ASAN_OPTIONS=$ASAN_OPTIONS $programs/fuzz_$1 ${found:-: no input was written, see $log}"
  return 1
}

known=$(cat $programs/targets.txt)
targets=${*:-$known}
for target in $targets; do
  case " $(echo $known) " in
    *" $target "*) ;;
    *)
      echo "$target: no such target; there are: $(echo $known)" >&2
      exit 2
      ;;
  esac
done

# As many hunt at a time as there are cores.
failures=0
await() {
  for hunter in $hunters; do wait "$hunter" || failures=$((failures + 1)); done
  hunters=
}
for target in $targets; do
  fuzz "$target" &
  hunters="$hunters $!"
  [ "$(echo $hunters | wc -w)" -lt "$(nproc)" ] || await
done
await
[ $failures = 0 ] || exit 1
