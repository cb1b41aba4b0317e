#!/bin/sh
# crates.sh CARGO_HOME: prints which crates are linked into the executables, under which licence, and
# the notices that they want to be passed on. For usr/share/doc/loom.
set -eu

export LC_ALL=C
list=$(mktemp)
trap 'rm -f "$list"' EXIT
cargo tree --locked --quiet --workspace --target "$(rustc -vV | sed -n 's/^host: //p')" \
    --edges normal --prefix none --no-dedupe --format '{p}|{l}' |
    sed '/^$/d; /^loom/d; s/ v/ /; s/ (proc-macro)//' | sort -u >"$list"

echo "The crates in loom, loom-worker and loom-gateway, and their licences; below, their notices."
echo
tr '|' '\t' <"$list" | awk -F '\t' '{ printf "%-34s %s\n", $1, $2 }'
cut -d '|' -f 1 "$list" | while read -r name version; do
    sources=$(find "$1/registry/src" -mindepth 2 -maxdepth 2 -name "$name-$version" | sort | head -n 1)
    for file in "$sources"/*; do
        case ${file##*/} in
        LICENSE* | LICENCE* | COPYING* | COPYRIGHT* | NOTICE*) ;;
        *) continue ;;
        esac
        # A Debian has that one in /usr/share/common-licenses.
        if [ ! -f "$file" ] || head -n 3 "$file" | grep -q 'Apache License$'; then continue; fi
        printf '\n==== %s %s: %s\n\n' "$name" "$version" "${file##*/}"
        cat "$file"
    done
done
