# Tests that ten steps of training, from shards to checkpoints, are PyTorch's to 1e-5, in one microbatch and in four, and
# so are twenty of fine-tuning, whose first layers learn from the eleventh on; and that the comparisons see what they
# should: another rule for biases, running averages that move otherwise, statistics that do not stay, another rate.
. "$(dirname "$0")/lib" "$1"
compare=$(readlink -f "${CONVOY_SOURCE:?}")/tests/reference/training.py

/usr/bin/python3 "$compare" "$convoy" || fail "training is not PyTorch's"

sees() { # sees FROM TO: a comparison in which the recipe or the network is changed so must fail
  sed "s/$1/$2/" "$compare" >changed.py
  cmp -s changed.py "$compare" && fail "nothing to change: $1"
  cp "$(dirname "$compare")"/{training,fine_tuning}.json .
  PYTHONPATH=$(dirname "$compare") /usr/bin/python3 changed.py "$convoy" >changed.log 2>&1
  [ $? = 1 ] && grep -q "PyTorch has" changed.log || fail "the comparison does not see $2: $(cat changed.log)"
}
sees 'weight_decay: {DECAY}' 'weight_decay: {DECAY}, decay_biases: true'
sees 'batch_norm: {name: bn1}' 'batch_norm: {name: bn1, momentum: 0.101}'

compare=${compare%/*}/fine_tuning.py
/usr/bin/python3 "$compare" "$convoy" || fail "fine-tuning is not PyTorch's"
sees ', "batch_norm={frozen: bn2}"' ''
sees 'rate: {FACTOR}' 'rate: 0.6'
finish
