#!/bin/sh
# A mail of a hook, by a sendmail that becomes another group for its spool, as postfix' does: held off
# by the unit, let through with examples/mail.conf.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

groupadd --system spool
install -d -m 730 -o root -g spool /var/spool/fake
install -d /usr/local/lib/fake
install -m 2755 -o root -g spool /usr/bin/tee /usr/local/lib/fake/tee
cat >/usr/sbin/sendmail <<'END'
#!/bin/sh
exec /usr/local/lib/fake/tee "/var/spool/fake/$$" >/dev/null
END
chmod 755 /usr/sbin/sendmail
mailed() { grep -rq 'dba@example.com' /var/spool/fake; }

! loom run fails --wait >/dev/null 2>&1 || fail "the failing job has succeeded"
within 10 sh -c 'journalctl -u loom --no-pager | grep -q "hook: fails: .*the mail failed"' || fail "the log is silent about the mail"
! mailed || fail "the unit lets a program become another group"

cp /usr/share/doc/loom/examples/mail.conf /etc/systemd/system/loom.service.d/
systemctl daemon-reload
systemctl restart loom
! loom run fails --wait >/dev/null 2>&1 || fail "the failing job has succeeded"
within 10 mailed || fail "mail.conf does not let the mail through"
rm -r /etc/systemd/system/loom.service.d
systemctl daemon-reload
