# Tests `convoy summary --probe`: healthy first values are silent, others are warned of, a recipe's probe sees
# its first microbatch, and any number of threads gives the same bits.
. "$(dirname "$0")/lib" "$1"
digits data 200

# lenet NAME INIT: a copy of lenet that begins with other values
lenet() {
  "$convoy" networks lenet | sed -e "s/init: xavier/$2/" -e "s/^name: .*/name: $1/" >"$1.yaml"
  grep -q "$2" "$1.yaml" || fail "lenet has no 'init: xavier' any more"
}
lenet large 'init: gaussian, init_std: 1'
lenet small 'init: gaussian, init_std: 0.0003'
lenet healthy 'init: lecun'

"$convoy" summary ./healthy.yaml --probe data >table.txt 2>err.txt || fail "healthy: $(cat err.txt)"
[ ! -s err.txt ] || fail "healthy first values are warned of: $(cat err.txt)"
grep -qx 'healthy: first values of seed 1, 16 images of data' table.txt || fail "heading: $(cat table.txt)"
grep -q '^loss [0-9.]* (a guess has 2.3026)$' table.txt || fail "loss: $(cat table.txt)"
grep -qE '^layer +type +mean +deviation +zeros +between +dead +dy_mean +dy_dev +dy_zeros +dy_length$' table.txt || fail "columns: $(cat table.txt)"
grep -qE '^relu1 +relu +[0-9].*%.*%.*%' table.txt || fail "relu1: $(cat table.txt)"
expect 0 "warning: the output explodes at layer 'fc1'" "$convoy" summary ./large.yaml --probe data
expect 0 "warning: the output vanishes at layer 'fc1'" "$convoy" summary ./small.yaml --probe data
expect 0 "warning: the gradient vanishes at layer" "$convoy" summary ./small.yaml --probe data

# JSON: the same numbers at any number of threads, other ones from another seed.
for threads in 1 3; do
  "$convoy" summary ./large.yaml --probe data --json --threads $threads >$threads.json 2>err.txt || fail "--json: $(cat err.txt)"
done
cmp 1.json 3.json || fail "three threads give other bits than one"
"$convoy" summary ./large.yaml --probe data --json --seed 2 | cmp -s - 1.json && fail "another seed gives the same"
/usr/bin/python3 - <<'END' || fail "the JSON"
import json, math
report = json.load(open("1.json"))
assert report["microbatch"] == 16 and report["guess"] == math.log(10) and report["loss"] > 100
first, output = report["warnings"]
assert "first loss" in first and "output explodes" in output
assert [layer["type"] for layer in report["layers"]][-2:] == ["fc", "softmax_loss"]
for layer in report["layers"][:-1]:
    for numbers in layer["output"], layer["gradient"]:
        assert 0 <= numbers["zeros"] <= 1 and numbers["deviation"] > 0
        assert numbers["between"] <= numbers["deviation"] * (1 + 1e-12)
assert report["layers"][-1]["gradient"] is None
END

# A recipe's probe sees what its first step sees: the loss is the same but for the rounding of its sum.
cat >recipe.yaml <<END
network: ./healthy.yaml
data: {train: data, augment: [{resize: {size: 28}}, {translate: {by: 2}}]}
batch: 20
microbatch: 20
epochs: 1
seed: 3
learning_rate: {constant: {rate: 0.01}}
log_every: 1
run: run
END
"$convoy" train ./recipe.yaml --stop-after 1 >train.log 2>&1
[ $? = 75 ] || fail "train: $(cat train.log)"
"$convoy" summary ./recipe.yaml --probe train --json >probe.json 2>err.txt || fail "a recipe: $(cat err.txt)"
near=$(awk "BEGIN {d = $(sed 's/.*"loss": \([^,]*\).*/\1/' probe.json) - $(head -n 1 run/metrics.jsonl | field loss); print (d < 1e-7 && d > -1e-7)}")
[ "$near" = 1 ] ||
  fail "the recipe's first loss is $(head -n 1 run/metrics.jsonl), not that of $(cat probe.json)"
grep -q '"microbatch": 20,' probe.json || fail "the recipe's microbatch: $(cat probe.json)"
expect 0 "first values of seed 7, 12 images of data" "$convoy" summary ./recipe.yaml seed=7 microbatch=4 --batch 12 --probe train
expect 0 "first values of seed 7, 20 images of data" "$convoy" summary ./recipe.yaml --seed 7 --probe data
"$convoy" summary ./recipe.yaml --conv gemm --probe train --json >conv.json 2>&1
"$convoy" summary ./recipe.yaml convolution=gemm --probe train --json >key.json 2>&1
cmp conv.json key.json || fail "--conv is another thing than the recipe's key"
cmp -s conv.json probe.json && fail "--conv changes nothing of a recipe's probe"

expect 2 "--seed is about --probe" "$convoy" summary ./healthy.yaml --seed 2
expect 2 "nowhere: no such file" "$convoy" summary ./recipe.yaml data.train=nowhere --probe train
expect 2 "nowhere: no such file" "$convoy" summary ./healthy.yaml --probe nowhere
expect 2 "--probe looks at numbers" "$convoy" summary ./healthy.yaml --probe data --ranks 2
finish
