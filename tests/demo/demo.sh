#!/usr/bin/env bash
# Loom at work on five throwaway nodes on this machine: single runs first, then the daemon across
# a full minute. Touches nothing outside a temporary directory and ends what it started.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
loom=$here/../../target/release/loom
# shellcheck source=tests/demo/nodes.sh
. "$here/nodes.sh"

dir=$(mktemp -d /tmp/loom-demo.XXXXXX)
daemon=

clean_up() {
    trap - EXIT INT TERM
    cd /
    if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; fi
    stop_nodes
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- How it looks ------------------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' blue=$'\e[34m' plain=$'\e[0m'
    clear=$'\r\e[K'
else
    bold= dim= red= green= blue= plain= clear=
fi

caption() { printf '%s\n%s▸ %s%s\n' "$clear" "$bold$blue" "$*" "$plain"; }
remark() { printf '  %s%s%s\n' "$dim" "$*" "$plain"; }

# Loom's lines, those of interest in colour.
show() {
    local line=$1 colour=
    case $line in
    *failed* | *unreachable* | *'timed out'* | *error* | *lost* | *ERROR* | *WARN*) colour=$red ;;
    *succeeded*) colour=$green ;;
    esac
    printf '%s  %s%s%s\n' "$clear" "$colour" "$line" "${colour:+$plain}"
}

show_all() {
    local line
    while IFS= read -r line; do show "$line"; done
}

# run ARGS...: a loom command as one would type it, then what it says.
run() {
    printf '  %s$ loom %s%s\n' "$bold" "$*" "$plain"
    "$loom" -c loom.yaml "$@" </dev/null 2>&1 | show_all
}

# --- What happens ------------------------------------------------------------------------------

set_the_scene() {
    caption 'Five machines: sshds on 127.0.0.x, with keys made a second ago. Loom is not on them.'
    cp -r "$here/loom.yaml" "$here/base.yaml" "$here/jobs" "$here/scripts" "$dir"
    # Sockets and state stay in the directory that goes away.
    mkdir -m 700 "$dir/run"
    cd "$dir"
    export RUNTIME_DIRECTORY=$dir/run XDG_RUNTIME_DIR=$dir/run
    start_nodes "$dir"
    remark "${NODES[*]}"
    caption 'One job of four: what, when, and where (the last line is an anchor of the datafile).'
    show_all <"$dir/jobs/naps.yaml"
    run check
}

run_once() {
    caption 'Every node at once.'
    run once hello
    caption 'Five naps of two seconds each. How long together?'
    local start=$SECONDS
    run once naps
    remark "$((SECONDS - start)) s"
    caption 'A node in trouble fails alone, and loom once says so with its exit status.'
    if run once disk; then return 1; fi
    caption 'A script of our own, sent and run with an argument.'
    run once rings
}

seconds_to_the_minute() { echo $((60 - 10#$(date +%S))); }

countdown() {
    if [ -n "$plain" ]; then printf '\r  %snext full minute in %2d s%s\r' "$dim" "$1" "$plain"; fi
}

# Shows the daemon's log across the next full minute, and drops a new manifest in on the way.
run_daemon() {
    caption 'Now as a daemon: it waits for the full minute, then everything is due at once.'
    run next --count 1
    printf '  %s$ loom -n%s\n' "$bold" "$plain"
    mkfifo "$dir/log"
    "$loom" -c loom.yaml -n >"$dir/log" 2>&1 </dev/null &
    daemon=$!
    exec 7<"$dir/log"
    # With less than this there would be no time to see the reload.
    minute=$((SECONDS + $(seconds_to_the_minute)))
    if [ $((minute - SECONDS)) -lt 6 ]; then minute=$((minute + 60)); fi
    follow $((minute - 4))
    caption 'A new manifest is dropped in. No restart.'
    cp "$here/late.yaml" jobs/
    follow $((minute + 15)) until_all_is_done
    talk_to_it
    caption 'kill -TERM: it says goodbye, and no connection stays open.'
    kill "$daemon"
    follow $((SECONDS + 30)) || true
    wait "$daemon" || true
    daemon=
}

# From another terminal, so to say; the log goes on unread meanwhile.
talk_to_it() {
    caption 'It answers: over a unix socket here, over TLS from afar.'
    run status
    caption 'A command that is no job, on all nodes at once; equal answers are told once.'
    run exec --on 'alder,birch,cedar,elder,hazel' --fold -- \
        'case $LOOM_NODE in hazel) echo "tired";; *) echo "at your service";; esac'
    caption 'A flow: ladder and basket first, beside each other; then the trees, two at a time.'
    remark 'hazel fails again; four of five are the 80 % it asks for'
    run run harvest --wait
    caption 'What ran, and why a job did not run at some time.'
    run runs --limit 8
    run why disk
}

minute=0
opened=0
closed=0

until_all_is_done() { [ "$opened" -ge 4 ] && [ "$opened" -eq "$closed" ]; }

# follow SECOND [CONDITION]: shows the log as it comes, until then, or until the condition holds.
# Fails when the log ends.
follow() {
    local line part='' status
    while [ "$SECONDS" -lt "$1" ]; do
        if [ $# -gt 1 ] && "$2"; then return 0; fi
        IFS= read -r -t 1 line <&7 && status=0 || status=$?
        part=$part$line
        if [ "$status" -eq 0 ]; then
            note "$part"
            part=
        elif [ "$status" -gt 128 ]; then
            if [ "$SECONDS" -lt "$minute" ]; then countdown "$((minute - SECONDS))"; fi
        else
            return 1
        fi
    done
}

# A line of the log, without its date.
note() {
    case $1 in
    *' run: run '*': queued'*) opened=$((opened + 1)) ;;
    *' run: run '*) closed=$((closed + 1)) ;;
    esac
    if [[ $1 =~ ^[0-9-]+T([0-9:]+)[^\ ]*\ +[A-Z]+\ +(.*) ]]; then
        show "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
    else
        show "$1"
    fi
}

set_the_scene
run_once
run_daemon
clean_up
caption 'Everything is gone again. Your own nodes: see the tutorial in README.md.'
