#compdef loom
# zsh completion for loom. Written by `loom completions zsh`.

_loom() {
    local -a found whole open
    local candidate
    found=("${(@f)$("${words[1]}" completions zsh -- "${(@)words[1,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    for candidate in "${found[@]}"; do
        # The help follows after a colon. What ends so goes on, without a blank.
        case $candidate in
            '') ;;
            *[/=] | *[/=]:*) open+=("$candidate") ;;
            *) whole+=("$candidate") ;;
        esac
    done
    (( ${#whole} )) && _describe -V loom whole
    (( ${#open} )) && _describe -V loom open -S ''
}

# Either this file was found in $fpath and is being called, or it was sourced.
if [[ ${funcstack[1]} == _loom ]]; then
    _loom "$@"
else
    compdef _loom loom
fi
