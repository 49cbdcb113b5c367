# Tests every recipe that comes with Convoy, on a small set that stands in for its own: it says what a reader looks
# for, 'convoy recipes' lists it in one line, and a dry run finds nothing wrong. Nothing is trained here.
. "$(dirname "$0")/lib" "$1"
recipes=$CONVOY_SOURCE/launch/recipes

# Pictures of all classes; the crops and the networks' inputs decide how large they must be.
photos() { # photos DIR CLASSES OPTION...
  local dir=$1 classes=$2
  shift 2
  "$convoy" prepare synthetic-photos -o "$dir" --count "$classes" --classes "$classes" --split train=1 "$@" >prepare.log 2>&1 ||
    fail "prepare $dir: $(cat prepare.log)"
}
photos imagenet 1000 --pixels 256x256 --encoded
photos tiny 200 --pixels 64x64 --encoded
photos cats-dogs 2 --size 150x150
photos cifar 10 --size 32x32
for size in 28 32; do
  "$convoy" prepare synthetic -o digits$size --count 20 --size ${size}x$size --split train=1 >prepare.log 2>&1 || fail "prepare: $(cat prepare.log)"
done

stand_in() { # stand_in DATA: which of them is like a recipe's data
  case $1 in
    data/imagenet | data/imagenet-512) echo imagenet ;;
    data/tiny-imagenet) echo tiny ;;
    data/cats-dogs) echo cats-dogs ;;
    data/cifar10) echo cifar ;;
    data/mnist | data/hoda-28 | data/hoda-3500) echo digits28 ;;
    data/mnist-32 | data/hoda | data/digits) echo digits32 ;;
  esac
}

"$convoy" recipes >list.txt || fail "convoy recipes"
count=0
for file in "$recipes"/*.yaml; do
  name=$(basename "$file" .yaml)
  count=$((count + 1))
  for word in Data Source Published Reached Cost; do
    grep -q "^# $word:" "$file" || fail "$name: its head has no '# $word:'"
  done
  grep -qx "run: runs/$name" "$file" || fail "$name: its run folder is not runs/$name"
  about=$(head -n 1 "$file" | sed 's/^# //')
  awk -v name="$name" -v about="$about" '$1 == name && index($0, about) && about ~ /\.$/ {found = 1} END {exit !found}' list.txt ||
    fail "$name: 'convoy recipes' does not list its first line, or that is no sentence: $about"
  data=$(sed -n 's/^  train: //p' "$file")
  shards=$(stand_in "$data")/train-00000-of-00001.h5
  if [ ! -e "$shards" ]; then
    fail "$name: no set stands in for $data; add one to tests/e2e/recipes.sh"
    continue
  fi
  "$convoy" train "$name" "data.train=$shards" "data.val=$shards" --dry-run >out.txt 2>&1 || fail "$name: $(tail -n 3 out.txt)"
  grep -q warning out.txt && fail "$name: $(grep warning out.txt)"
  # The commands of its head and the steps of its schedule are what the recipe says.
  for key in batch epochs; do
    grep -q "$(sed -n "s/^$key: //p" "$file")" out.txt || fail "$name: the dry run does not show its $key: $(cat out.txt)"
  done
done
[ "$count" -ge 30 ] || fail "only $count recipes"
[ ! -e runs ] || fail "a dry run has made a run folder"

# A dry run of the largest network needs no memory for its weights: 0.6 GB, and as much for each copy.
if [ -x /usr/bin/time ]; then
  /usr/bin/time -f %M "$convoy" train vgg-e-imagenet data.{train,val}=imagenet/train-00000-of-00001.h5 --dry-run >/dev/null 2>kb.txt
  kb=$(tail -n 1 kb.txt)
  [ "$kb" -lt 400000 ] || fail "a dry run of vgg-e needs $kb KB"
fi
finish
