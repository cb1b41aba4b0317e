# Ends its process group when its stdin ends, and whatever has left the group but still carries the
# mark $1 in its environment. POSIX sh; it must also run in dash and BusyBox.

# Two processes for each one of the machine take minutes where it is busy; not every grep does with
# one for all.
carriers() {
    if printf 'x\0y\0' | grep -qzxF y; then
        grep -lszxF -e "$1" /proc/[0-9]*/environ
    else
        for environ in /proc/[0-9]*/environ; do
            tr '\0' '\n' <"$environ" | grep -qxF -e "$1" && echo "$environ"
        done
    fi
}

marked() {
    for environ in $(carriers "$1"); do
        pid=${environ#/proc/}
        echo "${pid%/environ}"
    done
}

trap '' TERM HUP INT
while read -r _; do :; done
kill -TERM 0 $(marked "$1")
sleep 2
for round in 1 2 3 4 5 6 7 8 9; do
    left=$(marked "$1")
    [ "$left" ] || break
    kill -KILL $left
done
kill -KILL 0
