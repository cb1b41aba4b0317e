# fish completion for loom. Written by `loom completions fish`.

function __loom_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    command $words[1] completions fish -- $words "$current" 2>/dev/null
end

complete --command loom --no-files --keep-order --arguments '(__loom_complete)'
