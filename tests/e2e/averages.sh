# Tests averaged weights (recipe key ema): their bits are the same at any number of ranks and threads, and in a run
# that was stopped and resumed.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 40 10 "epochs: 3" "learning_rate: {constant: {rate: 0.02}}" "ema: {decay: 0.9}"
averaged() { echo "$(weights "$1") $(field ema_weights <"$1") $(field ema_loss <"$1") $(field best_step <"$1")"; }

# ---- averaged weights ----
same_bits "1:1 1:2 2:1 4:1"
[ "$(field weights <out.json)" != "$(field ema_weights <out.json)" ] || fail "the average is the weights"
cp out.json whole.json
python3 - <<'END' || fail "metrics have no scores of the average"
import json
lines = [json.loads(line) for line in open("run/metrics.jsonl")]
epochs = [line for line in lines if "val_top1" in line]
assert len(epochs) == 3 and all(0 <= line["ema_top1"] <= 1 and line["ema_loss"] > 0 for line in epochs)
assert all(line["ema_top5"] >= line["ema_top1"] for line in epochs)
END

# Both sets of weights are evaluated alone, as training has.
for set in ema raw; do
  ranks 2 "$convoy" eval run/last.h5 --weights $set --threads 1 --json >$set.json 2>/dev/null || fail "eval --weights $set"
done
[ "$(field top1 <ema.json)" = "$(field ema_top1 <whole.json)" ] && [ "$(field loss <ema.json)" = "$(field ema_loss <whole.json)" ] ||
  fail "the average's score: $(cat ema.json whole.json)"
[ "$(field top1 <raw.json)" = "$(field val_top1 <whole.json)" ] && [ "$(field loss <raw.json)" = "$(field val_loss <whole.json)" ] ||
  fail "the weights' score: $(cat raw.json whole.json)"
[ "$("$convoy" eval run/last.h5 --json 2>/dev/null | field loss)" = "$(field loss <ema.json)" ] || fail "a checkpoint stands for its average"
[ "$("$convoy" eval run/best.h5 --json 2>/dev/null | field top1)" = "$(field best_top1 <whole.json)" ] || fail "best is not chosen by the average"

# A run that is stopped, and goes on at another number of ranks, ends with the bits of one that was not.
ranks 4 "$convoy" train ./recipe.yaml run=parts --threads 1 --stop-after 14 >/dev/null 2>&1
ranks 2 "$convoy" train ./recipe.yaml run=parts --threads 2 --resume --json >parts.json 2>parts.log || fail "an average is not resumed: $(cat parts.log)"
[ "$(averaged parts.json)" = "$(averaged whole.json)" ] && [ "$(losses parts)" = "$(losses run)" ] || fail "a stop changes the average: $(cat parts.json)"
ranks 2 "$convoy" train ./recipe.yaml run=parts --threads 1 --resume --json >again.json 2>&1 || fail "a finished run"
[ "$(averaged again.json)" = "$(averaged whole.json)" ] || fail "a finished run has another average: $(cat again.json)"

# Layers that are split or frozen, batch_norm, the other way of sharing, a rule with norms.
split='network={input: [32, 32, 1], layers: [{conv: {filters: 3, kernel: 3}}, batch_norm, relu, {max_pool: {kernel: 4}}, {fc: {outputs: 30, parallel: sharded}}, relu, {fc: {outputs: 10}}, softmax_loss]}'
same_bits "1:2 2:1 4:1" "$split" 'layers=[{match: conv1, rate: 0}]' ema.warmup=true ema.use_buffers=true epochs=2
same_bits "1:1 2:2" "$split" reduce=whole solver=lamb ema.every=3 ema.start=5 ema.best=raw epochs=2
[ "$(field best_top1 <out.json)" = "$("$convoy" eval run/best.h5 --json 2>/dev/null | field top1)" ] &&
  [ "$(field best_top1 <out.json)" = "$("$convoy" eval run/best.h5 --weights raw --json 2>/dev/null | field top1)" ] || fail "ema.best=raw"

# An average may begin late in a run, if that is asked for.
"$convoy" train ./recipe.yaml run=late ema.decay=0 epochs=1 --threads 1 >/dev/null 2>&1 || fail "a run without an average"
expect 2 "holds no averaged weights" "$convoy" eval late/last.h5 --weights ema
expect 2 "'ema.decay' was '0' and is now '0.9'; resume with the same recipe, with --change" "$convoy" train ./recipe.yaml run=late --resume
expect 0 "of the average (EMA)" "$convoy" train ./recipe.yaml run=late --resume --change --threads 1

# ---- wrong values ----
train="$convoy train ./recipe.yaml run=wrong"
sed 's/decay: 0.9/decay: 1.5/' recipe.yaml >bad.yaml
expect 2 "bad.yaml:7:14: 'decay' must be a number from 0 to 0.999999, not '1.5'" "$convoy" train ./bad.yaml
expect 2 "must be" $train ema.every=0
expect 2 "ema.best=both: unknown word 'both' in best (known: ema, raw)" $train ema.best=both
expect 2 "--weights both: unknown word 'both' in weights (known: ema, raw, auto)" "$convoy" eval run --weights both
finish
