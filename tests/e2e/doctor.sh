# Tests what convoy doctor says of good and bad placements, that its advice helps, and that no setting of the
# user's is overruled.
# It runs alone, for it measures time.
. "$(dirname "$0")/lib" "$1"
export HOME=$work
unset OMPI_MCA_hwloc_base_binding_policy OMPI_MCA_rmaps_base_oversubscribe
cores=$(nproc)

# doctor MPIRUN_OPTIONS... -- OPTIONS...: out.txt and err.txt get all that it says; its exit code is $status.
doctor() {
  local how=()
  while [ "$1" != -- ]; do how+=("$1") && shift; done
  shift
  timeout 120 mpirun "${how[@]}" "$convoy" doctor "$@" >out.txt 2>err.txt
  status=$?
}
healthy() { # healthy MPIRUN_OPTIONS... -- OPTIONS...
  doctor "$@"
  [ $status = 0 ] && [ "$(tail -n 1 out.txt)" = ok ] || fail "doctor $* is not well: $(cat out.txt err.txt)"
}
ill() { # ill NAME MPIRUN_OPTIONS... -- OPTIONS...
  local name=$1
  shift
  doctor "$@"
  [ $status = 1 ] && grep -q "^$name: " out.txt || fail "doctor $* does not name '$name': $(cat out.txt err.txt)"
}
# Runs doctor in the placement that the last one advised, which must be well.
advised() {
  local line
  line=$(sed -n 's/^better: mpirun \(.*\) convoy train \.\.\.$/\1/p' out.txt)
  [ -n "$line" ] || fail "no advice: $(cat out.txt)"
  # shellcheck disable=SC2086
  healthy $line --
}

expect 0 "ok" "$convoy" doctor
expect 0 "1 rank on 1 node" "$convoy" doctor --threads 1
expect 2 "one word too many" "$convoy" doctor data
healthy -n 1 --bind-to none --
ill oversubscribed -n 2 --oversubscribe --bind-to none -- --threads "$cores"
advised
ill oversubscribed -n $((4 * cores)) --oversubscribe --bind-to none --
advised
ill oversubscribed -n 2 --oversubscribe --bind-to none -- --threads 1024
[ "$cores" -lt 4 ] || healthy -n 4 --bind-to none --
if [ "$cores" -ge 2 ]; then
  healthy -n 2 --bind-to none -- --threads 1
  ill binding -n 1 --bind-to core -- --threads 2
  grep -q "^binding: rank 0 on $(hostname) has 2 threads but may run on core" out.txt || fail "the binding is not told: $(cat out.txt)"
  advised
  ill idle -n 1 --bind-to core --
  advised
  ill binding -n 2 --oversubscribe --bind-to core -- --threads 2
  advised
else
  echo "skipped: e2e.doctor, binding (one core)"
fi

# The JSON says the same.
doctor -n 2 --oversubscribe --bind-to none -- --threads "$cores" --json
/usr/bin/python3 - <<'END' || fail "doctor --json: $(cat out.txt)"
import json
d = json.load(open("out.txt"))
assert [p["name"] for p in d["problems"]] == ["oversubscribed"] and d["verdict"] == "problems" and d["better"], d
assert d["nodes"] == 1 and len(d["ranks"]) == 2 and d["thread_level"].startswith("MPI_THREAD_"), d
for me, r in enumerate(d["ranks"]):
    assert r["nearest"]["partner"] == 1 - me and r["nearest"]["latency_s"] > 0 and 0 <= r["nearest"]["work_s_per_byte"] < 1e-6 and "farthest" not in r, r
    assert r["threads"] >= 1 and r["cores"] and r["free_bytes"] > 0 and "HDF5" in r["software"], r
END

# The data is read, and a message says where it is missing.
digits data 200
doctor -n 2 --oversubscribe --bind-to none -- --data data
grep -q "read_again_MB/s" out.txt || fail "doctor --data: $(cat out.txt err.txt)"
mkdir empty
expect 2 "nowhere: No such file or directory; expected a folder of shards, or a file" "$convoy" doctor --data nowhere
expect 2 "empty: there are no files in this folder" "$convoy" doctor --data empty

# Open MPI has Convoy's parameters, unless the user has set others, in whatever place.
links() { # links N WHERE COMMAND...
  local n=$1 where=$2
  shift 2
  "$@" >out.txt 2>err.txt
  grep -q "^TCP connections of a pair: $n;" out.txt || fail "btl_tcp_links by $where: $(cat out.txt err.txt)"
}
doctor1() { mpirun "$@" -n 1 --bind-to none "$convoy" doctor; }
links 4 nobody "$convoy" doctor
links 4 nobody doctor1
links 2 "the environment" env OMPI_MCA_btl_tcp_links=2 "$convoy" doctor
links 3 "mpirun --mca" doctor1 --mca btl_tcp_links 3
# Open MPI 4.1.4 overlooks --am for btl_tcp_links, and so keeps its default.
echo "btl_tcp_links = 5 # as I like it" >am.conf
links "[15]" "mpirun --am" doctor1 --am "$work/am.conf"
echo "-mca btl_tcp_links 6" >tune.conf
links 6 "mpirun --tune" doctor1 --tune "$work/tune.conf"
# The system's file is kept, for a network that it excludes may hang.
{ echo "btl_tcp_links = 5" && cat /etc/openmpi/openmpi-mca-params.conf 2>/dev/null; } >whole.conf
links 5 "a file" env OMPI_MCA_mca_base_param_files="$work/whole.conf" "$convoy" doctor
mkdir .openmpi
echo "# btl_tcp_links = 9" >.openmpi/mca-params.conf
links 4 "a comment" "$convoy" doctor
cp am.conf .openmpi/mca-params.conf
links 5 "the user's file" "$convoy" doctor
rm -r .openmpi

# Where a process may not read another's memory, Open MPI must not try.
printf '%s\n' '#include <errno.h>' 'long process_vm_readv(void) { errno = EPERM; return -1; }' >forbid.c
if cc -shared -fPIC forbid.c -o forbid.so 2>/dev/null; then
  doctor -n 2 --oversubscribe --bind-to none -x LD_PRELOAD="$work/forbid.so" -- --threads 1
  grep -q "between ranks of a node: none" out.txt && grep -q "parameters set:.* btl_vader_single_copy_mechanism=none" err.txt ||
    fail "copies that are forbidden: $(cat out.txt err.txt)"
fi

# Training says it too, and says nothing where all is well.
cat >recipe.yaml <<'END'
network: lenet5
data: {train: data}
batch: 32
microbatch: 8
epochs: 1
learning_rate: {constant: {rate: 0.01}}
run: run
END
expect 0 "warning: on $(hostname) 2 ranks with $((2 * cores)) threads in all share $cores core" \
  mpirun -n 2 --oversubscribe --bind-to none "$convoy" train ./recipe.yaml --threads "$cores" --overwrite
expect 0 "warning: better: mpirun -n " mpirun -n 2 --oversubscribe --bind-to none "$convoy" train ./recipe.yaml --threads "$cores" --overwrite
quiet=$(mpirun -n 1 --bind-to none "$convoy" train ./recipe.yaml --overwrite 2>&1)
case $quiet in
  *warning* | *'parameters set'*) fail "training on one rank is not quiet: $quiet" ;;
esac
finish
