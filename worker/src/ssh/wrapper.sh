# What goes around every command on a node. POSIX sh; dash, bash and BusyBox are tested.
#
#   $1 nonce   $2 seconds between TERM and KILL   $3 lease | data | terminal
#   $4 bytes of data on stdin, for `data`   $5 directory, may be empty
#   $6 shell   $7 command line   and then the environment, NAME=VALUE each
#
# It says, each behind the nonce:
#   on stderr  @PID         first of all; stdin is ours from here on
#   on stderr  >            the data was taken from stdin; an empty line answers that it was all
#   on stdout  .            the last of it
#   on stderr  =STATUS      the last of it; closed by the nonce once more
# STATUS ends with the number in `$?`. Text before it tells how a death by signal is seen:
# dash and BusyBox have a message for it, bash (after a `b`) has it in its list of jobs.

n=$1 g=$2 v=$3 s=$4 d=$5 c=$6 l=$7
shift 7
printf '%s@%s\n' "$n" $$ >&2
b=$BASH_VERSION
# 3: stdin as it came, 4: what the command gets, 8 and 9: stdout and stderr. What a shell
# itself has to say about its children goes nowhere.
exec 3<&0 8>&1 9>&2 2>/dev/null
# Caught, not ignored: the command gets the defaults, and we live to report its death. But when
# a terminal hangs up, the kernel tells the leader of the session alone, and the others only when
# that one has died of it.
trap : INT QUIT TERM
[ "$v" = terminal ] || trap : HUP

# Ends the whole process group.
end() {
  trap '' HUP INT QUIT TERM
  kill -TERM 0
  sleep "$g"
  kill -KILL 0
}

# Ends it when stdin ends: our side, the connection or somebody on the way is gone.
lease() {
  trap '' HUP INT QUIT TERM
  while read -r _ <&3; do :; done
  end
}

# A terminal has no end of file to wait for, but it hangs up.
hangup() {
  trap '' INT QUIT TERM
  trap end HUP
  while :; do
    sleep 86400 &
    wait $!
  done
}

# Passes the data on, and is the lease afterwards. What is cut short never looks complete:
# the command sees the end of its input only when we were told that it was all.
data() {
  sh -c 'echo $PPID'
  if head -c "$s" <&3; then
    printf '%s>' "$n" >&9
    read -r _ <&3 || end
  fi
  exec >/dev/null 9>&-
  lease
}

run() {
  exec <&4 >&8 2>&9 3<&- 4<&- 8>&- 9>&-
  trap - HUP INT QUIT TERM
  [ -z "$d" ] || cd -- "$d" || exit 1
  export "$@"
  exec "${c:-/bin/sh}" -c "$l"
}

# The watcher goes first, so that closing stdin no longer hurts what the command leaves behind;
# but it stays when we were told to end, for what does not listen to TERM.
main() {
  m=$(
    exec 2>&1
    trap 'k=1' HUP INT QUIT TERM
    if [ "$b" ]; then
      # In POSIX mode bash would stop waiting for SIGCHLD, and forget what it has waited for.
      set +o posix
      trap 'jobs -n' CHLD
      (run "$@") &
      p=$!
      LC_ALL=C
      wait $p
      r=$?
      # A signal to us interrupts the wait; and then bash may not know the status any more.
      while kill -0 $p 2>/dev/null; do
        wait $p
        r=$?
      done
      wait $p
      q=$?
      [ $q -lt 0 ] || [ $q -eq 127 ] || r=$q
    else
      (run "$@")
      r=$?
    fi
    [ "$k" ] || kill -KILL "$w"
    echo "$r"
  )
  printf '%s.' "$n" >&8
  printf '%s=%s%s' "$n" "${b:+b}$m" "$n" >&9
}

case $v in
lease)
  (lease) </dev/null >/dev/null 4<&- 8>&- 9>&- &
  w=$!
  exec 3<&- 4</dev/null </dev/null
  main "$@"
  ;;
terminal)
  exec 4<&0
  (hangup) </dev/null >/dev/null 3<&- 4<&- 8>&- 9>&- &
  w=$!
  main "$@"
  ;;
data)
  (trap '' HUP INT QUIT TERM; data 8>&-) | {
    trap : HUP INT QUIT TERM
    read -r w
    exec 3<&- 4<&0 </dev/null
    main "$@"
  }
  ;;
esac
