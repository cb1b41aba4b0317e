#!/bin/sh
# Runs over ssh and in Python, the page and a run by the API, of the daemon that runs here.
set -eu
# shellcheck source=tests/package/inside/lib.sh
. /inside/lib.sh

loom status >/dev/null || fail "root cannot ask the daemon"
loom run hello --wait | grep -qx "here | hello from deploy" || fail "the job did not run"
loom run python --wait >/tmp/said 2>&1 || fail "the Python task did not run: $(cat /tmp/said)"
grep -q "python here: deploy" /tmp/said || fail "no run() of the Python task: $(cat /tmp/said)"
grep -q "local there: loom" /tmp/said || fail "no local() of the Python task: $(cat /tmp/said)"

url=http://127.0.0.1:7411
curl -fsS -m 10 $url/ >/tmp/page || fail "there is no page"
grep -qi '<!doctype html>' /tmp/page || fail "that is no page: $(head -c 300 /tmp/page)"
script=$(sed -n 's/.*src="\([^"]*app\.js\)".*/\1/p' /tmp/page)
[ -n "$script" ] || fail "the page names no script"
case $script in /*) ;; *) script=/$script ;; esac
curl -fsS -m 10 -o /dev/null -w '%{content_type}\n' "$url$script" | grep -q javascript ||
    fail "$script is no script"

! curl -fsS -m 10 $url/api/v1/jobs >/dev/null 2>&1 || fail "the API is open to everybody"
token=$(loom token add tester --role operator 2>/dev/null)
asked() {
    path=$1
    shift
    curl -fsS -m 60 -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@" "$url/api/v1$path"
}
asked /jobs | grep -q '"hello"' || fail "the API knows no job"
asked /jobs/hello/run -d '{"wait": 30}' | grep -q '"succeeded"' || fail "the API did not run the job"
