# Tests that classes agree wherever two sides meet: the splits of a source, training and validation, a
# checkpoint and another set.
. "$(dirname "$0")/lib" "$1"

picture() { # picture FILE...: puts the same small picture under each name
  local file
  for file; do
    mkdir -p "$(dirname "$file")"
    cp "$CONVOY_SOURCE/tests/e2e/dot.png" "$file"
  done
}

# ---- a split that lacks a class, from every source alike ----
picture pets/train/{ant,bee,cow}/{1,2}.png pets/val/{ant,cow}/1.png
tar -cf pets.tar pets
(cd pets && /usr/bin/python3 -m zipfile -c ../pets.zip train val) || fail "zip"
for split in train val; do
  for file in pets/$split/*/*.png; do echo "$file,$(basename "$(dirname "$file")")"; done >$split.csv
done
for source in "folder pets" "tar pets.tar" "tar pets.zip" "csv train=train.csv val=val.csv"; do
  expect 2 "'val' has no picture of 1 of the 3 classes: 'bee'; --missing-classes allow" "$convoy" prepare $source -o out
  expect 0 "val: 2 images of 3 classes" "$convoy" prepare $source -o "out-${source%% *}" --missing-classes allow
done
mkdir pets/val/bee
expect 2 "'val' has no picture of 1 of the 3 classes: 'bee'" "$convoy" prepare folder pets -o out
expect 0 "no picture of 1 of 3 classes is in 'val': 'bee'" ranks 2 "$convoy" prepare folder pets -o out --missing-classes allow
mv pets/train/cow pets/train/gnu
expect 2 "'val' has 1 class that 'train' lacks: 'cow'" "$convoy" prepare folder pets -o out --missing-classes allow

# ---- a split that is cut from one whole ----
picture sorted/{ant,bee}/{1,2,3,4}.png
expect 0 "'val': 'ant'; where the source has one class behind the other, fractions (--split train=0.9,val=0.1), which shuffle first, are right" \
  "$convoy" prepare folder sorted -o out-sorted --split train=first:4,val=next:4

# ---- what others have reported ----
reported=${CONVOY_TEST_DATA:-/nowhere}/reported
if [ -e "$reported/README.md" ]; then
  lacking=$reported/class-missing-in-val
  cp -r "$lacking/pets-empty-folder" empty && mkdir -p empty/val/bee
  for source in "folder $lacking/pets" "folder empty" "csv train=$lacking/train.csv val=$lacking/val.csv"; do
    expect 2 "'val' has no picture of 1 of the 3 classes: 'bee'" "$convoy" prepare $source -o out
    expect 0 "val: 4 images of 3 classes" "$convoy" prepare $source -o out --missing-classes allow
  done
  tar -C "$reported/nested-folders" -cf nested.tar pictures
  for source in "folder $reported/nested-folders/pictures" "tar nested.tar"; do
    expect 0 "train: 12 images of 2 classes" "$convoy" prepare $source -o out --split train=1
  done
  expect 0 "train: 44 images of 11 classes" "$convoy" prepare folder "$reported/windows-junk/pictures" -o out --split train=1
  [ ! -e out/rejected.csv ] || fail "Thumbs.db was taken for a picture"
else
  echo "skipped: e2e.classes, what others have reported (no CONVOY_TEST_DATA)"
fi

# ---- names with '=' ----
picture a=b/{x,y}/1.png
expect 0 "images of 2 classes" "$convoy" prepare folder a=b -o eq --split train=1
expect 0 "images of 2 classes" "$convoy" prepare folder train=a=b -o eq
tar -C a=b -cf c=d.tar x y
expect 0 "images of 2 classes" "$convoy" prepare tar c=d.tar -o eq --split train=1
cp -r a=b b
expect 2 "'a=b' and 'b' both stand there; write ./a=b for the one, or a=./b for the other" "$convoy" prepare folder a=b -o eq
expect 0 "a: 2 images" "$convoy" prepare folder a=./b -o eq
expect 0 "all: 2 images" "$convoy" prepare folder ./a=b -o eq --split all=1
expect 2 "no=thing: no such file or folder, and no 'thing' that could be the split 'no'" "$convoy" prepare folder no=thing -o eq

# ---- whole numbers: what a network learns from a folder, a list of the same pictures tells as well ----
/usr/bin/python3 - <<'END'
import os, struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def write(path, pixels):  # grey, 8x8
    os.makedirs(os.path.dirname(path), exist_ok=True)
    rows = b"".join(b"\0" + bytes(pixels[8 * y:8 * y + 8]) for y in range(8))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for k in range(12):
    for i in range(6):
        pixels = [10 * i] * 64
        pixels[5 * k:5 * k + 4] = [250 - i] * 4
        for split in ("train", "val"):
            write(f"numbers/{split}/{k}/{i}.png", pixels)
            write(f"names/{split}/c{k:02}/{i}.png", pixels)
            if k < 11:
                write(f"fewer/{split}/{k}/{i}.png", pixels)
END
prepare() { # prepare DIR SOURCE...
  local dir=$1
  shift
  "$convoy" prepare "$@" -o "$dir" --size 8x8 --colour grey >/dev/null 2>prepare.log || fail "prepare $*: $(cat prepare.log)"
}
for file in numbers/val/*/*.png; do echo "$file;$(basename "$(dirname "$file")").0"; done | sort -r >list.csv
prepare folder folder numbers
prepare list csv val=list.csv
prepare names folder names
prepare fewer folder fewer
printf 'name: dots\ninput: [8, 8, 1]\nlayers:\n  - fc: {outputs: 12}\n  - softmax_loss\n' >dots.yaml
cat >recipe.yaml <<'END'
network: dots.yaml
data: {train: folder, val: folder}
batch: 12
microbatch: 4
epochs: 10
learning_rate: {constant: {rate: 0.1}}
run: run
END
train="$convoy train ./recipe.yaml"
expect 0 "validation top-1 100.00 %" $train
for data in folder list; do expect 0 "72 images: loss" "$convoy" eval run/best.h5 --data $data; done
[ "$("$convoy" eval run/best.h5 --data list --json | field top1)" = 1 ] || fail "a list is scored otherwise than a folder"

# ---- names on one side only, other counts ----
one_sided="its classes are called 'c00' to 'c11', and the network's '0' to '11'"
expect 2 "data.val: names: $one_sided" $train data.val=names run=other
expect 2 "$one_sided" ranks 2 "$convoy" eval run/best.h5 --data names
expect 0 "warning: names: as --assume-classes says, its labels 0 to 11 are taken for the network's '0' to '11'" \
  "$convoy" eval run/best.h5 --data names --assume-classes
expect 0 "validation top-1 100.00 %" $train data.val=names run=other --assume-classes
grep -q "assume_classes: true" other/recipe.yaml || fail "the recipe does not say what was assumed"
expect 0 "72 images" "$convoy" eval other/best.h5 # on the recipe's own validation data
expect 2 "$one_sided" "$convoy" eval run/best.h5 --data names
expect 2 "fewer: has 11 classes, and the network learns 12 ('11' is among the network's only); --assume-classes" \
  "$convoy" eval run/best.h5 --data fewer
expect 0 "66 images" "$convoy" eval run/best.h5 --data fewer --assume-classes
expect 2 "has 12 classes, and the network learns 11" $train data.train=fewer data.val=folder run=more --assume-classes

# ---- going on with other classes ----
expect 2 "run/last.h5 was trained on other data: fewer: has 11 classes, and the network learns 12" $train data.train=fewer data.val=fewer --resume
other_data="run/last.h5 was trained on other data: names: its classes are called 'c00' to 'c11'"
expect 2 "$other_data" $train data.train=names data.val=names --resume
$train data.train=names data.val=names --resume --assume-classes >refused 2>&1 && fail "a run goes on with other data"
grep -q "$other_data" refused || fail "assumed classes change what is said of other data"
grep -q -e "--assume-classes" -e "prepare both" refused && fail "what does not help is advised"

finish
