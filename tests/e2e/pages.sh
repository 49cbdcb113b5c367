# Tests launch/networks/README.md and launch/recipes/augmentation.md: their tables are those that the program
# prints, their examples work, and the errors are what the program says.
# bash tests/e2e/pages.sh PROGRAM --update writes the tables, and draws the sheet of augmentations, in the
# tree that this script stands in.
export LC_ALL=C
CONVOY_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
export CONVOY_SOURCE
update=${2:-}
. "$(dirname "$0")/lib" "$1"
page=$CONVOY_SOURCE/launch/networks/README.md
augmentation=$CONVOY_SOURCE/launch/recipes/augmentation.md

paper() {
  case $1 in
    alexnet | alexnet-grouped) echo "Krizhevsky, Sutskever & Hinton 2012" ;;
    alexnet-bn) echo "Krizhevsky et al. 2012, Ioffe & Szegedy 2015" ;;
    alexnet-owt) echo "Krizhevsky 2014" ;;
    catdog-cnn) echo "Chollet 2018, section 5.2" ;;
    googlenet-bn) echo "Szegedy et al. 2015, Ioffe & Szegedy 2015" ;;
    googlenet) echo "Szegedy et al. 2015" ;;
    hoda-cnn) echo "the course's" ;;
    inception-v3) echo "Szegedy et al. 2016" ;;
    vgg-cifar) echo "Zagoruyko 2015" ;;
    lenet) echo "Caffe's example" ;;
    lenet5) echo "LeCun et al. 1998" ;;
    resnet*) echo "He et al. 2016" ;;
    vgg*) echo "Simonyan & Zisserman 2015" ;;
    zfnet) echo "Zeiler & Fergus 2014" ;;
  esac
}

networks() {
  echo "| network | paper | input | parameters | multiply-adds |"
  echo "|---|---|---|---|---|"
  for file in "$CONVOY_SOURCE"/launch/networks/*.yaml; do
    name=$(basename "$file" .yaml)
    "$convoy" summary "$name" >summary.txt || fail "summary $name" >&2
    [ -n "$(paper "$name")" ] || fail "$name: where it comes from is not said in tests/e2e/pages.sh" >&2
    echo "| \`$name\` | $(paper "$name") | $(awk '$1 == "input" {print $2}' summary.txt) |" \
      "$(sed -n 's/^total: \(.*\) parameters, \(.*\) multiply-adds an image$/\1 | \2/p' summary.txt) |"
  done
}

# between PAGE MARK: prints what stands between the two comments
between() {
  sed -n "/^<!-- $2 -->\$/,/^<!-- \/$2 -->\$/p" "$1" | sed '1d;$d'
}

replace() { # replace PAGE MARK FILE
  sed -i -e "/^<!-- $2 -->\$/,/^<!-- \/$2 -->\$/{/^<!-- /!d}" -e "/^<!-- $2 -->\$/r $3" "$1"
}

check() { # check PAGE MARK FILE
  [ "$update" != --update ] || replace "$@"
  between "$1" "$2" >there.md
  cmp -s there.md "$3" || fail "${1#"$CONVOY_SOURCE"/}, '$2', is stale: $(diff there.md "$3" | head -5)"
}

networks >networks.md
"$convoy" layers --markdown >layers.md || fail "layers --markdown"
"$convoy" augmentations --markdown >augmentations.md || fail "augmentations --markdown"
[ "$failures" = 0 ] || finish
check "$page" networks networks.md
check "$page" "convoy layers --markdown" layers.md
check "$augmentation" "convoy augmentations --markdown" augmentations.md

# The page shows the sheet of augmentations. tests/unit/test_preview.c holds its pixels against the program's
# (its bytes are zlib's).
sheet=$CONVOY_SOURCE/launch/recipes/augmentations.png
"$convoy" preview --augmentations -o sheet.png >/dev/null || fail "preview --augmentations"
[ "$update" != --update ] || cmp -s sheet.png "$sheet" || cp sheet.png "$sheet"
grep -qF '](augmentations.png)' "$augmentation" || fail "the page does not show the sheet of augmentations"
[ "$(wc -c <"$sheet")" -le 524288 ] || fail "the sheet of augmentations is larger than 512 KiB"

# The page's networks work; a piece of one gets the rest.
awk '/^```yaml$/ {n++; inside = 1; next} /^```$/ {inside = 0} inside {print >("example" n ".yaml")}' "$page"
for file in example*.yaml; do
  case $(head -n 1 "$file") in
    name:*) cp "$file" whole.yaml ;;
    blocks:*) { printf '%s\n' "name: net" "input: [32, 32, 3]" && cat "$file"; } >whole.yaml ;;
    *) { printf '%s\n' "name: net" "input: [8, 8, 3]" "layers:" && cat "$file" && printf '%s\n' "  - fc: {outputs: 2}" "  - softmax_loss"; } >whole.yaml ;;
  esac
  "$convoy" summary ./whole.yaml >out.txt 2>&1 || fail "an example of the page: $(cat "$file" out.txt)"
done
[ -e example5.yaml ] || fail "the page has lost its examples"

# wrong LAYER...: the page shows what the program says of them.
wrong() {
  printf '%s\n' "name: net" "input: [32, 32, 3]" "layers:" "$@" "  - fc: {outputs: 10}" "  - softmax_loss" >net.yaml
  "$convoy" summary ./net.yaml >out.txt 2>&1
  [ $? = 2 ] && grep -qxF "    $(sed 's/^convoy summary: .\///' out.txt)" "$page" || fail "the page does not show: $(cat out.txt)"
}
wrong "  - dropout: {rat: 0.5}"
wrong "  - conv: {filters: 32, kernel: 40}"
wrong "  - conv: {filters: 32, kernel: 3}" "  - add: {inputs: [conv1, stem]}"
wrong "  - conv: {filters: 32, kernel: 3}" "  - relu: {inputs: input}"

# Nothing is wrong with the other page's lists but that these pictures are grey.
awk '/^```yaml$/ {n++; inside = 1; next} /^```$/ {inside = 0} inside {print "  " $0 >("augment" n ".yaml")}' "$augmentation"
"$convoy" prepare synthetic -o grey --count 40 --size 256x256 >prepare.log 2>&1 || fail "prepare: $(cat prepare.log)"
for part in "1 224" "2 256"; do
  printf '%s\n' "name: net" "input: [${part#* }, ${part#* }, 1]" "layers:" "  - fc: {outputs: 10}" "  - softmax_loss" >net.yaml
  { printf '%s\n' "network: ./net.yaml" "data:" "  train: grey" && cat "augment${part% *}.yaml" &&
    printf '%s\n' "batch: 4" "microbatch: 4" "epochs: 1" "solver: {sgd: {momentum: 0.9}}" "learning_rate: {constant: {rate: 0.1}}" \
      "run: run"; } >recipe.yaml
  expect 2 "is for pictures of 3 channels (red, green, blue); these have 1" "$convoy" train recipe.yaml
done

# The third list mixes pictures by twos and makes ten crops, and it trains grey pictures too.
printf '%s\n' "name: net" "input: [224, 224, 1]" "layers:" "  - fc: {outputs: 10, init: gaussian, init_std: 0.001}" "  - softmax_loss" >net.yaml
{ printf '%s\n' "network: ./net.yaml" "data:" "  train: grey" "  val: grey" && cat augment3.yaml &&
  printf '%s\n' "batch: 4" "microbatch: 4" "epochs: 1" "learning_rate: {constant: {rate: 0.0001}}" "run: run"; } >recipe.yaml
expect 0 "epochs" "$convoy" train recipe.yaml --json
expect 2 "one_of mixes pictures by twos, so microbatch 1 would leave one over; 2 or 4 would not" "$convoy" train recipe.yaml \
  microbatch=1 run=other

# The JSON parses, and every layer type is in it.
if command -v python3 >/dev/null; then
  "$convoy" layers --json | python3 -c 'import json, sys; names = [l["name"] for l in json.load(sys.stdin)["layers"]]
assert len(names) >= 18 and "batch_norm" in names, names' || fail "layers --json"
  "$convoy" augmentations --json | python3 -c 'import json, sys; a = {a["name"]: a for a in json.load(sys.stdin)["augmentations"]}
assert len(a) >= 16 and a["mirror"]["options"][0]["default"] == "0.5" and a["hue"]["options"][0]["max"] == 0.5, a' || fail "augmentations --json"
  "$convoy" augmentations grey --json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["augmentations"]) == 1' ||
    fail "augmentations grey --json"
  for network in lenet5 resnet18 googlenet; do
    "$convoy" summary $network --json | python3 -c 'import json, sys; s = json.load(sys.stdin)
assert sum(l["parameters"] for l in s["layers"]) == s["parameters"] > 0' || fail "summary $network --json"
  done
fi

expect 0 "  probability X" "$convoy" augmentations grey
expect 2 "did you mean 'colour_shift'?" "$convoy" augmentations color_shift
expect 2 "at most the name" "$convoy" augmentations grey mirror

# Graphs are written.
"$convoy" summary googlenet aux=true --graph net.dot >/dev/null || fail "--graph net.dot"
grep -q 'subgraph "cluster_1' net.dot && grep -q 'dashed' net.dot && grep -q 'image -> n0' net.dot || fail "net.dot: $(head -20 net.dot)"
expect 2 "ends in .svg, .pdf, .png or .dot" "$convoy" summary lenet --graph net.gif
expect 1 "cannot be written" "$convoy" summary lenet --graph nowhere/net.dot
expect 1 "apt-get install graphviz" env PATH=/nowhere "$convoy" summary lenet --graph net.svg
if command -v dot >/dev/null; then
  "$convoy" summary resnet18 --graph net.svg >/dev/null && grep -q '</svg>' net.svg || fail "--graph net.svg"
  printf '%s\n' 'name: "<\\G> \"q\""' 'input: [2, 2, 1]' 'layers:' '  - fc: {outputs: 2}' '  - softmax_loss' >odd.yaml
  "$convoy" summary ./odd.yaml --graph odd.svg >/dev/null && grep -qF '&lt;\G&gt; &quot;q&quot;' odd.svg || fail "an odd name: $(grep '<text' odd.svg)"
else
  echo "skipped: e2e.pages, drawing (no Graphviz)"
fi
finish
