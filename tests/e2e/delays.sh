# Tests that the bits are the same when messages and ranks come late, again and again, at random.
. "$(dirname "$0")/lib" "$1"
[ -n "${CONVOY_TEST_DELAYS:-}" ] || {
  echo "skipped: delays (CONVOY_TEST_DELAYS, the library of tests/mpi/delays.c, is not set; sanitizers cannot have it)"
  exit 77
}
digits data 600

cat >recipe.yaml <<'END'
network:
  name: delayed
  input: [32, 32, 1]
  layers:
    - conv: {filters: 8, kernel: 5}
    - relu
    - max_pool: {kernel: 2}
    - fc: {outputs: 300, parallel: sharded}
    - relu
    - dropout: {rate: 0.5}
    - fc: {outputs: 84}
    - relu
    - fc: {outputs: 10, parallel: sharded}
    - softmax_loss
data: {train: data, val: data, augment: [{translate: {by: 3}}]}
batch: 32
microbatch: 4
epochs: 2
log_every: 1
check_every: 4
run: run
END

cat >between.yaml <<'END'
input: [32, 32, 1]
layers:
  - fc: {outputs: 600, parallel: sharded}
  - relu
  - fc: {outputs: 600}
  - relu
  - fc: {outputs: 600, parallel: sharded}
  - relu
  - fc: {outputs: 600}
  - relu
  - fc: {outputs: 600, parallel: sharded}
  - relu
  - fc: {outputs: 600}
  - relu
  - fc: {outputs: 600}
  - relu
  - fc: {outputs: 10, parallel: sharded}
  - softmax_loss
END

delayed() { # delayed "RANKS THREADS [key=value...]"... BATCH: the result is as without delays
  local batch=${*: -1} how p t options late expected now
  expected=$(result 1 2 "batch=$batch") || fail "training without delays: $expected"
  for how in "${@:1:$#-1}"; do
    read -r p t options <<<"$how"
    # shellcheck disable=SC2086
    now=$(LD_PRELOAD=$CONVOY_TEST_DELAYS result "$p" "$t" "batch=$batch" $options) || fail "delayed training on $how: $now"
    [ "$now" = "$expected" ] || fail "delays on $how give other bits: $now, and not: $expected"
    late=$(grep -c 'delayed: [1-9][0-9]* messages, [1-9][0-9]* products' err.log)
    [ "$late" = "$p" ] || fail "$late of $p ranks were delayed on $how"
  done
}
# MPI's own sums need only end: split layers swap between buckets, and ranks wait for each other in both.
LD_PRELOAD=$CONVOY_TEST_DELAYS result 2 1 bucket=1 reduce=mpi network=between.yaml >/dev/null ||
  fail "delayed, reduce: mpi: $(tail -3 err.log)"
delayed "2 1" "2 2 bucket=1 reduce=whole" "4 2" "4 1 bucket=1 reduce=whole" "8 1" 32
delayed "3 2" "6 1 bucket=1 reduce=whole" "12 1" 48
finish
