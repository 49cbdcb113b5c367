# What is wrong is said at once, by all ranks together, with file and record; nothing hangs, nothing
# half-written stays.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 32 8 "epochs: 2"
train="$convoy train ./recipe.yaml --overwrite"

# ---- the command line ----
expect 2 "usage: convoy COMMAND" "$convoy"
expect 2 "unknown command 'trian'; did you mean 'train'?" "$convoy" trian
expect 2 "unknown option --thread; did you mean --threads?" "$convoy" train ./recipe.yaml --thread 2
expect 2 "--threads needs a value" "$convoy" train ./recipe.yaml --threads
expect 2 "'threads' must be a whole number from 0 to 1024, not 'two'" "$convoy" train ./recipe.yaml --threads two
expect 2 "expected a recipe" "$convoy" train
expect 2 "no recipe is named 'lenet6'" "$convoy" train lenet6
expect 2 "no recipe stands at ./nothing.yaml" "$convoy" train ./nothing.yaml
expect 2 "no network is named 'alexnot'" "$convoy" summary alexnot
expect 0 "usage: convoy train RECIPE" "$convoy" train --help
expect 0 "0 done; 1 failed while running" "$convoy" --help
expect 0 "OpenBLAS" "$convoy" --version

# ---- recipes and networks ----
expect 2 "unknown key 'epoch' in the recipe; did you mean 'epochs'?" $train epoch=3
expect 2 "'epochs' must be a whole number from 1 to" $train epochs=0
expect 2 "batch 33 is not a multiple of microbatch 8; 32 or 40 would be" $train batch=33
expect 2 "unknown solver 'sdg'; did you mean 'sgd'?" $train solver=sdg
expect 2 "step needs 'every'" $train learning_rate=step
expect 2 "no network is named 'lenet6'" $train network=lenet6
printf 'network: lenet5\ndata: {train: data, vol: x}\nbatch: 8\n' >typo.yaml
expect 2 "./typo.yaml:2:21: unknown key 'vol' in data; did you mean 'val'?" "$convoy" train ./typo.yaml
printf 'name: n\ninput: [32, 32, 1]\nlayers:\n  - conv: {filters: 2, kernel: 40}\n  - softmax_loss\n' >big.yaml
expect 2 "big.yaml:4:5: layer 'conv1': " "$convoy" summary ./big.yaml
expect 2 "big.yaml:4:5: layer 'conv1': " $train network=./big.yaml
expect 2 "this is a recipe, not a network" "$convoy" summary ./recipe.yaml
expect 2 "unknown parameter 'sise' of network lenet5 (known: classes)" "$convoy" summary lenet5 sise=3
expect 2 "did you mean 'classes'" $train 'network={lenet5: {clases: 3}}'
printf 'input: [32, 32, 1]\nlayers:\n  - fc: {outputs: 10}\n  - batch_norm\n  - softmax_loss\n' >norm.yaml
expect 2 "layer 'bn1': a microbatch of one image" $train network=./norm.yaml microbatch=1 batch=4

# ---- data: everything is found before anything starts ----
expect 2 "data.train: " $train data.train=nowhere
expect 2 "nowhere" ranks 2 $train data.train=nowhere
echo "no HDF5" >text.h5
expect 2 "text.h5:1: no HDF5: No such file or directory (this is no HDF5 file, so its lines should name some)" $train data.train=text.h5
shard=$(ls data/train-*.h5)
head -c 20000 "$shard" >short.h5
expect 2 "short.h5: " $train data.train=short.h5
expect 2 "images are 32x32x1 after augmentation" $train network=lenet
expect 2 "crop" $train 'data.augment=[crop: {size: 40}]'
mkdir -p pictures/a pictures/b
expect 2 "pictures" "$convoy" prepare folder pictures -o out
[ -z "$(ls out 2>/dev/null)" ] || fail "an empty folder made shards"

printf '\377\330\377 and no more' | tee pictures/a/1.jpg >pictures/b/2.png
expect 1 "the first: a/1.jpg: " "$convoy" prepare folder pictures -o out --size 8x8 --split train=1
[ "$(ls -A out)" = rejected.csv ] || fail "broken pictures left something behind: $(ls -A out)"

# A file that is missing on one rank only ends the job on all, once, saying which rank.
mkdir away && cp recipe.yaml away/ && ln -s data here-only
output=$(timeout 60 mpirun --oversubscribe -n 1 $train data.train=here-only : -n 1 -wdir "$work/away" $train data.train=here-only 2>&1)
[ $? = 2 ] || fail "missing on one rank: exit code"
case $output in
  *"rank 1 of 2 (on "*"here-only"*) ;;
  *) fail "missing on one rank: $output" ;;
esac
[ "$(echo "$output" | grep -c here-only)" = 1 ] || fail "missing on one rank: said more than once: $output"
[ ! -e run/last.h5 ] || fail "a refused run wrote a checkpoint"

# Ranks that see different data are refused.
digits other 400 && "$convoy" prepare synthetic -o other --seed 5 --count 400 >/dev/null 2>&1
output=$(timeout 60 mpirun --oversubscribe -n 1 $train : -n 1 $train data.train=other 2>&1)
[ $? = 2 ] || fail "other data on one rank: exit code: $output"

# ---- while running: a damaged record ends the job on all ranks, naming file and record ----
mkdir damaged && cp data/*.h5 damaged/
size=$(stat -c %s "$shard")
printf '\377\000\377\000\377' | dd of="damaged/$(basename "$shard")" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect 1 "checksum" ranks 2 $train data.train=damaged
expect 1 "damaged/train-00000-of-00001.h5: record" ranks 1 $train data.train=damaged

# Orders that differ between ranks would make them wait for each other.
pair() { timeout 60 mpirun --oversubscribe -n 1 "$@"; } # pair COMMAND... : -n 1 COMMAND...
another="rank 1 was given another command than rank 0, or other words or options"
expect 2 "$another" pair $train : -n 1 $train epochs=3
expect 2 "$another" pair $train : -n 1 "$convoy" train ./recipe.yaml
expect 2 "$another" pair $train : -n 1 "$convoy" train
expect 2 "$another" pair "$convoy" train : -n 1 $train
expect 2 "$another" pair "$convoy" eval good/best.h5 : -n 1 "$convoy" eval
expect 2 "$another" pair "$convoy" doctor : -n 1 "$convoy" bench allreduce 1
expect 2 "$another" pair "$convoy" bench allreduce 1 : -n 1 "$convoy" bench allreduce x
expect 2 "$another" pair "$convoy" bench scaling lenet --steps 1 : -n 1 "$convoy" bench scaling lenet --steps 2
expect 2 "$another" pair "$convoy" prepare synthetic -o p --count 20 : -n 1 "$convoy" prepare synthetic -o p --count 30
expect 0 "done: " pair $train run=good --threads 1 : -n 1 $train run=good --threads 2

# The words are the same, but the files are another node's.
mkdir node && cp -r good node/ && ln -s "$work/data" node/data && ln -s "$work/data" node/other
apart() { pair "$@" : -n 1 -wdir "$work/node" "$@"; }
echo "seed: 7" | cat recipe.yaml - >node/recipe.yaml
expect 2 "rank 1 has another recipe" apart $train
cp recipe.yaml node/
expect 2 "rank 1 has other validation data" apart $train data.val=other
expect 2 "'b.h5': expected data.key=value; other data are named with --data b.h5" "$convoy" eval good/best.h5 b.h5
expect 2 "'batch=5': an evaluation takes the network from the checkpoint" "$convoy" eval good/best.h5 batch=5
expect 2 "rank 1 has other data" apart "$convoy" eval good/best.h5 --data other
cp "$CONVOY_SOURCE/launch/networks/lenet5.yaml" net.yaml
sed 's/fc: {name: f6/fc: {parallel: sharded, name: f6/' net.yaml >node/net.yaml
expect 2 "rank 1 has another network" apart "$convoy" bench scaling ./net.yaml --batch 2 --steps 1

# Orders that contradict themselves are refused.
printf 'input: [4, 4, 1]\nlayers:\n  - fc: {outputs: 10, parallel: sharded}\n  - softmax_loss\n' >thin.yaml
expect 2 "which of the two" "$convoy" train ./recipe.yaml run=good --resume --overwrite
expect 75 "stopped after step 9" $train run=early --stop-after 9
expect 2 "--stop-after 4: the run stands after step 9 already" ranks 2 "$convoy" train ./recipe.yaml run=early --resume --stop-after 4
expect 2 "cannot be split as 'parallel: sharded' does it" ranks 3 "$convoy" bench scaling ./thin.yaml --batch 2 --steps 1 --microbatches 8

# Classes of the same number are not the same classes.
cp -r pictures renamed && mv renamed/a renamed/c
for folder in pictures renamed; do
  for file in $folder/*/*; do cp "$CONVOY_SOURCE/tests/e2e/dot.png" "$file"; done
  "$convoy" prepare folder $folder -o shards-$folder --size 32x32 --colour grey --split train=1 >/dev/null 2>&1 || fail "preparing $folder"
done
mv shards-renamed/train-00000-of-00001.h5 shards-renamed/val-00000-of-00001.h5
expect 2 "class 0 is 'b'; where the network learns it is 'a'" $train data.train=shards-pictures data.val=shards-renamed batch=8

# The source is the first word, not an option's value that looks like one.
expect 0 "train: 18 images" "$convoy" prepare -o hoda synthetic --count 20
expect 2 "--size 28x0: width and height" "$convoy" prepare synthetic --size 28x0 -o x
expect 2 "--encoded: synthetic has no JPEG or PNG files" "$convoy" prepare synthetic --encoded -o x

# A checkpoint's mean decides what eval sees.
cp good/best.h5 mean.h5
at=$(/usr/bin/python3 -c 'import h5py; print(h5py.File("mean.h5")["mean"].id.get_offset())' 2>/dev/null) &&
  printf '\001\002\003\103' | dd of=mean.h5 bs=1 seek="$at" conv=notrunc 2>/dev/null &&
  expect 2 "checksum" "$convoy" eval mean.h5

# Training that diverges says so, and never saves what it has ruined.
expect 1 "diverged" $train run=ruined batch=320 microbatch=32 epochs=9 learning_rate.constant.rate=1e6
! grep -q nan ruined/metrics.jsonl || fail "a diverged run wrote metrics"
[ ! -e ruined/best.h5 ] || "$convoy" eval ruined/best.h5 >ruined.log 2>&1 || fail "a diverged run saved its ruins"
expect 1 "training diverged" ranks 2 $train learning_rate.constant.rate=1e6

# A full disk leaves no checkpoint or a whole one, never a half one.
mkdir disk
if mount -t tmpfs -o size=700k none disk 2>/dev/null; then
  expect 1 "disk/run/last.h5" ranks 2 $train run=disk/run epochs=20 checkpoint_every=1
  for file in disk/run/*.h5; do
    [ ! -e "$file" ] || "$convoy" inspect "$file" >/dev/null || fail "$file is not whole"
  done
  ls disk/run/*.tmp >/dev/null 2>&1 && fail "a temporary file stayed"
  expect 1 "disk/" "$convoy" prepare synthetic -o disk/data --count 20000
  ls disk/data/*.h5 >/dev/null 2>&1 && fail "a full disk left shards"
  umount disk
else
  echo "skipped: full disk (cannot mount a small disk)"
fi

# A rank that is killed ends the job at once.
timeout 100 mpirun --oversubscribe -n 2 $train epochs=100000 run=longrun >/dev/null 2>&1 &
job=$!
for _ in $(seq 100); do [ -e longrun/last.h5 ] && break; sleep 0.1; done
victim=$(pgrep -f "convoy train.*run=longrun" | tail -n 1)
started=$(date +%s)
kill -KILL "$victim"
wait $job
[ $? != 0 ] || fail "a killed rank went unnoticed"
[ $(($(date +%s) - started)) -lt 20 ] || fail "a killed rank kept the others waiting"
finish
