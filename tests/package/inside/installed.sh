#!/bin/sh
# As the package has left the machine, before anybody has touched anything.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

getent passwd loom | grep -q ':/var/lib/loom:/usr/sbin/nologin$' || fail "there is no user loom"
[ "$(mode /etc/loom)" = "750 root:loom" ] || fail "/etc/loom is $(mode /etc/loom)"
[ "$(mode /etc/loom/jobs)" = "750 root:loom" ] || fail "jobs is $(mode /etc/loom/jobs)"
[ "$(mode /etc/loom/nodes.yaml)" = "640 root:loom" ] || fail "nodes.yaml is $(mode /etc/loom/nodes.yaml)"
[ "$(mode /var/lib/loom)" = "700 loom:loom" ] || fail "the state is $(mode /var/lib/loom)"
[ "$(mode /var/lib/loom/.ssh)" = "700 loom:loom" ] || fail ".ssh is $(mode /var/lib/loom/.ssh)"
for file in loom.yaml nodes.yaml; do
    dpkg-query --show --showformat '${Conffiles}\n' loom | grep -q "/etc/loom/$file" || fail "$file is no conffile"
done
loom check || fail "the configuration as installed has errors"
setpriv --reuid loom --regid loom --init-groups env HOME=/var/lib/loom loom check >/dev/null ||
    fail "the daemon's user cannot read the configuration"
