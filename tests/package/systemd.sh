#!/bin/sh
# Installed on a machine that systemd has booted: a container with a network of its own.
set -eu
. tests/package/lib.sh

command -v systemd-nspawn >/dev/null || { skip systemd "systemd-nspawn is not installed"; exit; }

root=$(mktemp -d)
container=
leader=
clean_up() {
    # Its first process takes all others with it.
    if [ -n "$leader" ]; then kill -KILL "$leader" 2>/dev/null || true; fi
    if [ -n "$container" ]; then
        within 10 gone "$container" || kill -KILL "$container" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$root" "$root.log"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
trap clean_up EXIT
trap 'exit 1' INT TERM
machine "$root" "$deb"

# Where systemd runs here as well, it makes a place for the container among the control groups.
[ -d /run/systemd/system ] || keep=--keep-unit
systemd-nspawn --quiet --directory="$root" --machine="loom-package-$$" --boot --register=no \
    ${keep:+"$keep"} --private-network </dev/null >"$root.log" 2>&1 &
container=$!
inside() {
    timeout -k 5 "${limit:-120}" nsenter -t "$leader" -m -u -i -n -p -- \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
}
booted() {
    leader=$(pgrep -P "$container") && inside systemctl is-active multi-user.target
}
if ! within 60 booted; then
    skip systemd "no container boots here: $(tail -n 1 "$root.log")"
    exit
fi

inside dpkg --install /loom.deb >/dev/null 2>&1
inside sh /inside/installed.sh
for part in started serves mails upgraded; do
    echo "-- $part"
    inside sh "/inside/$part.sh" || { inside journalctl --no-pager -u loom -n 40 >&2; fail "$part"; }
done
echo "-- removed"
inside sh /inside/removed.sh
