# Every network that comes with Convoy is compared with PyTorch: at a small size, and at its own.
. "$(dirname "$0")/lib" "$1"
golden=$CONVOY_SOURCE/tests/reference/golden
for file in "$CONVOY_SOURCE"/launch/networks/*.yaml; do
  name=$(basename "$file" .yaml)
  other=$(sed -n 's/^network: \([a-z0-9-]*\)$/\1/p' "$file") # the same network under another name
  name=${other:-$name}
  [ -f "$golden/$name.yaml" ] || fail "$name has no tests/reference/golden/$name.yaml"
  grep -q '^parameters: {}$' "$golden/$name.yaml" || [ -f "$golden/$name-full.yaml" ] ||
    fail "$name has no tests/reference/golden/$name-full.yaml"
done
finish
