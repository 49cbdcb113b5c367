#!/bin/bash
# Several nodes on one machine: network namespaces on one bridge, each link limited, and mpirun across them.
#
#   tests/cluster/run.sh [--nodes N] [--mbit M] [--ranks-per-node R] COMMAND...
#
# Runs COMMAND on N * R ranks [2 nodes of 1]. The nodes share files and cores, but have no memory and no network in common
# but their links of M Mbit/s each way [1000]. Needs root, ip (iproute2) and Open MPI; without the right to make namespaces
# it says "skipped" and exits with 77.
set -euo pipefail
nodes=2 mbit=1000 per_node=1
while [ $# -gt 0 ]; do
  case $1 in
  --nodes) nodes=$2 && shift 2 ;;
  --mbit) mbit=$2 && shift 2 ;;
  --ranks-per-node) per_node=$2 && shift 2 ;;
  --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' && exit ;;
  --*) echo "run.sh: no option '$1'; --help tells them" >&2 && exit 2 ;;
  *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "run.sh: no command; --help tells how it is used" >&2 && exit 2; }

here=$(mktemp -d)
name=cvy$$
net=10.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 1))
skip() {
  echo "skipped: cluster ($1)"
  exit 77
}
clean() {
  for ((i = 0; i < nodes; i++)); do ip netns del "$name-$i" 2>/dev/null || true; done
  ip link del "$name" 2>/dev/null || true
  rm -rf "$here"
}
trap clean EXIT
trap 'exit 130' INT TERM

command -v ip >/dev/null || skip "there is no ip, of Debian's iproute2"
ip netns add "$name-0" 2>/dev/null || skip "no right to make network namespaces"
ip link add "$name" type bridge 2>/dev/null || skip "no right to make a bridge"
ip link set "$name" up
for ((i = 0; i < nodes; i++)); do
  [ $i -eq 0 ] || ip netns add "$name-$i"
  node() { ip netns exec "$name-$i" "$@"; }
  ip link add "$name.$i" type veth peer name eth0 netns "$name-$i"
  ip link set "$name.$i" master "$name" up
  node ip link set lo up
  node ip address add "$net.$((i + 1))/24" dev eth0
  node ip link set eth0 up
  # This machine may prefer another way: BBR, for one, stops for 200 ms every ten seconds. Linux's default may
  # not be allowed here.
  for tcp in cubic reno; do node sysctl -qw net.ipv4.tcp_congestion_control=$tcp 2>/dev/null && break; done || true
  # The burst is worth half a millisecond; what waits is dropped no sooner than TCP slows down.
  for end in "node tc qdisc add dev eth0" "tc qdisc add dev $name.$i"; do
    $end root tbf rate "${mbit}mbit" burst 128kb latency 50ms 2>/dev/null || skip "no right to limit a link"
  done
  mkdir "$here/tmp-$i"
  echo "$net.$((i + 1)) slots=$per_node" >>"$here/hosts"
done

# mpirun reaches another node by this: AGENT HOST COMMAND.
cat >"$here/agent" <<AGENT
#!/bin/sh
host=\$1
shift
node=\$((\${host##*.} - 1))
export TMPDIR=$here/tmp-\$node
exec ip netns exec "$name-\$node" unshare --uts sh -c "hostname node\$node && \$*"
AGENT
chmod +x "$here/agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
status=0
TMPDIR=$here/tmp-0 ip netns exec "$name-0" unshare --uts sh -c 'hostname node0 && exec "$@"' sh \
  mpirun --hostfile "$here/hosts" -n $((nodes * per_node)) --bind-to none --oversubscribe \
  --mca plm_rsh_agent "$here/agent" --mca btl self,vader,tcp --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 \
  ${CLUSTER_MPIRUN_OPTIONS:-} "$@" || status=$?
exit $status
