#!/bin/sh
# Installed where nobody runs services and there is no Python; started by hand, used, upgraded,
# removed. All is in namespaces of its own, which end with this test.
set -eu
. tests/package/lib.sh

if [ -z "${INSIDE:-}" ]; then
    if command -v chromium >/dev/null; then
        cargo test --locked --quiet --test page --no-run
    else
        skip browser "there is no chromium"
    fi
    root=$(mktemp -d)
    export root
    trap 'rm -rf --one-file-system "$root"' EXIT
    trap 'exit 1' INT TERM
    machine "$root" "$deb"
    INSIDE=1 timeout -k 5 300 unshare --pid --mount --net --uts --ipc --fork --kill-child \
        sh tests/package/chroot.sh
    exit
fi

ip link set lo up
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=755 run "$root/run"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }
as_loom() { inside setpriv --reuid loom --regid loom --init-groups env HOME=/var/lib/loom RUNTIME_DIRECTORY=/run/loom "$@"; }
start() {
    as_loom loom -n -c /etc/loom/loom.yaml >"$root/daemon.log" 2>&1 &
    daemon=$!
    within 20 inside loom jobs || { cat "$root/daemon.log" >&2; fail "the daemon does not answer"; }
}

printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir "$root/hidden"
mv "$root"/usr/bin/python3* "$root/hidden"
inside dpkg --install /loom.deb >/dev/null
inside sh /inside/installed.sh
inside install -d -m 700 -o loom -g loom /run/loom
start
inside loom stop --wait >/dev/null
wait "$daemon" || true

echo "-- upgraded: what nobody has changed is new, and as private as it was"
inside dpkg --install /newer.deb >/dev/null
grep -q 'new in the newer package' "$root/etc/loom/loom.yaml" || fail "loom.yaml was not brought up to date"
[ "$(inside stat -c '%a %U:%G' /etc/loom/loom.yaml)" = "640 root:loom" ] || fail "an upgrade changed whose loom.yaml is"

echo "-- used"
mv "$root"/hidden/* "$root/usr/bin"
inside install -d -m 755 /run/sshd
inside /usr/sbin/sshd
inside sh /inside/prepare.sh
start
inside sh /inside/use.sh
if command -v chromium >/dev/null; then
    echo "-- looked at in a browser"
    mount -t proc proc /proc
    LOOM_PAGE=http://127.0.0.1:7411/ LOOM_PAGE_TOKEN=$(inside loom token add page --role operator 2>/dev/null) \
        cargo test --locked --offline --quiet --test page -- --ignored installed >"$root/browser.log" 2>&1 ||
        { cat "$root/browser.log" >&2; fail "the page does not do what it should"; }
fi
inside loom stop --wait >/dev/null
wait "$daemon" || true

echo "-- removed"
inside sh /inside/removed.sh
