# convoy train --trace writes a file that is JSON, whose spans nest, and that tells what happened in the order
# in which it must.
. "$(dirname "$0")/lib" "$1"
digits data 400

cat >net.yaml <<'END'
name: "a \"net\" \\ of \u00e9"
input: [32, 32, 1]
layers:
  - conv: {name: first, filters: 4, kernel: 5}
  - relu
  - max_pool: {kernel: 2}
  - fc: {name: wide, outputs: 512}
  - relu
  - fc: {name: "fc\u00e9", outputs: 512}
  - fc: {name: last, outputs: 10}
  - softmax_loss
END
cat >recipe.yaml <<'END'
network: ./net.yaml
data: {train: data, val: data, threads: 2}
batch: 32
microbatch: 4
epochs: 1
bucket: 1
run: run
END

cat >check.py <<'END_OF_CHECK'
import json, sys
from collections import defaultdict
name, ranks, steps, last = sys.argv[1], *map(int, sys.argv[2:5])
trace = json.load(open(name))
events = trace["traceEvents"]

def check(holds, what):
    if not holds: raise SystemExit(f"{name}: {what}")

check(trace["otherData"]["dropped_events"] == 0, "events are missing")
spans, threads, processes, halves = defaultdict(list), {}, {}, defaultdict(dict)
for e in events:
    if e["ph"] == "X": spans[e["pid"], e["tid"]].append(e)
    elif e["ph"] in "be": halves[e["id"]][e["ph"]] = e
    elif e["name"] == "thread_name": threads[e["pid"], e["tid"]] = e["args"]["name"]
    elif e["name"] == "process_name": processes[e["pid"]] = e["args"]["name"]
check(sorted(processes) == list(range(ranks)) and processes[0].startswith("rank 0 on "), "the ranks")
for rank in range(ranks):
    names = {n for (pid, _), n in threads.items() if pid == rank}
    wanted = {"compute", "helper 1", "loader 1", "loader 2"} | ({"communication"} if ranks > 1 else set())
    check(wanted <= names, f"the threads of rank {rank}: {names}")

# Spans of a thread nest: none begins within another and ends after it. (Times are rounded to 1 ns.)
for track, own in spans.items():
    check(track in threads, f"a thread without a name: {track}")
    open_ends = []
    for e in sorted(own, key=lambda e: (e["ts"], -e["dur"])):
        check(e["dur"] >= 0, "a span ends before it begins")
        while open_ends and open_ends[-1] <= e["ts"] + 0.002: open_ends.pop()
        end = e["ts"] + e["dur"]
        check(not open_ends or end <= open_ends[-1] + 0.002, f"spans cross: {threads[track]}, {e}")
        open_ends.append(end)

def of(rank, thread, category):
    return [e for (pid, tid), own in spans.items() if pid == rank and threads[pid, tid].startswith(thread)
            for e in own if e["cat"] == category]

def end(e): return e["ts"] + e["dur"]

layers = ["first", "relu1", "pool1", "wide", "relu2", "fc\u00e9", "last", "loss1"]
for rank in range(ranks):
    for way in "forward", "backward":
        seen = {e["name"] for e in of(rank, "compute", way)}
        check(seen == {f"{l} {way}" for l in layers}, f"{way} of layers on rank {rank}: {seen}")
    numbers = [e["args"]["step"] for e in of(rank, "compute", "step")]
    check(sorted(numbers) == list(range(last - steps + 1, last + 1)), f"steps {numbers}")
    for step in of(rank, "compute", "step"):
        inside = [e["args"]["step"] for way in ("forward", "backward") for e in of(rank, "compute", way)
                  if step["ts"] <= e["ts"] <= end(step)]
        check(set(inside) == {step["args"]["step"]}, f"step {step['args']['step']}: its layers say {set(inside)}")
    if steps == last:
        for category in "evaluation", "checkpoint" if rank == 0 else "check", "check":
            check(of(rank, "compute", category), f"no {category} on rank {rank}")
    check(of(rank, "loader", "data"), f"no image was made on rank {rank}")
    check({"read", "image", "augment"} <= {e["name"] for e in of(rank, "loader", "data")}, "images")
    check(of(rank, "communication" if ranks > 1 else "compute", "update"), f"no update on rank {rank}")

# Buckets are handed over after their lowest layer's backward, and are done before the step's next one begins.
if ranks > 1:
    check(all(set(h) == {"b", "e"} and h["b"]["ts"] <= h["e"]["ts"] for h in halves.values()), "half a bucket")
    check({h["b"]["name"] for h in halves.values()} == {"wide bucket", "fc\u00e9 bucket", "first bucket"} and
          len(halves) == 3 * ranks * steps, f"buckets: {len(halves)} {({h['b']['name'] for h in halves.values()})}")
    for h in halves.values():
        rank, layer = h["b"]["pid"], h["b"]["name"][:-len(" bucket")]
        step = [s for s in of(rank, "compute", "step") if s["ts"] <= h["b"]["ts"] <= end(s)]
        check(len(step) == 1 and h["e"]["ts"] <= end(step[0]), "a bucket outside of its step")
        passes = [e for e in of(rank, "compute", "backward") if e["name"] == layer + " backward" and
                  step[0]["ts"] <= e["ts"] <= end(step[0])]
        check(len(passes) == 8 // ranks and max(map(end, passes)) <= h["b"]["ts"] + 0.002, f"{layer}'s bucket is early")
    # No rank's sums are there before all have handed the bucket over; clocks are good for some microseconds.
    for step in range(steps):
        turns = [sorted((h for h in halves.values() if h["b"]["pid"] == r), key=lambda h: h["b"]["ts"])[3 * step:][:3]
                 for r in range(ranks)]
        for bucket in zip(*turns):
            check(len({h["b"]["name"] for h in bucket}) == 1, "the order of buckets")
            check(max(h["b"]["ts"] for h in bucket) <= min(h["e"]["ts"] for h in bucket) + 1000, "a sum before its parts")
END_OF_CHECK

check() { # check RANKS STEPS LAST
  wrong=$(/usr/bin/python3 check.py trace.json "$@" 2>&1) || fail "$wrong"
}
steps=12 # 360 images
for n in 1 2 4; do
  rm -f trace.json
  ranks $n "$convoy" train ./recipe.yaml --overwrite --threads 2 --trace trace.json --json >with.json 2>log || fail "$n ranks: $(cat log)"
  check $n $steps $steps
  ranks $n "$convoy" train ./recipe.yaml --overwrite --threads 2 --json >without.json 2>log || fail "$n ranks: $(cat log)"
  [ "$(field weights <with.json)" = "$(field weights <without.json)" ] || fail "tracing changes bits"
done

# A few steps are traced.
ranks 2 "$convoy" train ./recipe.yaml --overwrite --threads 2 --trace trace.json --trace-from 5 --trace-steps 3 >log 2>&1 || fail "$(cat log)"
check 2 3 7

# A trace of a run that stops, or diverges, is written too.
rm trace.json
expect 75 "stopped after step 3" "$convoy" train ./recipe.yaml --overwrite --stop-after 3 --threads 2 --trace trace.json
/usr/bin/python3 -c 'import json; json.load(open("trace.json"))' || fail "the trace of a stopped run"
rm trace.json
expect 1 "diverged" "$convoy" train ./recipe.yaml --overwrite learning_rate.constant.rate=1e6 --trace trace.json
/usr/bin/python3 -c 'import json; json.load(open("trace.json"))' || fail "the trace of a run that diverged"

# There is too little memory: what is missing is counted, in the file and on the screen.
expect 0 "events found no room" "$convoy" train ./recipe.yaml epochs=9 --overwrite --trace trace.json --trace-memory 1
/usr/bin/python3 -c 'import json
t = json.load(open("trace.json"))
assert t["otherData"]["dropped_events"] > 0 and 10000 < len(t["traceEvents"]) < 33000, len(t["traceEvents"])' || fail "dropped events"

expect 2 "--trace nowhere/trace.json: cannot write there" ranks 2 "$convoy" train ./recipe.yaml --overwrite --trace nowhere/trace.json
expect 2 "trace-from" "$convoy" train ./recipe.yaml --overwrite --trace trace.json --trace-from 0
expect 1 "No space left" "$convoy" train ./recipe.yaml --overwrite --trace /dev/full

# A trace takes the place of an older trace and of nothing else.
cp recipe.yaml precious.yaml
expect 2 "a file that is no trace stands there" ranks 2 "$convoy" train ./precious.yaml --overwrite --trace ./precious.yaml
cmp recipe.yaml precious.yaml || fail "a recipe was lost for a trace"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then # root could read everything
  mkdir -m 777 locked && cp -r recipe.yaml net.yaml data locked/ && chmod 755 . && cd locked || exit 1
  cp "$convoy" convoy && cp recipe.yaml secret && chmod 222 secret
  expect 2 "the file that stands there cannot be read (Permission denied)" \
    setpriv --reuid=65534 --clear-groups ./convoy train ./recipe.yaml --trace secret
  cmp recipe.yaml secret || fail "a file that cannot be read was lost for a trace"
  cd ..
else
  echo "skipped: a file that may be written and not read (only root can become somebody else)"
fi
rm -rf run
for file in metrics.jsonl last.h5 best.h5 recipe.yaml; do
  expect 2 "the run writes a file of that name" "$convoy" train ./recipe.yaml --trace run/$file
  cd run || exit 1
  expect 2 "the run writes a file of that name" "$convoy" train ../recipe.yaml data.train=../data data.val=../data network=../net.yaml run=. --trace $file
  cd ..
done
expect 0 "done: " "$convoy" train ./recipe.yaml --overwrite --trace run/trace.json
expect 0 "the run is at its end, so there is nothing to trace" ranks 2 "$convoy" train ./recipe.yaml --resume --trace run/trace.json
finish
