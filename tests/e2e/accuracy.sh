# Tests that real training ends where it should. Drawn digits are always there; Hoda and MNIST are tried where
# the data is. tests/reached.sh holds all recipes that were run against what their heads say.
. "$(dirname "$0")/lib" "$1"
bare=$(dirname "$(dirname "$(dirname "$(readlink -f "$convoy")")")")
[ -d "$bare/launch/recipes" ] || bare=${CONVOY_SOURCE:?}

reaches() { # reaches RECIPE TOP1
  ranks 2 "$convoy" train "$bare/launch/recipes/$1.yaml" --json >$1.json 2>$1.log || fail "$1: $(tail -n 3 $1.log)"
  echo "$1: $(cat $1.json)"
  awk -v got="$(field val_top1 <$1.json)" -v least="$2" 'BEGIN {exit !(got >= least)}' || fail "$1 stays under $2"
}

"$convoy" prepare synthetic -o data/digits >/dev/null 2>&1
reaches lenet5-digits 0.98

# The drawn digits are no toy: a linear classifier stays under 90 %, with more epochs than LeNet-5 needs.
printf 'name: linear\ninput: [32, 32, 1]\nlayers:\n  - fc: {outputs: 10, init: constant}\n  - softmax_loss\n' >linear.yaml
ranks 2 "$convoy" train "$bare/launch/recipes/lenet5-digits.yaml" network="$work/linear.yaml" data.augment=[] epochs=12 \
  'learning_rate={step: {rate: 0.002, every: 5}}' run=runs/linear --json >linear.json 2>linear.log || fail "linear: $(tail -n 3 linear.log)"
echo "linear: $(cat linear.json)"
awk -v got="$(field best_top1 <linear.json)" 'BEGIN {exit !(got > 0.6 && got < 0.9)}' || fail "a linear classifier reaches $(field best_top1 <linear.json)"

if [ -e "${CONVOY_TEST_DATA:-/nowhere}/README.md" ]; then
  "$convoy" prepare hoda "$CONVOY_TEST_DATA"/hoda/'Train 60000.cdb.gz' --size 28x28 --split train=first:3500,val=next:400 \
    -o data/hoda-3500 2>/dev/null || fail "preparing Hoda"
  "$convoy" prepare hoda "$CONVOY_TEST_DATA/hoda" -o data/hoda 2>/dev/null || fail "preparing Hoda"
  "$convoy" prepare mnist "$CONVOY_TEST_DATA/mnist" -o data/mnist 2>/dev/null || fail "preparing MNIST"
  reaches hoda-cnn 0.97
  reaches lenet5-hoda 0.985
  reaches lenet-mnist 0.99
else
  echo "skipped: accuracy on Hoda and MNIST (no CONVOY_TEST_DATA)"
fi
finish
