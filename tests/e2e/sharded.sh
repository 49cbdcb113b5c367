# Fully connected layers split over the ranks: the same bits at any number of them, checkpoints that are whole, resuming on
# another number, and nearly what replicas compute.
. "$(dirname "$0")/lib" "$1"
digits data 1500

cat >net.yaml <<'END'
name: split
parameters: {parallel: sharded}
input: [32, 32, 1]
layers:
  - conv: {filters: 6, kernel: 5, init: xavier}
  - relu
  - max_pool: {kernel: 2}
  - dropout: {rate: 0.2}
  - fc: {outputs: 1030, init: xavier, parallel: $parallel}
  - relu
  - dropout: {rate: 0.5}
  - fc: {outputs: 70, init: xavier, parallel: $parallel, bias: false}
  - relu
  - fc: {outputs: 10, init: xavier}
  - softmax_loss
END
cat >recipe.yaml <<'END'
network: net.yaml
data: {train: data, val: data, augment: [{translate: {by: 3}}, {crop: {size: 32}}]}
batch: 64
microbatch: 8
epochs: 2
learning_rate: {constant: {rate: 0.05}}
log_every: 1
check_every: 5
run: run
END

# What defines the result: everything but speed.
result() { # result RANKS THREADS [key=value...]
  local p=$1 t=$2
  shift 2
  rm -rf run
  ranks "$p" "$convoy" train ./recipe.yaml --threads "$t" --json "$@" >out.json 2>err.log || {
    cat err.log
    return 1
  }
  echo "$(field weights <out.json) $(field train_loss <out.json) $(field val_loss <out.json) $(field val_top1 <out.json)"
  sed 's/, "img_s".*//' run/metrics.jsonl | cksum
  for file in last best; do "$convoy" inspect run/$file.h5 | grep contents; done
}

same() { # same "P:T ..." [key=value...]
  local list=$1 first= now pair
  shift
  for pair in $list; do
    now=$(result "${pair%:*}" "${pair#*:}" "$@") || fail "training on $pair failed"
    echo "ranks:threads $pair:" $now
    [ -n "$first" ] || first=$now
    [ "$now" = "$first" ] || fail "$pair gives other bits than the first"
  done
}

same "1:1 1:3 2:1 2:2 4:1 8:1"
one=$(result 2 1)
mv run straight
same "1:1 3:1 6:2 12:1" batch=96        # 12 microbatches: a tree of 3, 2, 2
same "1:2 2:1 6:1" batch=96 'tree=[2, 3, 2]'
same "1:1 2:1" batch=16                 # a microbatch each
same "1:1" batch=8

# How replicated gradients travel changes nothing; only MPI's own sums may.
[ "$(result 4 1 reduce=whole | head -n 2)" = "$(echo "$one" | head -n 2)" ] || fail "reduce: whole gives other bits"
[ "$(result 2 1 bucket=1 | head -n 2)" = "$(echo "$one" | head -n 2)" ] || fail "another bucket gives other bits"
result 4 1 reduce=mpi >/dev/null || fail "reduce: mpi"

# Nothing but split weights.
sed 's/conv: .*/flatten/; /parameters/d; /max_pool/d; s/fc: {outputs: \([0-9]*\).*/fc: {outputs: \1, init: xavier, bias: false, parallel: sharded}/' net.yaml >only.yaml
same "1:1 2:1 4:1" network=only.yaml epochs=1

# Stopped within an epoch, on other numbers of ranks each time.
train() { # train RANKS [arguments]
  local p=$1
  shift
  ranks "$p" "$convoy" train ./recipe.yaml --json "$@"
}
rm -rf run
train 4 --stop-after 9 >/dev/null 2>&1
[ $? = 75 ] || fail "a stop on request should end with 75"
train 1 --resume --stop-after 21 >/dev/null 2>&1
train 8 --resume --stop-after 30 >/dev/null 2>&1
train 2 --resume >out.json 2>err.log || fail "resuming: $(cat err.log)"
[ "$(field weights <out.json)" = "$(echo "$one" | head -n 1 | cut -d " " -f 1)" ] || fail "a resumed run ends with other weights"
for file in last best; do
  [ "$("$convoy" inspect run/$file.h5 | sed 1d)" = "$("$convoy" inspect straight/$file.h5 | sed 1d)" ] || fail "$file.h5 is another"
  for p in 1 2; do
    ranks $p "$convoy" eval straight/$file.h5 --data data --json 2>/dev/null | sed 's/, "ranks".*//' >eval.$p
  done
  cmp eval.1 eval.2 || fail "evaluation of $file.h5 on 2 ranks gives other bits"
done
[ "$(ranks 2 "$convoy" eval straight/last.h5 --data data --json 2>/dev/null | field loss)" = "$(echo "$one" | head -n 1 | cut -d " " -f 3)" ] ||
  fail "the run's last loss is not eval's"

# Replicas compute the same but for rounding, and that is another recipe.
other=$(result 1 1 'network={./net.yaml: {parallel: replicated}}' epochs=1 | head -n 1)
near=$(result 1 1 epochs=1 | head -n 1)
[ "$other" != "$near" ] || fail "parallel: sharded changes nothing"
/usr/bin/python3 -c 'import sys; a, b = float(sys.argv[1]), float(sys.argv[2]); sys.exit(abs(a - b) > 1e-4 * a)' \
  "$(echo "$other" | cut -d " " -f 2)" "$(echo "$near" | cut -d " " -f 2)" || fail "replicated $other and sharded $near are too far apart"
expect 2 "'network.layers[4].fc.parallel' was 'sharded' and is now 'replicated'" \
  "$convoy" train ./recipe.yaml run=straight --resume 'network={./net.yaml: {parallel: replicated}}'
same "1:1 2:1" 'network={./net.yaml: {parallel: auto}}' epochs=1
expect 2 "cannot be split as 'parallel: sharded' does it" "$convoy" train ./recipe.yaml batch=1024 microbatch=1 \
  'network={name: small, input: [32, 32, 1], layers: [{average_pool: {kernel: 4}}, {fc: {outputs: 10, parallel: sharded}}, softmax_loss]}'
expect 2 "did you mean 'sharded'" "$convoy" train ./recipe.yaml 'network={./net.yaml: {parallel: shared}}'

# On ranks that have no memory in common.
rm -rf run
bash "$CONVOY_SOURCE/tests/cluster/run.sh" --nodes 4 --mbit 500 "$convoy" train "$work/recipe.yaml" --threads 1 --json >out.json 2>err.log
case $? in
  0) [ "$(field weights <out.json)" = "$(echo "$one" | head -n 1 | cut -d " " -f 1)" ] || fail "4 nodes give other weights" ;;
  77) grep -h skipped out.json err.log ;;
  *) fail "on 4 nodes: $(cat err.log)" ;;
esac
finish
