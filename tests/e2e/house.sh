# Checks the house rules that a program can check: which room may include which, and who alone may touch a
# library.
cd "$(dirname "$0")/../.." || exit 1
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# tests/house.py holds the map of the rooms (src/rooms.txt) against every include.
"${PYTHON:-python3}" tests/house.py || fail "the map of the rooms"

only_in() { # only_in HEADER FILES...
  local header=$1 found
  shift
  found=$(grep -rlE "#include [<\"]$header" src datasets include | grep -vE "$1")
  [ -z "$found" ] || fail "$header is included by $found"
}
only_in 'mpi\.h' '^src/comm/'
only_in 'hdf5' '^src/file/h5_[a-z]*\.[ch]$'
only_in 'cblas' '^src/math/gemm\.c$'
only_in 'yaml\.h>' '^src/base/yaml\.c$'
only_in 'pthread\.h' '^src/(base/thread\.h|(base/threads|math/gemm|file/h5_call)\.c)$'

library=$(ls src/*/*.c datasets/*.c | grep -v '^src/cmd/')
# shellcheck disable=SC2086
hits=$(grep -nE '\b(exit|abort|assert)\(' $library | grep -vE 'static_assert|_Static_assert|pthread_exit')
[ -z "$hits" ] || fail "exit, abort or assert in the library: $hits"

# Every MPI call is checked, but for two kinds. Some end the job or tell of an error, and may be called when
# MPI is not running. Those of the tools interface, MPI_T, may find that what is asked for is not there.
hits=$(grep -nE '\b(MPI|PMPI)_[A-Z][a-z_]+\(' src/comm/*.c | grep -v '\bMPI_T_' | grep -vE 'CVY_MPI\(MPI_|MPI_(Abort|Error_string|Get_library_version)\(')
[ -z "$hits" ] || fail "an MPI call that nobody checks: $hits"

# Public headers compile by themselves, in C and in C++.
for header in include/convoy/*.h; do
  echo "#include <convoy/$(basename "$header")>" >"${TMPDIR:-/tmp}/house-$$.c"
  cc -std=c17 -Wall -Wextra -Werror -Iinclude -fsyntax-only "${TMPDIR:-/tmp}/house-$$.c" || fail "$header does not stand alone"
  ! command -v c++ >/dev/null || c++ -x c++ -Iinclude -fsyntax-only "${TMPDIR:-/tmp}/house-$$.c" || fail "$header is not C++"
done
rm -f "${TMPDIR:-/tmp}/house-$$.c"

# Every network and recipe that comes with Convoy is whole.
for network in launch/networks/*.yaml; do "$1" summary "$network" >/dev/null || fail "$network"; done

[ "$failures" = 0 ] || exit 1
echo "the house is in order"
