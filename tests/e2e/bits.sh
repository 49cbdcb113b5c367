# Tests that a LeNet with dropout and augmentation, of every convolution algorithm, gets the same bits at any
# number of ranks and threads.
. "$(dirname "$0")/lib" "$1"
digits data 1500

cat >net.yaml <<'END'
name: lenet5-dropout
input: [32, 32, 1]
layers:
  - conv: {filters: 16, kernel: 5, init: xavier}
  - tanh
  - average_pool: {kernel: 2}
  - conv: {filters: 20, kernel: 5, init: xavier}
  - tanh
  - max_pool: {kernel: 2}
  - lrn
  - dropout: {rate: 0.2}
  - fc: {outputs: 84, init: xavier}
  - relu
  - dropout: {rate: 0.5}
  - fc: {outputs: 10, init: xavier}
  - softmax_loss
END
cat >recipe.yaml <<'END'
network: net.yaml
data:
  train: data
  val: data
  augment:
    - translate: {by: 3}
    - mirror: {probability: 0.5}
    - pad: {by: 1}
    - crop: {size: 32}
batch: 64
microbatch: 8
epochs: 2
learning_rate: {constant: {rate: 0.05}}
log_every: 1
check_every: 5
run: run
END

same_bits "1:1 1:2 1:3 2:1 2:2 4:1 4:2 8:1"
same_bits "1:1 3:1 6:2 12:1" batch=96 # the 12 microbatches make a tree of 3, 2, 2
same_bits "1:2 2:1 6:1" batch=96 'tree=[2, 3, 2]'

# A narrow wire makes another run of nearly the same losses. There too the way of sharing changes nothing.
narrow=$(result 1 2 wire=bf16)
same_bits "1:1 3:1 6:2 12:1" batch=96 wire=bf16
for how in "2 reduce=sharded" "4 reduce=whole" "8 reduce=sharded"; do
  read -r p reduce <<<"$how"
  [ "$(result "$p" 1 wire=bf16 "$reduce" bucket=1)" = "$narrow" ] || fail "wire: bf16 on $how gives other bits"
done
wide=$(result 1 1)
[ "$wide" != "$narrow" ] || fail "wire: bf16 changes nothing"
/usr/bin/python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(abs(a - b) > 0.02 * a)' \
  "$(echo "$wide" | head -n 1 | cut -d " " -f 2)" "$(echo "$narrow" | head -n 1 | cut -d " " -f 2)" || fail "losses differ much: $wide; narrow: $narrow"
expect 2 "reduce: mpi does not follow" "$convoy" train ./recipe.yaml wire=bf16 reduce=mpi

# Shuffling in blocks makes another run, which is the same at any number of ranks. What is kept in memory
# changes nothing.
full=$(result 1 1 | head -n 1)
same_bits "1:1 2:2 4:1" data.shuffle=block data.block=37 data.window=3
blocks=$(result 2 1 data.shuffle=block data.block=37 data.window=3 | head -n 1)
[ "$full" != "$blocks" ] || fail "data.shuffle changes nothing"
for cache in "{keep: records}" "{keep: pictures, memory: 1}"; do
  [ "$(result 2 1 data.shuffle=block data.block=37 data.window=3 data.threads=2 "data.cache=$cache" | head -n 1)" = "$blocks" ] ||
    fail "data.cache=$cache gives other bits"
done

# Gradients travel in buckets whose size was measured, and in any other.
wider='network={input: [32, 32, 1], layers: [{fc: {outputs: 900}}, relu, {fc: {outputs: 800}}, relu, {fc: {outputs: 10}}, softmax_loss]}'
measured=$(result 2 1 "$wider")
grep -qE 'gradients travel in buckets of (1|4|16|64) MiB: a microbatch takes .* ms with .*4' err.log || fail "no bucket was measured: $(cat err.log)"
for how in "1" "2 bucket=1" "4 bucket=64" "4 reduce=whole"; do
  [ "$(result ${how% *} 1 ${how#"${how% *}"} "$wider")" = "$measured" ] || fail "on $how ranks and bucket: other bits"
done

# Another seed is another run.
one=$(result 1 1 | head -n 1)
other=$(result 1 1 seed=2 | head -n 1)
[ "$one" != "$other" ] || fail "the seed changes nothing"

# The plain way of convolutions makes another run, of nearly the same losses, at any number of ranks too.
plain=$(result 2 2 convolution=gemm | head -n 1)
[ "$one" != "$plain" ] || fail "convolution: gemm changes nothing"
same_bits "1:1 2:2" convolution=gemm
/usr/bin/python3 -c 'import sys; a, b = float(sys.argv[1]), float(sys.argv[2]); sys.exit(abs(a - b) > 0.05 * a)' \
  "$(echo "$one" | cut -d " " -f 2)" "$(echo "$plain" | cut -d " " -f 2)" || fail "$one and $plain are too far apart"
expect 2 "unknown word 'direct' in convolution (known: auto, gemm)" "$convoy" train ./recipe.yaml convolution=direct

# Evaluation counts every image once, with the same bits. Its data folder holds 150 images, which is no
# multiple of 8.
evaluate() {
  for p in 1 2 4; do
    ranks $p "$convoy" eval run/best.h5 --data data --json 2>/dev/null | sed 's/, "ranks".*//' >eval.$p
    grep -q '"images": 150,' eval.$p || fail "evaluation on $p ranks: $(cat eval.$p)"
    cmp eval.1 eval.$p || fail "evaluation on $p ranks gives other bits"
  done
}
evaluate

# Pictures are mixed by twos, and evaluation sees ten views of each, whatever the number of the loader's
# threads.
mixing='data.augment=[{translate: {by: 3}}, mirror, {one_of: {apply: [mixup, cutmix]}}]'
views='data.evaluation=[{pad: {by: 2}}, {ten_crops: {size: 32}}]'
first=
for how in "1 1 1" "1 2 4" "2 1 3" "4 1 2"; do
  read -r p t loaders <<<"$how"
  now=$(result "$p" "$t" "$mixing" "$views" "data.threads=$loaders") || fail "mixing on $how failed"
  echo "ranks, threads, loader threads $how: $now"
  [ -n "$first" ] || first=$now
  [ "$now" = "$first" ] || fail "mixing on $how gives other bits than the first"
done
evaluate
"$convoy" eval run/last.h5 --data data --json >eval.last 2>/dev/null
[ "$(field loss <eval.last)" = "$(echo "$first" | head -n 1 | cut -d " " -f 3)" ] || fail "the run's last loss is not eval's: $(cat eval.last)"

rm -rf run
expect 2 "runs on 1, 2, 4, 8 ranks" ranks 3 "$convoy" train ./recipe.yaml
expect 2 "runs on 1, 2, 4, 8 ranks" ranks 16 "$convoy" train ./recipe.yaml
expect 2 "batches of 48 or 72 images (microbatch 8) are the nearest that 3 ranks can share" ranks 3 "$convoy" train ./recipe.yaml
[ ! -e run/last.h5 ] || fail "a refused run wrote a checkpoint"
finish
