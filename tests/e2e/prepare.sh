# Tests that preparing gives the same bytes at any number of ranks and threads, and after any number of kills.
# It also tests broken pictures, a full disk, and verify.
. "$(dirname "$0")/lib" "$1"

same() { # same DIR DIR WHAT: both have the same files with the same bytes
  diff -r "$1" "$2" >difference 2>&1 || fail "$3: $(head -5 difference)"
}

# ---- 1, 2 and 4 ranks, any threads, with pictures that cannot be read ----
for class in cat dog emu; do
  mkdir -p zoo/$class
  for i in $(seq 40); do cp "$CONVOY_SOURCE/tests/e2e/dot.png" zoo/$class/$i.png; done
  head -c 60 "$CONVOY_SOURCE/tests/e2e/dot.png" >zoo/$class/short.JPEG
  echo "no picture" >zoo/$class/text.jpg
  : >zoo/$class/nothing.jpg
done
zoo="$convoy prepare folder zoo --size 20x16 --shards 5"
expect 0 "9 images could not be read: zoo1/rejected.csv" $zoo -o zoo1
expect 0 "convoy: warning: 9 of 129 images are left out; the first: cat/" bash -c "$zoo -o zoo1w 2>&1 >/dev/null"
[ "$(wc -l <zoo1/rejected.csv)" = 10 ] || fail "rejected.csv: $(cat zoo1/rejected.csv)"
grep -q '^dog/nothing.jpg,empty (0 bytes)$' zoo1/rejected.csv || fail "rejected.csv: $(cat zoo1/rejected.csv)"
expect 0 "9 images could not be read" $zoo -o zoo1t --threads 3
same zoo1 zoo1t "3 threads"
for n in 2 4; do
  expect 0 "9 images could not be read" ranks $n $zoo -o zoo$n
  same zoo1 zoo$n "$n ranks"
done
[ "$(ls -A zoo1 | grep -c convoy)" = 0 ] || fail "the work folder stayed"
expect 0 "0 bad" "$convoy" verify zoo1
expect 1 "9 images cannot be read, more than --max-rejected allows (8 of 129)" $zoo -o few --max-rejected 8
expect 1 "more than --max-rejected allows (2 of 129)" ranks 2 $zoo -o few --max-rejected 2
[ "$(ls few)" = rejected.csv ] || fail "too much rejected, and left: $(ls few)"
expect 2 "--max-rejected many" $zoo -o few --max-rejected many
expect 2 "rank 1 was given another command" timeout 60 mpirun --oversubscribe -n 1 $zoo -o two : -n 1 $zoo -o two --seed 4
# The first file that a thread reads is empty, so the thread has no buffer yet.
mkdir -p hollow/a hollow/b && cp zoo/cat/1.png hollow/a/ && cp zoo/cat/1.png hollow/b/
for i in $(seq 2 30); do : >hollow/a/$i.png; : >hollow/b/$i.png; done
expect 0 "58 images could not be read" $convoy prepare folder hollow --size 20x16 --split train=1 --max-rejected 60 -o hollowed
mkdir node && cp -r zoo node/ && find node -name '*.jpg' | head -n 1 | xargs rm
expect 2 "sees other files, than rank 0" timeout 60 mpirun --oversubscribe -n 1 $zoo -o two : -n 1 -wdir "$work/node" $zoo -o two
[ ! -e two ] || fail "ranks that disagree made a folder"

# ---- killed at any moment, it goes on ----
many="$convoy prepare synthetic --count 40000 --shards 6 --threads 1"
expect 0 "train: 36000 images" $many -o whole

written() { ls -A killed/.convoy-prepare 2>/dev/null | grep -c -E '\.(written|sealed)$'; }

kill_after() { # kill_after SHARDS COMMAND...: kills it when so many shards are ready
  local shards=$1 job
  shift
  "$@" >/dev/null 2>&1 &
  job=$!
  for _ in $(seq 2000); do
    [ "$(written)" -lt "$shards" ] || break
    kill -0 $job 2>/dev/null || break
    sleep 0.005
  done
  kill -KILL $job 2>/dev/null
  wait $job 2>/dev/null
}

kill_after 2 $many -o killed
[ "$(written)" -ge 2 ] || fail "the killed run left no shards"
ls killed/*.h5 >/dev/null 2>&1 && fail "a killed run left shards under their final names"
kill_after 4 $many -o killed
# A run is killed while it seals a shard: the shard is made again.
first=$(ls killed/.convoy-prepare/*.written | head -n 1)
mv "$first" "${first%.written}.sealing"
echo "half a file" >"${first%.written}.h5.tmp"
expect 0 "going on with an earlier run" $many -o killed
same whole killed "killed and begun again"
for wait in 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8; do timeout -s KILL $wait $many -o again >/dev/null 2>&1; done
expect 0 "train: 36000 images" ranks 2 $many -o again
same whole again "killed at any moment"

# A run over an older set is killed before each of its renames in turn: what then stands there is a whole set
# or none.
cat >kill.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
int rename(const char *from, const char *to) {
  static int count;
  int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
  if (strstr(from, ".convoy-") && ++count == atoi(getenv("KILL_AT"))) raise(SIGKILL);
  return real(from, to);
}
C
if cc -shared -fPIC kill.c -o kill.so -ldl 2>/dev/null; then
  small="$convoy prepare synthetic --count 300 --shards 2 --threads 1"
  $small -o small >/dev/null 2>&1
  $small -o old --seed 2 >/dev/null 2>&1
  at=0
  while [ $at -lt 60 ]; do
    at=$((at + 1))
    rm -rf over && cp -r old over
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$work/kill.so KILL_AT=$at $small -o over >/dev/null 2>&1 && break
    "$convoy" verify over >verify.log 2>&1
    case $? in
      0) ;;
      2) grep -qE "is missing|no shards" verify.log || fail "killed at rename $at: $(cat verify.log)" ;;
      *) fail "killed at rename $at: $(cat verify.log)" ;;
    esac
    expect 0 "train: 270 images" $small -o over
    same small over "killed at rename $at"
  done
  [ $at -gt 15 ] && [ $at -lt 60 ] || fail "killing at renames came to $at"
else
  echo "skipped: killed at every rename (no C compiler)"
fi

# One of two ranks is killed.
rm -rf killed
timeout 100 mpirun --oversubscribe -n 2 $many -o "$work/killed" >/dev/null 2>&1 &
job=$!
for _ in $(seq 2000); do
  [ "$(written)" -lt 2 ] || break
  sleep 0.005
done
victim=$(pgrep -f "prepare synthetic --count 40000 .*-o $work/killed" | tail -n 1)
[ -z "$victim" ] || kill -KILL "$victim"
wait $job
for _ in $(seq 100); do pgrep -f "prepare synthetic --count 40000 .*-o $work/killed" >/dev/null || break; sleep 0.05; done
expect 0 "train: 36000 images" $many -o killed
same whole killed "one of two ranks killed"

# With other arguments a run starts afresh; a run at work keeps others away.
rm -rf killed
kill_after 1 $many -o killed
expect 0 "other arguments or sources is removed" $many -o killed --seed 2
expect 0 "train: 36000 images" $many -o killed
same whole killed "begun afresh"
"$convoy" prepare synthetic --count 400000 -o busy >/dev/null 2>&1 &
job=$!
for _ in $(seq 200); do [ -e busy/.convoy-prepare/plan ] && break; sleep 0.02; done
expect 2 "another convoy prepare is at work there" "$convoy" prepare synthetic --count 20 -o busy
kill -KILL $job
wait $job 2>/dev/null

# ---- a full disk, and room again ----
mkdir disk
if mount -t tmpfs -o size=4m none disk 2>/dev/null; then
  expect 1 "shards are ready and wait in disk/data/.convoy-prepare" "$convoy" prepare synthetic --count 6000 --shards 8 -o disk/data
  ls disk/data/*.h5 >/dev/null 2>&1 && fail "a full disk left shards"
  mount -o remount,size=40m disk
  expect 0 "going on with an earlier run" "$convoy" prepare synthetic --count 6000 --shards 8 -o disk/data
  "$convoy" prepare synthetic --count 6000 --shards 8 -o roomy >/dev/null 2>&1
  same disk/data roomy "after a full disk"
  umount disk
else
  echo "skipped: full disk (cannot mount a small disk)"
fi

# ---- a rank that is slow ----
# The others tell what they wait for, and not what they did before.
timeout 120 mpirun --oversubscribe -n 2 "$convoy" prepare synthetic --count 20000 --shards 40 -o slow >/dev/null 2>slow.log &
job=$!
# The file has three numbers a rank, the first of which counts records.
until [ -n "$(od -An -tu8 -j24 -N8 slow/.convoy-prepare/progress 2>/dev/null | tr -d '0 ')" ] || ! kill -0 $job; do sleep 0.01; done
second=$(grep -lz '^OMPI_COMM_WORLD_RANK=1$' $(pgrep -P "$(pgrep -P $job mpirun)" convoy | sed 's,.*,/proc/&/environ,') | tr -dc '0-9')
kill -STOP "$second"
for _ in $(seq 300); do grep -q "so far" slow.log && break; sleep 0.1; done
kill -CONT "$second"
wait $job || fail "a rank that is slow: $(cat slow.log)"
[ "$(sed -n 's/: [0-9]* s so far//p' slow.log | sort -u)" = "waiting for the shards of the other ranks" ] ||
  fail "what is under way while a rank is slow: $(cat slow.log)"

# ---- verify ----
expect 0 "train: 36000 images in 6 shards, 0 bad" "$convoy" verify whole
cp -r whole damaged
for at in 1000000 2000000; do
  printf '\377\000\377' | dd of=damaged/train-00002-of-00006.h5 bs=1 seek=$at conv=notrunc 2>/dev/null
done
expect 1 "damaged/train-00002-of-00006.h5: record" "$convoy" verify damaged
expect 1 "(digit " "$convoy" verify damaged --split train
expect 1 '"bad": 2' "$convoy" verify damaged --json
if command -v python3 >/dev/null; then
  "$convoy" verify damaged --json 2>/dev/null | python3 -c 'import json, sys
train = json.load(sys.stdin)["splits"][0]
assert train["images"] == 36000 and sum(train["classes"].values()) == 35998 and len(train["bad_records"]) == 2' || fail "verify --json"
fi
# Only the smallest and the largest are named where there are many classes.
for classes in 100 101; do
  "$convoy" prepare synthetic-photos --count 203 --classes $classes --pixels 8x8 --encoded --split train=1 -o $classes >/dev/null 2>&1
  "$convoy" verify $classes >$classes.out 2>&1 || fail "verify of $classes classes: $(cat $classes.out)"
done
[ "$(grep -c "^  class " 100.out)" = 100 ] && grep -q "^  class 002 *3$" 100.out || fail "100 classes are not listed: $(cat 100.out)"
[ "$(grep -v "^verifying" 101.out)" = "train: 203 images in 1 shard, 0 bad
  each of the 101 classes has at least 2 images ('class 001') and at most 3 ('class 000'); --json tells how many" ] ||
  fail "101 classes: $(cat 101.out)"
cp -r damaged interrupted
expect 0 "2 bad, dropped" "$convoy" verify damaged --repair
# The repair is killed before a rename. 1 is that of `publishing`, so the repair begins afresh; the others are
# of shards.
for at in 1 2 5 7; do
  [ -e kill.so ] || break
  rm -rf mended && cp -r interrupted mended
  ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$work/kill.so KILL_AT=$at "$convoy" verify mended --repair >/dev/null 2>&1
  [ -e mended/.convoy-repair-train ] || fail "the repair was not killed at rename $at"
  words="a repair that was interrupted is finished"
  [ $at -gt 1 ] || words="2 bad, dropped"
  expect 0 "$words" "$convoy" verify mended --repair
  same damaged mended "a repair killed at rename $at"
done
expect 0 "train: 35998 images in 6 shards, 0 bad" "$convoy" verify damaged
[ "$(ls -A damaged)" = "$(ls -A whole)" ] || fail "a repair left: $(ls -A damaged)"
rm damaged/val-00003-of-00006.h5
expect 2 "val-00003-of-00006.h5 is missing" "$convoy" verify damaged
expect 2 "no shards" "$convoy" verify "$CONVOY_SOURCE"

# ---- what users hand over by mistake ----
expect 0 "16 images" "$convoy" prepare synthetic-photos --count 16 --classes 4 --pixels 64x48 -o photos --split train=1
mkdir -p pets/cat pets/dog
/usr/bin/python3 - <<'END'
import h5py
with h5py.File("photos/train-00000-of-00001.h5") as f:
    for i in range(16):
        name = f"pets/{'cat' if i % 2 else 'dog'}/{i}.jpg"
        open(name, "wb").write(f["bytes"][f["offsets"][i]:f["offsets"][i + 1]].tobytes())
END
pets="$convoy prepare folder pets --split train=1"
expect 2 "lies inside pets, whose folders are classes" $pets -o pets/shards
expect 2 "lies inside pets, whose folders are classes" $pets -o ./pets/../pets/a/b
truncate -s 200G pets/cat/huge.jpg # sparse
expect 0 "train: 16 images" $pets -o taken
grep -qx 'cat/huge.jpg,214748364800 bytes; a picture.s file has at most 1073741824' taken/rejected.csv ||
  fail "the huge file: $(cat taken/rejected.csv)"
rm pets/cat/huge.jpg
mkdir pets/owl
echo "no picture" >pets/owl/1.jpg
expect 0 "no picture of 1 of 3 classes is in 'train': 'owl'" $pets -o taken
rm -r pets/owl
ln -s nowhere pets/owl
expect 2 "pets/owl: cannot read" $pets -o taken
rm pets/owl
expect 2 "12884901888 bytes an image; at most 268435456" $pets -o taken --size 65536x65536
printf '\n\n"pets/cat/1.jpg",cat\npets/dog/2.jpg,dog\n' >list.csv
expect 0 "train: 2 images of 2 classes" "$convoy" prepare csv list.csv -o listed --split train=1
printf 'pets/cat/1.jpg,cat\npets/dog/2.jpg,dog\npets/cat/1.jpg,dog\n' >list.csv
expect 2 "list.csv:3: pets/cat/1.jpg is 'dog' here, and 'cat' in line 1" "$convoy" prepare csv list.csv -o listed
printf 'pets/none1,cat\npets/none2,dog\n' >list.csv
expect 2 "list.csv:1: no column with a picture's path" "$convoy" prepare csv list.csv -o listed
printf 'cat/1.jpg 10.0\r\ndog/2.jpg 9\r\n' >list.txt
expect 2 "list.txt:1: ./cat/1.jpg: No such file; --root says" "$convoy" prepare csv list.txt -o listed
expect 0 "train: 2 images of 2 classes" "$convoy" prepare csv list.txt --root pets -o listed --split train=1
printf 'pets/cat/1.jpg;K\344tzchen\npets/dog/2.jpg;Hund\n' >list.csv
expect 2 "list.csv:1: the byte 0xe4 is no UTF-8; --encoding windows-1252" "$convoy" prepare csv list.csv -o listed
expect 0 "train: 2 images of 2 classes" "$convoy" prepare csv list.csv --encoding windows-1252 -o listed --split train=1

# ---- another source's input ----
tar -cf pets.tar pets
expect 2 "; 'convoy prepare tar' reads what this seems to be" "$convoy" prepare cifar10 pets.tar -o other
expect 2 "; 'convoy prepare folder' reads what this seems to be" "$convoy" prepare mnist pets -o other
expect 2 "; 'convoy prepare csv' reads what this seems to be" "$convoy" prepare tar list.csv -o other

# ---- odd pictures: read right or refused, never a crash, and what is stored can be read ----
if [ -d "${CONVOY_TEST_DATA:-}/odd-images" ]; then
  i=0
  mkdir -p odd/a odd/b
  find "$CONVOY_TEST_DATA/odd-images" -type f | sort >odd.txt
  while read -r file; do
    i=$((i + 1))
    class=$([ $((i % 2)) = 0 ] && echo a || echo b)
    cp "$file" "odd/$class/$i-$(basename "$file")"
  done <odd.txt
  for how in "--size 32x24" "--encoded" "--size 48" "--size 48 --exif ignore --colour grey"; do
    rm -rf odds
    # shellcheck disable=SC2086
    expect 0 "images could not be read: odds/rejected.csv" "$convoy" prepare folder odd -o odds --shards 3 --max-rejected 100% $how
    expect 0 "0 bad" "$convoy" verify odds
  done
else
  echo "skipped: odd pictures (no CONVOY_TEST_DATA)"
fi
finish
