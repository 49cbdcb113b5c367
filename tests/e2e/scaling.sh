# Tests convoy bench scaling and convoy plan: right and wrong input, and what must hold whatever the speed.
# It runs alone, for it measures time.
. "$(dirname "$0")/lib" "$1"

cat >check.py <<'END_OF_CHECK'
import json, sys
ranks, own = int(sys.argv[1]), int(sys.argv[2])
b = json.load(open("scaling.json"))

def check(holds, what):
    if not holds: raise SystemExit(f"{ranks} ranks: {what}: {b}")

def near(x, y): return abs(x - y) <= 1e-4 * abs(y)

weak, strong = b["weak"], b["strong"]
counts = {1: [1], 2: [1, 2], 3: [1, 2, 3]}[ranks]
check([r["ranks"] for r in weak] == counts, "rank counts of weak scaling")
check([r["ranks"] for r in strong] == [c for c in counts if ranks % c == 0], "rank counts of strong scaling")
for rows in weak, strong:
    check(rows[0]["efficiency"] == 1 and rows[0]["exposed_s"] == 0, "one rank")
    for r in rows:
        check(near(r["img_s"] * r["step_s"]["median"], r["images"]), "images/s")
        check(near(r["efficiency"] * r["ranks"] * rows[0]["img_s"], r["img_s"]), "efficiency")
        check(0 < r["step_s"]["lowest"] <= r["step_s"]["median"] <= r["step_s"]["highest"], "steps")
        check(0 <= r["exposed_s"] <= r["step_s"]["highest"], "exposed")
check(all(r["images"] == 4 * own * r["ranks"] for r in weak), "images, weak")
check(all(r["images"] == 4 * own * ranks for r in strong), "images, strong")
# The step is the trainer's, so it gives the same bits on any number of ranks.
check(len({r["weights"] for r in strong}) == 1 and weak[-1]["weights"] == strong[0]["weights"], "weights")
END_OF_CHECK

for n in 1 2 3; do
  ranks $n "$convoy" bench scaling lenet --batch 4 --microbatches 2 --steps 2 --json >scaling.json 2>log || fail "$n: $(cat log)"
  wrong=$(/usr/bin/python3 check.py $n 2 2>&1) || fail "$wrong"
done
# Buckets of the size that does best, whichever that is, give the bits of any other.
all_weights() { /usr/bin/python3 -c 'import json; b = json.load(open("scaling.json")); print(*(r["weights"] for r in b["weak"] + b["strong"]))'; }
first=
for bucket in 0 1 64; do
  ranks 3 "$convoy" bench scaling lenet --batch 4 --steps 2 --bucket $bucket --json >scaling.json 2>log || fail "bucket $bucket: $(cat log)"
  now=$(all_weights)
  [ -n "$first" ] || first=$now
  [ "$now" = "$first" ] || fail "buckets of $bucket MiB give other bits: $now instead of $first"
done
expect 0 "strong scaling: all ranks share" ranks 2 "$convoy" bench scaling lenet --batch 2 --steps 1 --reduce whole
expect 2 "did you mean 'lenet'" ranks 2 "$convoy" bench scaling lenot
expect 2 "one network" "$convoy" bench scaling
expect 2 "did you mean 'scaling'" "$convoy" bench scalling lenet

# ---- plan ----

cat >check-plan.py <<'END_OF_CHECK'
import json
p, one, slow = (json.load(open(n)) for n in ("plan.json", "fast.json", "slow.json"))

def check(holds, what):
    if not holds: raise SystemExit(f"plan: {what}: {p}")

rows = p["rows"]
check([r["ranks"] for r in rows] == [1, 2, 4, 6] + [2 ** k for k in range(3, 13)], "rank counts")
for r in rows:
    check(r["batch"] == 8 * r["ranks"] and r["nodes"] == max(1, r["ranks"] // 2), "nodes")
    check(abs(r["img_s"] * r["step_s"] - r["batch"]) <= 1e-4 * r["batch"], "images/s")
    check(abs(r["epoch_s"] * r["img_s"] - 60000) <= 1, "epoch")
    check(r["compute_s"] + r["exposed_s"] <= r["step_s"] * 1.0001, "a step's parts")
    check(sum(v for k, v in r["memory_bytes"].items() if k != "total") == r["memory_bytes"]["total"], "memory")
check([r["node_sends_bytes"] > 0 for r in rows] == [r["nodes"] > 1 for r in rows], "what crosses the wire")
nodes2 = rows[2]  # 2n(N-1)/N bytes leave a node
check(abs(nodes2["node_sends_bytes"] / (4 * p["parameters"]) - 1) < 0.01, "bytes")
check(rows[0]["memory_bytes"]["gradients"] == rows[1]["memory_bytes"]["gradients"], "gradients")
# The times are read, not measured: a slower wire exposes more, and a fast one nothing to speak of.
check(one["rows"][0]["step_s"] == slow["rows"][0]["step_s"], "one rank does not depend on the wire")
check(all(f["step_s"] <= s["step_s"] for f, s in zip(one["rows"], slow["rows"])), "a slower wire")
check(slow["rows"][1]["efficiency"] < 0.5 and slow["rows"][1]["exposed_s"] > 0.1, "a very slow wire")
END_OF_CHECK

"$convoy" bench layers lenet --batch 4 --steps 2 --json >times.json || fail "bench layers"
plan() { "$convoy" plan lenet --microbatch 4 --times times.json --json "$@"; }
plan --nodes 3 --ranks-per-node 2 --batch 48 --images 60000 >plan.json || fail "plan"
plan --nodes 2 --bandwidth 1000 --latency 0 --wire-cost 0 >fast.json || fail "plan, fast"
plan --nodes 2 --bandwidth 0.1 --latency 1000 >slow.json || fail "plan, slow"
wrong=$(/usr/bin/python3 check-plan.py 2>&1) || fail "$wrong"
expect 0 "* a rank's MB: " "$convoy" plan lenet classes=7 --microbatch 2 --steps 1 --nodes 4
expect 2 "batch 50 is not shared evenly by 6 ranks with microbatches of 4; 72 would be" plan --nodes 6 --batch 50
expect 2 "6 ranks cannot share the 30 microbatches of a step" plan --nodes 6 --batch 120
expect 2 "plans reach to 4096" plan --nodes 4096 --ranks-per-node 2
expect 2 "measured with batch 4; --microbatch is 8" "$convoy" plan lenet --microbatch 8 --times times.json
expect 2 "measured with threads 1; --threads is 2" "$convoy" plan lenet --microbatch 4 --threads 2 --times times.json
expect 2 "8 layers; network 'lenet5' has" "$convoy" plan lenet5 --microbatch 4 --times times.json
expect 2 "bandwidth" plan --bandwidth 0
sed 's/"name": "conv2"/"name": "conv3"/' times.json >other.json
expect 2 "other.json:1:" "$convoy" plan lenet --microbatch 4 --times other.json
sed 's/"forward_s": [0-9e.-]*, "backward_s"/"forward_s": -1, "backward_s"/' times.json >other.json
expect 2 "'forward_s' is" "$convoy" plan lenet --microbatch 4 --times other.json
"$convoy" bench step lenet --batch 4 --steps 1 --json >other.json
expect 2 "has no 'layers'" "$convoy" plan lenet --microbatch 4 --times other.json
expect 2 "nowhere.json" "$convoy" plan lenet --times nowhere.json
printf 'input: [2, 2, 1]\nlayers:\n  - flatten\n  - softmax_loss\n' >empty.yaml
expect 2 "has no parameters" "$convoy" plan ./empty.yaml
expect 2 "has no parameters" ranks 2 "$convoy" bench scaling ./empty.yaml
finish
