# Tests HDF5 files of others as they come: training reads them directly, whatever their layout, to the same
# bits, and prepare makes shards of them.
. "$(dirname "$0")/lib" "$1"
of_others=${CONVOY_TEST_DATA:-}/reported/hdf5-of-others
if [ ! -d "$of_others" ]; then
  echo "skipped: HDF5 files of others (no CONVOY_TEST_DATA)"
  exit 77
fi
cp "$of_others"/* .
cat >net.yaml <<'END'
name: tiny
parameters: {h: 28}
input: [$h, 28, 1]
layers:
  - conv: {filters: 8, kernel: 5}
  - max_pool: {kernel: 4}
  - fc: {outputs: 10}
  - softmax_loss
END
cat >recipe.yaml <<'END'
network: net.yaml
data: {train: plain.h5, shuffle: none}
batch: 8
microbatch: 4
epochs: 1
learning_rate: {constant: {rate: 0.001}}
run: run
END

trained() { # trained KEY=VALUE...: prints the hash of a run's weights; nothing if it fails, which err.log tells
  "$convoy" train ./recipe.yaml --overwrite --json "$@" 2>err.log >out.json && weights out.json
}

plain=$(trained)
[ -n "$plain" ] || fail "plain.h5 is not trained on: $(cat err.log)"
for file in softlinks external-links in-groups labels-1xn x_train train_set_x; do
  [ "$(trained data.train=$file.h5)" = "$plain" ] || fail "$file.h5 differs from plain.h5: $(cat err.log)"
done
[ "$(trained data.train=labels-from-1.h5 data.first_label=1)" = "$plain" ] || fail "labels from 1 differ: $(cat err.log)"
[ "$(trained data.train=x_train.h5:train data.images=x data.labels=y)" = "$plain" ] || fail "named datasets differ: $(cat err.log)"
[ -n "$(trained data.train=labels-n111.h5)" ] || fail "labels [n,1,1,1]: $(cat err.log)"
loss_of() { "$convoy" eval run/last.h5 --json "$@" 2>err.log | field loss; } # loss_of OPTIONS: by the last run
known=$(loss_of --data plain.h5)
[ -n "$known" ] && [ "$(loss_of --data x_train.h5:train data.images=x data.labels=y)" = "$known" ] ||
  fail "named datasets are scored otherwise: $(cat err.log)"
[ -n "$(trained data.train=list.txt)" ] || fail "a list: $(cat err.log)"
[ -n "$(trained data.train=matlab73.mat 'network={net.yaml: {h: 20}}')" ] || fail "MATLAB 7.3: $(cat err.log)"
grep -q "'data' is MATLAB's, .* height 20, width 28" err.log || fail "MATLAB 7.3 is not told: $(cat err.log)"
train="$convoy train ./recipe.yaml --overwrite"
expect 2 "labels run from 1 to 10: --first-label 1" $train data.train=labels-from-1.h5
expect 2 "(it has: images uint8 60x28x28x1, labels int64 60)" $train data.train=plain.h5 data.images=cats

prepare() {
  rm -rf shards
  "$convoy" prepare hdf5 "$@" -o shards
}
expect 0 "train: 60 images of 10 classes" prepare in-groups.h5
expect 0 "val: 20 images of 10 classes" prepare x_train.h5
expect 0 "train: 120 images of 10 classes" prepare train=list.txt
expect 0 "train: 60 images of 2 classes" prepare train=labels-strings.h5
expect 0 "train: 60 images of 10 classes" prepare train=labels-from-1.h5 --first-label 1
expect 0 "train: 60 images of 10 classes" prepare train=x_train.h5:train val=x_train.h5:test --images x --labels y
expect 0 "255ths" prepare train=labels-n111.h5
expect 2 "--first-label 1" prepare train=labels-from-1.h5
expect 0 "val: 20 images of 10 classes" prepare train=x_train.h5 val=x_train.h5
expect 2 "holds the splits train, test: x_train.h5:train, say, takes one" prepare all=x_train.h5
if "$convoy" prepare hdf5 train=lzf.h5 -o shards >err.log 2>&1; then
  echo "skipped: a filter that is missing (lzf's plug-in is here)"
else
  grep -q "dataset 'images' is compressed by lzf .*h5repack -f GZIP=4" err.log || fail "lzf: $(cat err.log)"
fi
finish
