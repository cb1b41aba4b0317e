# Says what there is to bring from $path, in whose last part `*` and `?` match names that do not
# begin with a dot. Each entry ends with a NUL: f and a file, or d and a directory, followed by an
# i and a file for each file in it, at any depth.

case ${path##*/} in
*[*?]*)
    IFS=
    set -- "${path%/*}"/${path##*/}
    ;;
*) set -- "$path" ;;
esac
for found; do
    case ${found##*/} in .*) [ "$found" = "$path" ] || continue ;; esac
    if [ -d "$found" ]; then
        printf 'd%s\0' "$found"
        find -H "$found" ! -type d -exec /bin/sh -c '
            for file; do [ ! -f "$file" ] || printf "i%s\0" "$file"; done
        ' loom {} + || exit 1
    elif [ -e "$found" ]; then
        printf 'f%s\0' "$found"
    else
        echo "$found: there is no such file" >&2
        exit 1
    fi
done
