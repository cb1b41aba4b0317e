# Ends what is left of units on a node, and says whether it is gone: `clean`, `left`, `unknown`.
#
#   $1 seconds between TERM and KILL   $2 process group and session, may be empty
#   $3 nonce of the wrapper that leads it   then the units' cookies
#
# A unit's processes carry LOOM_UNIT=COOKIE in their environment, wherever they have gone. Those that
# have cleared it are found as long as they stay in the unit's session.

g=$1 p=$2 n=$3
shift 3
cookies=$*
LC_ALL=C
[ -r /proc/self/environ ] && [ -r /proc/uptime ] || { echo unknown; exit; }

for c; do
  set -- "$@" -e "LOOM_UNIT=$c"
  shift
done

# Who carries a cookie. Not every grep knows -z.
if LOOM_UNIT=z grep -qzxF -e LOOM_UNIT=z /proc/self/environ 2>/dev/null; then
  carriers() {
    grep -lzxF "$@" /proc/[0-9]*/environ 2>/dev/null | sed 's/[^0-9]//g'
  }
else
  carriers() {
    for f in /proc/[0-9]*/environ; do
      tr '\0' '\n' <"$f" | grep -qxF "$@" && echo "$f"
    done 2>/dev/null | sed 's/[^0-9]//g'
  }
fi

# Who is in the session or the group, but for the dead.
members() {
  [ "$p" ] || return 0
  grep -lE "^[0-9]+ \(.*\) [^ZX] -?[0-9]+ ($p -?[0-9]+|-?[0-9]+ $p) " /proc/[0-9]*/stat \
    2>/dev/null | sed 's/[^0-9]//g'
}

# Which of them are not the wrapper's own: its shells have the nonce among their arguments.
others() {
  for m; do
    case $(tr '\0' ' ' <"/proc/$m/cmdline") in
    *"$n"* | "sleep $g ") ;;
    *) echo "$m" ;;
    esac
  done 2>/dev/null
}

# Somebody of the group is there whom we may neither see nor signal.
hidden() {
  [ "$p" ] || return 1
  case $(kill -0 "-$p" 2>&1) in *ermitted*) return 0 ;; esac
  return 1
}

# What sudo has started inside the command needs sudo to be ended, if that asks for nothing.
signal() {
  s=$1
  shift
  case $(kill "-$s" "$@" 2>&1) in
  *ermitted*) [ "$denied" ] || sudo -n kill "-$s" "$@" >/dev/null 2>&1 || denied=1 ;;
  esac
}

# In hundredths of a second.
clock() {
  read -r now _ </proc/uptime
  now=${now%.*}${now#*.}
}

# The directories that scripts were sent to.
tidy() {
  for c in $cookies; do
    for d in "/tmp/loom-$c."*; do
      [ -d "$d" ] && [ ! -h "$d" ] && [ -O "$d" ] && rm -rf -- "$d"
    done
  done
}

clock
begun=$now
seen=' ' alone= gone= denied=
while :; do
  session=$(members)
  found=$(carriers "$@"; others $session)
  clock
  t=$((now - begun))
  if [ "$found" ]; then
    alone= gone=
    if [ $t -ge $((g * 100)) ]; then
      [ -z "$p" ] || kill -KILL "-$p" 2>/dev/null
      signal KILL $found
    else
      new=
      for m in $found; do
        case $seen in *" $m "*) ;; *) new="$new $m" ;; esac
      done
      [ -z "$new" ] || signal TERM $new
      seen="$seen$new "
    fi
  elif [ "$session" ] || hidden; then
    gone=
    # Only the wrapper is left, which needs a moment to say its last words.
    [ -z "$alone" ] || [ -z "$session" ] || signal KILL $session
    alone=1
  else
    # What is just being started shows at the second look.
    [ -z "$gone" ] || { tidy; echo clean; exit; }
    gone=1
  fi
  [ "$gone" ] || [ $t -lt $((g * 100 + 200)) ] || { echo left; exit; }
  sleep 0.1 2>/dev/null || sleep 1
done
