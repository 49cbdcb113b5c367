# Tests fully connected layers that are split over the ranks: they get the same bits at any number of ranks,
# their checkpoints are whole, they resume on another number, and they compute nearly what replicas do.
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

same_bits "1:1 1:3 2:1 2:2 4:1 8:1"
one=$(result 2 1)
mv run straight
same_bits "1:1 3:1 6:2 12:1" batch=96 # the 12 microbatches make a tree of 3, 2, 2
same_bits "1:2 2:1 6:1" batch=96 'tree=[2, 3, 2]'
same_bits "1:1 2:1" batch=16 # each rank has one microbatch
same_bits "1:1" batch=8

# How replicated gradients travel changes nothing; only MPI's own sums may.
[ "$(result 4 1 reduce=whole)" = "$one" ] || fail "reduce: whole gives other bits"
[ "$(result 2 1 bucket=1)" = "$one" ] || fail "another bucket gives other bits"
[ "$(result 2 1 bucket=64)" = "$one" ] || fail "buckets that are not measured give other bits"
result 4 1 reduce=mpi >/dev/null || fail "reduce: mpi"

# All weights are split.
sed 's/conv: .*/flatten/; /parameters/d; /max_pool/d; s/fc: {outputs: \([0-9]*\).*/fc: {outputs: \1, init: xavier, bias: false, parallel: sharded}/' net.yaml >only.yaml
same_bits "1:1 2:1 4:1" network=only.yaml epochs=1

# A narrow wire is for replicated weights: their gradients are rounded at any number of ranks, those of split
# weights at none.
wide=$(result 1 1 network=only.yaml epochs=1)
for p in 1 4; do
  [ "$(result $p 1 network=only.yaml epochs=1 wire=bf16)" = "$wide" ] || fail "wire: bf16 on $p ranks rounds what does not cross it"
done
same_bits "1:2 2:1 8:1" wire=bf16
narrow=$(result 1 1 wire=bf16)
[ "$(echo "$narrow" | head -n 1)" != "$(echo "$one" | head -n 1)" ] || fail "wire: bf16 changes nothing"
[ "$(result 4 1 wire=bf16 reduce=whole bucket=1)" = "$narrow" ] || fail "wire: bf16, reduce: whole gives other bits"
same_bits "1:1 3:1 12:1" batch=96 epochs=1 wire=bf16

# Pictures are mixed by twos, and evaluation sees ten views of each.
mixing='data.augment=[{translate: {by: 3}}, {crop: {size: 32}}, mirror, {one_of: {apply: [mixup, cutmix]}}]'
views='data.evaluation=[{pad: {by: 2}}, {ten_crops: {size: 32}}]'
same_bits "1:1 1:2 2:2 4:1" "$mixing" "$views" wire=bf16 data.threads=2
mixed=$(field weights <out.json)

# A run is stopped within an epoch, and goes on with other numbers of ranks each time.
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

# The same holds with all of these, from four ranks to one.
rm -rf run
train 4 --stop-after 17 "$mixing" "$views" wire=bf16 reduce=whole >/dev/null 2>&1
[ $? = 75 ] || fail "a stop on request should end with 75, mixing"
train 1 --resume "$mixing" "$views" wire=bf16 reduce=whole >out.json 2>err.log || fail "resuming: $(cat err.log)"
[ "$(field weights <out.json)" = "$mixed" ] || fail "a resumed run of mixed pictures ends with other weights"

# A trace shows what they swap: X, Y, dY and dX for each layer and microbatch.
train 2 epochs=1 --overwrite --trace trace.json >out.json 2>err.log || fail "tracing: $(cat err.log)"
swaps=$(grep -c '"swap between ranks"' trace.json)
[ "$swaps" = $((2 * $(field steps <out.json) * 4 * 2 * 4)) ] || fail "$swaps swaps in the trace of $(field steps <out.json) steps"

# The benchmark's steps are the trainer's, and the plan knows what is swapped.
ranks 4 "$convoy" bench scaling ./net.yaml --batch 4 --steps 2 --json >scaling.json 2>err.log || fail "bench scaling: $(cat err.log)"
"$convoy" plan ./net.yaml --microbatch 4 --nodes 4 --steps 1 --json >plan.json 2>err.log || fail "plan: $(cat err.log)"
"$convoy" plan ./net.yaml parallel=replicated --microbatch 4 --nodes 4 --steps 1 --json >whole.json || fail "plan, replicated"
wrong=$(/usr/bin/python3 - 2>&1 <<'END'
import json
scaling, plan, whole = (json.load(open(n + ".json")) for n in ("scaling", "plan", "whole"))
assert len({r["weights"] for r in scaling["strong"]}) == 1 and len(scaling["strong"]) == 3, scaling
split, features = 1176 * 1030 + 1030 * 70, ((1176, 1030), (1030, 70))
for one, other in zip(plan["rows"], whole["rows"]):
    p = one["ranks"]
    if p > 1024: break
    assert one["split_parameters"] == split and other["split_parameters"] == 0, one
    swapped = sum(2 * 16 * (p - 1) * (-(-f // p) + o) for f, o in features) if p > 1 else 0
    assert abs(one["node_swaps_bytes"] - swapped) <= 1e-6 * swapped and (one["swap_s"] > 0) == (p > 1), (one, swapped)
    gone = 2 * 4 * split * (p - 1) / p # what replicas send of them
    assert abs(other["node_sends_bytes"] - gone + swapped - one["node_sends_bytes"]) <= 2e-3 * gone + 200, (one, other)
    assert one["memory_bytes"]["weights"] - other["memory_bytes"]["weights"] < 1000, (one, other)
# 2048 ranks are more than fc1 has inputs.
assert [r["ranks"] for r in plan["rows"]] == [2 ** k for k in range(11)], plan
END
) || fail "$wrong"
expect 0 "* split layers: 1.3 million parameters" "$convoy" plan ./net.yaml --microbatch 4 --nodes 4 --steps 1
expect 2 "cannot be split as 'parallel: sharded' does it" "$convoy" plan ./net.yaml --microbatch 1 --nodes 2048 --steps 1

# Replicas compute the same but for rounding, and that is another recipe.
other=$(result 1 1 'network={./net.yaml: {parallel: replicated}}' epochs=1 | head -n 1)
near=$(result 1 1 epochs=1 | head -n 1)
[ "$other" != "$near" ] || fail "parallel: sharded changes nothing"
/usr/bin/python3 -c 'import sys; a, b = float(sys.argv[1]), float(sys.argv[2]); sys.exit(abs(a - b) > 1e-4 * a)' \
  "$(echo "$other" | cut -d " " -f 2)" "$(echo "$near" | cut -d " " -f 2)" || fail "replicated $other and sharded $near are too far apart"
expect 2 "'network.layers[4].fc.parallel' was 'sharded' and is now 'replicated'" \
  "$convoy" train ./recipe.yaml run=straight --resume 'network={./net.yaml: {parallel: replicated}}'
same_bits "1:1 2:1" 'network={./net.yaml: {parallel: auto}}' epochs=1
expect 2 "cannot be split as 'parallel: sharded' does it" "$convoy" train ./recipe.yaml batch=1024 microbatch=1 \
  'network={name: small, input: [32, 32, 1], layers: [{average_pool: {kernel: 4}}, {fc: {outputs: 10, parallel: sharded}}, softmax_loss]}'
expect 2 "did you mean 'sharded'" "$convoy" train ./recipe.yaml 'network={./net.yaml: {parallel: shared}}'

# The ranks have no memory in common.
rm -rf run
bash "$CONVOY_SOURCE/tests/cluster/run.sh" --nodes 4 --mbit 500 "$convoy" train "$work/recipe.yaml" --threads 1 --json >out.json 2>err.log
case $? in
  0) [ "$(field weights <out.json)" = "$(echo "$one" | head -n 1 | cut -d " " -f 1)" ] || fail "4 nodes give other weights" ;;
  77) grep -h skipped out.json err.log ;;
  *) fail "on 4 nodes: $(cat err.log)" ;;
esac
finish
