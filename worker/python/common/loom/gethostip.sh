# Prints the first address that the node resolves the name $1 to.
# POSIX sh; it must also run in dash and BusyBox.

if command -v getent >/dev/null; then
    address=$(getent ahosts "$1" | { read -r first _ && echo "$first"; })
else
    address=$(nslookup "$1" 2>/dev/null |
        sed -n '/^Name:/,$ s/^Address[^:]*:[[:space:]]*\([^[:space:]]*\).*/\1/p' |
        { read -r first && echo "$first"; })
fi
[ -n "$address" ] || { echo "$1: no address found" >&2; exit 1; }
echo "$address"
