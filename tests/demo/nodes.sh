# Five throwaway sshds, each on a loopback address of its own: the demo's machines.
# Sourced by demo.sh. Works as root and as an ordinary user; the system's sshd is not involved.

NODES=(alder birch cedar elder hazel)
node_pids=()

# start_nodes DIR: keys, known_hosts and nodes.yaml in DIR, and every node listening.
start_nodes() {
    local dir=$1 number=2 name
    make_key "$dir/id"
    cp "$dir/id.pub" "$dir/authorized_keys"
    if [ "$(id -u)" -eq 0 ]; then mkdir -p -m 755 /run/sshd; fi
    for name in "${NODES[@]}"; do
        start_node "$dir" "$name" "127.0.0.$number"
        number=$((number + 1))
    done
}

stop_nodes() {
    local pid
    for pid in "${node_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${node_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    node_pids=()
}

start_node() {
    local dir=$1 name=$2 ip=$3 port attempt
    make_key "$dir/$name.key"
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 12000))
        sshd_config "$@" "$port" >"$dir/$name.conf"
        # The signal at our own death is for a demo that is killed before it can clean up.
        setpriv --pdeathsig TERM /usr/sbin/sshd -D -e -f "$dir/$name.conf" 2>"$dir/$name.log" &
        if wait_listening "$!" "$dir/$name.log"; then
            node_pids+=("$!")
            printf '[%s]:%s %s\n' "$ip" "$port" "$(cat "$dir/$name.key.pub")" >>"$dir/known_hosts"
            node_yaml "$@" "$port" >>"$dir/nodes.yaml"
            return
        fi
    done
    echo "no sshd for $name after $attempt attempts:" >&2
    cat "$dir/$name.log" >&2
    return 1
}

wait_listening() {
    local pid=$1 log=$2 try
    for try in {1..200}; do
        if grep -qs 'Server listening' "$log"; then return 0; fi
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        sleep 0.05
    done
    kill "$pid" 2>/dev/null || true
    return 1
}

make_key() { ssh-keygen -q -t ed25519 -N '' -C loom-demo -f "$1"; }

# Without PAM sshd refuses an account whose password is locked, even to a key.
needs_pam() { if grep -qs "^$(id -un):!" /etc/shadow; then echo yes; else echo no; fi; }

sshd_config() {
    local dir=$1 name=$2 ip=$3 port=$4
    cat <<END
ListenAddress $ip:$port
HostKey $dir/$name.key
AuthorizedKeysFile $dir/authorized_keys
PidFile none
StrictModes no
UsePAM $(needs_pam)
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
SetEnv LOOM_NODE=$name SHLVL=2 HOME=$dir
END
}

node_yaml() {
    local dir=$1 name=$2 ip=$3 port=$4
    cat <<END
$name:
  user: $(id -un)
  ip: $ip
  port: $port
  identity: id
  tags: [trees]
  ssh_options:
    UserKnownHostsFile: $dir/known_hosts
END
}
