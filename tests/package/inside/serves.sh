#!/bin/sh
# The service at work: runs, the page, reloads, restarts and stops; and what it must not be able to
# do. A system call that its filter refuses would kill whoever makes it here, and so fail this test.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

install -d /etc/systemd/system/loom.service.d
printf '[Service]\nSystemCallErrorNumber=kill\n' >/etc/systemd/system/loom.service.d/strict.conf
systemctl daemon-reload
sh /inside/prepare.sh
systemctl restart loom
sh /inside/use.sh

systemctl reload loom || fail "it does not reload"
echo 'jobs: [' >/etc/loom/jobs/broken.yaml
! systemctl reload loom 2>/dev/null || fail "a reload with a mistake has succeeded"
journalctl -u loom --no-pager -n 20 | grep -q 'broken.yaml:1:7: error' || fail "the journal does not name the mistake"
systemctl is-active --quiet loom || fail "a reload with a mistake has stopped it"
rm /etc/loom/jobs/broken.yaml

long_runs() { loom run long >/dev/null && within 20 pgrep -u deploy -x sleep; }
long_runs || fail "the long job does not start"
systemctl restart loom
[ "$(loom runs --job long --json | grep -c cancelled)" -gt 0 ] || fail "the ledger does not know the run as cancelled"
within 10 sh -c '! pgrep -u deploy -x sleep' || fail "the restart has left a command on the node"

long_runs || fail "the long job does not start again"
systemctl stop loom
[ "$(systemctl show -P Result loom)" = success ] || fail "the stop has failed: $(systemctl show -P Result loom)"
! pgrep -u loom >/dev/null || fail "the stop has left a process: $(pgrep -a -u loom)"
systemctl start loom
loom stop --wait >/dev/null
within 10 sh -c '! systemctl is-active --quiet loom'
sleep 6
! systemctl is-active --quiet loom || fail "after loom stop systemd has started it again"

! journalctl -u loom --no-pager | grep -i -e 'SIGSYS' -e 'status=31' -e 'Operation not permitted' ||
    fail "something was refused"

# As it is shipped from here on.
rm /etc/systemd/system/loom.service.d/strict.conf
systemctl daemon-reload
systemctl start loom
loom run break-out --wait >/tmp/said || fail "the Python task did not run: $(cat /tmp/said)"
! grep -q '| could [^n]' /tmp/said || fail "it is not held: $(cat /tmp/said)"
[ "$(grep -c '| could not' /tmp/said)" -eq 6 ] || fail "not all was tried: $(cat /tmp/said)"
