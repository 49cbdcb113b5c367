# Tests that results which cannot be written are an error, told once, in every command, and that a reader who
# goes away costs no training.
. "$(dirname "$0")/lib" "$1"
lenet5_on_digits 32 8 "epochs: 2" "log_every: 1"
full="cannot be written to standard output: No space left on device"
"$convoy" train ./recipe.yaml >train.log 2>&1 || fail "training: $(cat train.log)"
shard=$(ls data/train-*.h5)
full() { # full COMMAND...: the command ends with 1 on a full disk, and says why once
  local output got
  output=$("$@" 2>&1 >/dev/full)
  got=$?
  [ $got = 1 ] && [ "$(echo "$output" | grep -c "$full")" = 1 ] || fail "'$*' to a full disk ended with $got: $output"
}
for command in --help --version "train --help" layers augmentations "augmentations --json" \
  "summary lenet" "summary lenet --json" "inspect $shard" "inspect run/best.h5 --json" "verify data" "verify data --json" \
  "eval run/best.h5 --threads 1" "eval run/best.h5 --json" "bench step lenet --batch 2 --steps 1" "bench layers lenet --batch 2 --steps 1 --json" \
  "bench input data --batch 8 --steps 1" "plan lenet --nodes 2 --bandwidth 10 --latency 30 --microbatch 2" \
  "prepare synthetic -o more --count 40" "preview data -o sheet.png" "train ./recipe.yaml run=other epochs=1 --json"; do
  full "$convoy" $command
done
[ -s sheet.png ] && ls more/train-*.h5 >/dev/null || fail "what was made is gone because it could not be told"
expect 1 "Bad file descriptor" sh -c "'$convoy' layers >&-"
# No file of the run may take the place of a stream that is closed, or what is told would stand in it.
"$convoy" train ./recipe.yaml run=closed >&- 2>&- <&-
[ "$("$convoy" inspect closed/last.h5 | grep weights)" = "$("$convoy" inspect run/last.h5 | grep weights)" ] ||
  fail "a run with closed streams ended otherwise"
[ -s closed/metrics.jsonl ] && ! grep -v '^{' closed/metrics.jsonl || fail "what was told stands in metrics.jsonl"

# Only the first of several ranks has something to say, and nobody waits for it.
expect 1 "$full" ranks 2 sh -c "'$convoy' eval run/best.h5 --threads 1 >/dev/full"
expect 1 "$full" ranks 2 sh -c "'$convoy' train ./recipe.yaml run=two epochs=1 --threads 1 --json >/dev/full"
expect 1 "to standard output: a part of them is lost" ranks 2 sh -c "'$convoy' bench allreduce 1 --steps 1 >/dev/full"

# A reader goes away before there is anything to read.
for command in --help layers "inspect $shard" "verify data" "eval run/best.h5 --threads 1" "summary lenet --json"; do
  { sleep 0.2; "$convoy" $command 2>pipe.log; echo $? >code; } | true
  [ "$(cat code)" = 1 ] && [ "$(grep -c 'cannot be written to standard output: Broken pipe' pipe.log)" = 1 ] ||
    fail "'$command' into a closed pipe ended with $(cat code): $(cat pipe.log)"
done
"$convoy" train ./recipe.yaml run=watched 2>&1 | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" = 1 ] || fail "results for a reader who has gone were not missed"
[ "$("$convoy" inspect watched/last.h5 | grep weights)" = "$("$convoy" inspect run/last.h5 | grep weights)" ] ||
  fail "a reader who went away has ended the training"

# A file as large as `ulimit -f` allows is as a full disk.
limited() { # limited KIB TEXT COMMAND...: the command ends with 1 and the text where no file may be larger
  local kib=$1 text=$2
  shift 2
  expect 1 "$text" bash -c 'ulimit -f "$0"; exec "$@"' "$kib" "$convoy" "$@"
}
limited 4 "many/metrics.jsonl: cannot write: File too large" train ./recipe.yaml run=many batch=8
[ "$(grep -c '^{.*}$' many/metrics.jsonl)" = "$(wc -l <many/metrics.jsonl)" ] || fail "metrics are torn: $(tail -n 1 many/metrics.jsonl)"
limited 16 "large/best.h5: dataset" train ./recipe.yaml run=large epochs=1
[ ! -e large/best.h5 ] || fail "half a checkpoint"
limited 8 "train-00000-of-00001.h5: cannot write: File too large" prepare synthetic -o cut --count 40
limited 1 "sheet2.png: cannot be written: File too large" preview data -o sheet2.png
expect 1 "cannot be written to standard output: File too large" bash -c 'ulimit -f 1; exec "$0" layers --json >long.json' "$convoy"

# A terminal that is gone ends a run as a request to stop does, unless nohup was asked for.
hang_up() { # hang_up RUN COMMAND...: sends SIGHUP once the run writes metrics
  local run=$1
  shift
  "$@" "$convoy" train ./recipe.yaml run="$run" epochs=$epochs >"$run.log" 2>&1 &
  for _ in $(seq 200); do [ -s "$run/metrics.jsonl" ] && break; sleep 0.05; done
  kill -HUP $!
  wait $!
}
epochs=100000 hang_up hung env
[ $? = 75 ] && [ -s hung/last.h5 ] || fail "SIGHUP: $(tail -n 3 hung.log)"
epochs=10 hang_up kept nohup || fail "SIGHUP under nohup: $(tail -n 3 kept.log)"
finish
