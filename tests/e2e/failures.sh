# Tests what breaks in the middle of a run: the job ends at once on all ranks, says which file and record, and
# leaves nothing half-written.
. "$(dirname "$0")/lib" "$1"
"$convoy" prepare synthetic -o data --count 3000 --split train=1 >prepare.log 2>&1 || fail "preparing: $(cat prepare.log)"
mkdir -p pictures/a pictures/b
for i in $(seq 40); do cp "$CONVOY_SOURCE/tests/e2e/dot.png" "pictures/$([ "$i" -lt 30 ] && echo a || echo b)/$i.png"; done
"$convoy" prepare folder pictures -o named --size 32x32 --colour grey --split train=1 >prepare.log 2>&1 || fail "preparing: $(cat prepare.log)"
# The network is LeNet-5, whose last two layers are split over the ranks; the others are replicas.
sed 's/\(fc: {.*\)}/\1, parallel: sharded}/' "$CONVOY_SOURCE/launch/networks/lenet5.yaml" >network.yaml
grep -c sharded network.yaml | grep -qx 2 || fail "no split layers: $(cat network.yaml)"
cat >recipe.yaml <<'END_OF_RECIPE'
network: network.yaml
data: {train: data}
batch: 32
microbatch: 8
epochs: 1
learning_rate: {constant: {rate: 0.01}}
log_every: 5
run: run
END_OF_RECIPE
shard=train-00000-of-00001.h5

# fresh NAME: makes a copy of the data, to be ruined
fresh() { rm -rf "$1" && cp -r data "$1"; }

# Prints where record $2's samples are in file $1.
offset_of() {
  /usr/bin/python3 -c 'import h5py, sys
d = h5py.File(sys.argv[1])["images"]
print(d.id.get_offset() + int(sys.argv[2]) * d[0].size)' "$1" "$2"
}
ruin() { printf '\377\000\377\000\377\000\377' | dd of="$1" bs=1 seek="$(($(offset_of "$1" "$2") + 500))" conv=notrunc 2>/dev/null; }

# ends P CODE TEXT ARGUMENTS...: a run ends so within 30 s, with no rank left behind
ends() {
  local p=$1 code=$2 text=$3 output got
  shift 3
  output=$(timeout 30 mpirun --oversubscribe -n "$p" "$convoy" train ./recipe.yaml --overwrite "$@" 2>&1)
  got=$?
  [ "$got" = "$code" ] || fail "$p ranks, $*: ended with $got instead of $code: $output"
  case $output in
    *"$text"*) ;;
    *) fail "$p ranks, $*: does not say '$text' but: $output" ;;
  esac
}

# ---- a record that was damaged before the start is met in the middle of the epoch ----
fresh damaged && ruin damaged/$shard 1234
ruin named/$shard 17
for p in 2 4; do
  ends $p 1 "damaged/$shard: record 1234 (digit 2184): checksum" data.train=damaged
  ends $p 1 "named/$shard: record 17 (" data.train=named epochs=9
  ends $p 1 "damaged/$shard: record 1234 (digit 2184): checksum" data.train=damaged data.cache.keep=records data.shuffle=block data.threads=3
done

# A run that ended so may go on without such records.
ends 2 1 "damaged/$shard: record 1234" data.train=damaged checkpoint_every=1 run=tolerant
expect 0 ", 1 bad records replaced" ranks 2 "$convoy" train ./recipe.yaml data.train=damaged checkpoint_every=1 run=tolerant --resume data.on_bad_record=skip

# ---- ... or is left out: the same bits and the same count at any number of ranks, also when resumed ----
for record in 0 5 6 1500 2999; do ruin damaged/$shard $record; done
for p in 1 2 4; do
  ranks $p "$convoy" train ./recipe.yaml --json data.train=damaged data.val=damaged/$shard data.on_bad_record=skip epochs=3 run=skip.$p \
    data.threads=$p >skip.$p.json 2>skip.$p.log || fail "skipping on $p ranks: $(cat skip.$p.log)"
  echo "$(field weights <skip.$p.json) $(field skipped <skip.$p.json) $(field val_loss <skip.$p.json)" >result.$p
  losses skip.$p >>result.$p
  cmp -s result.1 result.$p || fail "skipping on $p ranks: other bits or counts: $(diff result.1 result.$p | head -4)"
  grep -q "epoch 1: bad records replaced: [0-9]* in training, 8 in validation" skip.$p.log || fail "skipping on $p ranks is not told: $(cat skip.$p.log)"
done
# Each of 0, 5, 6, 1234, 1500 and 2999 is met once an epoch, and 6 and 0 again in place of the bad ones before
# them: 8.
[ "$(field skipped <skip.1.json)" = 24 ] || fail "skipped: $(cat skip.1.json)"
[ "$(grep -o '"skipped": [0-9]*' skip.1/metrics.jsonl | awk '{n += $2} END {print n}')" = 24 ] || fail "skipped in metrics: $(cat skip.1/metrics.jsonl)"
[ "$(grep -c '"val_skipped": 8' skip.1/metrics.jsonl)" = 3 ] || fail "val_skipped: $(cat skip.1/metrics.jsonl)"
skip="data.train=damaged data.val=damaged/$shard data.on_bad_record=skip epochs=3 run=again"
# shellcheck disable=SC2086
{
  ranks 2 "$convoy" train ./recipe.yaml $skip --stop-after 131 >/dev/null 2>&1
  ranks 4 "$convoy" train ./recipe.yaml $skip --resume --json >again.json 2>/dev/null || fail "resuming while skipping"
}
[ "$(field skipped <again.json)" = 24 ] || fail "skipped, resumed: $(cat again.json)"
[ "$(field weights <again.json)" = "$(field weights <skip.1.json)" ] || fail "skipped, resumed: other weights"
expect 0 ", 8 bad records replaced" ranks 2 "$convoy" eval again/last.h5 --data damaged/$shard
expect 0 ", 24 bad records replaced" ranks 2 "$convoy" train ./recipe.yaml $skip --resume
expect 0 "weights " "$convoy" train ./recipe.yaml --overwrite
[ "$(grep -c skipped run/metrics.jsonl)" = 0 ] || fail "a run that may not skip counts what it skips"

# ---- failed validation does not cost the epoch: mended and resumed, the run is as if nothing had been ----
for epochs in 2 1; do
  fresh measured
  check="data.val=measured/$shard epochs=$epochs"
  # shellcheck disable=SC2086
  ranks 2 "$convoy" train ./recipe.yaml $check run=never --overwrite --json >never.json 2>/dev/null || fail "a run that validates"
  ruin measured/$shard 5
  # shellcheck disable=SC2086
  ends 2 1 "validation after step 94, which is kept" $check run=kept
  [ -e kept/last.h5 ] || fail "no checkpoint of an epoch that could not be validated"
  fresh measured
  # shellcheck disable=SC2086
  ranks 4 "$convoy" train ./recipe.yaml $check run=kept --resume --json >kept.json 2>kept.log || fail "resuming validation: $(cat kept.log)"
  for what in weights val_loss best_top1; do
    [ "$(field $what <kept.json)" = "$(field $what <never.json)" ] || fail "$epochs epochs, validated late: other $what"
  done
  losses never >never.txt
  losses kept | cmp - never.txt || fail "$epochs epochs, validated late: other metrics"
done

# ---- while it trains ----
# during NAME P ARGUMENTS...: starts a run that would take minutes, and waits for its first lines of metrics.
during() {
  local name=$1 p=$2
  shift 2
  rm -rf "run.$name"
  timeout 100 mpirun --oversubscribe -n "$p" "$convoy" train ./recipe.yaml --overwrite run="run.$name" epochs=3000 checkpoint_every=20 "$@" \
    >/dev/null 2>"$name.log" &
  job=$!
  for _ in $(seq 200); do [ -e "run.$name/last.h5" ] && break; sleep 0.05; done
  started=$(date +%s)
}

# ended NAME CODE TEXT: the run that `during` started has ended so, within 20 s
ended() {
  local got
  wait $job
  got=$?
  [ "$got" = "$2" ] || fail "$1: ended with $got instead of $2: $(tail -5 "$1.log")"
  [ $(($(date +%s) - started)) -lt 20 ] || fail "$1: took $(($(date +%s) - started)) s to end"
  grep -qF "$3" "$1.log" || fail "$1: does not say '$3' but: $(tail -5 "$1.log")"
  ! ls "run.$1"/*.tmp >/dev/null 2>&1 || fail "$1: a temporary file stayed"
}

for p in 2 4; do
  # A shard becomes shorter.
  fresh shorter && during shorter $p data.train=shorter
  truncate -s $(($(offset_of shorter/$shard 2000) + 100)) shorter/$shard
  ended shorter 1 "shorter/$shard: record 2"
  grep -q "record 2[0-9]*: the file has become shorter than it was when it was opened" shorter.log || fail "shorter: $(tail -3 shorter.log)"

  # The same holds where records that cannot be read are left out: a file that is gone is no bad record.
  fresh shorter && during shorter $p data.train=shorter data.on_bad_record=skip
  truncate -s 100000 shorter/$shard
  ended shorter 1 "the file has become shorter than it was when it was opened"

  # Other bytes are written into a shard.
  fresh changed && during changed $p data.train=changed
  ruin changed/$shard 77
  ended changed 1 "changed/$shard: record 77 (digit "

  # A rank is killed at any moment of a step, also while its gradients cross: the others end too, at once.
  for _ in 1 2 3; do
    during killed $p bucket=1
    sleep 0.0$((RANDOM % 10))
    pgrep -P "$(pgrep -P $job mpirun)" convoy | tail -n 1 | xargs kill -KILL
    ended killed 137 "exited on signal 9"
    sleep 0.2
    ! pgrep -f "run=run.killed" >/dev/null || fail "killed: ranks are left: $(pgrep -af "run=run.killed")"
  done

  # A shard is deleted, or replaced under its name. The open file stays what it was, and training goes on to
  # the same bits.
  fresh deleted && during deleted $p data.train=deleted
  rm -r deleted
  mkdir deleted && cp named/$shard deleted/
  steps=$(wc -l <run.deleted/metrics.jsonl)
  for _ in $(seq 100); do [ "$(wc -l <run.deleted/metrics.jsonl)" -gt $((steps + 3)) ] && break; sleep 0.1; done
  [ "$(wc -l <run.deleted/metrics.jsonl)" -gt $((steps + 3)) ] || fail "deleted: training does not go on"
  pkill -USR1 -P $job mpirun
  ended deleted 75 "on request"
  # But the run is not resumed on other data.
  expect 2 "run.deleted/last.h5 was trained on other data" ranks "$p" "$convoy" train ./recipe.yaml run=run.deleted \
    epochs=3000 checkpoint_every=20 data.train=deleted --resume
done

# ---- full disks ----
mkdir disk
if mount -t tmpfs -o size=1800k none disk 2>/dev/null; then
  for p in 2 4; do
    # The disk is full for a checkpoint after one was written: that one is still whole, and the run can go on
    # from it elsewhere.
    rm -rf disk/*
    timeout 60 mpirun --oversubscribe -n $p "$convoy" train ./recipe.yaml run=disk/run --stop-after 20 >/dev/null 2>&1
    head -c 10000000 /dev/zero >disk/fill 2>/dev/null
    output=$(timeout 60 mpirun --oversubscribe -n $p "$convoy" train ./recipe.yaml run=disk/run --resume 2>&1)
    [ $? = 1 ] || fail "full disk, $p ranks: not 1: $output"
    case $output in *"disk/run/"*"No space left on device"*) ;; *) fail "full disk, $p ranks: $output" ;; esac
    ls disk/run/*.tmp >/dev/null 2>&1 && fail "full disk: a temporary file stayed"
    "$convoy" inspect disk/run/last.h5 >inspect.txt 2>&1 || fail "full disk: the last checkpoint is no more whole: $(cat inspect.txt)"
  done
  # The disk is full for shards.
  rm -rf disk/*
  expect 1 "No space left on device" ranks 2 "$convoy" prepare synthetic -o disk/data --count 20000
  ls disk/data/*.h5 >/dev/null 2>&1 && fail "a full disk left shards"
  umount disk
else
  echo "skipped: full disks (cannot mount a small disk)"
fi

# The disk is full for metrics only: this is told when it happens, not when the run is over.
mkdir elsewhere && ln -s /dev/full elsewhere/metrics.jsonl
ends 2 1 "elsewhere/metrics.jsonl: cannot write: No space left on device" run=elsewhere epochs=3000
[ ! -e elsewhere/last.h5 ] || fail "metrics that could not be written were told too late"
finish
