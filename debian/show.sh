#!/bin/sh
# show.sh LOOM DIR: what the executable LOOM prints of itself, manual page and completions, into DIR.
set -eu

mkdir -p "$2"
"$1" man >"$2/loom.1"
"$1" completions bash >"$2/loom.bash"
"$1" completions zsh >"$2/_loom"
"$1" completions fish >"$2/loom.fish"
