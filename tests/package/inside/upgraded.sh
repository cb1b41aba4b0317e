#!/bin/sh
# An upgrade while a job runs: the daemon is another, the ledger and what somebody has changed stay.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

before=$(systemctl show -P MainPID loom)
loom run long >/dev/null
within 20 pgrep -u deploy -x sleep || fail "the long job does not start"
dpkg --install --force-confold /newer.deb >/dev/null 2>&1
[ "$(systemctl show -P MainPID loom)" != "$before" ] || fail "the old daemon runs still"
systemctl is-active --quiet loom || fail "the upgrade has not started the service"
grep -q '^listen' /etc/loom/loom.yaml || fail "the upgrade took the changes to loom.yaml away"
[ -e /etc/loom/loom.yaml.dpkg-dist ] || fail "the upgrade did not show its own loom.yaml"
loom runs --job long --limit 1 | grep -q cancelled || fail "the ledger does not know the run as cancelled"
loom runs --job hello | grep -q succeeded || fail "the upgrade took the ledger away"
within 10 sh -c '! pgrep -u deploy -x sleep' || fail "the upgrade has left a command on the node"
