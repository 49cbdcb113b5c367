# Tests transfer learning: a run that begins with weights that exist (init_from), layers that stay as they are (freeze,
# freeze_until, batch_norm), and such as learn later (unfreeze): their bits at any number of ranks and threads and over
# a stop, and what people are told.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 40 10 "epochs: 3" "learning_rate: {constant: {rate: 0.01}}"
"$convoy" train ./recipe.yaml run=base epochs=2 --threads 1 --json >base.json 2>base.log || fail "the run to begin with: $(cat base.log)"

# has FILE TEXT...: each text is in the file
has() {
  local file=$1
  for text in "${@:2}"; do grep -qF -- "$text" "$file" || fail "$file does not say '$text': $(cat "$file")"; done
}

# tensors FILE GROUP: lists the tensors of a group of a checkpoint
tensors() { "$convoy" inspect "$1" | sed -n "s|^ *$2/\([^ ]*\) .*|\1|p" | tr '\n' ' '; }

# hash_of FILE TENSOR: prints a hash of its values
hash_of() { h5dump -d "/parameters/$2" -y -o values.txt "$1" >/dev/null 2>&1; cksum <values.txt; }

# ---- weights to begin with ----
train="$convoy train ./recipe.yaml --threads 1 --overwrite"
rm -rf run
$train run=same init_from=base 'learning_rate={constant: {rate: 0}}' epochs=1 --json >same.json 2>same.log || fail "init_from: $(cat same.log)"
[ "$(weights same.json)" = "$(weights base.json)" ] || fail "a run at rate 0 does not end with the weights that it began with"
has same.log "weights of base/best.h5" "10 of 10 tensors loaded" "c3                            loaded     5x5x6x16, 16"
"$convoy" inspect same/last.h5 | grep -q "began with 10 of 10 tensors from base/best.h5 (weights $(weights base.json))" ||
  fail "the origin is not kept: $("$convoy" inspect same/last.h5)"
for from in base base/last.h5 base/best.h5 "{weights: base/last.h5}"; do
  expect 0 "10 of 10 tensors loaded" $train --dry-run run=none "init_from=$from"
done
[ ! -e none ] || fail "a dry run made a folder"

# Other classes: the head is made anew, with the values that a run from scratch has.
net5='network={lenet5: {classes: 12}}'
expect 2 "'output/weights' is 84x10 there and 84x12 in network 'lenet5', as for another number of classes; 'init_from: {weights: base, head: auto}' makes the layer anew" \
  $train run=none "$net5" init_from=base
$train run=fine "$net5" 'init_from={weights: base, head: auto}' epochs=1 'learning_rate={constant: {rate: 0}}' >fine.out 2>fine.log || fail "head: auto: $(cat fine.log)"
has fine.log "8 of 10 tensors loaded" "output                        made anew  84x12, 12; the head does not fit; the file's: 84x10, 10"
$train run=drawn "$net5" epochs=1 'learning_rate={constant: {rate: 0}}' >/dev/null 2>&1
[ "$(hash_of fine/last.h5 output/weights)" = "$(hash_of drawn/last.h5 output/weights)" ] || fail "the head is not drawn as in a run from scratch"
[ "$(hash_of fine/last.h5 c3/weights)" = "$(hash_of base/last.h5 c3/weights)" ] || fail "c3 is not that of the checkpoint"
[ "$(hash_of fine/last.h5 c3/weights)" != "$(hash_of drawn/last.h5 c3/weights)" ] || fail "c3 is drawn"
expect 0 "made anew  84x10, 10; as 'head: new' says" $train --dry-run 'init_from={weights: base, head: new}'
expect 0 "c3                            made anew  5x5x6x16, 16; as 'anew' says" $train --dry-run 'init_from={weights: base, anew: c3}'
expect 0 "c3/bias                       made anew  16; as 'anew' says" $train --dry-run 'init_from={weights: base, anew: c3/bias}'
expect 0 "4 of 10 tensors loaded" $train --dry-run 'init_from={weights: base, layers: [c1, c3]}'
expect 0 '"init_from": {"loaded": 4, "made_anew": 6, "left_out": 0}' $train --dry-run --json 'init_from={weights: base, layers: [c1, c3]}'

# A smaller network leaves something out; another size of a layer is an error that says what would be right.
small='network={name: small, input: [32, 32, 1], layers: [{conv: {name: c1, filters: 6, kernel: 5}}, tanh, {average_pool: {kernel: 2}}, {fc: {name: output, outputs: 10}}, softmax_loss]}'
expect 0 "c3/weights                    left out   5x5x6x16" $train --dry-run "$small" 'init_from={weights: base, head: auto}'
other='network={name: other, input: [32, 32, 1], layers: [{conv: {name: c1, filters: 7, kernel: 5}}, tanh, {fc: {name: output, outputs: 10}}, softmax_loss]}'
expect 2 "'c1/weights' is 5x5x1x6 there and 5x5x1x7 in network 'other'; 'init_from: {weights: base, anew: [c1]}' makes the layer anew" $train --dry-run "$other" init_from=base
expect 2 "nothing of it would be copied" $train --dry-run "$small" 'init_from={weights: base, layers: output, head: new}'
expect 2 "'outputs' matches no layer with parameters of network 'lenet5'; did you mean 'output'?" $train --dry-run 'init_from={weights: base, layers: outputs}'
expect 2 "'head' has no effect in init_from without 'weights'" $train --dry-run 'init_from={head: auto}'

# A file of another program, whose tensors have their places by their names.
for tensor in c1 c3 c5 f6 output; do
  for part in weights bias; do h5dump -d /parameters/$tensor/$part -b LE -o $tensor.$part base/best.h5 >/dev/null || fail "h5dump"; done
done
python3 - <<'END' || fail "a safetensors file"
import array, json, struct
shapes = {"c1": (5, 5, 1, 6), "c3": (5, 5, 6, 16), "c5": (5, 5, 16, 120), "f6": (120, 84), "output": (84, 10)}
tensors, data = {}, b""
def add(name, shape, values):
    global data
    tensors[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
    data += array.array("f", values).tobytes()
for layer, shape in shapes.items():
    bias, weights = array.array("f"), array.array("f")
    bias.frombytes(open(layer + ".bias", "rb").read())
    weights.frombytes(open(layer + ".weights", "rb").read())
    k, others = shape[-1], len(weights) // shape[-1]
    if len(shape) == 4:
        r, s, c = shape[:3]
        order = [((y * s + x) * c + i) * k + o for o in range(k) for i in range(c) for y in range(r) for x in range(s)]
    else:
        order = [i * k + o for o in range(k) for i in range(others)]
    add(layer + ".weight", [k, c, r, s] if len(shape) == 4 else [k, others], [weights[i] for i in order])
    add(layer + ".bias", [k], bias)
head = json.dumps(tensors).encode()
open("base.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + data)
END
$train run=torch init_from=base.safetensors 'learning_rate={constant: {rate: 0}}' epochs=1 --json >torch.json 2>torch.log || fail "safetensors: $(cat torch.log)"
[ "$(weights torch.json)" = "$(weights base.json)" ] || fail "safetensors: other weights than the checkpoint's: $(cat torch.log)"
has torch.log "by the names of the layers"

# A file that says what images are like says it of its own channels, and of no others.
"$convoy" export base -o base2.safetensors >/dev/null || fail "an export"
python3 - <<'END'
import json, struct
data = open("base2.safetensors", "rb").read()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + length])
notes = header["__metadata__"]
network = notes["convoy.network"].replace("1]", "3]").replace("  - 1\n", "  - 3\n")
assert network != notes["convoy.network"]
notes.update({"convoy.network": network, "convoy.mean": "1,2,3", "convoy.deviation": "4,5,6", "convoy.channels": "bgr"})
text = json.dumps(header).encode()
open("colours.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])
END
$train --dry-run init_from=base2.safetensors >own.log 2>&1 || fail "$(cat own.log)"
has own.log "images are normalised as for these weights"
$train --dry-run 'init_from={weights: colours.safetensors, anew: c1}' >colours.log 2>&1 || fail "$(cat colours.log)"
grep -q "normalised as for these weights" colours.log && fail "grey images are normalised as colours: $(cat colours.log)"

# ---- the same bits ----
late='unfreeze=[{at: 1, layers: c3, rate: 0.5}, {at: 2, layers: "c*"}]'
thaw="init_from=base freeze_until=c5"
# kept RUN: prints what its last checkpoint holds, but for paths
kept() { h5dump "$1/last.h5" | grep -v "HDF5\|run: \|weights: " | sed '/DATASET "recipe"/,/^   }/d' | cksum; }

# interrupted NAME STEP KEY=VALUE...: a run that is stopped at two steps and goes on elsewhere ends as an undisturbed one
interrupted() {
  local name=$1 step=$2
  shift 2
  "$convoy" train ./recipe.yaml run=whole-$name --threads 1 --json "$@" >whole.json 2>whole.log || fail "$name: $(cat whole.log)"
  ranks 4 "$convoy" train ./recipe.yaml run=parts-$name --threads 1 --stop-after "$step" "$@" >/dev/null 2>parts.log
  [ $? = 75 ] || fail "$name does not stop: $(cat parts.log)"
  rm -rf away && mv base away # nobody reads it again
  ranks 2 "$convoy" train ./recipe.yaml run=parts-$name --threads 1 --resume --stop-after 20 "$@" init_from=elsewhere >/dev/null 2>parts.log
  [ $? = 75 ] || fail "$name does not stop again: $(cat parts.log)"
  "$convoy" train ./recipe.yaml run=parts-$name --threads 2 --resume --json "$@" >parts.json 2>parts.log || fail "$name is not resumed: $(cat parts.log)"
  mv away base
  for what in weights ema_weights val_loss; do
    [ "$(field $what <parts.json)" = "$(field $what <whole.json)" ] || fail "$name: a stop changes $what: $(cat whole.json parts.json)"
  done
  [ "$(losses parts-$name)" = "$(losses whole-$name)" ] || fail "$name: a stop changes the metrics"
  [ "$(kept parts-$name)" = "$(kept whole-$name)" ] || fail "$name: a stop changes the checkpoint"
}
same_bits "1:2 2:1 4:1" $thaw "$late" solver=adam learning_rate.constant.rate=0.002
has err.log "from here on c3 learns too, at 0.5 of the rate: 2416 parameters more" "from here on c* learns too, at 1 of the rate: 48276 parameters more"
interrupted adam 9 $thaw "$late" solver=adam learning_rate.constant.rate=0.002
[ "$(weights whole.json)" = "$(weights out.json)" ] || fail "the same run has other bits"
interrupted clipped-lamb 18 $thaw "$late" solver=lamb clip.norm=0.5 learning_rate.constant.rate=0.01 ema.decay=0.9 wire=bf16 'layers=[{match: "*/bias", rate: 2, decay: 0}]'
split='network={input: [32, 32, 1], layers: [{conv: {name: c1, filters: 4, kernel: 5, stride: 2}}, {batch_norm: {name: bn}}, relu, {max_pool: {kernel: 3}}, {fc: {name: f1, outputs: 40, parallel: sharded}}, relu, {fc: {name: f2, outputs: 10}}, softmax_loss]}'
$train run=base-split "$split" >/dev/null 2>&1 || fail "a run with a split layer"
same_bits "1:1 4:1" "$split" init_from=base-split freeze_until=f1 'unfreeze=[{at: 1, layers: f1}, {at: 2, layers: "*"}]' solver=lamb ema.decay=0.8 reduce=whole
same_bits "1:2 2:1" "$split" init_from=base-split 'batch_norm={frozen: true}' freeze=c1/bias

# ---- what is frozen ----
$train run=frozen $thaw "$late" solver=adam --stop-after 9 >/dev/null 2>&1
[ "$(tensors frozen/last.h5 squares)" = "f6/bias f6/weights output/bias output/weights " ] || fail "state of what is frozen: $(tensors frozen/last.h5 squares)"
$train run=frozen $thaw "$late" solver=adam --stop-after 10 >/dev/null 2>&1
[ "$(tensors frozen/last.h5 squares)" = "c3/bias c3/weights f6/bias f6/weights output/bias output/weights " ] || fail "state of what has begun to learn"
for tensor in c1/weights c1/bias c5/weights; do
  [ "$(hash_of frozen/last.h5 $tensor)" = "$(hash_of base/best.h5 $tensor)" ] || fail "$tensor is frozen and moves"
done
for tensor in c3/weights f6/bias; do
  [ "$(hash_of frozen/last.h5 $tensor)" != "$(hash_of base/best.h5 $tensor)" ] || fail "$tensor learns and stays"
done
# Statistics alone.
$train run=bn "$split" init_from=base-split batch_norm.frozen=true epochs=1 >/dev/null 2>&1 || fail "frozen statistics"
for tensor in mean:= variance:= scale:!= bias:!=; do
  [ "$(hash_of bn/last.h5 bn/${tensor%:*})" ${tensor#*:} "$(hash_of base-split/best.h5 bn/${tensor%:*})" ] || fail "batch_norm.frozen: bn/${tensor%:*}"
done
expect 2 "has no batch_norm 'norms' whose statistics could be frozen" $train --dry-run "$split" batch_norm.frozen=norms

# A run that goes back, and one that has its mind changed.
ranks 2 "$convoy" train ./recipe.yaml run=back --threads 1 $thaw "$late" learning_rate.constant.rate=2 exploding_loss=3 on_divergence=roll_back roll_backs=30 >back.out 2>back.log ||
  fail "a run that goes back: $(tail -3 back.log)"
has back.log "The run goes back to" "learns too"
$train run=mind $thaw "$late" --stop-after 13 >/dev/null 2>&1
mind="$convoy train ./recipe.yaml run=mind --threads 1 --resume"
expect 2 "'unfreeze" $mind $thaw 'unfreeze=[{at: 1, layers: c3, rate: 0.5}]'
expect 2 "stands after step 13: entries of 'unfreeze' by which layers have begun to learn until there must stay as they were" $mind --change $thaw 'unfreeze=[{at: 1, layers: c3}]'
expect 2 "'freeze_until' was 'c5' and is now 'c3'" $mind --change init_from=base freeze_until=c3 "$late"
expect 0 "from step 13 on: 'unfreeze' was" $mind --change $thaw 'unfreeze=[{at: 1, layers: c3, rate: 0.5}, {at: 2, layers: c5, rate: 0.2}]'
ranks 2 "$convoy" train ./recipe.yaml run=early --threads 1 $thaw "$late" early_stopping.patience=1 early_stopping.min_delta=9 >early.log 2>&1 || fail "early stopping: $(cat early.log)"
has early.log "stopped early at epoch 2"
"$convoy" train ./recipe.yaml run=traced --threads 1 $thaw "$late" --trace trace.json >/dev/null 2>traced.log || fail "a trace: $(cat traced.log)"
python3 -c "import json; e = {x.get('name') for x in json.load(open('trace.json'))['traceEvents']}; assert any('c3' in n for n in e) and any('output' in n for n in e), e" ||
  fail "a trace does not name the layers of all phases"

# ---- what it would be ----
dry="$train --dry-run run=none"
expect 0 "11014 of 61706 parameters learn" $dry $thaw
expect 0 "after epoch 1, from step 10 on, 13430 of 61706 learn: c3 too, at 0.5 of the rate" $dry $thaw "$late"
expect 0 "after epoch 2, from step 19 on, 61706 of 61706 learn: c* too, at 1 of the rate" $dry $thaw "$late"
expect 0 '"unfreeze": [{"at": 1, "step": 10, "layers": "c3", "learnt": 13430, "rate": 0.5}' $dry --json $thaw "$late"
expect 0 "11014" ranks 2 $dry $thaw "$late" --plot phases.svg
grep -q "c3 learns" phases.svg || fail "the picture of rates does not tell of layers that begin to learn"

# ---- wrong values ----
# with_lines LINES: shows what a run by the recipe with these lines at its head would be
with_lines() {
  { printf '%s\n' "$1"; cat recipe.yaml; } >wrong.yaml
  "$convoy" train ./wrong.yaml --dry-run
}
expect 2 "wrong.yaml:1:10: network 'lenet5' has no layer 'outptu' that could be frozen; did you mean 'output'?" with_lines 'freeze: [outptu]'
expect 2 "wrong.yaml:1:14: network 'lenet5' has no layer 'conv*' that could be frozen" with_lines 'freeze: [c1, conv*]'
expect 2 "wrong.yaml:1:15: network 'lenet5' has no layer 'out' that could be frozen, with all that it depends on; did you mean 'output'?" with_lines 'freeze_until: out'
expect 2 "wrong.yaml:1:9: network 'lenet5' has nothing left to learn: all its layers are frozen" with_lines 'freeze: "*"'
expect 2 "wrong.yaml:1:15: network 'lenet5' has nothing left to learn" with_lines 'freeze_until: output'
at() { with_lines "freeze: [c1, c3]
unfreeze: [$1]"; }
expect 2 "wrong.yaml:2:17: 'at' must be" at '{at: 0, layers: c1}'
expect 2 "wrong.yaml:2:17: at 3: the run ends after 3 epochs, so nothing would learn from then on" at '{at: 3, layers: c1}'
expect 2 "wrong.yaml:2:38: at 2 comes after at 2" at '{at: 2, layers: c1}, {at: 2, layers: c3}'
expect 2 "wrong.yaml:2:38: at 1 comes after at 2" at '{at: 2, layers: c1}, {at: 1, layers: c3}'
expect 2 "wrong.yaml:2:28: 'c5/weights' is not frozen then, for it learns already; 'freeze: [\"c5\"]' would freeze it until there" at '{at: 1, layers: c5}'
expect 2 "wrong.yaml:2:49: 'c1/weights' is not frozen then, for it learns already" at '{at: 1, layers: c1}, {at: 2, layers: c1}'
expect 2 "wrong.yaml:2:28: 'outptu' matches no layer with parameters of network 'lenet5'; did you mean 'output'?" at '{at: 1, layers: outptu}'
expect 2 "wrong.yaml:2:28: 'c1/bias' is part of a frozen layer, which begins to learn as a whole: name 'c1'" at '{at: 1, layers: c1/bias}'
expect 2 "wrong.yaml:2:12: unfreeze needs 'layers': which begin to learn then?" at '{at: 1}'
expect 2 "'rate' must be" at '{at: 1, layers: c1, rate: 0}'
expect 2 "'c1/weights' has rate 0 in 'layers', which holds for the whole run" with_lines 'unfreeze: [{at: 1, layers: c1}]
layers: [{match: c1, rate: 0}]'
expect 2 "wrong.yaml:1:12: nothing: " with_lines 'init_from: nothing'
expect 2 "wrong.yaml:1:12: recipe.yaml: " with_lines 'init_from: recipe.yaml'
expect 2 "wrong.yaml:1:34: unknown word 'maybe' in head (known: keep, auto, new)" with_lines 'init_from: {weights: base, head: maybe}'

# ---- other programs' words ----
from_file="a run begins with the weights of a file by init_from: {weights: FILE, head: auto}"
for line in 'pretrained: true' 'weights: base' 'finetune: base'; do expect 2 "$from_file" with_lines "$line"; done
for line in 'trainable: false' 'requires_grad: false'; do
  expect 2 "layers that do not learn are listed: freeze: [conv*], or freeze_until: LAYER" with_lines "$line"
done
expect 2 "layers have rates of their own by layers: [{match: \"fc*\", rate: 10}]" with_lines 'lr_mult: 0'
expect 2 "which layers learn is said in the recipe: freeze: [NAME]" $train --dry-run \
  'network={input: [32, 32, 1], layers: [{fc: {outputs: 10, trainable: false}}, softmax_loss]}'
expect 2 "did you mean 'at'?" at '{epoch: 1, layers: c1}'
finish
