#!/bin/sh
# A throwaway node for calls that change a system: this machine's own files beneath a layer in
# memory, with an sshd. Whatever is done there is done to the layer.
#
#   node.sh DIRECTORY ADDRESS PORT   runs it until it is killed; as root
#   node.sh --changes PID DIRECTORY  what its layer holds by now; PID is the process of the former
#   node.sh --probe                  tells why it cannot be run here, if it cannot
#
# DIRECTORY has to hold host_key and authorized_keys; in its `log` are the calls of the programs
# that witnesses.sh puts in place. Mounts, processes and host name are in namespaces of its own, so
# that nothing is left when its first process is gone. It has none of the capabilities that reach
# past them. Only the network is shared.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

FORBIDDEN=-sys_admin,-sys_module,-sys_rawio,-sys_time,-sys_boot,-sys_ptrace,-sys_pacct,-mknod,-bpf
FORBIDDEN=$FORBIDDEN,-net_admin,-net_raw,-syslog,-linux_immutable,-mac_admin,-mac_override,-perfmon
# What this machine has there is nobody's business, and is not the same twice.
PRIVATE='home root tmp run mnt var/tmp var/mail var/log'

# Makes $1/root of this machine's files, with $1/upper for what is changed.
layered() {
    mount --make-rprivate /
    mount -t tmpfs -o mode=755,size=512m tmpfs "$1"
    mkdir -p "$1/upper" "$1/work" "$1/root" "$1/hidden/var"
    chmod 755 "$1/hidden/var"
    for private in $PRIVATE; do mknod "$1/hidden/$private" c 0 0; done
    mount -t overlay -o "lowerdir=$1/hidden:/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
    for private in $PRIVATE; do mkdir -m 755 "$1/root/$private"; done
    chmod 1777 "$1/root/tmp" "$1/root/var/tmp"
    [ -x "$1/root/usr/sbin/sshd" ] && [ -x "$1/root/usr/bin/sudo" ]
}

kernel() {
    mount -t proc proc "$1/proc"
    mount --bind "$1/proc/sys" "$1/proc/sys"
    mount -o remount,ro,bind "$1/proc/sys"
    mount -t tmpfs -o mode=755,size=1m tmpfs "$1/dev"
    for device in null zero full random urandom tty; do
        touch "$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
    mkdir "$1/dev/pts" "$1/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
    ln -s pts/ptmx "$1/dev/ptmx"
    ln -s /proc/self/fd "$1/dev/fd"
}

inside() {
    # The layer is going to cover them.
    host_key=$(cat "$1/host_key")
    authorized_keys=$(cat "$1/authorized_keys")
    mkdir -p "$1/log"
    chmod 777 "$1/log"
    mount --bind "$1/log" /mnt
    layered "$1"
    root=$1/root
    kernel "$root"
    mkdir -p "$root/run/sshd" "$root/run/lock" "$root/run/node/log"
    mount --move /mnt "$root/run/node/log"
    (umask 077 && printf '%s\n' "$host_key" >"$root/run/node/host_key")
    printf '%s\n' "$authorized_keys" >"$root/run/node/authorized_keys"
    cat >"$root/run/node/sshd_config" <<CONFIG
ListenAddress $2:$3
HostKey /run/node/host_key
PidFile none
AuthorizedKeysFile /run/node/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
CONFIG
    hostname node
    chroot "$root" /usr/bin/env -i PATH="$PATH" /bin/sh -s <"$here/witnesses.sh"
    # What is changed from here on is the calls' doing.
    touch "$1/begun"
    exec setpriv --bounding-set "$FORBIDDEN" --inh-caps "$FORBIDDEN" \
        chroot "$root" /usr/bin/env -i PATH="$PATH" LANG=C.UTF-8 \
        /usr/sbin/sshd -D -e -f /run/node/sshd_config
}

here=$(cd "$(dirname "$0")" && pwd)
case ${1-} in
--probe)
    [ "$(id -u)" -eq 0 ] || { echo "it needs root"; exit 1; }
    scratch=$(mktemp -d)
    trap 'rmdir "$scratch"' EXIT
    unshare --mount --uts --ipc --pid --fork --kill-child "$here/node.sh" --layered "$scratch" ||
        { echo "it needs mount namespaces, overlayfs, sshd and sudo"; exit 1; }
    ;;
--layered) layered "$2" ;;
--inside) inside "$2" "$3" "$4" ;;
--changes)
    # Each file with its kind, mode, owners and target, and the sum of what it holds.
    nsenter --target "$2" --mount sh -euc '
        cd "$1/upper"
        find . ! -path "./run/*" ! -path "./dev/*" \( -newer ../begun -o -cnewer ../begun \) \
            -printf "%p\t%y %m %U %G %l\t" \
            \( -type f -exec sh -c "sha256sum <\"\$1\"" sum {} \; -o -printf "\n" \) | sort
        ' changes "$3"
    ;;
*) exec unshare --mount --uts --ipc --pid --fork --kill-child "$here/node.sh" --inside "$1" "$2" "$3" ;;
esac
