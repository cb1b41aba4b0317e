#!/bin/sh
# The package as a user meets it: built, looked over, installed in a fresh Debian, started by a
# systemd, used, upgraded, removed; and built again, equal. What this machine is not fit for is
# skipped, and says so.
set -eu

cd "$(dirname "$0")/../.."
. tests/package/lib.sh

# In two steps: of a pipe only the end is known to have gone well.
built=$(sh debian/build.sh)
deb=$(pwd)/$(echo "$built" | tail -n 1)
export deb

part() {
    echo "== $1, $(date +%T)"
    sh "tests/package/$1.sh"
}

part files
part make-install
if [ "$(id -u)" -ne 0 ]; then
    skip installed "it takes root"
elif ! command -v debootstrap >/dev/null; then
    skip installed "debootstrap is not installed"
elif ! make_base; then
    skip installed "debootstrap: $(tail -n 1 target/package-base.log)"
else
    part chroot
    part systemd
fi
part reproducible
echo "the package holds"
