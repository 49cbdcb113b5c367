#!/bin/bash
# Slow test (minutes a network, hours for all): every network that takes photographs learns 130 of them by heart,
# one a class, with its dropout and the learning rate of its paper. A network that cannot is wrong, or begins
# with bad values. At least 99 % of the photographs must be recognised in evaluation, twice in a row, so that no
# lucky moment decides.
#   bash tests/overfit.sh                      # all of them
#   bash tests/overfit.sh alexnet resnet18     # some
#   OVERFIT_KEEP=DIR bash tests/overfit.sh     # the runs stay in DIR, with the curves in their metrics.jsonl
#   OVERFIT_SIZE=64 bash tests/overfit.sh      # other pixels than those of the table below
# CONVOY is the program (build/release/convoy), OVERFIT_THREADS its threads (1), OVERFIT_SECONDS the time after
# which a network gets no more epochs (3600). It needs the real data (CONVOY_TEST_DATA). A line a network: pixels,
# epochs, seconds, the last epoch's training loss, top-1 in evaluation. tests/reference/overfit.py does the same in
# PyTorch.
source=$(cd "$(dirname "$0")/.." && pwd)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 CONVOY_SOURCE=$source
keep=${OVERFIT_KEEP:+$(realpath -m "$OVERFIT_KEEP")}
. "$source/tests/e2e/lib" "${CONVOY:-$source/build/release/convoy}"
[ -x "$convoy" ] || { echo "there is no program '$convoy'; build it, or name it with CONVOY"; exit 2; }
threads=${OVERFIT_THREADS:-1} limit=${OVERFIT_SECONDS:-3600}
photographs=${CONVOY_TEST_DATA:-}/imagenet-photos
[ -d "$photographs" ] || { echo "skipped: overfit (no CONVOY_TEST_DATA)"; exit 77; }
[ -z "$keep" ] || { mkdir -p "$keep" && cd "$keep"; } || exit 1

# A line a network: its name, pixels of the input's side, the most epochs, the epochs between two evaluations,
# the rate and the solver. A step has 26 photographs. Rates are those of the recipes in launch/recipes. Where a
# network has batch normalisation they are scaled linearly to this batch (Goyal et al. 2017): ResNets' 0.1 of 256,
# Inception's 0.045 of 1,600. The others begin at their papers' 0.01.
# At the small sizes the VGGs have less to begin with than at 224, and take longer to leave the loss of a guess.
sgd="sgd: {momentum: 0.9, weight_decay: 0.0005}"
sgd2="sgd: {momentum: 0.9, weight_decay: 0.0002}"
sgd1="sgd: {momentum: 0.9, weight_decay: 0.0001}"
table="
alexnet         227 200 10 0.01    $sgd
alexnet-grouped 227 200 10 0.01    $sgd
alexnet-bn      227 100 10 0.01    $sgd
alexnet-owt     224 200 10 0.01    $sgd
zfnet           224 200 10 0.01    $sgd
vgg-a            96 300 20 0.01    $sgd
vgg-a-lrn        96 300 20 0.01    $sgd
vgg-b            96 300 20 0.01    $sgd
vgg-c            96 300 20 0.01    $sgd
vgg-d            96 300 20 0.01    $sgd
vgg-e            96 300 20 0.01    $sgd
vgg16            96 300 20 0.01    $sgd
vgg19            96 300 20 0.01    $sgd
resnet18         64 100 10 0.01    $sgd1
resnet34         64 100 10 0.01    $sgd1
resnet50         64 100 10 0.01    $sgd1
resnet101        64 100 10 0.01    $sgd1
resnet152        64 100 10 0.01    $sgd1
googlenet       128 300 20 0.01    $sgd2
googlenet-bn    128 100 10 0.01    $sgd2
inception-v3    139 400 20 0.00073 rmsprop: {alpha: 0.9, momentum: 0.9, epsilon: 1, epsilon_at: below_root}
catdog-cnn      150 400 20 0.0001  rmsprop: {alpha: 0.9, epsilon: 1e-7}
"

# prepare FOLDER CLASSES: the photographs in their order, as so many classes of neighbours
prepare() {
  local i=0 file
  [ ! -d "$1" ] || return 0
  for file in "$photographs"/*.JPEG; do
    echo "$file,$(printf 'c%03d' $((i * $2 / 130)))"
    i=$((i + 1))
  done >"$1.csv"
  [ $i = 130 ] || { fail "expected 130 photographs in $photographs, not $i" && finish; }
  "$convoy" prepare csv "train=$1.csv" --size 256 -o "$1" >prepare.log 2>&1 || { cat prepare.log; exit 1; }
}

# recipe NAME SIZE RATE SOLVER: writes NAME.yaml
recipe() {
  local parameters="size: $2, classes: 130" data=photographs
  case $1 in
    catdog-cnn) parameters="size: $2" data=halves ;;
    googlenet | inception-v3) parameters="$parameters, aux: true" ;;
  esac
  cat >"$1.yaml" <<END
network: {$1: {$parameters}}
data:
  train: $data
  augment: [{resize: {shorter: $((($2 * 8 + 6) / 7))}}, {centre_crop: {size: $2}}]
  cache: {keep: pictures}
batch: 26
microbatch: 13
epochs: 1
solver: {$4}
learning_rate: {constant: {rate: $3}}
log_every: 1000
run: $1
END
}

# learn NAME SIZE MOST EVERY RATE SOLVER: trains until two evaluations in a row know the photographs; prints the line
learn() {
  local name=$1 size=${OVERFIT_SIZE:-$2} most=$3 every=$4 epochs=0 start=$SECONDS resume=--overwrite top1=0 known=0 verdict=FAILED data
  recipe "$name" "$size" "$5" "$6"
  data=$(sed -n 's/^  train: //p' "$name.yaml")
  while [ $known -lt 2 ] && [ $epochs -lt "$most" ] && [ $((SECONDS - start)) -lt "$limit" ]; do
    epochs=$((epochs + every))
    "$convoy" train "./$name.yaml" epochs=$epochs --threads "$threads" $resume >"$name.log" 2>&1 || { cat "$name.log"; break; }
    resume=--resume
    top1=$("$convoy" eval "$name/last.h5" --data "$data" --split train --threads "$threads" --json 2>>"$name.log" | field top1)
    echo "$name: $epochs epochs, top-1 ${top1:-?}" >&2
    if awk "BEGIN {exit !(${top1:-0} >= 0.99)}"; then known=$((known + 1)); else known=0; fi
  done
  [ $known -lt 2 ] || verdict=pass
  printf '%-16s %3d px  %4d epochs  %5d s  loss %-8.4f  top-1 %6.2f %%  %s\n' "$name" "$size" $epochs $((SECONDS - start)) \
    "$(field train_loss <"$name/metrics.jsonl")" "$(awk "BEGIN {print 100 * ${top1:-0}}")" $verdict
  [ -n "$keep" ] || rm -rf "$name"
  [ $verdict = pass ]
}

prepare photographs 130
prepare halves 2
listed=
while read -r name rest; do
  [ -n "$name" ] || continue
  listed="$listed $name"
  [ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
  read -r size most every rate solver <<<"$rest"
  learn "$name" "$size" "$most" "$every" "$rate" "$solver" || failures=$((failures + 1))
done <<<"$table"

for name; do [[ "$listed " = *" $name "* ]] || fail "there is no line for '$name'; there are$listed"; done
# A network that takes photographs has a line above.
small=$'\ninput +(28x28|32x32)x[13] '
for file in "$source"/launch/networks/*.yaml; do
  name=$(basename "$file" .yaml)
  [[ "$listed " = *" $name "* ]] || [[ $("$convoy" summary "$name") =~ $small ]] ||
    fail "tests/overfit.sh has no line for '$name'"
done
finish
