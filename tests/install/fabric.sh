#!/bin/sh
# Installs what the Python bridge is compared with below target/fabric, in the versions that
# tests/fabric pins, unless it is there already: fab-classic in a virtual environment, and in
# `libraries` two libraries that build on it, as they were published. Without it the tests that
# compare report that they were skipped.
set -eu

cd "$(dirname "$0")/../.."
pins=tests/fabric
venv=target/fabric

# A link leads to the one of another checkout.
[ ! -L "$venv" ] || exit 0
cat "$pins/requirements.txt" "$pins/libraries.txt" | cmp -s - "$venv/pins.txt" && exit 0
echo "installing fab-classic in $venv"

# pip checks the sums of what it downloads. It wants to see what the libraries depend on, and runs
# their setup.py for it; they are not installed.
libraries() {
    PYTHONUTF8=1 PYTHONPATH="$PWD/$pins" "$venv/bin/pip" download --quiet \
        --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
        --require-hashes --requirement "$pins/libraries.txt" --dest "$venv/libraries" || return 1
    for archive in "$venv"/libraries/*.tar.gz; do
        tar --extract --gzip --no-same-owner --file "$archive" --directory "$venv/libraries" || return 1
        rm "$archive"
    done
}

rm -rf "$venv"
if python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$pins/requirements.txt" &&
    libraries; then
    cat "$pins/requirements.txt" "$pins/libraries.txt" >"$venv/pins.txt"
else
    rm -rf "$venv"
    echo "fab-classic cannot be installed; what is compared with it will be skipped" >&2
fi
