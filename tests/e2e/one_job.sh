# Tests that one job works in a run folder: a second one is refused, whoever holds the folder and however it
# was started, and nothing that a killed job has left stands in the way.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 32 8 "epochs: 100000" "log_every: 1"
train="$convoy train ./recipe.yaml"

# held FOLDER: waits until somebody holds it; until_file FILE: waits until it is there
held() { for _ in $(seq 200); do [ -e "$1/lock" ] && return; sleep 0.05; done; fail "nobody took $1"; }
until_file() { for _ in $(seq 200); do [ -e "$1" ] && return; sleep 0.05; done; fail "$1 did not come"; }

# ---- many at once: exactly one goes on, and the others say which ----
for i in $(seq 6); do $train epochs=1 log_every=1 run=many >many.$i.log 2>&1 & starters[i]=$!; done
winners=0
for i in $(seq 6); do
  wait "${starters[i]}"
  case $? in
    0) winners=$((winners + 1)) ;;
    2) grep -Eq "many: another convoy train is at work there: process [0-9]+ on $(hostname), since 20|many already holds a run" many.$i.log || fail "refused how? $(cat many.$i.log)" ;;
    *) fail "starter $i: $(cat many.$i.log)" ;;
  esac
done
[ -s many/metrics.jsonl ] || fail "no metrics"
[ $winners = 1 ] || fail "$winners of 6 jobs ran in one folder"
[ "$(wc -l <many/metrics.jsonl)" = "$(grep -c '^{.*}$' many/metrics.jsonl)" ] || fail "torn metrics"

# ---- a second job before the first checkpoint and after it, with --overwrite and --resume ----
SLURM_JOB_ID=4711 timeout 100 mpirun --oversubscribe -n 2 $train >first.log 2>&1 &
job=$!
held run
for word in "" --overwrite --resume; do
  expect 2 "run: another convoy train is at work there: process $(sed -n 's/^pid //p' run/lock) on $(hostname), since $(sed -n 's/^since //p' run/lock), job 4711; if it is surely gone, remove run/lock. Wait" ranks 2 $train $word
done
until_file run/last.h5
for word in "" --resume; do expect 2 "run: another convoy train is at work there: process " $train $word; done
expect 0 "top-1" "$convoy" eval run/last.h5 --data data

# ---- a job is killed: the next one goes on at once, and half a line is mended ----
kill -KILL "$(sed -n 's/^pid //p' run/lock)"
wait $job
[ -e run/lock ] || fail "a killed job has removed its lock"
steps=$(tail -n 1 run/metrics.jsonl | field step)
printf '{"step": 7, "ep' >>run/metrics.jsonl
expect 75 "stopped after step $((steps + 50))" ranks 2 $train --resume --stop-after $((steps + 50))
[ ! -e run/lock ] || fail "a job that ended has left its lock"
for step in $(seq $((steps + 50))); do echo "$step"; done >expected
grep '"loss"' run/metrics.jsonl | sed 's/^{"step": \([0-9]*\), .*}$/\1/' | cmp - expected || fail "metrics after a kill"
[ "$(ls -A run | sort | tr '\n' ' ')" = "best.h5 last.h5 metrics.jsonl recipe.yaml " ] || fail "the run folder has $(ls -A run)"

# ---- a job that lost its lock writes nothing more ----
for how in removed taken; do
  timeout 100 mpirun --oversubscribe -n 2 $train --overwrite >lost.log 2>&1 &
  job=$!
  held run
  until_file run/last.h5
  if [ $how = removed ]; then
    rm run/lock
  else
    sed 's/^token ..../token 0000/' run/lock >other && mv other run/lock
  fi
  wait $job
  [ $? = 1 ] || fail "a lock that was $how: $(tail -3 lost.log)"
  [ $how = removed ] && said="somebody has removed this lock" || said="another convoy train has taken the folder over: process"
  grep -q "run/lock: $said" lost.log || fail "a lock that was $how: $(tail -3 lost.log)"
  [ "$(grep -c '^{.*}$' run/metrics.jsonl)" = "$(wc -l <run/metrics.jsonl)" ] || fail "torn metrics once the lock was $how"
  rm -f run/lock
done

# ---- a lock of which nothing is known: the wait is told, and ends when somebody removes the file ----
for name in file folder; do
  mkdir -p odd.$name
  [ $name = folder ] && mkdir odd.folder/lock || : >odd.file/lock
  $train run=odd.$name epochs=1 >odd.$name.log 2>&1 &
  pids[${#name}]=$!
done
wait "${pids[6]}"
[ $? = 1 ] && grep -q "odd.folder/lock: a folder has this name" odd.folder.log || fail "a folder as lock: $(cat odd.folder.log)"
sleep 10
rm odd.file/lock
wait "${pids[4]}" || fail "an empty lock: $(cat odd.file.log)"
grep -q "lock says nothing; if no job is at work there, remove that file" odd.file.log || fail "an empty lock: $(cat odd.file.log)"
grep -q "waiting up to 1[0-9][0-9] s for odd.file/lock: [0-9]* s so far" odd.file.log || fail "the wait is not told: $(cat odd.file.log)"

# ---- shards: prepare and a repair of the same folder ----
timeout 60 "$convoy" prepare synthetic -o shards --count 200000 >/dev/null 2>&1 &
job=$!
held shards/.convoy-prepare
holder=$(sed -n 's/^pid //p' shards/.convoy-prepare/lock)
expect 2 "shards/.convoy-prepare: another convoy prepare is at work there: process $holder on" "$convoy" prepare synthetic -o shards --count 100
expect 2 "shards/.convoy-prepare: another convoy prepare is at work there: process $holder on" "$convoy" verify shards --split train --repair
kill -KILL "$holder"
wait $job
expect 0 "train: " "$convoy" prepare synthetic -o shards --count 100
[ ! -e shards/.convoy-prepare ] || fail "the work folder stayed"
expect 0 "train: " "$convoy" verify shards --repair
[ ! -e shards/.convoy-prepare ] || fail "the lock of a repair stayed"
finish
