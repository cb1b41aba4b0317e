#!/bin/sh
# What is in the package, without installing it. `deb` is the package.
set -eu
. tests/package/lib.sh

has() {
    dpkg-deb -c "$deb" | awk '{ print $6 }' | grep -qx "\./$1" || fail "$1 is not in the package"
}
for file in usr/bin/loom usr/lib/loom/loom-worker usr/lib/loom/loom-gateway \
    usr/share/man/man1/loom.1.gz usr/share/bash-completion/completions/loom \
    usr/share/zsh/vendor-completions/_loom usr/share/fish/vendor_completions.d/loom.fish \
    usr/share/doc/loom/copyright usr/share/doc/loom/changelog.Debian.gz usr/share/doc/loom/crates \
    usr/share/doc/loom/examples/loom.yaml usr/share/doc/loom/examples/jobs/example.yaml \
    usr/lib/systemd/system/loom.service usr/lib/sysusers.d/loom.conf usr/lib/tmpfiles.d/loom.conf \
    etc/loom/loom.yaml etc/loom/nodes.yaml; do
    has "$file"
done

if command -v lintian >/dev/null; then
    # It is no matter who looks, and where the tags are shown.
    lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$deb" ||
        fail "lintian has complaints"
else
    skip files "lintian is not installed"
fi

if command -v systemd-analyze >/dev/null; then
    # In tenths: 30 is 3.0.
    said=$(systemd-analyze security --offline=true --no-pager --threshold=30 debian/loom.service) ||
        fail "the service is exposed to more than 3.0"
    echo "$said" | tail -n 1
else
    skip files "systemd-analyze is not installed"
fi
