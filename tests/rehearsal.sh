#!/bin/bash
# Rehearses a training on ImageNet, at its shape and a sixtieth of its size.
#
#   tests/rehearsal.sh [--tenth] [--steps N] [--keep | --in DIR] [--until PHASE] [CONVOY]
#
# It draws 21,000 photographs of 1,000 classes, packs them as ImageNet's own archives are packed, prepares
# these on two ranks, trains AlexNet and VGG-16, stops AlexNet by a signal, resumes it on four ranks, and
# evaluates both with ten crops. As many pictures as ImageNet has, of 8x8 pixels, are prepared and trained on
# too. Then it prints a table: images/s, waiting for data, the most memory of a rank, and what the real set
# would take, beside what 'convoy plan' foretold. CONVOY is the program [build/release/convoy].
#
#   --tenth        draws 3,000 photographs, trains few steps, and leaves the small pictures out; also trains
#                  AlexNet undisturbed, which must end with the same bits
#   --steps N      trains either network N steps [100; of a tenth 12 and 4]
#   --keep         leaves the folder, and says where it is
#   --in DIR       works in DIR, which stays, and does not do again what is done there
#   --until PHASE  ends after draw, pack, prepare, records, plan, straight, alexnet, resume, vgg16 or crops
#
# The folder is made under TMPDIR and needs 12 GB, for a tenth 4 GB. On two free cores it takes about a quarter
# of an hour, a tenth about four minutes. MPIRUN says how ranks are started
# ['mpirun --quiet --oversubscribe --bind-to none'].
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
tenth=false steps='' keep=false in='' until=table convoy=$source/build/release/convoy python=/usr/bin/python3
wrong() {
  echo "rehearsal.sh: $*; --help tells how it is used" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
  --tenth) tenth=true ;;
  --keep) keep=true ;;
  --in | --until | --steps)
    [ $# -gt 1 ] || wrong "$1 what?"
    declare "${1#--}=$2"
    shift
    ;;
  --help)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
    exit
    ;;
  -*) wrong "no option '$1'" ;;
  *) convoy=$1 ;;
  esac
  shift
done
phases="draw pack prepare records plan straight alexnet resume vgg16 crops table"
case " $phases " in *" $until "*) ;; *) wrong "no phase '$until'; there are: $phases" ;; esac
case $steps in *[!0-9]* | 0 | 1 | 2 | 3) wrong "--steps $steps: expected a number from 4" ;; esac
[ -x "$convoy" ] || wrong "there is no program '$convoy'; build it, or name it"
convoy=$(realpath "$convoy")
$python -c 'import h5py' 2>/dev/null || {
  echo "skipped: the rehearsal (no python3-h5py; sh launch/packages.sh tests installs it)"
  exit 77
}

# ---- how large ----

# A step has 64 and 8 images, where the recipes have 128 and 256, so that a hundred end in minutes.
alexnet_cut=(batch=64 microbatch=16) vgg16_cut=(batch=8 microbatch=4)
per_class=20 alexnet_steps=${steps:-100} vgg16_steps=${steps:-100} gib=12
$tenth && per_class=2 alexnet_steps=${steps:-12} vgg16_steps=${steps:-4} gib=4
ranks=2 more_ranks=4 cores=$(nproc) records=1281 records_steps=400

# ---- the folder ----

if [ -n "$in" ]; then
  mkdir -p "$in"
  work=$(realpath "$in") keep=true
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/convoy-rehearsal-XXXXXX")
fi
job=
end() {
  local status=$?
  [ -z "$job" ] || { kill "$job" && wait "$job"; } 2>/dev/null || true
  if $keep; then echo "everything is in $work" >&2; else rm -rf "$work"; fi
  exit $status
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$work"
mkdir -p ended logs peaks
free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
[ "$free" -ge $gib ] || [ -e ended/draw ] ||
  wrong "$work has $free GiB free, and this needs $gib; TMPDIR or --in names another place"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
read -r -a mpirun <<<"${MPIRUN:-mpirun --quiet --oversubscribe --bind-to none}"

# ---- helpers ----

say() { echo "$(date +%H:%M:%S) $*" >&2; }
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
helper() { $python "$source/tests/rehearsal.py" "$@"; }
threads() { echo $((cores > $1 ? cores / $1 : 1)); }

# start RANKS NAME COMMAND...: begins a command of Convoy on that many ranks. Its time and memory go to
# peaks/NAME.*, what it prints to logs/NAME.out, and what it tells to logs/NAME.log and to the screen.
start() {
  local n=$1 name=$2
  shift 2
  rm -f peaks/"$name".*
  : >"logs/$name.log"
  "${mpirun[@]}" -n "$n" $python "$source/tests/rehearsal.py" peak "peaks/$name" \
    "$convoy" "$@" --threads "$(threads "$n")" >"logs/$name.out" 2>"logs/$name.log" &
  job=$!
  tail -n +1 -f --pid=$job "logs/$name.log" >&2 &
}

# finish STATUS NAME: waits for it, and fails if it ends otherwise.
finish() {
  local wanted=$1 name=$2 status=0
  wait "$job" || status=$?
  job=
  wait
  [ $status = "$wanted" ] || fail "$name ended with $status, not with $wanted: $(tail -n 3 "logs/$name.log")"
}

# expect STATUS RANKS NAME COMMAND...: does both.
expect() {
  local wanted=$1 name=$3
  shift
  start "$@"
  finish "$wanted" "$name"
}

# weights RUN: prints the hash of the weights in its last checkpoint
weights() { "$convoy" inspect "$1/last.h5" | sed -n 's/^ *weights *\([0-9a-f]*\)$/\1/p'; }

# last_step RUN: prints the last step in its metrics, or 0
last_step() {
  { echo '"step": 0,' && cat "$1/metrics.jsonl" 2>/dev/null; } |
    sed -n 's/.*"step": \([0-9]*\).*/\1/p' | tail -n 1
}

# stopped NAME: prints the step after which a job was stopped
stopped() { sed -n 's/.*stopped after step \([0-9]*\) of.*/\1/p' "logs/$1.log"; }

# recipe NETWORK CROP BATCH SCALE SHORTER: prints a recipe. SCALE is the augmentation that scales pictures in
# training; in evaluation their shorter side has SHORTER pixels.
recipe() {
  cat <<YAML
network: $1
data:
  train: $work/shards
  val: $work/shards
  augment: [$4, {crop: {size: $2}}, mirror, pca_colour]
  evaluation: [{resize: {shorter: $5}}, {ten_crops: {size: $2}}]
batch: $3
microbatch: 16
epochs: 90
solver: {sgd: {momentum: 0.9, weight_decay: 0.0005}}
learning_rate: {step: {rate: 0.01, factor: 0.1, every: 30}}
log_every: 2
run: $work/$1
YAML
}

# ---- phases ----

phase_draw() {
  expect 0 $ranks draw prepare synthetic-photos --count $((1000 * (per_class + 1))) --classes 1000 --encoded \
    --split train=1 -o drawn
}

phase_pack() {
  rm -rf imagenet
  mkdir imagenet
  helper pack drawn imagenet || fail "packing the archives"
  rm -r drawn
}

# At the usual 256 MiB a shard ImageNet has about 550. So many come of 4 MiB here, or 55 of a tenth.
phase_prepare() {
  expect 0 $ranks prepare prepare imagenet imagenet --shard-size 4 -o shards
  helper check shards imagenet || fail "the shards do not hold what the archives hold"
  "$convoy" verify shards >logs/verify.out || fail "verify: $(tail -n 3 logs/verify.out)"
  rm imagenet/*.tar
}

# Prepares as many records as ImageNet has, though of 8x8 pixels, and trains one layer on them.
phase_records() {
  ! $tenth || return 0
  rm -rf small records
  mkdir records
  expect 0 1 small prepare synthetic-photos --count 2000 --classes 1000 --pixels 8x8 --encoded \
    --split train=1 -o small
  helper pack small records $records || fail "packing the archive of small pictures"
  expect 0 $ranks records prepare imagenet train=records/ILSVRC2012_img_train.tar --split train=1 --encoded \
    --shard-size 2 -o records/shards
  cat >records.yaml <<YAML
network:
  name: one-layer
  input: [8, 8, 3]
  layers: [{fc: {outputs: 1000}}, softmax_loss]
data: {train: $work/records/shards}
batch: 256
microbatch: 64
epochs: 1
learning_rate: {constant: {rate: 0.001}}
log_every: 100
run: $work/records-run
YAML
  expect 75 $ranks records-train train ./records.yaml --overwrite --stop-after $records_steps
  rm -r small records
}

phase_plan() {
  local name cut
  for name in alexnet vgg16; do
    local -n cut=${name}_cut
    "${mpirun[@]}" -n 1 "$convoy" plan $name --nodes 1 --ranks-per-node $ranks --threads "$(threads $ranks)" \
      --cores "$cores" "${cut[@]/#/--}" --steps 3 --json >plan-$name.json 2>logs/plan-$name.log ||
      fail "plan $name: $(tail -n 3 logs/plan-$name.log)"
  done
}

train_alexnet() { # train_alexnet WHAT RANKS NAME OPTION...: $1 is start or 'expect STATUS'
  local what=$1 n=$2 name=$3
  shift 3
  recipe alexnet 227 128 '{resize: {shorter: 256}}' 256 >alexnet.yaml
  $what "$n" "$name" train ./alexnet.yaml "${alexnet_cut[@]}" --stop-after "$alexnet_steps" "$@"
}

# Trains AlexNet undisturbed, in a tenth only.
phase_straight() {
  $tenth || return 0
  train_alexnet "expect 75" $ranks alexnet-straight run="$work/straight" --overwrite
}

# Trains AlexNet until half of the steps are done, and sends rank 0 a signal.
phase_alexnet() {
  rm -rf alexnet
  train_alexnet start $ranks alexnet-first
  while kill -0 "$job" 2>/dev/null && [ "$(last_step alexnet)" -lt $((alexnet_steps / 2)) ] 2>/dev/null; do
    sleep 0.2
  done
  kill -USR1 "$(cat peaks/alexnet-first.0.pid)" 2>/dev/null || true
  finish 75 alexnet-first
  [ "$(stopped alexnet-first)" -lt "$alexnet_steps" ] || fail "AlexNet got its signal after its last step"
}

# Resumes it on more ranks. It must end with the bits of the run that nobody disturbed.
phase_resume() {
  local hash
  train_alexnet "expect 75" $more_ranks alexnet-resumed --resume
  echo "{\"steps\": $alexnet_steps, \"stopped\": $(stopped alexnet-first)}" >alexnet.json
  $tenth || return 0
  hash=$(weights straight)
  [ "${hash:-none}" = "$(weights alexnet)" ] ||
    fail "AlexNet, stopped and resumed, has the weights $(weights alexnet), and undisturbed ${hash:-none}"
  say "stopped after step $(stopped alexnet-first), AlexNet has the weights of the undisturbed run: $hash"
  rm -r straight
}

phase_vgg16() {
  recipe vgg16 224 256 scale_jitter 384 >vgg16.yaml
  rm -rf vgg16
  expect 75 $ranks vgg16-first train ./vgg16.yaml "${vgg16_cut[@]}" --stop-after "$vgg16_steps"
  echo "{\"steps\": $vgg16_steps}" >vgg16.json
}

# All of the validation set would take VGG-16 too long, and a tenth's AlexNet too: they get its first shard.
phase_crops() {
  local name photographs
  for name in alexnet vgg16; do
    photographs=$(echo shards/val-00000-of-*.h5)
    [ $name = vgg16 ] || $tenth || photographs=shards
    expect 0 $ranks $name-crops eval $name/last.h5 --data "$photographs" --json
    cp logs/$name-crops.out $name-crops.json
  done
}

phase_table() {
  local processor
  processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  cat >settings.json <<JSON
{"processor": "${processor:-an unknown processor}", "cores": $cores,
 "train": $((1000 * per_class)), "val": 1000, "records": $records, "records_steps": $records_steps}
JSON
  helper table . | tee table.md
}

for phase in $phases; do
  if [ ! -e "ended/$phase" ]; then
    say "$phase"
    "phase_$phase"
    [ "$phase" = table ] || touch "ended/$phase"
  fi
  [ "$phase" != "$until" ] || break
done
