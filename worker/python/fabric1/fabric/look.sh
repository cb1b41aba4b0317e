# Says what is at $path: d (a directory), f (anything else) or n (nothing), and the path itself.

if [ -d "$path" ]; then
    kind=d
elif [ -e "$path" ] || [ -h "$path" ]; then
    kind=f
else
    kind=n
fi
printf '%s%s' "$kind" "$path"
