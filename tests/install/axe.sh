#!/bin/sh
# Gets axe-core, which looks for what keeps people out of a page, below target/, in the version that
# is pinned here, unless it is there already. Without it the test that needs it reports that it was
# skipped.
set -eu

cd "$(dirname "$0")/../.."
wanted=4.14.1
dir=target/axe

[ "$(cat "$dir/version" 2>/dev/null)" = "$wanted" ] && exit 0
echo "getting axe-core $wanted in $dir"
rm -rf "$dir"
mkdir -p "$dir"
if command -v npm >/dev/null &&
    npm install --silent --no-save --ignore-scripts --prefix "$dir" "axe-core@$wanted"; then
    cp "$dir/node_modules/axe-core/axe.min.js" "$dir/axe.min.js"
    printf '%s' "$wanted" >"$dir/version"
else
    rm -rf "$dir"
    echo "axe-core cannot be had; its test will be skipped" >&2
fi
