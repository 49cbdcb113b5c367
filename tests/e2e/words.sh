# Tests words that people type: a network where a recipe should be, a run folder where a checkpoint should,
# options of other programs. It also tests that networks and recipes are found by name. tests/unit/test_words.c
# has the keys of recipes and the options of layers.
. "$(dirname "$0")/lib" "$1"
digits data 400
cp "$CONVOY_SOURCE/launch/networks/lenet5.yaml" mine.yaml

# ---- help, in every way to ask for it ----
for way in "help train" "--help train" "-h train" "train --help" "train -h" "train help"; do
  # shellcheck disable=SC2086
  expect 0 "usage: convoy train RECIPE" "$convoy" $way
done
expect 0 "usage: convoy COMMAND" "$convoy" help
expect 0 "options of 'folder'" "$convoy" help prepare folder
expect 2 "unknown command 'trian'; did you mean 'train'?" "$convoy" help trian
expect 0 "convoy 0." "$convoy" version

# ---- commands and options ----
expect 2 "did you mean 'train'?" "$convoy" fit
expect 2 "did you mean 'eval'?" "$convoy" test
expect 2 "did you mean 'summary'?" "$convoy" summ
expect 2 "did you mean 'networks'?" "$convoy" models
expect 2 "did you mean 'augmentations'?" "$convoy" aug
expect 2 "given without dashes: epochs=3" "$convoy" train lenet5-digits --epochs 3
expect 2 "did you mean learning_rate.step.rate=0.1?" "$convoy" train lenet5-digits --lr=0.1
expect 2 "did you mean learning_rate.step.rate=0.1?" "$convoy" train lenet5-digits --lr 0.1
expect 2 "did you mean learning_rate.constant.rate=0.1?" "$convoy" train lenet5-digits --lr 0.1 learning_rate=constant
expect 2 "did you mean learning_rate.step.rate=...?" "$convoy" train lenet5-digits --lr data.train=x
expect 2 "did you mean learning_rate.constant.rate=0.1?" "$convoy" train nowhere.yaml --lr=0.1
expect 2 "did you mean --resume?" "$convoy" train lenet5-digits --continue
expect 2 "did you mean --resume?" "$convoy" train lenet5-digits resume
expect 2 "ranks come from mpirun" "$convoy" train lenet5-digits -n 4
expect 2 "did you mean --batch?" "$convoy" summary lenet5 --batch-size 3
expect 2 "given without dashes: classes=3" "$convoy" summary lenet5 --classes 3
expect 2 "did you mean 'cifar10'?" "$convoy" prepare CIFAR-10 x -o y
expect 2 "did you mean 'folder'?" "$convoy" prepare ImageFolder x -o y

expect 2 "did you mean 'hdf5'?" "$convoy" prepare h5 x -o y
expect 2 "holds Convoy's shards, which need no preparing: 'convoy verify data'" "$convoy" prepare data -o y
expect 2 "holds Convoy's shards" "$convoy" prepare folder data -o y
expect 2 "holds Convoy's shards" "$convoy" prepare csv data/train-00000-of-00001.h5 -o y
echo x >images.cdb
expect 2 "the first word names the source: convoy prepare hoda images.cdb -o DIR" "$convoy" prepare images.cdb -o y
expect 2 "'convoy prepare hoda' reads what this seems to be" "$convoy" prepare folder images.cdb -o y
printf '\0\0\10\3\0\0\0\1\0\0\0\1\0\0\0\1x' >images; gzip images
case $("$convoy" prepare mnist images.gz -o y 2>&1) in *"convoy prepare tar"*) fail "images without labels are taken for an archive" ;; esac

expect 2 "did you mean one of 'resnet101', 'resnet152', 'resnet18'" "$convoy" summary resnet
expect 0 "total: " "$convoy" summary lenet5 --graph lenet5.DOT
[ -s lenet5.DOT ] || fail "no graph in lenet5.DOT"
mkdir -p idle && printf '#!/bin/sh\ncat >/dev/null\n' >idle/dot && chmod +x idle/dot
expect 1 "Graphviz' dot wrote nothing" env PATH="$work/idle:$PATH" "$convoy" summary lenet5 --graph lenet5.svg
expect 2 "there is none of this kind here. It is no path" "$convoy" summary mobilenet
expect 2 "the cluster is --nodes N of --ranks-per-node N each" "$convoy" plan lenet5 --gpus 4
expect 2 "unknown option --colour; --help lists them all" "$convoy" summary lenet5 --colour 3
expect 2 "the recipe is named without an option" "$convoy" train --config x.yaml
expect 2 "it is a recipe: 'convoy train lenet5-digits'" "$convoy" lenet5-digits
expect 2 "it is a network: 'convoy summary lenet5'" "$convoy" help lenet5
expect 2 "it is a layer: 'convoy layers conv'" "$convoy" help conv
expect 2 "it is an augmentation: 'convoy augmentations crop'" "$convoy" help crop
expect 2 "'sgd' may stand in a recipe" "$convoy" help sgd
expect 2 "'eval' is one word too many" "$convoy" help train eval
expect 2 "a list is given as a whole" "$convoy" train lenet5-digits data.augment.crop.size=28
expect 2 "('convoy verify data' reads all of them)" "$convoy" inspect data

# ---- what there is ----
[ "$("$convoy" recipes | grep -c "^lenet5-digits  *LeNet-5 on the digits")" = 1 ] || fail "recipes: $("$convoy" recipes)"
expect 0 "They lie in: " "$convoy" recipes
[ "$("$convoy" networks | grep -c "^resnet50  *ResNet-50: He, Zhang, Ren")" = 1 ] || fail "networks: $("$convoy" networks)"
expect 0 "network: lenet5" "$convoy" recipes lenet5-digits
expect 0 '"name": "lenet5"' "$convoy" networks --json
expect 2 "--json is for the list alone" "$convoy" networks lenet5 --json
expect 0 "conv: convolution with learnt filters" "$convoy" layers conv
[ "$("$convoy" layers conv | grep -c '^[a-z]')" = 1 ] || fail "layers conv lists others too"
expect 0 "elu: x where x > 0" "$convoy" layers elu
expect 2 "no layer is named 'Conv2D'; did you mean 'conv'?" "$convoy" layers Conv2D
expect 0 "crop: a part of the picture" "$convoy" augmentations crop
expect 2 "did you mean 'mirror'?" "$convoy" augmentations hflip

# ---- what is no recipe ----
expect 2 "'lenet5' is a network, not a recipe. Recipes that train it: lenet5-digits, lenet5-hoda, lenet5-mnist." "$convoy" train lenet5
expect 2 "'lenet5' is a network" "$convoy" train LeNet-5
expect 2 "'lenet5' is a network" "$convoy" train lenet5.yaml
expect 2 "is a recipe, which is named by --recipe" "$convoy" preview "$CONVOY_SOURCE/launch/recipes/lenet5-digits.yaml"
expect 2 "No recipe that comes with convoy trains it" "$convoy" train vgg16
expect 2 "'lenet5-digits' is a recipe, not a network; the network that it trains is 'lenet5'" "$convoy" summary lenet5-digits
expect 2 "this is a network, not a recipe" "$convoy" train mine.yaml
expect 2 "did you mean the file mine.yaml?" "$convoy" summary mine
expect 2 "did you mean 'mine.yaml'?" "$convoy" summary mien.yaml
echo 'name: "LeNet" layer {' >solver.prototxt && echo 'import torch' >train.py && echo 'a.png 1' >list.txt && mkdir -p pictures/a
expect 2 "data is a folder of HDF5 files" "$convoy" train data
expect 2 "pictures is a folder" "$convoy" train pictures
expect 2 "is a shard" "$convoy" train data/train-00000-of-00001.h5
expect 2 "another program's description" "$convoy" train solver.prototxt
expect 2 "is a program" "$convoy" train train.py
expect 2 "is a list" "$convoy" train list.txt
"$convoy" recipes lenet5-digits | sed 's,data/digits,data,' >recipe-without-ending
expect 0 "done: " "$convoy" train ./recipe-without-ending epochs=1 run=run

# ---- eval ----
expect 2 "run is a run folder, not a recipe" "$convoy" train run
expect 2 "is a checkpoint, not a recipe" "$convoy" train run/last.h5
expect 0 "evaluating run/best.h5" "$convoy" eval run
expect 0 "40 images: loss " "$convoy" eval run
expect 0 "top-5" "$convoy" eval run
expect 0 "360 images" "$convoy" eval run --split train
expect 2 "no shards test-*.h5 there" "$convoy" eval run --split test
expect 2 "did you mean 'val'?" "$convoy" eval run --split validation
expect 2 "did you mean 'train'?" "$convoy" eval run --split Train
expect 2 "did you mean 'train'?" "$convoy" eval run --split trian
"$convoy" eval run --split test 2>&1 | grep -F "did you mean" && fail "train is taken for test"
expect 2 "or name the data with --data" sh -c "cd run && '$convoy' eval ."
expect 0 "done: " "$convoy" train ./recipe-without-ending epochs=1 data.train=./data/train data.val=./data run=deep
expect 2 "or name the data with --data" sh -c "cd deep && '$convoy' eval ."
cp data/train-00000-of-00001.h5 data/test-00000-of-00001.h5
expect 0 "360 images" "$convoy" eval run --split test
expect 0 "360 images" "$convoy" eval run/last.h5 --data data --split test
expect 2 "a split is chosen among the shards of a folder" "$convoy" eval run --data data/val-00000-of-00001.h5 --split test
expect 2 "--data (data/val-00000-of-00001.h5:test, if it is an HDF5 file of another maker" "$convoy" eval run --data data/val-00000-of-00001.h5 --split test
expect 2 "val-00000-of-00001.h5: a file; expected a folder of shards" "$convoy" verify data/val-00000-of-00001.h5
mv run/best.h5 away.h5
expect 0 "evaluating run/last.h5" ranks 2 "$convoy" eval run
mkdir empty && touch empty/metrics.jsonl
expect 2 "has not yet written a checkpoint" "$convoy" eval empty
expect 2 "data is named with --data" "$convoy" eval data
expect 2 "lenet5 is a network" "$convoy" eval lenet5
expect 0 "this run is finished" "$convoy" train ./recipe-without-ending epochs=1 run=run --resume
expect 0 "as epochs=2" "$convoy" train ./recipe-without-ending epochs=1 run=run --resume
expect 0 "done: " "$convoy" train ./recipe-without-ending epochs=2 run=run --resume
expect 0 "the end of epoch 2; nothing is left" "$convoy" train ./recipe-without-ending epochs=1 run=run --resume
expect 0 "as epochs=3" "$convoy" train ./recipe-without-ending epochs=1 run=run --resume

# Top-5 says nothing where there are five classes or fewer.
mkdir -p few/a few/b && for i in $(seq 20); do cp "$CONVOY_SOURCE/tests/e2e/dot.png" few/a/$i.png && cp "$CONVOY_SOURCE/tests/e2e/dot.png" few/b/$i.png; done
"$convoy" prepare folder few -o shards --size 32x32 --colour grey --split train=0.5,val=0.5 >prepare.log 2>&1 || fail "$(cat prepare.log)"
expect 0 "done: " "$convoy" train lenet5-digits network.lenet5.classes=2 data.train=shards data.val=shards batch=16 microbatch=8 epochs=1 run=two
case $("$convoy" eval two 2>&1) in *top-5*) fail "top-5 of two classes is told" ;; esac
case $("$convoy" eval two --json) in *top5*) fail "top-5 of two classes is in the JSON of eval" ;; *'"top1": '*) ;; *) fail "eval --json" ;; esac
case $("$convoy" train lenet5-digits network.lenet5.classes=2 data.train=shards data.val=shards batch=16 microbatch=8 epochs=1 run=two --overwrite --json) in
  *top5*) fail "top-5 of two classes is in the JSON of train" ;;
  *'"val_top1": '*) ;;
  *) fail "train --json" ;;
esac
grep -q val_top1 two/metrics.jsonl || fail "metrics.jsonl: $(cat two/metrics.jsonl)"
grep val_top5 two/metrics.jsonl && fail "top-5 of two classes is in metrics.jsonl"
expect 0 '"top5": ' "$convoy" eval run --json
grep -q val_top5 run/metrics.jsonl || fail "top-5 of ten classes is not in metrics.jsonl"

# ---- names are found ----
mkdir -p own/networks own/recipes flat
sed 's/^name: .*/name: special/' mine.yaml >own/networks/special.yaml
sed 's/lenet5/special/' "$CONVOY_SOURCE/launch/recipes/lenet5-digits.yaml" >own/recipes/special-digits.yaml
expect 2 "special.yaml was looked for in " "$convoy" summary special
expect 2 "$CONVOY_SOURCE/launch/networks" "$convoy" summary special
expect 2 "nowhere/networks (not there)" env CONVOY_PATH="$work/nowhere" "$convoy" summary special
export CONVOY_PATH="$work/nowhere:$work/own"
expect 0 "special" "$convoy" summary special
expect 0 "special-digits" "$convoy" recipes
ln -s nowhere.yaml own/recipes/gone.yaml
case $("$convoy" recipes --json) in *gone*) fail "a recipe that cannot be read is listed" ;; *special-digits*) ;; *) fail "recipes --json" ;; esac
expect 0 "done: " "$convoy" train special-digits data.train=data data.val=data epochs=1 run=special
unset CONVOY_PATH
# A network beside the recipe is found, and a recipe there that has the network's name is passed over.
cp own/networks/special.yaml flat/special.yaml
sed "s,lenet5,special,;s,data/digits,$work/data," "$CONVOY_SOURCE/launch/recipes/lenet5-digits.yaml" >flat/recipe.yaml
expect 0 "special, 61706 parameters" "$convoy" train flat/recipe.yaml epochs=1 run=flat/run
sed "s,data/digits,$work/data," "$CONVOY_SOURCE/launch/recipes/lenet5-digits.yaml" >flat/lenet5.yaml
expect 0 "lenet5, 61706 parameters" "$convoy" train flat/lenet5.yaml epochs=1 run=flat/other
finish
