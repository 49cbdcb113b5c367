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
  for file in last best; do "$convoy" inspect run/$file.h5 | grep -E "weights|momentum" | cksum; done
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
sharded=$(result 1 1 | head -n 1)
same "1:1 3:1 6:2 12:1" batch=96        # 12 microbatches: a tree of 3, 2, 2
same "1:2 2:1 6:1" batch=96 'tree=[2, 3, 2]'
same "1:1 2:1" reduce=whole
same "1:1" batch=8
finish
