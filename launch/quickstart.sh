#!/bin/sh
# Leads from a fresh Debian 12 to a trained LeNet-5: it installs, builds, draws a dataset, and trains on two
# MPI ranks.
set -eu
cd "$(dirname "$0")/.."
sh launch/packages.sh || exit 2

mkdir -p build
cmake --preset release >build/quickstart.log 2>&1 && cmake --build --preset release --target convoy -j "$(nproc)" >>build/quickstart.log 2>&1 || {
  cat build/quickstart.log >&2
  exit 1
}
convoy=build/release/convoy
$convoy --version

if [ "$(id -u)" = 0 ]; then # in a container one is root
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

[ -e data/digits/train-00000-of-00001.h5 ] || $convoy prepare synthetic -o data/digits

run=runs/lenet5-digits
before=
[ ! -e $run/last.h5 ] || before=$($convoy inspect $run/last.h5 | awk '$1 == "weights" {print $2}')
mpirun --oversubscribe -n 2 $convoy train lenet5-digits --overwrite
mpirun --oversubscribe -n 2 $convoy eval $run/best.h5
after=$($convoy inspect $run/last.h5 | awk '$1 == "weights" {print $2}')
if [ "$before" = "$after" ]; then
  echo "the weights have the same bits as last time: $after"
fi

[ "$(id -u)" != 0 ] || echo "As root, first: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
cat <<END

What to try next:
  mpirun -n 1 $convoy train lenet5-digits run=runs/one-rank      # one rank, the same bits
  $convoy summary lenet5                                         # the network's layers, sizes and memory
  $convoy inspect $run/best.h5                                   # what the checkpoint holds
  $convoy prepare --help                                         # your own pictures, MNIST, Hoda
  $convoy train --help
END
