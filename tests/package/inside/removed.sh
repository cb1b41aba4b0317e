#!/bin/sh
# The package is removed, installed again, and purged.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

dpkg --remove loom >/dev/null
[ -e /var/lib/loom/.ssh/id_ed25519 ] || fail "removal took the key away"
[ -e /var/lib/loom/ledger.db ] || fail "removal took the ledger away"
[ -e /etc/loom/nodes.yaml ] || fail "removal took nodes.yaml away"
[ ! -e /usr/bin/loom ] || fail "loom is there still"
! pgrep -u loom >/dev/null || fail "something of the daemon runs still: $(pgrep -a -u loom)"

dpkg --install /newer.deb >/dev/null
grep -q '^here' /etc/loom/nodes.yaml || fail "installed again, it forgot nodes.yaml"
loom check >/dev/null || fail "installed again, the configuration has errors"

mkdir -p /var/cache/loom
dpkg --purge loom >/dev/null
left=$(find /etc /usr /var /lib -xdev -path '*loom*' ! -path '/etc/loom*' ! -path '*/inside/*' 2>/dev/null |
    grep -v -e '^/var/log/' -e '^/var/lib/dpkg/' || true)
[ -z "$left" ] || fail "left behind: $left"
! getent passwd loom >/dev/null || fail "the user is there still"
! getent group loom >/dev/null || fail "the group is there still"
# What somebody has written is theirs; without that nothing is left.
[ ! -e /etc/loom/loom.yaml ] || fail "loom.yaml is there still"
[ -e /etc/loom/jobs/jobs.yaml ] || fail "purging took somebody's job away"
