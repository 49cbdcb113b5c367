# Tests that each update rule and each kind of schedule learns, and that a run by them, stopped where it warms up,
# climbs or waits for validation, and resumed at another number of ranks, ends with the bits of an undisturbed one.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 40 10 "epochs: 4" "learning_rate: {constant: {rate: 0.001}}"

# interrupted NAME STEP KEY=VALUE...: trains once through on one rank, and once with a stop on two
interrupted() {
  local name=$1 step=$2
  shift 2
  "$convoy" train ./recipe.yaml run=whole-$name --threads 1 --json "$@" >whole.json 2>whole.log || fail "$name: $(cat whole.log)"
  ranks 2 "$convoy" train ./recipe.yaml run=parts-$name --threads 1 --stop-after "$step" "$@" >/dev/null 2>parts.log
  [ $? = 75 ] || fail "$name does not stop: $(cat parts.log)"
  "$convoy" train ./recipe.yaml run=parts-$name --threads 2 --resume --json "$@" >parts.json 2>parts.log || fail "$name is not resumed: $(cat parts.log)"
  [ -n "$(weights whole.json)" ] && [ "$(weights parts.json)" = "$(weights whole.json)" ] || fail "$name: a stop changes the bits"
  [ "$(field val_loss <parts.json)" = "$(field val_loss <whole.json)" ] || fail "$name: a stop changes the score"
}

for rule in adam adamw rmsprop adadelta adagrad lars lamb; do
  rate=0.003
  solver=$rule
  case $rule in
    adadelta) rate=1 ;;
    lars) rate=0.05 solver='{lars: {trust: 0.1}}' ;;
    lamb | adagrad) rate=0.02 ;;
  esac
  interrupted $rule 17 "solver=$solver" learning_rate.constant.rate=$rate
  python3 -c "import sys; sys.exit(not float(sys.argv[1]) < 1.5)" "$(field val_loss <whole.json)" ||
    fail "$rule does not learn: $(cat whole.json)"
done
interrupted nesterov 17 solver.sgd.nesterov=true learning_rate.constant.rate=0.01
interrupted clipped 17 clip.norm=0.5 clip.value=0.02 learning_rate.constant.rate=0.05
interrupted clipped-lamb 17 clip.norm=0.5 clip.value=0.02 solver=lamb learning_rate.constant.rate=0.02
interrupted layered 17 'layers=[{match: c*, rate: 0}, {match: "*/bias", rate: 2, decay: 0}]' solver.sgd.weight_decay=0.001
interrupted warm 5 warmup.length=1.5 warmup.from=0.2 'learning_rate={multi_step: {rate: 0.01, at: [2, 3]}}'
interrupted cycle 9 'learning_rate={one_cycle: {rate: 0.02}}'
interrupted restarts 13 'learning_rate={cosine: {rate: 0.02, first: 12, unit: steps}}' warmup.length=4 warmup.unit=steps warmup.schedule=behind
interrupted plateau 25 'learning_rate={plateau: {rate: 0.02, patience: 0, threshold: 0.5}}'
grep -q '"rate": 0.002[,}]' parts-plateau/metrics.jsonl || fail "the plateau is not noticed: $(cat parts-plateau/metrics.jsonl)"

# Other options leave the rate where it was reduced to. Another rate begins anew, and says so.
rate_of() { sed -n "s/{\"step\": $2, .*\"rate\": \([^,]*\),.*/\1/p" $1-plateau/metrics.jsonl; }
plateau="$convoy train ./recipe.yaml run=parts-plateau --threads 1 --resume --change log_every=1"
"$convoy" train ./recipe.yaml run=whole-plateau --threads 1 --resume log_every=1 epochs=5 'learning_rate={plateau: {rate: 0.02, patience: 0, threshold: 0.5}}' >/dev/null 2>&1
expect 0 "'learning_rate.plateau.patience' was '0' and is now '9'" $plateau epochs=5 'learning_rate={plateau: {rate: 0.02, patience: 9, threshold: 0.4}}'
[ -n "$(rate_of whole 37)" ] && [ "$(rate_of parts 37)" = "$(rate_of whole 37)" ] || fail "another patience changes the rate from $(rate_of whole 37) to $(rate_of parts 37)"
expect 0 "what 'plateau' had noted of validations is forgotten, with its reductions" $plateau epochs=6 'learning_rate={plateau: {rate: 0.01, patience: 9, threshold: 0.4}}'
[ "$(rate_of parts 46)" = 0.01 ] || fail "another rate does not begin anew: $(rate_of parts 46)"

# ---- changing one's mind ----
"$convoy" train ./recipe.yaml run=mind epochs=2 --threads 1 >/dev/null 2>&1 || fail "a run to be changed"
change="$convoy train ./recipe.yaml run=mind --threads 1 --resume"
expect 2 "'learning_rate.constant.rate' was '0.001' and is now '0.01'; resume with the same recipe, with --change, which takes the new value" \
  $change learning_rate.constant.rate=0.01
expect 2 "'batch' was '40' and is now '20'; resume with the same recipe, or begin another run" $change --change batch=20 microbatch=10
expect 2 "'solver" $change --change solver=adam
expect 2 "--change goes with --resume" "$convoy" train ./recipe.yaml run=mind --change
ranks 2 "$convoy" train ./recipe.yaml run=mind --threads 1 --resume --change epochs=4 'learning_rate={cosine: {rate: 0.02}}' \
  warmup.length=3 solver.sgd.momentum=0.8 >/dev/null 2>mind.log || fail "a changed run: $(cat mind.log)"
told="from step 18 on: 'epochs' was '2' and is now '4'; 'solver.sgd.momentum' was '0.9' and is now '0.8'; 'learning_rate' was constant: {rate: 0.001} and is now cosine: {rate: 0.02, "
grep -qF "$told" mind.log || fail "a change is not told: $(cat mind.log)"
"$convoy" inspect mind/last.h5 --json | grep -q "\"history\": \"step 18: 'epochs' was " || fail "a change is not kept: $("$convoy" inspect mind/last.h5)"
expect 0 "nothing that decides bits has changed" $change --change epochs=4 'learning_rate={cosine: {rate: 0.02}}' warmup.length=3 solver.sgd.momentum=0.8
expect 0 "resume it with --change and more epochs, as epochs=5" $change epochs=4 'learning_rate={cosine: {rate: 0.02}}' warmup.length=3 solver.sgd.momentum=0.8
expect 0 "from step 36 on: 'epochs' was '4' and is now '5'" $change --change epochs=5 'learning_rate={cosine: {rate: 0.02}}' warmup.length=3 solver.sgd.momentum=0.8

# ---- what a run would be ----
dry="$convoy train ./recipe.yaml run=dry --dry-run"
expect 0 "360 images of 10 classes, batch 40 = 4 microbatches of 10" $dry
expect 0 "4 epochs, 36 steps" $dry
expect 0 "1 - 2         1 - 18                0.01" $dry 'learning_rate={multi_step: {rate: 0.01, at: [2, 3]}}'
expect 0 "4             28 - 36               0.0001" $dry 'learning_rate={multi_step: {rate: 0.01, at: [2, 3]}}'
expect 0 "0.001 to " $dry warmup.length=2 learning_rate.constant.rate=0.01
expect 0 "The rate falls when validation stops improving" $dry 'learning_rate={plateau: {}}'
expect 0 "60856 of 61706 parameters learn" $dry 'layers=[{match: output, rate: 0}]'
expect 0 "60860 of 61706 parameters learn" $dry 'layers=[{match: c1/bias, rate: 0}, {match: output/we*, rate: 0}]'
expect 0 '"rates": [0.01, 0.0075, 0.005, 0.0025]' ranks 2 $dry --json 'learning_rate={polynomial: {rate: 0.01}}' --threads 1
expect 0 "4 epochs" $dry --plot rates.svg 'learning_rate={one_cycle: {rate: 0.1}}'
python3 -c "import xml.dom.minidom as m; assert m.parse('rates.svg').getElementsByTagName('path')" || fail "the picture of rates is no XML"
[ ! -e dry ] || fail "a dry run made a folder"
expect 2 "expected a name that ends in .svg" $dry --plot rates.gif
expect 2 "--dry-run tells of the whole run from its first step: leave out --resume, or" $dry --resume --change
expect 2 "leave out --stop-after" $dry --stop-after 5
expect 2 "leave out --trace" $dry --trace t.json
expect 0 "4 epochs, 36 steps" $dry --overwrite
expect 2 "draws what --dry-run tells; name both" "$convoy" train ./recipe.yaml --plot rates.svg
expect 2 "no such" $dry data.train=nothing
# As many rates as these take a while.
"$convoy" train ./recipe.yaml run=dry --dry-run epochs=20000000 'learning_rate={inverse: {}}' --threads 1 >long.log 2>&1 &
sleep 1
kill -TERM $!
wait $!
got=$?
[ $got = 143 ] || fail "SIGTERM does not end a dry run: $got, $(head -n 3 long.log)"

# ---- wrong values ----
train="$convoy train ./recipe.yaml run=wrong"

# with_line LINE KEY=VALUE...: shows what a run by the recipe would be that begins with the line
with_line() {
  { echo "$1"; cat recipe.yaml; } >wrong.yaml
  "$convoy" train ./wrong.yaml --dry-run "${@:2}"
}

expect 2 "waits for scores of validation; name validation data with data.val" $train data.val= 'learning_rate={plateau: {}}'
expect 2 "must be" $train warmup.length=-1
for unit in epochs:4 steps:36; do
  expect 2 "wrong.yaml:1:18: the warm-up takes 36 steps and the run has 36, so none is left for the schedule 'cosine' behind it; a shorter one" \
    with_line "warmup: {length: ${unit#*:}, unit: ${unit%:*}, schedule: behind}" 'learning_rate=cosine'
done
expect 0 "28 - 36               0.00828571 to 0.01" $dry 'learning_rate=polynomial' 'warmup={length: 35, unit: steps, schedule: behind, from: 0.25}'
sed 's/constant: {rate: 0.001}/plateau: {rate: 0.01, lowest: 0.5}/' recipe.yaml >plateau.yaml
expect 2 "plateau.yaml:6:47: 'lowest' must be at most the 'rate' of 0.01 from which it falls, not 0.5" "$convoy" train ./plateau.yaml --dry-run
expect 2 "learning_rate.plateau.lowest=0.2: " "$convoy" train ./plateau.yaml --dry-run learning_rate.plateau.rate=0.1 learning_rate.plateau.lowest=0.2
expect 0 "0.5" "$convoy" train ./plateau.yaml --dry-run learning_rate.plateau.rate=0.5
expect 2 "solver is 'adam', and these are options of 'sgd', of which only one can be chosen: change its own (solver.adam.KEY=VALUE), or choose the other first (solver=sgd solver.sgd.momentum=0.5)" \
  $train solver=adam solver.sgd.momentum=0.5
expect 2 "change its own (learning_rate.cosine.KEY=VALUE), or choose the other first (learning_rate=step learning_rate.step.every=1)" \
  $train learning_rate=cosine learning_rate.step.every=1
expect 2 "must be" $train clip.norm=-1
expect 2 "'norm' must be a number from 1e-30 to 1e+30, or 0, not '1e-300'" $train clip.norm=1e-300
expect 0 "after that; 0: any [0]; from 1e-30 to 1e+30, or 0" "$convoy" train --help
for alone in ema:every:decay early_stopping:min_delta:patience warmup:from:length data:block:shuffle; do
  IFS=: read -r table key needed <<<"$alone"
  expect 2 "command line, $table.$key=1: '$key' has no effect in $table without '$needed' (" $train "$table.$key=1"
done
expect 2 "wrong.yaml:1:1: 'roll_backs' has no effect in the recipe without 'on_divergence' (" with_line "roll_backs: 5"
expect 2 "'growth' has no effect in cosine without 'first' (" $train 'learning_rate={cosine: {growth: 2}}'
expect 2 "command line, layers=[{match: bn1/mean, rate: 3}]: 'bn1/mean' is a running average, which has no learning rate" \
  $train 'network={input: [32, 32, 1], layers: [{conv: {filters: 2, kernel: 3}}, batch_norm, {fc: {outputs: 10}}, softmax_loss]}' 'layers=[{match: bn1/mean, rate: 3}]'
expect 2 "'fx*' matches no layer with parameters" $train 'layers=[{match: fx*, rate: 2}]'
expect 2 "command line, layers=[{match: f7, rate: 0}]: network 'lenet5' has no layer 'f7' that could be frozen" $train 'layers=[{match: f7, rate: 0}]'
expect 2 "has no layer or tensor 'c1/weight' that could be frozen; did you mean 'c1/weights'?" $train 'layers=[{match: c1/weight, rate: 0}]'
expect 2 "nothing left to learn" $train 'layers=[{match: "*/*", rate: 0}]'
expect 2 "layers takes a list" $train layers=5
expect 2 "layers needs 'match'" $train 'layers=[{rate: 2}]'
expect 2 "must be" $train 'solver={adam: {beta1: 1.5}}'
for average in adam:beta1 adam:beta2 adamw:beta2 lamb:beta1 rmsprop:alpha; do
  expect 2 "'${average#*:}' must be a number from 0 to 0.999999, not '0.99999999999999999'" $train "solver={${average%:*}: {${average#*:}: 0.99999999999999999}}"
done
expect 2 "'alpha' must be above 0 where 'centred' is true" $train 'solver={rmsprop: {alpha: 0, centred: true}}'
expect 2 "at" $train 'learning_rate={multi_step: {}}'
expect 2 "'first' must be a number from 1e-06 to 1000000000, or 0, not '1e-12'" $train 'learning_rate={cosine: {first: 1e-12, growth: 1.000000000001}}'
finish
