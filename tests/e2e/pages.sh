# The generated tables of launch/networks/README.md are those that the program prints.
# bash tests/e2e/pages.sh PROGRAM --update writes them.
export LC_ALL=C
update=${2:-}
. "$(dirname "$0")/lib" "$1"
page=$CONVOY_SOURCE/launch/networks/README.md

networks() {
  echo "| network | input | parameters | multiply-adds |"
  echo "|---|---|---|---|"
  for file in "$CONVOY_SOURCE"/launch/networks/*.yaml; do
    name=$(basename "$file" .yaml)
    "$convoy" summary "$name" >summary.txt || fail "summary $name"
    echo "| \`$name\` | $(awk '$1 == "input" {print $2}' summary.txt) |" \
      "$(sed -n 's/^total: \(.*\) parameters, \(.*\) multiply-adds an image$/\1 | \2/p' summary.txt) |"
  done
}

# between MARK < page: what stands between the two comments
between() {
  sed -n "/^<!-- $1 -->\$/,/^<!-- \/$1 -->\$/p" "$page" | sed '1d;$d'
}

replace() { # replace MARK FILE
  sed -i -e "/^<!-- $1 -->\$/,/^<!-- \/$1 -->\$/{/^<!-- /!d}" -e "/^<!-- $1 -->\$/r $2" "$page"
}

networks >networks.md
"$convoy" layers --markdown >layers.md
for part in "networks networks.md" "convoy layers --markdown layers.md"; do
  mark=${part% *} file=${part##* }
  [ "$update" != --update ] || replace "$mark" "$file"
  between "$mark" >there.md
  cmp -s there.md "$file" || fail "launch/networks/README.md, '$mark', is stale: $(diff there.md "$file" | head -5)"
done

# JSON that parses, with every layer type in it.
if command -v python3 >/dev/null; then
  "$convoy" layers --json | python3 -c 'import json, sys; names = [l["name"] for l in json.load(sys.stdin)["layers"]]
assert len(names) >= 18 and "batch_norm" in names, names' || fail "layers --json"
  for network in lenet5 resnet18 googlenet; do
    "$convoy" summary $network --json | python3 -c 'import json, sys; s = json.load(sys.stdin)
assert sum(l["parameters"] for l in s["layers"]) == s["parameters"] > 0' || fail "summary $network --json"
  done
fi

# Graphs.
"$convoy" summary googlenet aux=true --graph net.dot >/dev/null || fail "--graph net.dot"
grep -q 'subgraph "cluster_1' net.dot && grep -q 'dashed' net.dot && grep -q 'image -> n0' net.dot || fail "net.dot: $(head -20 net.dot)"
expect 2 "ends in .svg, .pdf, .png or .dot" "$convoy" summary lenet --graph net.gif
expect 1 "cannot be written" "$convoy" summary lenet --graph nowhere/net.dot
expect 1 "apt-get install graphviz" env PATH=/nowhere "$convoy" summary lenet --graph net.svg
if command -v dot >/dev/null; then
  "$convoy" summary resnet18 --graph net.svg >/dev/null && grep -q '</svg>' net.svg || fail "--graph net.svg"
  printf '%s\n' 'name: "<&>"' 'input: [2, 2, 1]' 'layers:' '  - fc: {name: "\\N \"q\" \x01", outputs: 2}' '  - softmax_loss' >odd.yaml
  "$convoy" summary ./odd.yaml --graph odd.svg >/dev/null && grep -qF '>\N &quot;q&quot;' odd.svg || fail "odd names: $(grep '<text' odd.svg)"
else
  echo "skipped: e2e.pages, drawing (no Graphviz)"
fi
finish
