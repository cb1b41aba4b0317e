#!/bin/sh
# Installs schemathesis below target/, in the versions that tests/api/requirements.txt pins, unless
# it is there already. Without it the test that needs it reports that it was skipped.
set -eu

cd "$(dirname "$0")/../.."
wanted=tests/api/requirements.txt
venv=target/schemathesis

cmp -s "$wanted" "$venv/requirements.txt" && exit 0
echo "installing schemathesis in $venv"
rm -rf "$venv"
if python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"; then
    cp "$wanted" "$venv/requirements.txt"
else
    rm -rf "$venv"
    echo "schemathesis cannot be installed; its test will be skipped" >&2
fi
