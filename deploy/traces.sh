# What a node and its instances consist of on this machine, as lines "kind thing", sorted; sourced.
# Expects `bin`, the folder of the programs.

# traces STATE: everything there is now that could belong to a node with its state below STATE.
traces() {
    local state=$1 process exe name own
    own=$(readlink /proc/self/ns/mnt)
    {
        for process in /proc/[0-9]*; do
            exe=$(readlink "$process/exe" 2>/dev/null) || continue
            case ${exe% (deleted)} in
                "$bin"/* | "$state"/*) ;;
                *) grep -qs celaut "$process/cgroup" || exe= ;;
            esac
            if [[ -n $exe ]]; then
                echo "process ${process#/proc/} ${exe##*/}"
                name=$(readlink "$process/ns/mnt" 2>/dev/null) || continue
                [[ $name == "$own" ]] ||
                    awk -v space="$name" '{ print "mount " space " " $5 }' "$process/mountinfo"
            fi
            for name in pid net; do
                echo "namespace $(readlink "$process/ns/$name" 2>/dev/null || echo none)"
            done
        done
        awk -v state="$state" 'index($0, state) { print "mount here " $5 }' /proc/self/mountinfo
        find /sys/fs/cgroup -type d -name '*celaut*' -printf 'cgroup %p\n' 2>/dev/null
        find /sys/fs/cgroup -type d -path '*celaut*/*' -printf 'cgroup %p\n' 2>/dev/null
        find "$state" -type s -printf 'socket %p\n'
        awk 'NR > 1 && $4 == "0A" { print "listener " $2 }' /proc/net/tcp
        losetup --list --noheadings --output NAME,BACK-FILE 2>/dev/null |
            awk -v state="$state" 'index($2, state) { print "loop-device " $1 }'
    } | grep -v ' none$' | sort -u || true
}

# compare BEFORE AFTER: what is in AFTER and was not in BEFORE. Fails when there is something.
compare() {
    local new
    new=$(comm -13 "$1" "$2")
    [[ -z $new ]] && return
    printf '%s\n' "$new"
    return 1
}

# settled STATE BEFORE AFTER: waits until nothing is there that was not there BEFORE, at most 10 s;
# writes what is there to AFTER. The kernel takes its time with mounts and namespaces.
settled() {
    local _
    for _ in $(seq 20); do
        traces "$1" >"$3"
        compare "$2" "$3" >/dev/null && return
        sleep 0.5
    done
    return 1
}

# count_table NAME:FILE…: how many of each kind there are in each snapshot.
count_table() {
    local pair kind
    printf '%-14s' ''
    for pair in "$@"; do printf '%10s' "${pair%%:*}"; done
    printf '\n'
    for kind in process namespace mount cgroup socket listener loop-device; do
        printf '%-14s' "$kind"
        for pair in "$@"; do
            printf '%10s' "$(grep -c "^$kind " "${pair#*:}" || true)"
        done
        printf '\n'
    done
}
