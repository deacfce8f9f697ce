#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs a command in user-mode Linux with pure cgroup v2, at the repository's root. Exit status: the command's;
# 124 when the time is over, 125 when the machine itself failed.
#
#   tests/vm/run.sh [--user] [--place inside|outside|root] [--timeout SECONDS] [--mem SIZE] -- COMMAND...
#
# --place inside   (default) in /sys/fs/cgroup/ci, which also holds the command's shell; with --user it is
#                  delegated to that user
#         outside  in a cgroup of root's; /sys/fs/cgroup/ci is delegated, but we are not in it
#         root     in the root cgroup, which allows what no other does
# --user           as uid 1000, not as root
#
# The host's files are seen read-only; /tmp, /run and /var/tmp are the VM's own, and so is whatever is
# written in the repository (an overlay), all forgotten in the end. SHUNT_VM_* and the variables named in
# SHUNT_VM_ENV are passed on.
set -u

here=$(cd "$(dirname "$0")" && pwd)
user=0 place=inside limit=300 mem=1536M

usage() { sed -n '3,18s/^# \{0,1\}//p' "$0" >&2; exit 125; }

while [ $# -gt 0 ]; do
    case $1 in
    --user) user=1000 ;;
    --place) place=${2-}; shift ;;
    --timeout) limit=${2-}; shift ;;
    --mem) mem=${2-}; shift ;;
    --) shift; break ;;
    *) usage ;;
    esac
    shift
done
case $place in inside|outside|root) ;; *) usage ;; esac
[ $# -gt 0 ] || usage

uml=$(command -v linux.uml) || {
    echo "tests/vm: linux.uml is missing: apt-get install user-mode-linux" >&2
    exit 125
}

share=$(mktemp -d "${TMPDIR:-/tmp}/shunt-vm.XXXXXX") || exit 125
pid= tail_pid=
finish() {
    # Its host processes are a session of their own, started here.
    [ -n "$pid" ] && kill -KILL -- "-$pid" 2>/dev/null
    [ -n "$tail_pid" ] && kill "$tail_pid" 2>/dev/null
    rm -rf "$share"
}
trap finish EXIT
trap 'exit 130' INT TERM

{
    printf 'vm_repo=%q vm_user=%q vm_place=%q\n' "$(cd "$here/../.." && pwd)" "$user" "$place"
    for name in PATH LANG $(compgen -v SHUNT_VM_) ${SHUNT_VM_ENV-}; do
        [ -n "${!name+x}" ] && printf 'export %s=%q\n' "$name" "${!name}"
    done
    printf 'vm_command() { '
    printf '%q ' "$@"
    printf '; }\n'
} > "$share/job"
: > "$share/out"
chmod 0755 "$share"

setsid "$uml" mem="$mem" rootfstype=hostfs rootflags=/ ro init="$here/init.sh" shunt_vm="$share" \
    con=null con0=null,fd:1 ssl=null quiet loglevel=1 \
    </dev/null >"$share/console" 2>&1 &
pid=$!
disown "$pid"
tail -q -n +1 -s 0.05 -f "$share/out" 2>/dev/null &
tail_pid=$!
disown "$tail_pid"

deadline=$(($(date +%s) + limit))
while kill -0 "$pid" 2>/dev/null && [ ! -e "$share/status" ]; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        sleep 0.2
        echo "tests/vm: no end after $limit s" >&2
        exit 124
    fi
    sleep 0.05
done
sleep 0.2 # the reader's last look at the output
if [ ! -s "$share/status" ]; then
    echo "tests/vm: the machine ended without a result; its console:" >&2
    cat "$share/console" >&2
    exit 125
fi
exit "$(cat "$share/status")"
