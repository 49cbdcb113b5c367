# Classes agree wherever two sides meet: the splits of a source, training and validation, a checkpoint and another set.
. "$(dirname "$0")/lib" "$1"

picture() { # picture FILE...: the same small picture under each name
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
expect 0 "warning: no picture of 1 of 3 classes is in 'val': 'bee'" ranks 2 "$convoy" prepare folder pets -o out --missing-classes allow
mv pets/train/cow pets/train/gnu
expect 2 "'val' has 1 class that 'train' lacks: 'cow'" "$convoy" prepare folder pets -o out --missing-classes allow

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

# ---- whole numbers: a folder and a list of the same pictures ----
for k in 0 1 2 3 4 5 6 7 8 9 10 11; do picture numbers/$k/{1,2}.png; done
for file in numbers/*/*.png; do echo "$file,$(basename "$(dirname "$file")").0"; done >numbers.csv
"$convoy" prepare folder numbers -o byfolder --split train=1 --size 8x8 >/dev/null 2>&1 || fail "prepare folder"
"$convoy" prepare csv numbers.csv -o bylist --split val=1 --size 8x8 >/dev/null 2>&1 || fail "prepare csv"
for set in byfolder bylist; do "$convoy" verify $set 2>/dev/null | grep '^  [0-9]' >$set.txt; done
cmp -s byfolder.txt bylist.txt || fail "folder and csv number their classes differently: $(cat byfolder.txt bylist.txt)"

finish
