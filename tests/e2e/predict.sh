# Tests what models say of pictures: files give the numbers of their shards, at any number of ranks; several models are an
# ensemble; weights are averaged. All is held against evaluation, or against Python.
. "$(dirname "$0")/lib" "$1"
cat >pictures.py <<'END'
import struct, zlib, os
def png(path, h, w, seed, channels):  # stripes whose way tells the class, with noise
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = bytearray()
    for y in range(h):
        rows.append(0)
        for x in range(w):
            at = x if "across" in path else y
            for c in range(channels): rows.append((at * 23 + (x * y * 7 + seed * 31 + c * 40) % 60 + seed) % 256)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2 if channels == 3 else 0, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))
for i in range(44):
    png("zoo/%s/%02d.png" % (("across", "down")[i % 2], i), 30 + i % 7 * 3, 28 + i % 5 * 4, i, 1 if i % 6 == 5 else 3)
END
/usr/bin/python3 pictures.py
for form in "raw --size 16x16" "kept --encoded" "short --size 24"; do
  # shellcheck disable=SC2086
  "$convoy" prepare folder zoo -o ${form%% *} ${form#* } --split train=0.5,val=0.5 >prepare.log 2>&1 || fail "prepare: $(tail -n 1 prepare.log)"
done
network() { # network NAME SIZE [LAYER]: writes NAME.yaml
  cat <<END
network:
  name: $1
  input: [$2, $2, 3]
  layers:
    - conv: {filters: 8, kernel: 3, padding: same}
${3:+    - $3
}    - relu
    - max_pool: {kernel: 2}
    - fc: {outputs: 2}
    - softmax_loss
batch: 12
epochs: 3
END
}
train() { # train NAME DATA MICROBATCH [key=value...]
  "$convoy" train ./$1.yaml data.train=$2 data.val=$2 microbatch=$3 run=$1 "${@:4}" >train.log 2>&1 || fail "training $1: $(tail -n 1 train.log)"
}
for name in raw-net wider; do network $name 16 >$name.yaml; done
network small 12 >small.yaml
network other 16 batch_norm >other.yaml
network again 16 batch_norm >again.yaml
varied=('data.augment=[{random_resized_crop: {size: 16}}, mirror]' 'data.evaluation=[{resize: {shorter: 20}}, {centre_crop: {size: 16}}]')
train raw-net raw 6
train wider kept 4 "${varied[@]}" seed=3
train small short 3 'data.augment=[{resize: {shorter: 14}}, {crop: {size: 12}}]' seed=4
train other raw 6 seed=5
train again raw 6 seed=6

# ---- what shards and checkpoints remember of the size ----
said() { "$convoy" inspect "$1" | awk -v key="$2" '$1 == key {print $2}'; }
[ "$(said short/train-00000-of-00001.h5 shorter_side)" = 24 ] || fail "a shard does not say the shorter side"
[ -z "$(said kept/train-00000-of-00001.h5 shorter_side)" ] || fail "a shard of files as they came says a shorter side"
[ "$(said small/best.h5 shorter_side) $(said small/best.h5 image_h)" = "24 0" ] || fail "a checkpoint does not say the shorter side"
[ "$(said raw-net/best.h5 image_h) $(said raw-net/best.h5 image_w)" = "16 16" ] || fail "a checkpoint does not say the images' size"

# ---- files and their shards ----
cat >compare.py <<'END'
import csv, sys
key = lambda line: "/".join(line["source"].split("/")[-2:])
evaluated = list(csv.DictReader(open(sys.argv[1])))
predicted = {key(line): line for line in csv.DictReader(open(sys.argv[2]))}
most = float(sys.argv[3])
assert len(evaluated) == 22 and len(predicted) >= 22, (len(evaluated), len(predicted))
for a in evaluated:
    b = predicted[key(a)]
    for k in ("class_1", "name_1", "probability_1", "class_2", "name_2", "probability_2"):
        if most == 0: assert a[k] == b[k], (a, b)
    p, q = ({l["class_%d" % k]: float(l["probability_%d" % k]) for k in (1, 2)} for l in (a, b))
    assert all(abs(p[k] - q[k]) <= most for k in "01"), (a, b)
END
alike() { # alike MOST DATA OPTIONS -- MODEL...: eval, predict of the shards and predict of the files say the same
  local most=$1 data=$2 options=() file
  shift 2
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  "$convoy" eval "$@" --data $data "${options[@]}" --predictions e.csv >/dev/null 2>err.log || fail "eval $*: $(cat err.log)"
  "$convoy" predict "$@" $data "${options[@]}" --csv >s.csv 2>err.log || fail "predict $* $data: $(cat err.log)"
  "$convoy" predict "$@" zoo "${options[@]}" --csv >f.csv 2>err.log || fail "predict $* zoo: $(cat err.log)"
  /usr/bin/python3 compare.py e.csv s.csv 0 >check.log 2>&1 || fail "$* $data: eval and predict differ: $(tail -n 1 check.log)"
  /usr/bin/python3 compare.py e.csv f.csv $most >check.log 2>&1 || fail "$* $data: files and shards differ: $(tail -n 1 check.log)"
}
# A picture that stands elsewhere in its microbatch may have another last digit.
alike 1e-6 raw -- raw-net
alike 1e-6 kept -- wider
alike 1e-6 kept --crops 10 -- wider
alike 0.2 short -- small # prepare has made these JPEG files
alike 1e-6 raw -- raw-net other again

# ---- a model that was exported and imported scales files as before ----
sed 's/name: small/name: cut/' small.yaml >cut.yaml
sed 's/name: small/name: cut-short/' small.yaml >cut-short.yaml
train cut raw 6 'data.augment=[{crop: {size: 12}}]'
alike 1e-6 raw -- cut
cp f.csv cut.csv
train cut-short short 6 'data.augment=[{crop: {size: 12}}]'
"$convoy" predict cut-short zoo --csv >cut-short.csv 2>err.log || fail "$(cat err.log)"
for name in cut cut-short; do
  for file in $name/best.h5 there.safetensors there.onnx there.h5; do
    [ $file = $name/best.h5 ] || "$convoy" export $name -o $file >export.log 2>&1 || fail "export to $file: $(cat export.log)"
    "$convoy" import $file -o back-again.h5 >import.log 2>&1 || fail "import of $file: $(cat import.log)"
    "$convoy" predict back-again.h5 zoo --csv 2>err.log | cmp - $name.csv || fail "$name is another model after $file: $(cat err.log)"
  done
done

# ---- the same at 1, 2 and 4 ranks ----
cp -r zoo ark
head -c 300 zoo/down/03.png >ark/down/03.png
echo "no picture" >ark/across/04.png
echo "no picture either" >ark/notes.txt
tar cf ark.tar ark
for n in 1 2 4; do
  ranks $n "$convoy" predict raw-net wider small ark --csv --threads $((3 - n / 2)) --image-sheet sheet$n.png >out$n 2>err.log ||
    fail "predict on $n ranks: $(cat err.log)"
  cmp out1 out$n || fail "predictions on $n ranks are not those of one"
  cmp sheet1.png sheet$n.png || fail "another sheet on $n ranks"
  [ "$(grep -c 'it is passed over' err.log)" = 2 ] || fail "not each broken picture is named once: $(cat err.log)"
done
grep -q "warning: ark/across/04.png: neither JPEG nor PNG" err.log || fail "$(cat err.log)"
grep -q "warning: ark/down/03.png: " err.log || fail "$(cat err.log)"
grep -q "1 other file" err.log || fail "a file that is left out is not told: $(cat err.log)"
"$convoy" predict raw-net ark --json 2>/dev/null | /usr/bin/python3 -c '
import json, sys
out = json.load(sys.stdin)
names = [p["source"] for p in out["pictures"]]
assert names == sorted(names) and len(names) == 42 and out["model"] == "raw-net" and out["views"] == 1
assert [u["source"] for u in out["unread"]] == ["ark/across/04.png", "ark/down/03.png"] and all(u["reason"] for u in out["unread"])
for p in out["pictures"]:
    assert [c["name"] for c in p["classes"]] in (["across", "down"], ["down", "across"])
    assert abs(sum(c["probability"] for c in p["classes"]) - 1) < 1e-6
' >check.log 2>&1 || fail "--json: $(tail -n 1 check.log)"
"$convoy" predict raw-net ark.tar --csv 2>/dev/null | sed 's/ark.tar: //' >tar.csv
"$convoy" predict raw-net ark --csv 2>/dev/null | cmp - tar.csv || fail "a tar is not what it was made of"
ranks 2 "$convoy" predict raw-net - --csv <ark.tar 2>err.log | sed 's/-: //' | cmp - tar.csv || fail "a tar on standard input: $(cat err.log)"
gzip -k ark.tar
"$convoy" predict raw-net - --csv <ark.tar.gz 2>/dev/null | sed 's/-: //' | cmp - tar.csv || fail "a compressed tar on standard input"
"$convoy" predict raw-net zoo/down/01.png >one
"$convoy" predict raw-net - <zoo/down/01.png | sed 's|^-$|zoo/down/01.png|' | cmp - one || fail "a picture on standard input"
[ "$(grep -c . one)" = 3 ] && grep -qE '^ +[0-9.]+ %  (across|down)$' one || fail "$(cat one)"
for size in 16x16 "16x16 --microbatch 1"; do
  # shellcheck disable=SC2086
  "$convoy" predict raw-net zoo/down/01.png --size $size | cmp - one || fail "--size $size"
done
"$convoy" predict raw-net zoo/down/01.png zoo/across/00.png --top 1 | grep -c '^zoo' | grep -qx 2 || fail "two pictures"

# ---- ensembles ----
for n in 1 2 4; do
  ranks $n "$convoy" eval raw-net other again --data raw --json --predictions e$n.csv 2>err.log | sed 's/, "ranks.*//' >e$n.json || fail "$(cat err.log)"
  cmp e1.json e$n.json && cmp e1.csv e$n.csv || fail "an ensemble scores otherwise on $n ranks"
done
for name in raw-net other again; do "$convoy" eval $name --data raw --predictions $name.csv >/dev/null 2>&1; done
/usr/bin/python3 - <<'END' >check.log 2>&1 || fail "an ensemble is not the mean of its members: $(tail -n 1 check.log)"
import csv, math, json
read = lambda name: list(csv.DictReader(open(name)))
p = lambda line: {line["class_%d" % k]: float(line["probability_%d" % k]) for k in (1, 2)}
loss = hits = 0
for both, *members in zip(read("e1.csv"), *(read(n + ".csv") for n in ("raw-net", "other", "again"))):
    mean = {k: sum(p(m)[k] for m in members) / 3 for k in "01"}
    assert all(abs(p(both)[k] - mean[k]) < 1e-6 for k in "01"), (both, mean)
    loss -= math.log(mean[both["label"]]) / 22
    hits += both["class_1"] == both["label"]
score = json.loads(open("e1.json").read() + "}")
assert abs(score["loss"] - loss) < 1e-5 and abs(score["top1"] - hits / 22) < 1e-9, (score, loss, hits)
END
expect 2 "a dense evaluation is of one model; 2 are named" "$convoy" eval raw-net other --data raw --dense --scales 16
expect 2 "'zoo': expected data.key=value; other data are named with --data zoo" "$convoy" eval raw-net zoo

# ---- the mean of weights ----
expect 0 "statistics of batch normalisation are means, too" "$convoy" average other again -o mean.h5
"$convoy" average again other -o mean2.h5 >/dev/null
for n in 1 2 4; do
  ranks $n "$convoy" average other again -o mean-$n.h5 --data raw >average.log 2>&1 || fail "average on $n ranks: $(cat average.log)"
  grep -q "found anew on 18 images" average.log || fail "$(cat average.log)"
done
hash_of() { "$convoy" inspect "$1" | awk '$1 == "weights" {print $2}'; }
[ "$(hash_of mean.h5)" = "$(hash_of mean2.h5)" ] || fail "the mean depends on the order"
[ "$(hash_of mean-1.h5)" = "$(hash_of mean-2.h5)" ] && [ "$(hash_of mean-1.h5)" = "$(hash_of mean-4.h5)" ] || fail "other statistics on more ranks"
/usr/bin/python3 - <<'END' >check.log 2>&1 || fail "the mean of weights: $(tail -n 1 check.log)"
import h5py, numpy as np
files = [h5py.File(n)["parameters"] for n in ("other/best.h5", "again/best.h5", "mean.h5", "mean-1.h5")]
seen = []
def look(name, item):
    if not isinstance(item, h5py.Dataset): return
    a, b, mean, renewed = (f[name][()] for f in files)
    expected = ((a.astype(np.float64) + b) / 2).astype(np.float32)
    assert np.array_equal(mean, expected), name
    moves = name.endswith("/mean") or name.endswith("/variance")
    assert np.array_equal(mean, renewed) != moves, name
    seen.append(name)
files[0].visititems(look)
assert len(seen) == 8, seen
END
expect 0 "22 images: loss" "$convoy" eval mean-1.h5 --data raw
expect 0 " %  " "$convoy" predict mean-1.h5 zoo/down/01.png
mkdir resumed && cp mean-1.h5 resumed/last.h5
expect 2 "no run's checkpoint, so there is nothing that could go on" "$convoy" train ./other.yaml data.train=raw data.val=raw microbatch=6 run=resumed --resume
expect 2 "its network is not that of raw-net/best.h5: it has" "$convoy" average raw-net other -o x.h5
expect 2 "one model is its own mean" "$convoy" average raw-net -o x.h5
expect 2 "zoo is no model" "$convoy" average raw-net zoo -o x.h5
expect 2 "nowhere: no such file" "$convoy" average other again -o x.h5 --data nowhere
expect 0 "no batch normalisation, so that nothing is found anew" "$convoy" average raw-net raw-net -o same.h5 --data raw
[ "$(hash_of same.h5)" = "$(hash_of raw-net/best.h5)" ] || fail "the mean of a model and itself is another"
[ ! -e x.h5 ] || fail "a mean that could not be made stands there"

# ---- batch normalisation of the images themselves: Python knows the statistics ----
cat >first.yaml <<'END'
network:
  name: first
  input: [16, 16, 3]
  layers:
    - batch_norm: {name: b}
    - fc: {outputs: 2}
    - softmax_loss
batch: 11
microbatch: 11
epochs: 1
END
train first raw 11
"$convoy" average first first -o first.h5 --data raw >average.log 2>&1 || fail "$(cat average.log)"
/usr/bin/python3 - <<'END' >check.log 2>&1 || fail "new statistics: $(tail -n 1 check.log)"
import h5py, numpy as np, glob
x = np.concatenate([h5py.File(f)["images"][()] for f in glob.glob("raw/train-*.h5")]).astype(np.float64)
model = h5py.File("first.h5")
x = (x - model["mean"][()]) / model["deviation"][()]
b = model["parameters/b"]
assert len(x) == 22 and np.abs(b["mean"][()] - x.mean((0, 1, 2))).max() < 1e-6
assert np.abs(b["variance"][()] / x.var((0, 1, 2)) - 1).max() < 0.1 # of halves, without what lies between them
END

# ---- wrong words ----
mkdir empty && echo text >empty/notes.txt
expect 2 "empty: no pictures in it" "$convoy" predict raw-net empty
expect 2 "nothing.png: No such file" ranks 2 "$convoy" predict raw-net nothing.png
expect 2 "no pictures are named" "$convoy" predict raw-net other
expect 2 "zoo is no run folder" "$convoy" predict zoo raw-net
expect 1 "none of the pictures could be read" "$convoy" predict raw-net empty/notes.txt
expect 1 "none of the pictures could be read" ranks 2 "$convoy" predict raw-net empty/notes.txt ark/down/03.png
expect 2 "standard input is empty" "$convoy" predict raw-net - </dev/null
expect 2 "--json and --csv are two forms of the same" "$convoy" predict raw-net zoo --json --csv
expect 2 "--crops 3: expected 1 (the centre) or 10" "$convoy" predict raw-net zoo --crops 3
expect 2 "--size 16y: expected WIDTHxHEIGHT or one number" "$convoy" predict raw-net zoo --size 16y
expect 2 "its chain makes pictures 20x20 of those that are 20x20; the network takes 16x16" "$convoy" predict raw-net zoo --size 20x20
expect 2 "the pictures of a dataset are scaled already" "$convoy" predict raw-net raw --size 16x16
expect 2 "--split test: a split is chosen among the shards of a folder" "$convoy" predict raw-net zoo --split test
expect 2 "raw: a dataset is predicted by itself" "$convoy" predict raw-net zoo raw
expect 2 "a sheet is written to a file that ends in .png, .jpg or .jpeg" "$convoy" predict raw-net zoo --image-sheet sheet.gif
digits digits 40
sed 's/outputs: 2/outputs: 10/; s/, 3\]/, 1]/; s/raw-net/ten/; s/input: .*/input: [32, 32, 1]/' raw-net.yaml >ten.yaml
train ten digits 6
expect 2 "ten/best.h5: tells apart 10 classes, and raw-net/best.h5 2" ranks 2 "$convoy" predict raw-net ten zoo
expect 2 "ten/best.h5: tells apart 10 classes, and raw-net/best.h5 2" "$convoy" eval raw-net ten --data raw
expect 0 " %  " "$convoy" predict ten zoo/down/01.png --top 3 # a grey network sees a picture in colours
mkdir -p mooz/up mooz/sideways && cp zoo/down/* mooz/up && cp zoo/across/* mooz/sideways
"$convoy" prepare folder mooz -o mooz-raw --size 16x16 --split train=0.5,val=0.5 >prepare.log 2>&1
sed 's/raw-net/mooz-net/' raw-net.yaml >mooz-net.yaml
train mooz-net mooz-raw 6
expect 2 "class 0 is 'sideways', and of raw-net/best.h5 it is 'across'; members must tell apart the same classes" "$convoy" predict raw-net mooz-net zoo

# ---- shards whose records are bad ----
cp -r raw spoilt
/usr/bin/python3 -c 'import h5py
images = h5py.File("spoilt/val-00000-of-00001.h5", "r+")["images"]
images[3] = images[3] ^ 255' || fail "no record is spoilt"
"$convoy" predict raw-net spoilt --csv >s.csv 2>err.log || fail "$(cat err.log)"
grep -q "record 3 (.*checksum .*; it is passed over" err.log || fail "a bad record is not named: $(cat err.log)"
"$convoy" predict raw-net raw --csv 2>/dev/null | grep -v '^3,' | cmp - s.csv || fail "a bad record changes others"

# ---- photographs, turned and not ----
if [ -e "${CONVOY_TEST_DATA:-/nowhere}/README.md" ]; then
  mkdir -p turned/{few,many}
  cp "$CONVOY_TEST_DATA"/odd-images/exif-orientation/Landscape_[0-3].jpg turned/few
  cp "$CONVOY_TEST_DATA"/odd-images/exif-orientation/Landscape_[4-8].jpg turned/many
  "$convoy" prepare folder turned -o turned-raw --size 16x16 --split val=1 >prepare.log 2>&1 || fail "$(tail -n 1 prepare.log)"
  for kind in turned-raw turned; do
    "$convoy" predict raw-net $kind --microbatch 1 --csv 2>/dev/null | cut -d, -f 2- | sed 's|^turned/||' | sort >$kind.csv
  done
  cmp turned-raw.csv turned.csv || fail "turned pictures are not as prepare turns them"
  [ "$(grep -c . turned.csv)" = 10 ] || fail "there are no turned pictures: $(cat turned.csv)"
else
  echo "skipped: photographs (no CONVOY_TEST_DATA)"
fi
finish
