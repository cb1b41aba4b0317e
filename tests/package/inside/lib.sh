# Shared by what is run on a machine with the package. Sourced.
# shellcheck shell=sh

fail() {
    echo "tests/package: $*" >&2
    exit 1
}

# within SECONDS COMMAND...: until it succeeds.
within() {
    tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# mode FILE: its mode and whose it is.
mode() { stat -c '%a %U:%G' "$1"; }
