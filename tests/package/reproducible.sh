#!/bin/sh
# The package built from another clone, elsewhere, is the same. `deb` is the first.
set -eu
. tests/package/lib.sh

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

git clone --quiet --no-hardlinks . "$dir/elsewhere"
# What is not committed yet is built here, too.
git diff --binary HEAD >"$dir/changes"
[ ! -s "$dir/changes" ] || git -C "$dir/elsewhere" apply "$dir/changes"
mkdir "$dir/elsewhere/target"
ln -s "$PWD/target/tools" "$dir/elsewhere/target/tools"
built=$(TARGET=$dir/built sh "$dir/elsewhere/debian/build.sh")
other=$dir/elsewhere/$(echo "$built" | tail -n 1)
if ! cmp -s "$deb" "$other"; then
    mkdir "$dir/a" "$dir/b"
    dpkg-deb -R "$deb" "$dir/a"
    dpkg-deb -R "$other" "$dir/b"
    diff -rq "$dir/a" "$dir/b" >&2 || true
    fail "two builds differ"
fi
sha256sum "$deb" | cut -d ' ' -f 1
