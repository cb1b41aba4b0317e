#!/bin/sh
# The service as the installation has started it: no node, no job, no port, all by itself.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

systemctl is-active --quiet loom || fail "the installation did not start the service"
systemctl is-enabled --quiet loom || fail "it would not start at boot"
loom status | grep -q '^jobs  *0$' || fail "it has jobs: $(loom status)"
# Its sockets are unix sockets; nothing of it is in these tables.
uid=$(id -u loom)
! awk -v uid="$uid" '$8 == uid' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | grep -q . ||
    fail "it listens on the network"
systemd-analyze security --no-pager --threshold=30 loom | tail -n 1 || fail "it is exposed to more than 3.0"
