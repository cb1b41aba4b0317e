#!/bin/sh
# Installs what building, tests and demo need beyond Rust, as far as it is missing; with `build` what
# building needs, with `package` what the package's own tests need on top of the tests'.
# As root directly, else through sudo. The system's own sshd is not started by it.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=

# need PACKAGE PROBE...: the package is needed if the probe fails.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

case ${1:-tests} in
build | tests)
    need gcc command -v cc
    need libc6-dev test -e /usr/include/stdio.h
    ;;
esac
case ${1:-tests} in
tests)
    need openssh-client command -v ssh-keygen
    need openssh-server command -v sshd
    need util-linux command -v setpriv
    need findutils command -v xargs
    need sudo command -v sudo
    need openssl command -v openssl
    need dash command -v dash
    need busybox command -v busybox
    need faketime command -v faketime
    need tmux command -v tmux
    need zsh command -v zsh
    need fish command -v fish
    need mandoc command -v mandoc
    need man-db command -v man
    need rsync command -v rsync
    need chromium command -v chromium
    need chromium-driver command -v chromedriver
    need python3-venv python3 -c 'import ensurepip, venv'
    ;;
package)
    need debootstrap command -v debootstrap
    need systemd-container command -v systemd-nspawn
    need lintian command -v lintian
    ;;
esac

[ -n "$missing" ] || exit 0
echo "installing:$missing"

if ! command -v apt-get >/dev/null; then
    echo "this is not a Debian: please install the equivalents of$missing" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "please install, as root:$missing" >&2
    exit 1
fi

# Debian starts a service when it installs it, unless this policy forbids it.
# shellcheck disable=SC2016,SC2086 # the variables belong to the inner shell; the packages are words
$as_root sh -c '
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" </dev/null
' install-deps $missing
