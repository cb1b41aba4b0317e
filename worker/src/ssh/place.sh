# Puts what comes on stdin at a path: whole, or not at all.
#
#   $1 path   $2 size in bytes   $3 SHA-256   $4 mode in octal, empty to keep what is there

path=$(readlink -f -- "$1") || path=$1
[ ! -d "$path" ] || { echo "$1: is a directory" >&2; exit 1; }
mask=$(umask)
umask 077
part=$(mktemp "$(dirname -- "$path")/.loom.XXXXXXXX") || exit 1
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$part" || exit 1

size=$(wc -c <"$part")
[ "$((size))" = "$2" ] || { echo "$1: $((size)) of $2 bytes arrived" >&2; exit 1; }
if sum=$(sha256sum <"$part" 2>/dev/null); then
  [ "${sum%% *}" = "$3" ] || { echo "$1: what arrived has another checksum" >&2; exit 1; }
fi

if [ -e "$path" ]; then
  owner=$(stat -c %u:%g -- "$path") && chown "$owner" "$part" 2>/dev/null
  mode=${4:-$(stat -c %a -- "$path")}
else
  mode=${4:-$(printf %o $((0666 & ~mask)))}
fi
chmod "$mode" "$part" && mv -f -- "$part" "$path" || exit 1
trap - EXIT
