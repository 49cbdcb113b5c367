# Tests convoy preview as people use it: grids, recipes, evaluation, all augmentations, and wrong orders. What
# stands on the sheets is tests/unit/test_preview.c's business.
. "$(dirname "$0")/lib" "$1"
digits data 300
"$convoy" prepare synthetic-photos -o photos --count 30 --classes 3 --encoded >prepare.log 2>&1 || fail "prepare: $(cat prepare.log)"
cat >photos.yaml <<'END'
network: {resnet18: {classes: 3, size: 64}}
data:
  train: photos
  val: photos
  augment: [{random_resized_crop: {size: 64}}, mirror, {colour_jitter: {brightness: 0.4, hue: 0.1}}]
batch: 4
microbatch: 4
epochs: 1
seed: 3
run: run
END

# size FILE WIDTH HEIGHT: a PNG's header says so; - stands for any number
size() {
  local width height
  read -r width height < <(od -A n -t u1 -j 16 -N 8 "$1" | awk '{print $3 * 256 + $4, $7 * 256 + $8}')
  { [ "$2" = - ] || [ "$2" = "$width" ]; } && { [ "$3" = - ] || [ "$3" = "$height" ]; } || fail "$1 is ${width}x$height, not $2x$3"
}

# A picture of 32x32 is shown 4 times as large, 8 pixels from the next, between margins of 16.
expect 0 "grid.png: 1112 pixels wide, 1003 high" "$convoy" preview data -o grid.png
size grid.png 1112 1003
expect 0 "row.png: 984 pixels wide" "$convoy" preview data --recipe lenet5-digits -o row.png
size row.png 984 -
# The same orders give the same bytes; another seed, epoch or record gives others.
"$convoy" preview data --recipe lenet5-digits -o again.png >/dev/null
cmp -s row.png again.png || fail "a second sheet differs"
for more in "seed=2" "--first-epoch 6" "--records 0-7"; do
  # shellcheck disable=SC2086
  "$convoy" preview data --recipe lenet5-digits $more -o other.png >/dev/null || fail "preview $more"
  ! cmp -s row.png other.png || fail "$more changes nothing"
done
expect 0 "photos.jpg: 712 pixels wide" "$convoy" preview --recipe ./photos.yaml --epochs 4 --samples 2 -o photos.jpg
[ "$(head -c 3 photos.jpg | od -A n -t x1 | tr -d ' ')" = ffd8ff ] || fail "photos.jpg is no JPEG"
expect 0 "pixels wide" "$convoy" preview --recipe ./photos.yaml seed=9 --evaluation --split val -o evaluation.png
expect 0 "pixels wide" "$convoy" preview photos/val --records 2,0-1 --columns 2 --tile 100 -o grid.png
expect 0 "all.png: 724 pixels wide" "$convoy" preview --augmentations -o all.png
"$convoy" preview --augmentations --image photos.jpg -o mine.png >/dev/null && ! cmp -s all.png mine.png || fail "--image changes nothing"

# Floats of other makers are shown, and class names that are no ASCII.
if /usr/bin/python3 -c 'import h5py, numpy as np
with h5py.File("floats.h5", "w") as f:
    f["images"] = np.random.default_rng(1).normal(0, 1, (10, 12, 9, 3)).astype("f4")
    f["labels"] = np.arange(10) % 3' 2>/dev/null; then
  expect 0 "pixels wide" "$convoy" preview floats.h5 -o floats.png
else
  echo "skipped: e2e.preview, floats (no h5py)"
fi

# A record that is damaged is named.
cp -r data damaged
printf 'XXXX' | dd of="$(echo damaged/train-*.h5)" bs=1 seek=100000 conv=notrunc 2>/dev/null
expect 2 ": record " "$convoy" preview damaged --records 0-269 -o damaged.png
[ ! -e damaged.png ] || fail "a sheet was drawn of a damaged set"

expect 2 "-o is missing" "$convoy" preview data
expect 2 "'sheet.gif': a sheet is written to a file that ends in .png, .jpg or .jpeg" "$convoy" preview data -o sheet.gif
expect 2 "'.png': a sheet is written" "$convoy" preview data -o .png
expect 1 "nowhere/sheet.png: cannot be written: No such file" "$convoy" preview data -o nowhere/sheet.png
expect 2 "expected the folder, prefix or file of a dataset" "$convoy" preview -o sheet.png
expect 2 "is one word too many" "$convoy" preview data seed=2 -o sheet.png
expect 2 "nowhere" "$convoy" preview nowhere -o sheet.png
expect 2 "lenot" "$convoy" preview data --recipe lenot -o sheet.png
expect 2 "sed" "$convoy" preview data --recipe lenet5-digits sed=2 -o sheet.png
expect 2 "there is no record 270; they are numbered from 0 to 269" "$convoy" preview data --records 3,270 -o sheet.png
for list in 1- -3 a ,3 5-2 1:2 99999999999999999999; do
  expect 2 "--records" "$convoy" preview data --records="$list" -o sheet.png
done
expect 2 "--records: more than 4096" "$convoy" preview data --records 0-99999 -o sheet.png
expect 2 "--evaluation is of a recipe" "$convoy" preview data --evaluation -o sheet.png
expect 2 "--image is for --augmentations" "$convoy" preview data --image photos.jpg -o sheet.png
expect 2 "no dataset beside --augmentations" "$convoy" preview data --augmentations -o sheet.png
expect 2 "--augmentations shows each of them by itself" "$convoy" preview --augmentations --recipe lenet5-digits -o sheet.png
expect 2 "nowhere.jpg" "$convoy" preview --augmentations --image nowhere.jpg -o sheet.png
expect 2 "photos.yaml: " "$convoy" preview --augmentations --image photos.yaml -o sheet.png
expect 2 "is for pictures of 3 channels" "$convoy" preview data --recipe lenet5-digits 'data.augment=[{hue: {by: 0.1}}]' -o sheet.png
expect 2 "crop: a part of 40x40 does not fit" "$convoy" preview data --recipe lenet5-digits 'data.augment=[{crop: {size: 40}}]' -o sheet.png
expect 2 "the sheet would be" "$convoy" preview data --tile 2048 --columns 100 --samples 100 -o sheet.png
[ ! -e sheet.png ] || fail "a refused order left a sheet"
expect 0 "usage: convoy preview DIR" "$convoy" preview --help

# inspect tells what a shard holds.
expect 0 "a record            " "$convoy" inspect photos/train-00000-of-00001.h5
expect 0 "colour_eigenvalues  " "$convoy" inspect photos/train-00000-of-00001.h5
expect 0 "CRC-32 " "$convoy" inspect data/train-00000-of-00001.h5
expect 0 "names               from digit " "$convoy" inspect data/train-00000-of-00001.h5
"$convoy" inspect --json photos/train-00000-of-00001.h5 >shard.json
if command -v python3 >/dev/null; then
  python3 -c 'import json
s = json.load(open("shard.json"))
assert len(s["mean"]) == len(s["deviation"]) == len(s["colour_eigenvalues"]) == 3 and len(s["colour_eigenvectors"]) == 9, s
assert 0 < s["record_bytes"]["least"] <= s["record_bytes"]["mean"] <= s["record_bytes"]["most"] and s["first_name"], s
assert sum(s["classes"].values()) == 27 and all("crc32" in d for d in s["datasets"] if d["name"] in ("labels", "mean", "names")), s' ||
    fail "inspect --json: $(cat shard.json)"
fi
finish
