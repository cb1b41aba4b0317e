#!/bin/sh
# Proves that the parent's package has no async runtime in its dependency tree.
set -eu

tree=$(cargo tree --locked --package loom --edges normal,build --prefix none)
found=$(printf '%s\n' "$tree" | grep -E '^(tokio|async-std|smol|mio) ' | sort -u) || true
if [ -n "$found" ]; then
    echo "package loom must not depend on an async runtime, but has:" >&2
    echo "$found" >&2
    exit 1
fi
echo "package loom: no async runtime among $(printf '%s\n' "$tree" | sort -u | wc -l) packages"
