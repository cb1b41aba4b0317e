#!/bin/sh
# `make install` and `make uninstall`, with what the package was built from.
set -eu
. tests/package/lib.sh

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# The executables are there already.
made() { make --silent -o built BUILT=target/package-build/release SHOWN=target/package "$@" >/dev/null; }
listed() { (cd "$1" && find . ! -type d -printf '%m %s %p\n' | sort); }

made install DESTDIR="$dir/once" PREFIX=/usr/local
made install DESTDIR="$dir/twice" PREFIX=/usr/local
made install DESTDIR="$dir/twice" PREFIX=/usr/local
listed "$dir/once" >"$dir/list"
listed "$dir/twice" | cmp -s - "$dir/list" || fail "installed twice, it is something else"
unit=$dir/once/usr/local/lib/systemd/system/loom.service
grep -q '^ExecStart=/usr/local/bin/loom ' "$unit" || fail "the unit starts another loom"
grep -q '^ExecReload=/usr/local/bin/loom ' "$unit" || fail "the unit reloads by another loom"
! grep -q '/usr/bin' "$unit" || fail "the unit knows /usr/bin still"
made uninstall DESTDIR="$dir/once" PREFIX=/usr/local
[ -z "$(listed "$dir/once")" ] || fail "left behind: $(listed "$dir/once")"

# As the README's first run has it; loom finds its children.
mkdir "$dir/home"
made install PREFIX="$dir/home/.local"
[ ! -e "$dir/home/.local/lib/systemd" ] || fail "a home directory got a service of the system"
printf 'nodesfile: nodes.yaml\njobspath: jobs\nstatedir: state\n' >"$dir/home/loom.yaml"
mkdir "$dir/home/jobs"
printf 'here: {user: me, ip: 127.0.0.1}\n' >"$dir/home/nodes.yaml"
printf 'jobs:\n  p: {task: t.f, targets: here, schedule: "@never"}\n' >"$dir/home/jobs/p.yaml"
printf 'def f():\n    pass\n' >"$dir/home/t.py"
# It asks the worker about the task.
"$dir/home/.local/bin/loom" -c "$dir/home/loom.yaml" check --tasks | grep -q t.py ||
    fail "loom does not find its worker"
made uninstall PREFIX="$dir/home/.local"
[ -z "$(find "$dir/home/.local" ! -type d)" ] || fail "left behind in the home directory"
