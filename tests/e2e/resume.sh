# A run that was stopped, killed or moved to other ranks ends with the same bits as one never interrupted.
. "$(dirname "$0")/lib" "$1"
digits data 1500
cat >recipe.yaml <<'END'
network: lenet5
data: {train: data, val: data, augment: [translate: {by: 2}]}
batch: 32
microbatch: 8
epochs: 3
learning_rate: {step: {rate: 0.05, every: 2}}
log_every: 7
run: straight
END
train() { # train RANKS [arguments]
  local p=$1
  shift
  ranks "$p" "$convoy" train ./recipe.yaml --json "$@"
}

train 1 >straight.json 2>/dev/null || fail "the straight run"
[ "$(field steps <straight.json)" = 127 ] || fail "steps: $(cat straight.json)"

same_as_straight() { # same_as_straight RUN
  [ "$(weights "$1.json")" = "$(weights straight.json)" ] || fail "$1: other weights"
  for name in train_loss val_loss val_top1 best_top1 best_step steps; do
    [ "$(field $name <"$1.json")" = "$(field $name <straight.json)" ] || fail "$1: another $name"
  done
  [ "$(losses "$1")" = "$(losses straight)" ] || fail "$1: other metrics"
  [ "$("$convoy" inspect "$1/best.h5" | grep weights)" = "$("$convoy" inspect straight/best.h5 | grep weights)" ] || fail "$1: another best"
}

# A run is stopped twice, in the middle of an epoch and at an epoch's end, and goes on with other numbers of
# ranks each time.
train 2 run=stopped --stop-after 20 >/dev/null 2>stopped.log
[ $? = 75 ] || fail "a stop on request should end with 75: $(cat stopped.log)"
grep -q "stopped after step 20 of 127" stopped.log || fail "the stop's message: $(cat stopped.log)"
train 4 run=stopped --resume --stop-after 85 >/dev/null 2>&1
train 1 run=stopped --resume >stopped.json 2>resumed.log || fail "resuming: $(cat resumed.log)"
same_as_straight stopped

# The same holds for shuffling in blocks, and what is kept in memory is no part of the recipe's bits.
train 1 run=blocks data.shuffle=block data.block=50 data.window=4 >blocks.json 2>&1 || fail "the run in blocks"
train 2 run=broken data.shuffle=block data.block=50 data.window=4 --stop-after 57 >/dev/null 2>&1
train 4 run=broken data.shuffle=block data.block=50 data.window=4 data.cache.keep=records --resume >broken.json 2>resumed.log ||
  fail "resuming in blocks: $(cat resumed.log)"
[ "$(weights broken.json)" = "$(weights blocks.json)" ] || fail "resuming in blocks: other weights"
[ "$(losses broken)" = "$(losses blocks)" ] || fail "resuming in blocks: other metrics"
expect 2 "'data.shuffle' was 'block' and is now 'full'" train 1 run=broken --resume

# Resuming a finished run trains nothing and says the same.
train 2 run=stopped --resume >again.json 2>&1 || fail "resuming a finished run"
[ "$(weights again.json)" = "$(weights straight.json)" ] || fail "resuming a finished run changed it"

# mpirun gets SIGUSR1 and passes it on. The long run would take minutes.
timeout 120 mpirun --oversubscribe -n 2 "$convoy" train ./recipe.yaml run=signalled epochs=2000 log_every=50 >/dev/null 2>signalled.log &
job=$!
for _ in $(seq 100); do [ -e signalled/last.h5 ] && break; sleep 0.1; done
pkill -USR1 -P $job mpirun
wait $job
[ $? = 75 ] || fail "SIGUSR1 should end with 75: $(cat signalled.log)"
grep -q "on request" signalled.log || fail "SIGUSR1's message: $(cat signalled.log)"

# Signals come again and again, as schedulers send them, and to everybody.
for signals in "USR1 USR1" "TERM TERM" "USR1 TERM INT"; do
  rm -rf signalled
  timeout 120 mpirun --oversubscribe -n 2 "$convoy" train ./recipe.yaml run=signalled epochs=2000 log_every=50 >/dev/null 2>signalled.log &
  job=$!
  for _ in $(seq 100); do [ -e signalled/last.h5 ] && break; sleep 0.1; done
  started=$(pgrep -P "$(pgrep -P $job mpirun)" convoy)
  for signal in $signals; do kill -"$signal" $started 2>/dev/null; done
  wait $job
  [ $? = 75 ] || fail "$signals should end with 75: $(cat signalled.log)"
done

# A run is stopped before its first step too: it listens as soon as it can, which is before MPI starts.
# Says whether a process listens to SIGUSR1.
listens() { (( 0x$(sed -n 's/^SigCgt:\t//p' "/proc/$1/status" 2>/dev/null || echo 0) & 0x200 )); }
"$convoy" train ./recipe.yaml run=signalled --overwrite epochs=2000 >/dev/null 2>signalled.log &
job=$!
until listens $job || ! kill -0 $job; do :; done
kill -USR1 $job
wait $job
[ $? = 75 ] || fail "SIGUSR1 at the start should end with 75: $(cat signalled.log)"

# A run is killed without mercy somewhere after the first checkpoint. What stands under last.h5 is whole.
timeout 120 mpirun --oversubscribe -n 2 "$convoy" train ./recipe.yaml run=killed checkpoint_every=3 >/dev/null 2>&1 &
job=$!
for _ in $(seq 200); do [ -e killed/last.h5 ] && break; sleep 0.02; done
pkill -KILL -f 'run=killed' 2>/dev/null
wait $job 2>/dev/null
train 2 run=killed checkpoint_every=3 --resume >killed.json 2>killed.log || fail "resuming after a kill: $(cat killed.log)"
same_as_straight killed

# best.h5 comes before last.h5: a run that cannot write the one does not claim in the other that it did.
mkdir -p blocked/best.h5.tmp
expect 1 "best.h5" train 1 run=blocked
[ ! -e blocked/last.h5 ] || fail "last.h5 claims a best.h5 that was never written"
rmdir blocked/best.h5.tmp
train 1 run=blocked >blocked.json 2>&1 || fail "the run once blocked"
same_as_straight blocked

# More epochs may follow; the first ones were the same.
train 1 run=stopped --resume epochs=4 >/dev/null 2>&1 || fail "going on for more epochs"
losses stopped | head -n 5 >head.1
losses straight | head -n 5 >head.2
cmp head.1 head.2 || fail "the first lines of metrics changed"

expect 2 "already holds a run: --resume goes on with it" train 1
expect 2 "nothing to resume" train 1 run=nowhere --resume
expect 2 "'learning_rate.step.rate' was '0.05' and is now '0.5'" train 1 --resume learning_rate.step.rate=0.5
expect 2 "'microbatch' was '8' and is now '16'" train 1 --resume microbatch=16
digits other 600
expect 2 "was trained on other data" train 1 --resume data.train=other
cp straight/last.h5 whole.h5
size=$(stat -c %s whole.h5)
head -c $((size / 2)) whole.h5 >straight/last.h5
expect 2 "last.h5" train 1 --resume
cp whole.h5 straight/last.h5
printf '\377' | dd of=straight/last.h5 bs=1 seek=$((size - 2000)) conv=notrunc 2>/dev/null
"$convoy" inspect straight/last.h5 >/dev/null 2>&1
train 1 --resume >damaged.json 2>damaged.log
[ $? = 2 ] || [ "$(weights damaged.json)" = "$(weights straight.json)" ] || fail "a damaged checkpoint was used"

# A checkpoint says which kernels computed it. Going on with others is warned of, and with the same is not.
train 1 run=mixed --stop-after 20 >/dev/null 2>&1
CONVOY_KERNELS=portable train 2 run=mixed --resume --stop-after 30 >/dev/null 2>mixed.log
grep -q "warning: mixed/last.h5 was computed by a processor of another type ([A-Za-z0-9]*, [a-z0-9]*) than this one ([A-Za-z0-9]*, portable)" mixed.log ||
  fail "other kernels are not told of: $(cat mixed.log)"
CONVOY_KERNELS=portable train 1 run=mixed --resume --stop-after 40 >/dev/null 2>mixed.log
[ $? = 75 ] || fail "resuming on the same kernels: $(cat mixed.log)"
! grep -q "another type" mixed.log || fail "the same kernels are told of: $(cat mixed.log)"
expect 75 "rank 1 has another processor type than rank 0" mpirun --oversubscribe -n 1 env CONVOY_KERNELS=portable "$convoy" train ./recipe.yaml run=mixed \
  --resume --stop-after 50 : -n 1 env "$convoy" train ./recipe.yaml run=mixed --resume --stop-after 50
! grep -q "another type" stopped.log resumed.log || fail "a resumed run speaks of another processor"

# The best score of one validation set is none of another's.
train 1 run=judged epochs=2 >judged.json 2>&1 || fail "the run that is judged anew"
train 2 run=judged epochs=3 data.val=other --resume >anew.json 2>anew.log || fail "judging anew: $(cat anew.log)"
grep -q "warning: other holds other validation data than the run was validated on until now: its best top-1 of [0-9.]* % (step [0-9]*) is forgotten" anew.log ||
  fail "other validation data is not told of: $(cat anew.log)"
[ "$(field best_top1 <anew.json)" = "$(field val_top1 <anew.json)" ] && [ "$(field best_step <anew.json)" = 127 ] || fail "best of other data: $(cat anew.json)"
[ "$(weights anew.json)" = "$(weights straight.json)" ] || fail "other validation data changed the weights"
train 1 run=judged epochs=3 data.val=other --resume >same.json 2>same.log || fail "judging once more: $(cat same.log)"
! grep -q forgotten same.log || fail "the same validation data is told of"
train 1 run=judged epochs=3 --resume >back.json 2>back.log || fail "judging as before: $(cat back.log)"
[ "$(field best_top1 <back.json)" = "$(field val_top1 <back.json)" ] && [ "$(field val_top1 <back.json)" = "$(field val_top1 <straight.json)" ] ||
  fail "a finished run on other data: $(cat back.json)"
finish
