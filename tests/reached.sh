#!/bin/bash
# Trains the recipes that were run before, and compares what they reach with what their heads say:
#   bash tests/reached.sh CONVOY [RECIPE...]
# It takes minutes (ctest --preset slow). It fails where top-1 is half a percent away. Other processors may
# give other bits, so it tells whether the weights are the same, and does not fail if they are not.
. "$(dirname "$0")/e2e/lib" "$1"
shift
recipes=$(cd "$CONVOY_SOURCE/launch/recipes" && pwd)
real=${CONVOY_TEST_DATA:-/nowhere}

prepare() { # prepare FOLDER
  case $1 in
    data/digits) "$convoy" prepare synthetic -o "$1" ;;
    data/cats-dogs)
      tar xf "$real/cats-dogs-200px.tar" && seq 0 1999 | awk 'BEGIN {print "path,label,split"}
        {s = $1 < 1000 ? "train" : $1 < 1500 ? "val" : "test"
         print "train/cat." $1 ".jpg,cat," s; print "train/dog." $1 ".jpg,dog," s}' >list.csv &&
        "$convoy" prepare csv list.csv --size 150x150 -o "$1"
      ;;
    data/hoda) "$convoy" prepare hoda "$real/hoda" -o "$1" ;;
    data/hoda-28) "$convoy" prepare hoda "$real/hoda" --size 28x28 -o "$1" ;;
    data/hoda-3500)
      "$convoy" prepare hoda "$real"/hoda/'Train 60000.cdb.gz' --size 28x28 --split train=first:3500,val=next:400 -o "$1"
      ;;
    data/mnist) "$convoy" prepare mnist "$real/mnist" -o "$1" ;;
    data/mnist-32) "$convoy" prepare mnist "$real/mnist" --size 32x32 --pad -o "$1" ;;
    *) echo "tests/reached.sh knows no data for $1" && false ;;
  esac
}

train() { # train RECIPE
  local file=$recipes/$1.yaml reached hash data got
  reached=$(sed -n 's/^# Reached: \([0-9.]*\) %.*/\1/p' "$file")
  hash=$(sed -n 's/^# Reached: .*with the weights \([0-9a-f]*\).*/\1/p' "$file")
  data=$(sed -n 's/^  train: //p' "$file")
  if [ "$data" != data/digits ] && [ ! -e "$real/README.md" ]; then
    echo "skipped: $1 (no CONVOY_TEST_DATA)"
    return
  fi
  [ -e "$data" ] || prepare "$data" >prepare.log 2>&1 || {
    fail "$1: preparing $data: $(tail -n 3 prepare.log)"
    return
  }
  mpirun --oversubscribe -n 2 "$convoy" train "$file" --json >"$1.json" 2>"$1.log" || {
    fail "$1: $(tail -n 3 "$1.log")"
    return
  }
  got=$(awk -v top1="$(field val_top1 <"$1.json")" 'BEGIN {printf "%.2f", 100 * top1}')
  echo "$1: top-1 $got %, and $reached % before; $([ "$(weights "$1.json")" = "$hash" ] && echo "the same weights" || echo "other weights")"
  awk -v got="$got" -v reached="$reached" 'BEGIN {exit !(got > reached - 0.5 && got < reached + 0.5)}' ||
    fail "$1 reaches $got %, its head says $reached %"
}

[ $# -gt 0 ] || set -- $(grep -l '^# Reached: [0-9]' "$recipes"/*.yaml | sed 's|.*/||; s|\.yaml$||')
for name; do train "$name"; done
finish
