#!/bin/sh
# Installs what is missing, builds, runs every test.
set -eu
cd "$(dirname "$0")/.."
sh launch/packages.sh tests || exit 2
cmake --preset release -DCONVOY_WERROR=ON
cmake --build --preset release -j "$(nproc)"
ctest --preset release -j "$(nproc)" "$@"
