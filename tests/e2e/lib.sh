# What the end-to-end tests share. Usage: . "$(dirname "$0")/lib.sh" "$1"
set -u
convoy=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/convoy-e2e-XXXXXX")
trap 'umount "$work"/disk* 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

finish() {
  [ "$failures" = 0 ] || exit 1
  echo "all passed"
}

ranks() { # ranks N COMMAND...
  local n=$1
  shift
  timeout 300 mpirun --oversubscribe -n "$n" "$@"
}

field() { # field NAME: of the JSON object on stdin
  sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" | tail -n 1
}

# expect CODE TEXT COMMAND...: the exit code, and TEXT somewhere in the output.
expect() {
  local code=$1 text=$2 output got
  shift 2
  output=$("$@" 2>&1)
  got=$?
  [ "$got" = "$code" ] || fail "'$*' ended with $got instead of $code: $output"
  case $output in
    *"$text"*) ;;
    *) fail "'$*' does not say '$text' but: $output" ;;
  esac
}

digits() { # digits DIR COUNT: a small dataset
  "$convoy" prepare synthetic -o "$1" --count "$2" >prepare.log 2>&1 || {
    cat prepare.log
    exit 1
  }
}
