# Tests more shards than files that may be open: the soft limit is raised, and where the hard one is too low,
# files take turns. The bits are the same.
. "$(dirname "$0")/lib" "$1"
cat >recipe.yaml <<'END'
network: lenet5
data: {train: many, val: many, threads: 3}
batch: 32
microbatch: 8
epochs: 2
run: run
END

# ---- only the soft limit is low ----
(
  ulimit -S -n 64
  expect 0 "in 110 shards" "$convoy" prepare synthetic -o many --count 600 --shards 110 --split train=0.8,val=0.2
  expect 0 "train: 480 images in 110 shards, 0 bad" "$convoy" verify many
  "$convoy" train ./recipe.yaml --json >soft.json 2>soft.log || fail "train: $(cat soft.log)"
  expect 0 "120 images: " "$convoy" eval run/best.h5 --data many
  ! grep -q "at most" soft.log || fail "files take turns although they need not: $(cat soft.log)"
  exit "$failures"
) || fail "with a low soft limit"

# ---- the hard limit is too low ----
(
  ulimit -n 128
  "$convoy" train ./recipe.yaml --json run=hard >hard.json 2>hard.log || fail "train: $(cat hard.log)"
  grep -q "many/train-00000-of-00110.h5 and others: of 110 files at most [0-9]* are open at once" hard.log || fail "taking turns is not told: $(cat hard.log)"
  "$convoy" train ./recipe.yaml --json run=block data.shuffle=block data.block=16 >block.json 2>&1 || fail "train in blocks: $(cat block.json)"
  expect 0 "train: 480 images in 110 shards, 0 bad" "$convoy" verify many
  expect 0 "120 images: " "$convoy" eval hard/best.h5 --data many
  expect 0 "in 110 shards" "$convoy" prepare synthetic -o again --count 600 --shards 110 --split train=0.8,val=0.2
  exit "$failures"
) || fail "with a low hard limit"
[ -n "$(weights soft.json)" ] || fail "no weights: $(cat soft.json)"
[ "$(weights hard.json)" = "$(weights soft.json)" ] || fail "files that take turns give other bits"

# Compressed shards are read through HDF5, and take turns too.
/usr/bin/python3 - <<'END' || fail "compressing"
import glob, h5py, os
os.mkdir("packed")
for path in glob.glob("many/*.h5"):
    with h5py.File(path) as old, h5py.File("packed/" + os.path.basename(path), "w") as new:
        for name, value in old.attrs.items(): new.attrs[name] = value
        for name, data in old.items():
            if name == "images": new.create_dataset(name, data=data[()], compression="gzip", chunks=(1,) + data.shape[1:])
            else: old.copy(name, new)
            for key, value in data.attrs.items(): new[name].attrs[key] = value
END
(ulimit -n 128 && exec "$convoy" train ./recipe.yaml --json data.train=packed data.val=packed run=packed.run) >packed.json 2>packed.log || fail "compressed shards: $(cat packed.log)"
[ "$(weights packed.json)" = "$(weights soft.json)" ] || fail "compressed files that take turns give other bits"
finish
