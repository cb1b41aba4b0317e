# bash completion for loom. Written by `loom completions bash`.

_loom() {
    local line=${COMP_LINE:0:COMP_POINT} words=() last=-1 i blanks word

    # bash splits words at @, : and = as well. What no blank separates is one word to loom.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${line%%[![:space:]]*}
        line=${line#"$blanks"}
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)); then
            word=$line
        fi
        line=${line#"$word"}
        if [[ -n $blanks || i -eq 0 ]]; then
            words[++last]=$word
        else
            words[last]+=$word
        fi
    done

    # As it was called, or as it is installed when that was an alias.
    local loom=$1
    type -P "$loom" >/dev/null || loom=loom

    # What of the word is before the part that readline replaces, $2.
    local current=${words[last]} kept=
    if [[ $current != [\"\']* ]]; then
        kept=${current%"$2"}
    fi

    COMPREPLY=()
    while IFS= read -r word; do
        word=${word#"$kept"}
        if [[ $current != [\"\']* && $word == *[!A-Za-z0-9_./:,@%+=~^-]* ]]; then
            printf -v word %q "$word"
        fi
        COMPREPLY+=("$word")
    done < <("$loom" completions bash -- "${words[@]}" 2>/dev/null)

    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o nosort -F _loom loom 2>/dev/null || complete -F _loom loom
