# Ends what is left of units on a node, and says whether it is gone: `clean`, `left`, `unknown`.
#
#   $1 seconds between TERM and KILL   $2 process group, may be empty   then the units' cookies
#
# A unit's processes carry LOOM_UNIT=COOKIE in their environment, wherever they have gone.

g=$1 p=$2
shift 2
LC_ALL=C
[ -r /proc/self/environ ] || { echo unknown; exit; }

carriers() {
  for c; do
    grep -lzxF "LOOM_UNIT=$c" /proc/[0-9]*/environ 2>/dev/null
  done | sed 's/[^0-9]//g'
}

# Somebody of the group is there, be it one that we may not signal.
group() {
  [ "$p" ] || return 1
  e=$(kill -0 "-$p" 2>&1) && return 0
  case $e in *ermitted*) return 0 ;; esac
  return 1
}

all() {
  [ -z "$found" ] || kill "-$1" $found 2>/dev/null
  [ -z "$p" ] || kill "-$1" "-$p" 2>/dev/null
}

t=0 alone=
while :; do
  found=$(carriers "$@")
  if [ -z "$found" ]; then
    group || { echo clean; exit; }
    # Only the wrapper is left, which needs a moment to say its last words.
    [ "$alone" ] && all KILL
    alone=1
  elif [ $t -eq 0 ]; then
    all TERM
  elif [ $t -ge $((g * 10)) ]; then
    all KILL
  fi
  [ $t -lt $((g * 10 + 20)) ] || { echo left; exit; }
  sleep 0.1 || sleep 1
  t=$((t + 1))
done
