#!/bin/sh
# Installs the Debian packages that Convoy is built from: sh launch/packages.sh [tests]
# It works as root or through sudo; otherwise it prints the line to run and exits with 2. Where all packages
# are there it does nothing.
set -eu
packages="gcc libc6-dev cmake make pkg-config
  libopenmpi-dev openmpi-bin
  libopenblas-pthread-dev
  libhdf5-dev
  libyaml-dev
  librandom123-dev
  libxxhash-dev
  libjpeg62-turbo-dev libspng-dev zlib1g-dev libisal-dev
  libarchive-dev liblmdb-dev libleveldb-dev libjansson-dev
  graphviz"
# Open MPI: ranks, OpenBLAS: matrix products, libhdf5: shards and checkpoints, libyaml: recipes, librandom123: counted random
# numbers, libxxhash: hashes of weights, libjpeg-turbo and libspng: pictures, zlib: gzipped datasets, ISA-L: CRC-32
# of records, libarchive: compressed tars and zips of datasets, LMDB and LevelDB: datasets of Caffe,
# Jansson: what weights of other programs say about themselves in JSON,
# Graphviz: pictures of networks (convoy summary --graph).
# For the tests: CUnit, h5py and h5dump as independent readers of shards and checkpoints, other makers' libraries that
# write datasets, pkill and pgrep, Clang with libFuzzer and the sanitizers.
[ "${1:-}" = tests ] && packages="$packages libcunit1-dev hdf5-tools python3-h5py python3-lmdb python3-plyvel python3-protobuf procps
  clang libclang-rt-14-dev"

missing=
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

run=
if [ "$(id -u)" != 0 ]; then
  run=sudo
  if ! sudo -n true 2>/dev/null && ! { [ -t 0 ] && command -v sudo >/dev/null; }; then
    echo "These packages are missing, and installing them needs root. Run:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 2
  fi
fi
echo "installing:$missing" >&2
$run apt-get update -q >&2
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
