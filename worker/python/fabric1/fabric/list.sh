# Says what there is to bring from $path, in whose last part wildcards match as in a shell, unless
# there is something of that very name. Each entry ends with a NUL: f and a file; d and a directory,
# followed by an i and a file for each file in it, at any depth; n and a path where nothing is.

case ${path##*/} in
*[*?[]*)
    if [ -e "$path" ]; then
        set -- "$path"
    else
        IFS=
        set -- "${path%/*}"/${path##*/}
    fi
    ;;
*) set -- "$path" ;;
esac
for found; do
    # Some shells find them by `.*`.
    case ${found##*/} in . | ..) [ "$found" = "$path" ] || continue ;; esac
    if [ -d "$found" ]; then
        printf 'd%s\0' "$found"
        find -H "$found" ! -type d -exec /bin/sh -c '
            for file; do [ ! -f "$file" ] || printf "i%s\0" "$file"; done
        ' loom {} + || exit 1
    elif [ -e "$found" ]; then
        printf 'f%s\0' "$found"
    else
        printf 'n%s\0' "$found"
    fi
done
