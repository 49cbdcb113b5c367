# Tests the matrix of sources: the same twelve pictures, written by each format's own tool, become the same
# set from all of them.
. "$(dirname "$0")/lib" "$1"
writer=$CONVOY_SOURCE/tests/e2e/sources.py
/usr/bin/python3 -c 'import h5py, lmdb, plyvel, google.protobuf' 2>missing.log || {
  echo "skipped: the matrix of sources ($(tail -n 1 missing.log))"
  exit 77
}
/usr/bin/python3 "$writer" in || fail "the sources cannot be written"
cd in || exit 1

# A line has the reader, its inputs and its options. The lines of "pixels" are stored with --size, those of
# "files" with --encoded.
pixels='
folder pictures
tar pictures.tar
tar pictures.tar.gz
tar pictures.zip
csv list.csv
csv list.txt
csv list.lst
lmdb lmdb-raw
lmdb lmdb-encoded
lmdb lmdb-floats
leveldb leveldb-raw
leveldb leveldb-encoded
leveldb leveldb-floats
recordio pictures.rec
recordio raw.rec --raw 20x16x3
tfrecord imagenet-00000-of-00002 imagenet-00001-of-00002
tfrecord tfds.tfrecord
tfrecord raw.tfrecord
webdataset web-000000.tar
hdf5 plain.h5
hdf5 planes.h5
hdf5 column.h5
hdf5 floats.h5
hdf5 int8.h5
hdf5 texts.h5
'
files='
folder pictures
tar pictures.tar
csv list.csv
csv list.txt
csv list.lst
lmdb lmdb-encoded
leveldb leveldb-encoded
recordio pictures.rec
tfrecord imagenet-00000-of-00002 imagenet-00001-of-00002
tfrecord tfds.tfrecord
'

same_set() { # same_set LINES OPTION...: every line gives the same set
  local lines=$1 line n=0 hashed=0 set hash first=
  shift
  rm -rf set-*
  while read -r line; do
    [ -n "$line" ] || continue
    n=$((n + 1))
    # shellcheck disable=SC2086
    "$convoy" prepare $line "$@" --split train=0.75,val=0.25 --shards 2 -o "set-$n" >prepare.log 2>&1 ||
      fail "prepare $line: $(cat prepare.log)"
    echo "$line" >"set-$n.line"
  done <<<"$lines"
  while read -r set hash; do
    hashed=$((hashed + 1))
    [ -n "$first" ] || first=$hash
    [ "$hash" = "$first" ] || fail "'$(cat "$set.line")' gives another set than '$(cat set-1.line)'"
  done < <(/usr/bin/python3 "$writer" --hash set-*/)
  [ $hashed = $n ] || fail "$hashed of $n sets were hashed"
}
same_set "$pixels" --size 20x16
same_set "$files" --encoded

# ---- labels whose order by value is not that of their texts, and which do not begin at 0 ----
lists='
csv list.csv
csv list.txt
csv list.lst
lmdb lmdb-raw
leveldb leveldb-encoded
recordio pictures.rec
tfrecord tfds.tfrecord
'
/usr/bin/python3 "$writer" ../numbers 3 20 100 && cd ../numbers || fail "the sources cannot be written"
same_set "$lists" --size 20x16
/usr/bin/python3 - <<'PY' || fail "the order of classes"
import h5py
assert list(h5py.File("set-1/train-00000-of-00002.h5")["class_names"][()]) == [b"3", b"20", b"100"]
PY
# An HDF5 file of numbers does not say whether there are more classes than it has labels.
expect 2 "plain.h5: labels run from 3 to 100: --first-label 3" "$convoy" prepare hdf5 plain.h5 -o bad

# ---- HDF5 files whose numbers leave classes out, or stand beside names ----
/usr/bin/python3 - <<'PY' || fail "the HDF5 files cannot be written"
import h5py
import numpy as np
def write(name, labels, **more):
    with h5py.File(name + ".h5", "w") as file:
        file["images"] = np.arange(len(labels) * 12, dtype="u1").reshape(-1, 3, 4)
        file["labels"] = labels
        for key, value in more.items():
            file[key] = value
write("gaps", [0, 1, 2, 10] * 2)
write("all", [0, 1, 2] * 2)
write("two", [0, 2, 0, 2])
write("named", [0, 1, 2] * 2, class_names=[b"cat", b"dog", b"eel"])
PY
expect 2 "'train' has no picture of 7 of the 11 classes: '3', '4', " "$convoy" prepare hdf5 train=gaps.h5 -o bad
expect 0 "train: 8 images of 11 classes" "$convoy" prepare hdf5 train=gaps.h5 --missing-classes allow -o gaps
expect 2 "'val' has no picture of 1 of the 3 classes: '1'; --missing-classes allow" "$convoy" prepare hdf5 train=all.h5 val=two.h5 -o bad
expect 0 "val: 4 images of 3 classes" "$convoy" prepare hdf5 train=all.h5 val=two.h5 --missing-classes allow -o two
for splits in "train=all.h5 val=named.h5" "train=named.h5 val=all.h5" "train=named.h5 train=all.h5"; do
  # shellcheck disable=SC2086
  expect 2 "are called 'cat' to 'eel'; whether they are the same is not told: --assume-classes" "$convoy" prepare hdf5 $splits -o bad
  # shellcheck disable=SC2086
  expect 0 "images of 3 classes" "$convoy" prepare hdf5 $splits --assume-classes -o "assumed-${splits//[ =]/-}"
done
cat >net.yaml <<'END'
name: tiny
input: [3, 4, 1]
layers: [fc: {outputs: 3}, softmax_loss]
END
cat >recipe.yaml <<'END'
network: net.yaml
data: {train: list.txt}
batch: 4
microbatch: 2
epochs: 1
learning_rate: {constant: {rate: 0.001}}
run: run
END
printf 'all.h5\nnamed.h5\n' >list.txt
expect 2 "data.assume_classes: true" "$convoy" train ./recipe.yaml
expect 0 "" "$convoy" train ./recipe.yaml --assume-classes
expect 2 "data.assume_classes: true" "$convoy" eval run/last.h5 --data list.txt
expect 0 "" "$convoy" eval run/last.h5 --data list.txt --assume-classes
cd ../in || exit 1

# ---- read-only, and as it was ----
sums() { find lmdb-raw leveldb-raw -type f -exec cksum {} + | sort; }
before=$(sums)
mkdir disk
if mount --bind . disk 2>/dev/null && mount -o remount,bind,ro disk 2>/dev/null; then
  for kind in lmdb leveldb; do
    expect 0 "train: 12 images of 3 classes" "$convoy" prepare $kind train=disk/$kind-raw -o "$work/set-$kind"
  done
else
  echo "skipped: read-only databases (cannot mount)"
fi
umount disk 2>/dev/null
[ "$(sums)" = "$before" ] || fail "reading changed a database"

# ---- what goes wrong ----
expect 2 "it has pixels of 20x16, no JPEG or PNG files to keep" "$convoy" prepare lmdb lmdb-raw --encoded -o bad
expect 2 "none in this folder; expected an LMDB with Caffe's Datums" "$convoy" prepare lmdb pictures -o bad
expect 2 "tfds.tfrecord: no record begins at byte 0" "$convoy" prepare recordio tfds.tfrecord -o bad
expect 2 "pictures.rec: no TFRecord file" "$convoy" prepare tfrecord pictures.rec -o bad
mkdir half
cp tfds.tfrecord half/train-00000-of-00002
cp web-000000.tar half/part-00001-of-00003.tar
expect 2 "of which 1 is missing: train-00001-of-00002; files given one by one" "$convoy" prepare tfrecord half -o bad
expect 2 "of which 2 are missing: part-00000-of-00003.tar, part-00002-of-00003.tar; files" \
  "$convoy" prepare webdataset half -o bad
[ ! -e bad ] || fail "a refused source left a folder"
expect 0 "warning: half/train-00000-of-00002: by its name it is one of 2 files, of which 1 is missing: train-00001" \
  "$convoy" prepare tfrecord half/train-00000-of-00002 -o half-set
/usr/bin/python3 - <<'PY'
import lmdb
env = lmdb.open("damaged", map_size=1 << 20)
with lmdb.open("lmdb-encoded").begin() as old, env.begin(write=True) as new:
    for i, (key, value) in enumerate(old.cursor()):
        new.put(key, value if i != 5 else value[:40])
env.close()
PY
expect 0 "1 image could not be read" "$convoy" prepare lmdb damaged --split train=1 -o damaged-set
grep -q "^00000005_1/1.png,\"\?no Datum" damaged-set/rejected.csv || fail "rejected.csv: $(cat damaged-set/rejected.csv)"

expect 0 "train: 12 images of 3 classes in 3 shards" \
  ranks 2 "$convoy" prepare leveldb leveldb-raw --split train=1 --shards 3 -o set2
finish
