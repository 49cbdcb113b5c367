# Tests that several nodes (network namespaces with nothing in common but their links) give the same bits as
# one process, and that doctor sees them.
. "$(dirname "$0")/lib" "$1"
here=$(cd "$(dirname "$0")/.." && pwd)/cluster
unset OMPI_MCA_hwloc_base_binding_policy OMPI_MCA_rmaps_base_oversubscribe

nodes() { # nodes N RANKS_A_NODE COMMAND...
  timeout 300 bash "$here/run.sh" --nodes "$1" --ranks-per-node "$2" "${@:3}"
}
why=$(nodes 2 1 hostname 2>&1)
case $? in
  0) ;;
  77) echo "skipped: e2e.cluster (${why#*(}" && exit 77 ;;
  *) fail "two nodes: $why" && finish ;;
esac
[ "$(echo "$why" | sort | tr '\n' ' ')" = "node0 node1 " ] || fail "two nodes are: $why"

lenet5_on_digits 32 8 "epochs: 2" "solver: {sgd: {momentum: 0.9}}" "learning_rate: {constant: {rate: 0.05}}" \
  "log_every: 1" "check_every: 3"
train() { # train COMMAND...: prints what defines the result
  rm -rf run
  "$@" "$convoy" train ./recipe.yaml --threads 1 --json >out.json 2>err.log || fail "$*: $(cat err.log)"
  echo "$(outcome) $(losses run | cksum)"
}
one=$(train env)
for how in "2 1" "4 1" "2 2"; do
  # shellcheck disable=SC2086
  now=$(train nodes $how)
  echo "nodes, ranks a node $how: $now"
  [ "$now" = "$one" ] || fail "$how gives other bits than one process: $one"
  [ "$(grep -c "parameters set: btl_tcp_links=4" err.log)" = 1 ] || fail "$how: the setting is not told once: $(cat err.log)"
  ! grep -q warning err.log || fail "$how: $(cat err.log)"
done
export CLUSTER_MPIRUN_OPTIONS="--map-by node"
now=$(train nodes 2 2)
[ "$now" = "$one" ] || fail "ranks in turn give other bits"
grep -q "warning: ranks 0 and 1 are on node0 and node1" err.log || fail "the order of ranks is not warned of: $(cat err.log)"
expect 1 "order: ranks 0 and 1 are on node0 and node1" nodes 2 2 "$convoy" doctor --threads 1

unset CLUSTER_MPIRUN_OPTIONS
nodes 2 2 "$convoy" doctor --threads 1 --data data --json >out.json 2>err.log || fail "doctor: $(cat err.log)"
/usr/bin/python3 - <<'END' || fail "doctor --json: $(cat out.json)"
import json
d = json.load(open("out.json"))
ranks = d["ranks"]
assert d["nodes"] == 2 and d["verdict"] == "ok" and [r["host"] for r in ranks] == ["node0", "node0", "node1", "node1"], d
assert [r["nearest"]["partner"] for r in ranks] == [1, 0, 3, 2] and [r["farthest"]["partner"] for r in ranks] == [2, 3, 0, 1], d
assert all(abs(r["clock_ahead_s"]) <= r["clock_error_s"] for r in ranks), d   # the nodes share the clock
assert ["read_bytes" in r for r in ranks] == [True, False, True, False], d
# The two pairs share 1 Gbit/s; bursts of some 100 KB pass faster.
assert all(r["farthest"]["both_ways_bytes_s"] < 1.5e8 for r in ranks), d
END
nodes 2 1 "$convoy" bench allreduce 1 4 --steps 2 --json >out.json 2>err.log || fail "bench allreduce: $(cat err.log)"
/usr/bin/python3 - <<'END' || fail "bench allreduce --json: $(cat out.json)"
import json
b = json.load(open("out.json"))
assert b["ranks"] == 2 and [s["bytes"] for s in b["sizes"]] == [1 << 20, 4 << 20], b
for s in b["sizes"]:
    for key in "bound_s", "exact_whole_s", "exact_sharded_s", "allreduce_s", "iallreduce_s":
        t = s[key]
        assert 0 < t["lowest"] <= t["median"] <= t["highest"], (key, s)
assert b["sizes"][1]["bound_s"]["lowest"] > 0.8 * 4e6 / 125e6, b   # 4 MiB each way over 1 Gbit/s
END
finish
