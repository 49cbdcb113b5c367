# Tests what an evaluation tells beside the score: its files are the same bytes at any number of ranks, whole or not
# there, and agree with what Python makes of the predictions.
. "$(dirname "$0")/lib" "$1"
digits data 600
"$convoy" train lenet5-digits data.train=data data.val=data data.cache.keep=nothing epochs=2 run=run >train.log 2>&1 ||
  fail "training: $(tail -n 2 train.log)"

# ---- the same at 1, 2 and 4 ranks ----
alike() { # alike NAME OPTIONS...: writes NAME1, NAME2, NAME4
  local name=$1 n
  shift
  for n in 1 2 4; do
    ranks $n "$convoy" eval run "$@" --threads $((3 - n / 2)) --report $name$n --predictions $name$n.csv --json >$name$n.json 2>err.log ||
      fail "$name on $n ranks: $(cat err.log)"
    cmp $name$n.csv $name$n/predictions.csv || fail "$name: --predictions differ from those of the report"
    [ "$n" = 1 ] || diff -r ${name}1 $name$n || fail "$name: other files on $n ranks than on one"
    [ "$(sed 's/, "ranks.*//' $name$n.json)" = "$(sed 's/}$//' $name$n/score.json | sed 's/}$//')" ] ||
      fail "$name: score.json is not what --json prints"
  done
}
alike usual
alike crops 'data.evaluation=[{resize: {shorter: 36}}, {ten_crops: {size: 32}}]'
alike dense --dense --scales 32,40
[ "$(field views <crops1.json)" = 10 ] || fail "ten crops are $(field views <crops1.json) views"
[ "$(field views <dense1.json)" = 4 ] || fail "two scales are $(field views <dense1.json) views"
ls usual1 | tr '\n' ' ' | grep -qx 'classes.csv confusion.csv confusion.svg mistakes.csv mistakes.png predictions.csv reliability.svg score.json ' ||
  fail "a report has $(ls usual1)"
grep -q '>lenet5 on data, val</text>' usual1/confusion.svg || fail "the title: $(grep title usual1/confusion.svg)"

# ---- what Python makes of the predictions ----
cat >check.py <<'END'
import csv, json, sys
from xml.dom import minidom
folder = sys.argv[1]
read = lambda name: list(csv.DictReader(open(f"{folder}/{name}.csv")))
score, lines = json.load(open(f"{folder}/score.json")), read("predictions")
assert len(lines) == score["images"] and [int(l["record"]) for l in lines] == list(range(len(lines)))
assert all(l["source"].startswith("digit ") for l in lines) and len({l["source"] for l in lines}) == len(lines)
hits = [l["label"] == l["class_1"] for l in lines]
assert abs(sum(hits) / len(hits) - score["top1"]) < 1e-12
top5 = sum(l["label"] in [l[f"class_{k}"] for k in range(1, 6)] for l in lines)
assert abs(top5 / len(lines) - score["top5"]) < 1e-12
for l in lines:
    p = [float(l[f"probability_{k}"]) for k in range(1, 6)]
    assert p == sorted(p, reverse=True) and 0 <= p[4] and sum(p) < 1 + 1e-5, l
error = 0
for m in range(15):
    bin = [(float(l["probability_1"]), h) for l, h in zip(lines, hits) if m / 15 < float(l["probability_1"]) <= (m + 1) / 15]
    error += abs(sum(h for _, h in bin) - sum(p for p, _ in bin)) / len(lines)
    assert score["calibration"][m]["bin_images"] == len(bin)
assert abs(error - score["ece"]) < 1e-8, (error, score["ece"])
counts = {(a, b): 0 for a in range(10) for b in range(10)}
for l in lines: counts[int(l["label"]), int(l["class_1"])] += 1
table = list(csv.reader(open(f"{folder}/confusion.csv")))
assert table[0] == ["label"] + [str(k) for k in range(10)]
assert all(int(table[a + 1][b + 1]) == n for (a, b), n in counts.items())
for k, c in enumerate(read("classes")):
    assert int(c["images"]) == sum(counts[k, b] for b in range(10)) and int(c["hits"]) == counts[k, k]
    assert int(c["predicted"]) == sum(counts[a, k] for a in range(10))
    assert abs(float(c["accuracy"]) - counts[k, k] / int(c["images"])) < 1e-12
mistakes = read("mistakes")
losses = [float(m["loss"]) for m in mistakes]
assert len(mistakes) == hits.count(False) and losses == sorted(losses, reverse=True)
assert all(m["label"] != m["predicted"] for m in mistakes)
for name in ("confusion", "reliability"): minidom.parse(f"{folder}/{name}.svg")
END
for folder in usual1 crops1 dense1; do
  /usr/bin/python3 check.py $folder >check.log 2>&1 || fail "$folder: $(tail -n 3 check.log)"
done

# At the network's own size the dense form says the same, but for rounding.
"$convoy" eval run --dense --scales 32 --no-mirror --predictions own.csv >/dev/null 2>&1
/usr/bin/python3 - usual1.csv own.csv <<'END' >check.log 2>&1 || fail "dense at 32x32: $(tail -n 1 check.log)"
import csv, sys
for a, b in zip(*(list(csv.DictReader(open(path))) for path in sys.argv[1:])):
    assert a["record"] == b["record"] and a["class_1"] == b["class_1"]
    assert abs(float(a["probability_1"]) - float(b["probability_1"])) < 1e-5, (a, b)
END

# ---- wrong words ----
expect 2 "--crops 3: expected 1 (the centre) or 10" "$convoy" eval run --crops 3
expect 2 "--crops 10: nothing that pictures go through cuts out a part of them" "$convoy" eval run --crops 10
expect 2 "--scales 64,3x: 'scales' must be a whole number from 1 to 8192, not '3x'" "$convoy" eval run --dense --scales 64,3x
expect 2 "--scales 64,: 'scales' must be a whole number from 1 to 8192, not nothing" "$convoy" eval run --dense --scales 64,
expect 2 "--scales 8193: 'scales' must be a whole number from 1 to 8192" "$convoy" eval run --dense --scales 8193
expect 2 "--scales names 33 shorter sides; expected at most 32" "$convoy" eval run --dense --scales "$(seq -s , 33 65)"
expect 2 "--scales names 64 twice" "$convoy" eval run --dense --scales 64,40,64
expect 2 "--report has an empty value; leave it out where none is meant" "$convoy" eval run --report ''
expect 2 "--scales is about --dense: name both" "$convoy" eval run --scales 64
expect 2 "--no-mirror is about --dense" "$convoy" eval run --no-mirror
expect 2 "name one of the two" "$convoy" eval run --dense --crops 10
expect 2 "scale 20: the network cannot see pictures of 20x20" ranks 2 "$convoy" eval run --dense --scales 20
expect 2 "what can be set is how its data are read, and what they go through" "$convoy" eval run epochs=3

# ---- bad records: the next ones take their places, whichever way pictures go ----
spoil() { # spoil FIRST END: changes samples, and not their checksums
  /usr/bin/python3 -c 'import h5py, sys
images, first, end = h5py.File(sys.argv[1], "r+")["images"], int(sys.argv[2]), int(sys.argv[3])
images[first:end] = images[first:end] ^ 255' damaged/train-00000-of-00001.h5 "$1" "$2"
}
cp -r data damaged && spoil 5 7 && spoil 500 501 || fail "no records are spoilt"
for way in "" "--dense --scales 32"; do
  expect 1 "record 5 (" ranks 2 "$convoy" eval run --data damaged --split train $way
  expect 0 ", 4 bad records replaced" ranks 2 "$convoy" eval run --data damaged --split train data.on_bad_record=skip $way
  # Each rank names its own, once.
  ranks 2 "$convoy" eval run --data damaged --split train data.on_bad_record=skip $way 2>&1 >/dev/null |
    sed -n 's/^convoy: warning: damaged.train-00000-of-00001.h5: record \([0-9]*\) (digit [0-9]*): checksum .*/\1/p' | sort -nu >named
  [ "$(tr '\n' ' ' <named)" = "5 6 500 " ] || fail "records $(tr '\n' ' ' <named)are named as bad"
done
spoil 7 110
for way in "" "--dense --scales 32"; do
  expect 1 "and so it is with the 100 records before: too many to leave out" "$convoy" eval run --data damaged --split train data.on_bad_record=skip $way
done

# ---- samples of another scale ----
/usr/bin/python3 -c 'import h5py
old, new = h5py.File("data/val-00000-of-00001.h5"), h5py.File("fractions.h5", "w")
new["images"], new["labels"] = old["images"][:] / 255, old["labels"][:]' || fail "no samples from 0 to 1"
expect 0 "fractions.h5: its samples spread by 0.21 about 0.149, and those that the network learns from by 52.4" "$convoy" eval run --data fractions.h5
"$convoy" eval run 2>&1 | grep "another scale" && fail "the run's own data are of another scale"

# ---- whole or not at all ----
expect 2 "nowhere/p.csv: cannot be written" ranks 2 "$convoy" eval run --predictions nowhere/p.csv
for file in run/best.h5 data/val-00000-of-00001.h5; do
  expect 2 "$file: an HDF5 file stands there, a checkpoint or a dataset, and is not replaced" "$convoy" eval run --predictions $file
done
expect 0 "images: loss" "$convoy" eval run
expect 2 "usual1.csv: not a folder" ranks 2 "$convoy" eval run --report usual1.csv
cp usual1.csv kept.csv
expect 2 "no such file" "$convoy" eval run --data nothing --predictions kept.csv
cmp usual1.csv kept.csv && [ ! -e kept.csv.tmp ] || fail "an evaluation that failed has changed earlier predictions"
mkfifo pipe
cat pipe >piped.csv &
expect 0 "images: loss" "$convoy" eval run --predictions pipe
wait $!
cmp usual1.csv piped.csv || fail "predictions through a pipe are others"

# ---- pictures of any size ----
if [ -e "${CONVOY_TEST_DATA:-/nowhere}/README.md" ]; then
  i=0
  for file in "$CONVOY_TEST_DATA"/imagenet-photos/*; do
    mkdir -p "photos/class $((i % 4))"
    ln -s "$file" "photos/class $((i % 4))/"
    i=$((i + 1))
    [ "$i" -lt 24 ] || break
  done
  "$convoy" prepare folder photos -o pictures --size 96 --split train=1 >prepare.log 2>&1 || fail "$(tail -n 1 prepare.log)"
  cat >small.yaml <<'END'
network:
  name: small
  input: [48, 48, 3]
  layers: [conv: {filters: 8, kernel: 3, padding: same}, relu, max_pool: {kernel: 8}, flatten, fc: {outputs: 9}, relu, fc: {outputs: 4}, softmax_loss]
data: {train: pictures, augment: [resize: {shorter: 64}, crop: {size: 48}, mirror], evaluation: [resize: {shorter: 64}, crop: {size: 48}]}
batch: 8
microbatch: 8
epochs: 2
run: run
END
  "$convoy" train ./small.yaml --overwrite >train.log 2>&1 || fail "$(tail -n 1 train.log)"
  alike photos --split train --dense --scales 48,72
  alike photos-crops --split train --crops 10
  "$convoy" eval run --split train --predictions chain.csv >/dev/null 2>&1
  expect 0 "24 images" "$convoy" eval run --split train --crops 1 --predictions centre.csv
  cmp chain.csv centre.csv || fail "the centre is not the crop of evaluation"
  [ "$(field views <photos-crops1.json)" = 10 ] || fail "--crops 10 are $(field views <photos-crops1.json) views"
  grep -q 'class 1/n0' photos1.csv || fail "predictions lack the pictures' names"
else
  echo "skipped: e2e.evaluation, pictures of any size (no CONVOY_TEST_DATA)"
fi
finish
