# Tests names that are no UTF-8, or hold control characters: what is written of them is UTF-8, and can be
# undone.
. "$(dirname "$0")/lib" "$1"

cat >make.py <<'END'
import os, struct, tarfile, zipfile, zlib

def png(c):
    def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([c]) * 12 for _ in range(4))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

for name in b"K\xe4se", b"Apfel", "Öl".encode(), b"a\nb\x1b[31m":
    os.makedirs(b"folder/" + name)
    for i in range(3): open(b"folder/%s/\xfc%d.png" % (name, i), "wb").write(png(i))
open(b"folder/Apfel/kaputt\xff,\n.png", "wb").write(b"nope")
for name, kind in ("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT):
    with tarfile.open(name + ".tar", "w", format=kind) as tar: tar.add("folder")

# The byte of '#' becomes one that no encoding is told of.
def zipped(path, names, byte, extra=False):
    with zipfile.ZipFile(path, "w") as z:
        for name in names:
            for i in range(3):
                info = zipfile.ZipInfo(f"{name}/{i}.png")
                if extra and "#" in name:
                    raw, text = info.filename.encode().replace(b"#", byte), info.filename.replace("#", "ä").encode()
                    data = b"\1" + struct.pack("<I", zlib.crc32(raw)) + text
                    info.extra = struct.pack("<HH", 0x7075, len(data)) + data
                z.writestr(info, png(i))
    whole = open(path, "rb").read().replace(b"K#se", b"K" + byte + b"se")
    open(path, "wb").write(whole)
zipped("marked.zip", ("Apfel", "Käse", "猫"), b"#")
zipped("dos.zip", ("Apfel", "K#se"), b"\x84")
zipped("wrong.zip", ("Apfel", "Käse"), b"#")
whole = open("wrong.zip", "rb").read().replace("Käse".encode(), b"K\xe4xse")
open("wrong.zip", "wb").write(whole)
zipped("extra.zip", ("Apfel", "K#se"), b"\x84", True)
END
python3 make.py || fail "cannot make the inputs"

cat >classes.py <<'END'
import json, sys
sets = json.load(open(sys.argv[1], encoding="utf-8"))["splits"] # fails for other bytes
found = sorted(sets[0]["classes"])
if found != sorted(sys.argv[2:]): sys.exit(f"classes {found}")
END

check() { # check SOURCE INPUT TEXT OPTIONS -- CLASSES: prepares it, says TEXT once, and finds the classes
  local source=$1 input=$2 text=$3
  shift 3
  local options=()
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  rm -rf out
  "$convoy" prepare "$source" "$input" --size 4x4 -o out ${options[@]+"${options[@]}"} >said 2>&1 || fail "$input: $(cat said)"
  iconv -f utf8 -t utf8 said >/dev/null 2>&1 || fail "$input: what is said is no UTF-8"
  LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" said && fail "$input: control characters: $(cat -v said)"
  [ -z "$text" ] || [ "$(grep -cF -- "$text" said)" = 1 ] || fail "$input: '$text' is not said once: $(cat said)"
  "$convoy" verify out --json >verified 2>verify.log || fail "verify: $(cat verify.log verified)"
  python3 classes.py verified "$@" || fail "$source $input"
}

check tar pax.tar "name of 1 class is not UTF-8" -- Apfel 'K\xE4se' Öl 'a\x0Ab\x1B[31m'
check tar gnu.tar "" --encoding latin-1 -- Apfel Käse Öl 'a\x0Ab\x1B[31m'
check folder folder "" --encoding latin-1 -- Apfel Käse Öl 'a\x0Ab\x1B[31m'
check folder folder "--encoding latin-1 reads that as 'Käse'" -- Apfel 'K\xE4se' Öl 'a\x0Ab\x1B[31m'
[ "$(wc -l <out/rejected.csv)" = 2 ] || fail "rejected.csv: $(cat out/rejected.csv)"
grep -qF '"Apfel/kaputt\xFF,\x0A.png",' out/rejected.csv || fail "rejected.csv: $(cat out/rejected.csv)"
"$convoy" inspect out/train-*.h5 >said 2>&1 || fail "inspect: $(cat said)"
LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" said && fail "inspect: control characters: $(cat -v said)"
check folder folder "the name of 1 class holds control characters, which stand escaped as in 'a\x0Ab\x1B[31m'" --encoding latin-1 -- Apfel Käse Öl 'a\x0Ab\x1B[31m'
check tar marked.zip "" -- Apfel Käse 猫
check tar extra.zip "" -- Apfel Käse
check tar dos.zip "taken for cp437" -- Apfel Käse
check tar dos.zip "" --encoding cp1252 -- Apfel 'K„se'
check tar dos.zip "without --encoding they are taken for cp437" --encoding cp1252 -- Apfel 'K„se'
expect 2 "the name of member 4 is none, or is marked as UTF-8 but is in another encoding" "$convoy" prepare tar wrong.zip -o out2
expect 2 "--encoding utf-16: no names of files are in it" "$convoy" prepare folder folder --encoding utf-16 -o out2
expect 2 "--encoding utf-32le: no names of files are in it" "$convoy" prepare tar dos.zip --encoding utf-32le -o out2
expect 2 "no encoding 'klingon'" "$convoy" prepare tar dos.zip --encoding klingon -o out2

mkdir -p latin/Apfel latin/$'K\344se' utf8/Apfel utf8/Käse
for dir in latin/Apfel latin/$'K\344se' utf8/Apfel utf8/Käse; do cp folder/Apfel/*0.png "$dir/0.png"; done
expect 2 "could not learn it; --encoding says in which encoding the escaped names are" \
  "$convoy" prepare folder train=utf8 val=latin --missing-classes allow --size 4x4 -o out2
expect 0 "val: 2 images of 2 classes" "$convoy" prepare folder train=utf8 val=latin --encoding latin-1 --size 4x4 -o out2

printf '# K\344se\nnetwork: lenet5\n' >latin.yaml
expect 2 'latin.yaml:1:4: the byte 0xE4 is no UTF-8' "$convoy" train ./latin.yaml
printf 'K\344se' | xargs -0 -I% "$convoy" inspect % >said 2>&1
grep -qF 'K\xE4se' said || fail "a path: $(cat -v said)"

# Paths are bytes: those of options and of key=value too, and a recipe that keeps one is UTF-8 and can be used.
latin=$(printf 'K\344se')
cat >net.yaml <<'END'
name: small
input: [4, 4, 3]
layers: [{fc: {outputs: 4}}, softmax_loss]
END
cat >recipe.yaml <<'END'
{network: net.yaml, data: {train: set}, batch: 4, microbatch: 4, epochs: 1, run: run,
 learning_rate: {constant: {rate: 0.01}}}
END
expect 0 "" "$convoy" prepare folder folder --encoding latin-1 --size 4x4 -o "set$latin"
expect 0 "" "$convoy" train ./recipe.yaml "data.train=set$latin" "run=run$latin" --trace "trace$latin"
iconv -f utf8 -t utf8 "run$latin/recipe.yaml" >/dev/null || fail "recipe.yaml is no UTF-8"
expect 0 "" "$convoy" train ./recipe.yaml "data.train=set$latin" "run=run$latin" epochs=2 --resume
cp "run$latin/recipe.yaml" again.yaml
expect 0 "" "$convoy" train ./again.yaml --overwrite
expect 0 "" "$convoy" eval "run$latin" --data "set$latin"
expect 0 "" "$convoy" doctor --data "set$latin"
expect 2 'set\xE4: no such file' "$convoy" train ./recipe.yaml "data.train=set$(printf '\344')"
expect 2 "unknown command 'K\\xE4se'" "$convoy" "$latin"
finish
