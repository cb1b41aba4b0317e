#!/bin/sh
# Builds target/debian/loom_VERSION_ARCH.deb. Two builds of the same commit are equal, wherever they
# are made: the time is the commit's, and no path of this machine gets into the executables.
#
# TARGET: where cargo builds (default: target/package-build).
set -eu

cd "$(dirname "$0")/.."
here=$(pwd)
tools=$here/target/tools
shown=target/package
wanted=3.8.0

if ! "$tools/bin/cargo-deb" --version 2>/dev/null | grep -qx "$wanted"; then
    cargo install --quiet --locked --root "$tools" "cargo-deb@$wanted"
fi
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
CARGO_TARGET_DIR=${TARGET:-$here/target/package-build}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="--remap-path-prefix=$here=/loom --remap-path-prefix=$CARGO_TARGET_DIR=/loom/target \
--remap-path-prefix=$cargo_home=/cargo"
# The bundled SQLite's.
CFLAGS="-ffile-prefix-map=$here=/loom -ffile-prefix-map=$CARGO_TARGET_DIR=/loom/target \
-ffile-prefix-map=$cargo_home=/cargo"
export CARGO_TARGET_DIR RUSTFLAGS CFLAGS

# Nothing that is built has a time in it; with one set, each commit would build the C libraries anew.
env -u SOURCE_DATE_EPOCH cargo build --locked --workspace --release
sh debian/show.sh "$CARGO_TARGET_DIR/release/loom" "$shown"
sh debian/crates.sh "$cargo_home" >"$shown/crates"
# Of a package that is made from a commit, and not uploaded anywhere, that is all there is to say.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
cat >"$shown/changelog" <<END
loom ($version-1) unstable; urgency=medium

  * Built from commit $(git rev-parse --short=12 HEAD).

 -- The Loom developers <loom@localhost>  $(LC_ALL=C date --utc --date "@$time" --rfc-email)
END
SOURCE_DATE_EPOCH=$time "$tools/bin/cargo-deb" --no-build --quiet --package loom --output "$CARGO_TARGET_DIR/debian/" >/dev/null
mkdir -p target/debian
cp "$CARGO_TARGET_DIR"/debian/loom_"$version"-1_*.deb target/debian/
ls target/debian/loom_"$version"-1_*.deb
