# What convoy bench prints parses, lists every layer, and counts the summary's operations. No speed decides
# anything.
# It runs alone, for it measures time.
. "$(dirname "$0")/lib" "$1"

cat >check.py <<'END_OF_CHECK'
import json, math
step, layers, summary = (json.load(open(name)) for name in ("step.json", "layers.json", "summary.json"))

def check(holds, what):
    if not holds: raise SystemExit(what)

def near(a, b): return abs(a - b) <= 1e-4 * abs(b)

batch = 3
for key, name in ("network", "name"), ("parameters", "parameters"):
    check(step[key] == layers[key] == summary[name], key)
for bench, steps in (step, 2), (layers, 1):
    check((bench["batch"], bench["threads"], bench["steps"]) == (batch, 2, steps), "the options")
    check(math.isfinite(bench["loss"]) and bench["peak_bytes"] > 1e6, "loss or memory")
    for spread in "img_s", "step_s", "forward_s", "backward_s", "update_s":
        s = bench[spread]
        check(0 < s["lowest"] <= s["median"] <= s["highest"], spread)
    check(near(bench["img_s"]["lowest"] * bench["step_s"]["highest"], batch), "images/s")
    check(near(bench["gflop_s"] * bench["step_s"]["median"], bench["gflop"]), "GFLOP/s")
check("layers" not in step, "'step' lists layers")

# Operations count once for forward and twice for backward, but for the layers that read the image, which need
# no gradient of it.
of_image = sum(l["multiply_adds"] for l in summary["layers"] if l["inputs"] == ["input"])
expected = 2e-9 * batch * (3 * summary["multiply_adds"] - of_image)
check(near(step["gflop"], expected) and near(layers["gflop"], expected), f"{step['gflop']} GFLOP, not {expected}")

rows = layers["layers"]
check([(r["name"], r["type"]) for r in rows] == [(l["name"], l["type"]) for l in summary["layers"]], "the layers")
check(all(r["forward_s"] > 0 and r["backward_s"] > 0 for r in rows), "a layer's time")
check(near(sum(r.get("forward_gflop", 0) + r.get("backward_gflop", 0) for r in rows), expected), "the layers' GFLOP")
types = layers["types"]
check(sum(t["layers"] for t in types) == len(rows), "the types' layers")
for way in "forward_s", "backward_s", "share":
    check(near(sum(t[way] for t in types), sum(r[way] for r in rows)), "the types' " + way)
rest = layers["losses_s"] + layers["update_s"]["median"]
check(near(sum(r["forward_s"] + r["backward_s"] for r in rows) + rest, layers["parts_s"]), "the parts' sum")
# The parts of one step are exactly what was timed: nothing is counted twice.
check(layers["parts_s"] <= 1.0001 * layers["step_s"]["median"], "the parts are more than the step")
products = sum(t["share"] for t in types if t["type"] in ("conv", "fc"))
check(abs(products + layers["else_share"] - 1) < 1e-4, "the share of everything else")
END_OF_CHECK

for network in "lenet" "resnet18 size=64 classes=10" "googlenet size=96 classes=10 aux=false"; do
  # shellcheck disable=SC2086
  {
    "$convoy" summary $network --json >summary.json || fail "summary $network"
    "$convoy" bench step $network --batch 3 --threads 2 --steps 2 --json >step.json || fail "bench step $network"
    "$convoy" bench layers $network --batch 3 --threads 2 --steps 1 --json >layers.json || fail "bench layers $network"
    expect 0 "images/s" "$convoy" bench step $network --batch 1 --steps 1
    expect 0 "all but conv, fc" "$convoy" bench layers $network --batch 1 --steps 1
  }
  wrong=$(/usr/bin/python3 check.py 2>&1) || fail "$network: $wrong"
done

"$convoy" bench step lenet --conv gemm --batch 2 --steps 1 --json | grep -q '"convolution": "gemm"' || fail "bench --conv gemm"
expect 0 "convolution: gemm" "$convoy" bench layers lenet --conv gemm --batch 2 --steps 1
expect 2 "unknown word 'winograd' in conv (known: auto, gemm)" "$convoy" bench step lenet --conv winograd
expect 2 "expected 'layers', 'step' or 'scaling' and a network, 'input' and a dataset, or 'allreduce'" "$convoy" bench
expect 2 "there is no measurement 'layer'; did you mean 'layers'?; there are" "$convoy" bench layer lenet
expect 2 "there is no measurement 'wheel'; there are 'layers', 'step', 'scaling', 'input' and 'allreduce'" "$convoy" bench wheel
expect 2 "what is to be measured of 'lenet'? 'convoy bench step lenet'" "$convoy" bench lenet
expect 2 "expected one network" "$convoy" bench step
expect 2 "no network is named 'lenot'" "$convoy" bench step lenot
expect 2 "unknown parameter 'sise' of network resnet18; did you mean 'size'?" "$convoy" bench layers resnet18 sise=64
expect 2 "'steps' must be a whole number from 1" "$convoy" bench step lenet --steps 0
expect 2 "unknown option --step; did you mean --steps?" "$convoy" bench step lenet --step 3
expect 0 "usage: convoy bench step|layers|scaling NETWORK" "$convoy" bench --help

# The input comes from raw shards as they are, and through a recipe's augmentations.
digits data 300
cat >input.yaml <<'END'
network: lenet5
data:
  train: data
  augment: [{rotate: {by: 10}}, {gaussian_noise: {deviation: 9}}]
batch: 10
microbatch: 10
epochs: 1
run: run
END
# Pictures that stay as they are are only copied. Pictures that are turned and get noise are warped first, and
# noise costs more than a copy.
for more in "" "--recipe ./input.yaml --threads 3"; do
  # shellcheck disable=SC2086
  "$convoy" bench input data --batch 10 --steps 20 $more --json >input.json || fail "bench input $more"
  /usr/bin/python3 -c 'import json, sys
r = json.load(open("input.json"))
assert r["img_s"] > 0 and r["height"] == r["width"] == 32 and r["channels"] == 1 and r["batch"] == 10, r
turned = len(sys.argv) > 1
assert r["read_s"] > 0 and r["copy_s"] > 0 and r["decode_s"] >= 0 and r["peak_bytes"] > 1e6, r
assert (r["warp_s"] > 0) == turned and (r["colour_s"] > 0 or not turned), r' $more || fail "bench input $more: $(cat input.json)"
done
for part in images/s read decode warp colour copy; do
  expect 0 "$part " "$convoy" bench input data --batch 10 --steps 2
done
printf '%s\n' "network: lenet5" "data: {train: data, shuffle: block, block: 20, window: 2, cache: {keep: records, memory: 1}}" \
  "batch: 10" "microbatch: 10" "epochs: 1" "run: run" >kept.yaml
"$convoy" bench input data --batch 10 --steps 60 --recipe ./kept.yaml --json >input.json || fail "bench input, kept"
/usr/bin/python3 -c 'import json
r = json.load(open("input.json"))
assert r["kept"] == 270 and 270 * 1024 < r["kept_bytes"] < 2 ** 20, r' || fail "bench input, kept: $(cat input.json)"
expect 0 "MiB, 270 records" "$convoy" bench input data --batch 10 --steps 60 --recipe ./kept.yaml
expect 2 "expected 'input' and the folder, prefix or file of a dataset" "$convoy" bench input
expect 2 "nowhere" "$convoy" bench input nowhere
expect 2 "lenot" "$convoy" bench input data --recipe lenot

# A network that would train badly is measured with a warning.
printf 'name: twice\ninput: [8, 8, 1]\nlayers:\n  - fc: {outputs: 10}\n  - softmax\n  - dropout\n  - softmax_loss\n' >twice.yaml
for command in "bench step ./twice.yaml --batch 2 --steps 1" "bench layers ./twice.yaml --batch 2 --steps 1" \
  "bench scaling ./twice.yaml --batch 2 --steps 1" "plan ./twice.yaml --nodes 2 --bandwidth 10 --latency 30 --microbatch 2"; do
  # shellcheck disable=SC2086
  expect 0 "warning: ./twice.yaml:5:5: layer 'softmax1' " "$convoy" $command
done
finish
