# Enters sshfs mounts into the fstab $1, each once, and mounts them.
# Then, for each: host:path and mountpoint as fields of fstab, and the mountpoint as it is.
# POSIX sh; it must also run in dash and BusyBox.

fstab=$(readlink -f "$1") || fstab=$1
shift
options=defaults,allow_other,exec,reconnect,transform_symlinks

listed() {
    while read -r device point _ || [ -n "$device" ]; do
        case $device in '#'*) continue ;; esac
        [ "${point%/}" != "${1%/}" ] || return 0
    done 2>/dev/null <"$fstab"
    return 1
}

# Beside the file and then over it, so that nobody ever reads half a table.
append() (
    new=$(mktemp "${fstab%/*}/.loom.XXXXXX") || exit 1
    trap 'rm -f "$new"' EXIT
    if [ -e "$fstab" ]; then cp -p "$fstab" "$new"; else chmod 644 "$new"; fi || exit 1
    [ -z "$(tail -c 1 "$new")" ] || echo >>"$new" || exit 1
    printf 'sshfs#%s\t%s\tfuse\t%s\t0 0\n' "$1" "$2" "$options" >>"$new" || exit 1
    sync "$new" 2>/dev/null || :
    mv -f "$new" "$fstab"
)

# One writer at a time, where the node has flock. The lock is gone before anything is mounted:
# what serves the mount would inherit it, and keep it.
enter() {
    (
        ! command -v flock >/dev/null || flock 9 || exit 1
        listed "$2" || append "$1" "$2" || exit 1
    ) 9<"${fstab%/*}/"
}

while [ $# -ge 3 ]; do
    enter "$1" "$2" || { echo "$fstab: $2 could not be entered" >&2; exit 1; }
    mkdir -p "$3"
    umount "$3" 2>/dev/null
    mount "$3"
    shift 3
done
exit 0
