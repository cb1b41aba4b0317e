# Shared by the tests of the package: what they say, how they wait, and the machines they work on.
# To be sourced by one that is in the repository's root.
# shellcheck shell=sh

# The package, which run.sh has built.
deb=${deb:-}
# Kept until `make clean`.
base=$PWD/target/package-base

fail() {
    echo "tests/package: $*" >&2
    exit 1
}

# skip TEST WHY: as the tests in Rust do it; `make` lists these.
skip() {
    echo "skip: package: $1: $2" | tee -a "${LOOM_SKIPS:-/dev/null}" >&2
    [ -z "${CI:-}" ] || fail "nothing may be skipped in CI"
}

# within SECONDS COMMAND...: until it succeeds.
within() {
    tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# A Debian with systemd and all that Loom may want of it, made once.
make_base() {
    [ ! -d "$base" ] || return 0
    rm -rf --one-file-system "$base.new"
    # shellcheck source=/dev/null
    . /etc/os-release
    # What it mounts ends with it, however it ends.
    timeout -k 5 900 unshare --mount debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,openssh-client,openssh-server,python3,curl \
        "$VERSION_CODENAME" "$base.new" >target/package-base.log 2>&1 || return 1
    rm -rf "$base.new"/var/cache/apt/archives/*.deb "$base.new"/var/lib/apt/lists/*
    mv "$base.new" "$base"
}

# machine DIR DEB: a fresh one, with the package and the tests in it, and a package that is newer and
# has another loom.yaml.
machine() {
    cp -a --reflink=auto "$base/." "$1"
    # Others than root are to find their way in it.
    chmod 755 "$1"
    cp -r tests/package/inside "$1/inside"
    cp "$2" "$1/loom.deb"
    dpkg-deb -R "$2" "$1/newer"
    sed -i 's/^\(Version: .*-\)1$/\199/' "$1/newer/DEBIAN/control"
    echo '# This line is new in the newer package.' >>"$1/newer/etc/loom/loom.yaml"
    dpkg-deb -Znone --root-owner-group -b "$1/newer" "$1/newer.deb" >/dev/null
    rm -r "$1/newer"
}
