# Tests how a run ends before its last epoch: early stopping, and a run that diverges, which names the layer and ends,
# or goes back and halves its rate. All of it is the same at any number of ranks, and in a run that was resumed.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 40 10 "epochs: 8" "learning_rate: {constant: {rate: 0.02}}" \
  "early_stopping: {patience: 2, min_delta: 0.5}"

# ---- early stopping ----
same_bits "1:1 2:1 4:1"
[ "$(field steps <out.json)" -lt 72 ] || fail "the run is not stopped early: $(cat out.json)"
case $(field ended <out.json) in
  "stopped early at epoch "*) ;;
  *) fail "it does not say why it ended: $(cat out.json)" ;;
esac
cp out.json whole.json
python3 - "$(field steps <whole.json)" <<'END' || fail "it ends at another epoch than Keras' rule says"
import json, sys
scores = [(l["step"], l["val_loss"]) for l in map(json.loads, open("run/metrics.jsonl")) if "val_loss" in l]
best, since = float("inf"), 0
for step, loss in scores:
    since = 0 if loss < best - 0.5 else since + 1
    best = loss if since == 0 else best
    if since >= 2:
        break
assert step == scores[-1][0] == int(sys.argv[1]), (step, scores)
END

# The count is in the checkpoint: a run that is stopped within the patience ends at the same step.
ranks 2 "$convoy" train ./recipe.yaml run=parts --threads 1 --stop-after $(($(field steps <whole.json) - 5)) >/dev/null 2>&1
ranks 4 "$convoy" train ./recipe.yaml run=parts --threads 1 --resume >parts.out 2>parts.log || fail "early stopping after a stop: $(cat parts.log)"
grep -q "^done: $(field steps <whole.json) steps, stopped early at epoch [0-9]*, because val_loss has not improved for 2 epochs, " parts.out ||
  fail "the last line does not say why: $(cat parts.out)"
[ "$(losses parts)" = "$(losses run)" ] || fail "a stop changes when it ends"

# So does one that had no more epochs than that, and is given more.
epochs=$(($(field steps <whole.json) / 9))
"$convoy" train ./recipe.yaml run=short --threads 2 epochs=$epochs >short.out 2>&1
grep -q "^done: $(field steps <whole.json) steps, training loss" short.out || fail "a run of fewer epochs: $(cat short.out)"
ranks 2 "$convoy" train ./recipe.yaml run=short --threads 1 --resume --json >short.json 2>short.log || fail "more epochs: $(cat short.log)"
grep -q "this run is finished: stopped early at epoch $epochs, because val_loss has not improved for 2 epochs; nothing is left" short.log &&
  [ "$(weights short.json)" = "$(weights whole.json)" ] || fail "more epochs are trained where patience had ended: $(cat short.log short.json)"

# It counts as finished, until its patience is changed.
resume="$convoy train ./recipe.yaml run=parts --threads 1 --resume"
expect 0 "this run is finished: stopped early at epoch" $resume
expect 0 "--resume --change early_stopping.patience=4" $resume
expect 2 "'early_stopping.patience' was '2' and is now '9'; resume with the same recipe, with --change" $resume early_stopping.patience=9
expect 0 "done: 72 steps, training loss" $resume --change early_stopping.patience=9

train="$convoy train ./recipe.yaml run=wrong"
expect 2 "must be" $train early_stopping.patience=-1
sed 's/patience: 2/patience: -1/' recipe.yaml >bad.yaml
expect 2 "bad.yaml:7:28: 'patience' must be" "$convoy" train ./bad.yaml
sed 's/min_delta: 0.5/metric: accuracy/' recipe.yaml >bad.yaml
expect 2 "bad.yaml:7:39: unknown word 'accuracy' in metric (known: val_loss, val_top1, ema_loss, ema_top1)" "$convoy" train ./bad.yaml
sed 's/min_delta: 0.5/metric: ema_top1/' recipe.yaml >bad.yaml
expect 2 "bad.yaml:7:39: the metric ema_top1 is of averaged weights, and none are kept" "$convoy" train ./bad.yaml
sed 's/, val: data//' recipe.yaml >bad.yaml
expect 2 "bad.yaml:7:17: early_stopping waits for scores of validation; name validation data with data.val" "$convoy" train ./bad.yaml

# ---- divergence ----
# Each layer makes its numbers 10^15 times as large, which the third one's cannot hold.
std='init: gaussian, init_std: 1e15'
huge="network={input: [32, 32, 1], layers: [{max_pool: {kernel: 4}}, {fc: {outputs: 30, $std}}, relu, {fc: {outputs: 20, $std}}, relu, {fc: {outputs: 10, $std}}, softmax_loss]}"
for p in 1 2 4; do
  expect 1 "step 1: the loss of 40 of 40 images is not a number below a million; the first values that are not finite are in the output of layer 'fc3' (microbatch 1 of the step); training diverged (learning rate 0.02;" \
    ranks $p "$convoy" train ./recipe.yaml "$huge" run=huge --overwrite --threads 1
done

# A run that diverges in its second epoch leaves the checkpoint of the first.
steep='learning_rate.constant.rate=0.4 exploding_loss=2'
for p in 1 2; do
  ranks $p "$convoy" train ./recipe.yaml $steep run=ruined$p --threads 1 >/dev/null 2>ruined$p.log
  [ $? = 1 ] || fail "a diverging run: $(cat ruined$p.log)"
  "$convoy" inspect ruined$p/last.h5 >ruined$p.txt || fail "the last checkpoint of a diverging run"
  grep -q "step  *9$" ruined$p.txt || fail "its last checkpoint is another: $(cat ruined$p.txt)"
done
[ "$(grep "convoy train: step" ruined1.log)" = "$(grep "convoy train: step" ruined2.log)" ] || fail "ranks tell another divergence: $(cat ruined1.log ruined2.log)"
grep -q "'on_divergence: roll_back' would go on from there with half the rate" ruined1.log || fail "no hint: $(cat ruined1.log)"

# With roll_back a run goes on with half the rate, and is the same at any number of ranks, with a stop at an epoch's end
# too. (A stop in between is one more checkpoint to go back to.)
back='on_divergence=roll_back exploding_loss=2 learning_rate.constant.rate=0.8 epochs=3 early_stopping.patience=0 ema.decay=0.9'
same_bits "1:1 1:2 2:1 4:1" $back
cp out.json whole.json
[ "$(field roll_backs <whole.json)" -ge 2 ] || fail "the run does not go back: $(cat whole.json)"
grep -q "warning: step [0-9]*: .* training diverged .* The run goes back to the checkpoint of step 9, and halves its learning rate from there on (roll back 2 of 3)" err.log ||
  fail "going back is not told: $(cat err.log)"
grep -q '"step": 9, .*"roll_backs": 2, "diverged_at": 1[0-9]}' run/metrics.jsonl || fail "going back is not in the metrics: $(cat run/metrics.jsonl)"
grep -q '"rate": 0.2[,}]' run/metrics.jsonl || fail "the rate is not halved twice: $(cat run/metrics.jsonl)"
"$convoy" inspect run/last.h5 | grep -q "roll_backs  *2" || fail "going back is not in the checkpoint"
ranks 2 "$convoy" train ./recipe.yaml $back run=torn --threads 1 --stop-after 9 >/dev/null 2>&1
ranks 4 "$convoy" train ./recipe.yaml $back run=torn --threads 1 --resume --stop-after 18 >/dev/null 2>&1
"$convoy" train ./recipe.yaml $back run=torn --threads 2 --resume --json >torn.json 2>torn.log || fail "going back after a stop: $(cat torn.log)"
[ "$(field weights <torn.json) $(field ema_weights <torn.json)" = "$(field weights <whole.json) $(field ema_weights <whole.json)" ] ||
  fail "a stop changes a run that goes back: $(cat torn.json whole.json)"
expect 1 "it has gone back 1 time before, and 'roll_backs' allows no more" "$convoy" train ./recipe.yaml $back run=once roll_backs=1
expect 2 "unknown word 'retry' in on_divergence (known: stop, roll_back)" $train on_divergence=retry
finish
