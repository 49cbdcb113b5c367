# Tests that AlexNet with dropout and ResNet-18 with batch normalisation, made small by their parameters, get
# the same bits at 1, 2 and 4 ranks, in evaluation too, and after a resume at another rank count; and that a
# network that trains badly is warned of.
. "$(dirname "$0")/lib" "$1"

# Colour images in which the class is a direction of stripes; h5py writes them as anyone would.
/usr/bin/python3 - <<'END' || exit 77
try:
    import h5py, numpy
except ImportError:
    print("skipped: e2e.networks (no python3-h5py)")
    raise SystemExit(1)
random = numpy.random.default_rng(1)
def write(name, count):
    y, x = numpy.mgrid[0:67, 0:67]
    labels = numpy.arange(count) % 4
    angle = labels * numpy.pi / 4
    phase = random.uniform(0, 6, count)
    stripes = numpy.sin((numpy.cos(angle)[:, None, None] * x + numpy.sin(angle)[:, None, None] * y) / 3 +
                        phase[:, None, None])
    images = 128 + 60 * stripes[..., None] + random.normal(0, 20, (count, 67, 67, 3))
    with h5py.File(name, "w") as file:
        file["images"] = numpy.clip(images, 0, 255).astype(numpy.uint8)
        file["labels"] = labels.astype(numpy.int32)
write("train.h5", 64)
write("val.h5", 21)
END

printf 'input: [67, 67, 3]\nlayers: [fc: {outputs: 4}, softmax, softmax_loss]\n' >twice.yaml
twice="warning: ./twice.yaml:2:28: layer 'softmax1' presses scores between 0 and 1 before the loss 'loss1' sees them"
expect 0 "$twice" "$convoy" summary ./twice.yaml
printf 'network: ./twice.yaml\ndata: {train: train.h5}\nbatch: 64\nmicrobatch: 16\nepochs: 1\nrun: twice\n' >twice-recipe.yaml
[ "$(ranks 2 "$convoy" train ./twice-recipe.yaml 2>&1 | grep -c "$twice")" = 1 ] || fail "a softmax before softmax_loss is not warned of once"

recipe() { # recipe NETWORK RATE [augmentation]: 4 microbatches a step, 2 steps an epoch
  cat >recipe.yaml <<END
network:
  $1: {size: $2, classes: 4}
data: {train: train.h5, val: val.h5, augment: [mirror: {probability: 0.5}, crop: {size: $2}]}
batch: 32
microbatch: 8
epochs: 3
solver: {sgd: {momentum: 0.9, weight_decay: 0.0001}}
learning_rate: {constant: {rate: $3}}
log_every: 1
check_every: 1
run: run
END
}

for network in "alexnet 67 0.0005" "resnet18 64 0.02"; do
  recipe $network
  echo "$network:"
  same_bits "1:1 2:1 4:1"
  straight=$(outcome)
  for p in 1 2 4; do
    ranks $p "$convoy" eval run/last.h5 --data val.h5 --json 2>/dev/null | sed 's/, "ranks".*//' >eval.$p
    grep -q '"images": 21,' eval.$p || fail "$network: evaluation on $p ranks: $(cat eval.$p)"
    cmp eval.1 eval.$p || fail "$network: evaluation on $p ranks gives other bits"
  done
  rm -rf run
  ranks 4 "$convoy" train ./recipe.yaml --threads 1 --stop-after 3 >stop.log 2>&1
  [ $? = 75 ] || fail "$network: --stop-after: $(cat stop.log)"
  ranks 2 "$convoy" train ./recipe.yaml --threads 1 --resume --json >out.json 2>err.log || fail "$(cat err.log)"
  [ "$(outcome)" = "$straight" ] || fail "$network: resumed, $(outcome) instead of $straight"
done
finish
