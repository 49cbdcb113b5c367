# Tests that pictures which are too small for a crop are told before the first step, and that pictures whose
# files end early are refused, or mended.
. "$(dirname "$0")/lib" "$1"

# ---- sizes ----
cat >draw.py <<'END'
import os, struct, sys, zlib
def png(path, h, w, seed):  # a picture in three colours
    rows = b"".join(b"\0" + bytes((seed * 37 + 5 * x + 3 * y + 80 * k) % 256 for x in range(w) for k in range(3)) for y in range(h))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for split, small in ("train", (3, 30)), ("val", (5,)):
    for i in range(40):
        png("zoo/%s/c%d/%02d.png" % (split, i % 2, i), *((18, 36) if i in small else (40, 36)), i)
for i in range(16):
    png("alike/c%d/%d.png" % (i % 2, i), 28, 28, i)
END
/usr/bin/python3 draw.py
cat >net.yaml <<'END'
name: tiny
input: [28, 28, 3]
layers: [{conv: {filters: 4, kernel: 5}}, {max_pool: {kernel: 4}}, {fc: {outputs: 2}}, softmax_loss]
END
cat >recipe.yaml <<'END'
network: ./net.yaml
data:
  train: zoo-shards
  augment:
    - crop: {size: 28}
batch: 8
microbatch: 4
epochs: 1
run: run
END
expect 0 "train: 40 images" "$convoy" prepare folder zoo --encoded --shards 2 -o zoo-shards
expect 0 "heights from 18 to 40, widths from 36 to 36" "$convoy" inspect zoo-shards/train-00000-of-00002.h5
train="$convoy train ./recipe.yaml --overwrite --threads 1"
small="./recipe.yaml:5:7: crop: a part of 28x28 does not fit in a picture of 18x36 (height x width); before it, '- resize: {shorter: 28}' would make every picture large enough, and '- pad: {by: [5, 0]}' this one; so it is with 2 of the 40 pictures"
expect 2 "$small" $train
expect 2 "data.train: zoo-shards/train-0000" ranks 2 $train
[ "$(ranks 2 $train 2>&1 | grep -c "does not fit")" = 1 ] || fail "a small picture is told more than once"
[ ! -e run/last.h5 ] || fail "a run with pictures that are too small has begun"
expect 2 "so it is with 1 of the 40 pictures" $train data.train=zoo-shards/val
expect 2 "data.val: zoo-shards/val-0000" $train data.augment='[resize: {shorter: 28}, crop: {size: 28}]' data.evaluation='[crop: {size: 28}]' data.val=zoo-shards
expect 0 "others take their place" $train data.on_bad_record=skip
for chain in "resize: {shorter: 28}" "pad: {by: [5, 0]}" "random_resized_crop: {size: 28}"; do
  expect 0 "done: 5 steps" $train "data.augment=[$chain, crop: {size: 28}]" run=good
done
expect 2 "so it is with 2 of the 40 pictures" "$convoy" bench input zoo-shards --recipe ./recipe.yaml --batch 4
expect 2 "does not fit in a picture of 18x36" "$convoy" preview --recipe ./recipe.yaml -o sheet.png --records 0-39 --epochs 1
expect 2 "images are of varying size after augmentation; network 'tiny' takes 28x28x3: '- random_resized_crop: {size: 28}' would end that" $train data.augment=[]
# Pictures of one size need no augmentation, though their files could be of any.
expect 0 "images" "$convoy" prepare folder alike --encoded --split train=0.5,val=0.5 -o alike-shards
expect 0 "done: " $train data.augment=[] data.train=alike-shards data.val=alike-shards run=alike-run
expect 0 "done: " $train data.augment='[sometimes: {apply: [resize: {size: 28}]}]' data.train=alike-shards data.val=alike-shards run=alike-run
expect 2 "28x28 with it and of varying size without it; before it, '- random_resized_crop: {size: [28, 28]}' would" $train data.augment='[sometimes: {apply: [resize: {size: 28}]}]'
# What a checkpoint was trained with may be too large for other pictures.
expect 0 "done: " $train data.augment='[resize: {shorter: 38}, crop: {size: 28}]' data.evaluation='[crop: {size: 28}]' run=blind
expect 2 "so it is with 1 of the 40 pictures" "$convoy" eval blind/last.h5 --data zoo-shards
expect 2 "zoo-shards/val-0000" ranks 2 "$convoy" eval blind/last.h5 --data zoo-shards --threads 1
has_h5py() { /usr/bin/python3 -c 'import h5py' 2>/dev/null; }
if has_h5py; then
  /usr/bin/python3 -c 'import h5py, glob
for name in glob.glob("zoo-shards/train*"): del h5py.File(name, "r+")["sizes"]' || fail "the sizes cannot be removed"
  # This is an older set: which picture is too small nobody knows before the step, but that nobody knows is told.
  expect 1 "does not fit in a picture of 18x36" $train
  expect 0 "the sizes of its pictures are not recorded" $train data.on_bad_record=skip
  case $($train data.augment='[random_resized_crop: {size: 28}]' 2>&1) in *"not recorded"*) fail "sizes that do not matter are asked for" ;; esac
  rm -rf run
  expect 0 "0 bad" "$convoy" verify zoo-shards
else
  echo "skipped: shards without sizes (no h5py)"
fi
if [ -d "${CONVOY_TEST_DATA:-}/reported/one-small-picture" ]; then
  expect 0 "train: 121 images" "$convoy" prepare folder "$CONVOY_TEST_DATA/reported/one-small-picture/pictures" --encoded --split train=1 -o reported
  expect 2 "(c1/tiny.png): ./recipe.yaml:5:7: crop: a part of 28x28 does not fit in a picture of 20x20" $train data.train=reported
else
  echo "skipped: reported/one-small-picture (CONVOY_TEST_DATA)"
fi

# ---- files that end early ----
# convoy itself makes JPEG files of larger pictures.
cat >cut.py <<'END'
import glob, os
import h5py
for name in sorted(glob.glob("jpegs/*.h5")):
    with h5py.File(name) as f:
        at = f["offsets"][:]
        for i, name in enumerate(f["names"][:]):
            data = f["bytes"][at[i]:at[i + 1]].tobytes()
            number = int(name.decode()[3:5])
            if number == 4: data = data[:-2]
            if number == 11: data = data[:-1]
            if number == 20: data = data[:len(data) * 9 // 10]
            if number == 25: data = data[:30]
            path = "early/" + name.decode()[:5] + ".jpg"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "wb").write(data)
os.makedirs("early/c0", exist_ok=True)
png = open("zoo/train/c0/00.png", "rb").read()
open("early/c0/90.png", "wb").write(png[:-12])
open("early/c0/91.png", "wb").write(png[:-40])
END
expect 0 "train: 40 images" "$convoy" prepare folder zoo/train --size 32 --split train=1 -o jpegs
if has_h5py; then
  /usr/bin/python3 cut.py || fail "the files cannot be cut"
  early="$convoy prepare folder early --encoded --split train=1 --shards 2"
  expect 0 "6 images could not be read" $early -o whole
  grep -q '^c0/04.jpg,truncated: Premature end of JPEG file$' whole/rejected.csv || fail "rejected.csv: $(cat whole/rejected.csv)"
  expect 1 "(0 of 42); the first: " $early -o none --max-rejected 0
  expect 1 "--tolerate truncated would keep pictures that end early" $early -o none --max-rejected 0
  mkdir -p torn/a torn/b && cp zoo/train/c0/00.png early/c0/91.png torn/a && cp zoo/train/c0/00.png torn/b
  torn="$convoy prepare folder torn --encoded --split train=1 -o none --max-rejected 0"
  expect 1 "(0 of 3); the first: a/91.png: truncated: " $torn
  $torn 2>&1 | grep -F "would keep" && fail "a PNG is said to be kept that would not be"
  expect 0 "3 images ended early and were mended: ends/mended.csv says which and how" $early -o ends --tolerate end-marker
  printf 'name,reason\nc0/04.jpg,its end marker is missing\nc0/90.png,its end marker is missing\nc1/11.jpg,its end marker is missing\n' | cmp - ends/mended.csv || fail "mended.csv: $(cat ends/mended.csv)"
  [ "$(grep -c truncated: ends/rejected.csv)" = 3 ] || fail "rejected.csv: $(cat ends/rejected.csv)"
  expect 0 "4 images ended early" $early -o all --tolerate truncated
  grep -q '^c0/20.jpg,truncated: .* of its .* rows are missing$' all/mended.csv || fail "mended.csv: $(cat all/mended.csv)"
  expect 0 "4 images ended early" ranks 2 $early -o all2 --tolerate truncated
  grep -q '^c0/91.png,truncated: PNG: .*; only of JPEG files a part may be missing$' all/rejected.csv || fail "rejected.csv: $(cat all/rejected.csv)"
  diff -r all all2 || fail "2 ranks mend otherwise"
  expect 0 "0 bad" "$convoy" verify all
  expect 0 "done: 5 steps" $train data.train=all data.augment='[random_resized_crop: {size: 28}]' run=mended
  expect 0 "4 images ended early" "$convoy" prepare folder early --size 30x30 --split train=1 --tolerate truncated -o pixels
  expect 0 "train: 40 images" "$convoy" prepare folder early --size 24 --split train=1 --tolerate truncated -o smaller
  expect 2 "(known: nothing, end-marker, truncated)" $early -o none --tolerate everything
  expect 0 "6 images could not be read" $early -o all # once more, and nothing is mended
  [ ! -e all/mended.csv ] || fail "a list of an earlier run stayed"
else
  echo "skipped: files that end early (no h5py)"
fi
finish
