#!/bin/bash
# SPDX-License-Identifier: MIT
# Process 1 of the machine that run.sh boots; not for use elsewhere.
[ $$ = 1 ] || exit 1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/share /run/upper /run/work
# The one place where writing reaches the host: a directory that run.sh made for this.
mount -t hostfs none /run/share -o "$shunt_vm"
. /run/share/job

mount -t devtmpfs dev /dev 2>/dev/null || mount -t tmpfs dev /dev
for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    set -- $node
    [ -e /dev/$1 ] || mknod -m 666 /dev/$1 c $2 $3
done
chmod 666 /dev/null /dev/zero /dev/full /dev/random /dev/urandom
ln -sf /proc/self/fd /dev/fd
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
ip link set lo up 2>/dev/null
hostname vm

# Before /tmp is hidden: the repository may live below it.
modules=/usr/lib/uml/modules/$(uname -r)
# finit_module(2) by hand: kmod is not in every image.
python3 - "$modules/kernel/fs/overlayfs/overlay.ko" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDONLY)
if libc.syscall(313, fd, b"", 0):
    print("overlay.ko:", os.strerror(ctypes.get_errno()))
END
mkdir -p /run/scratch
mount -t tmpfs -o mode=755 tmpfs /run/scratch
mkdir -p /run/scratch/upper /run/scratch/work /run/scratch/repo
chown "$vm_user" /run/scratch/upper
mount -t overlay -o "lowerdir=$vm_repo,upperdir=/run/scratch/upper,workdir=/run/scratch/work" \
    overlay /run/scratch/repo || mount --bind "$vm_repo" /run/scratch/repo
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
case $vm_repo in
/tmp/*) ;; # hiding it would hide the repository
*) mount -t tmpfs -o mode=1777 tmpfs /tmp ;;
esac
mount --move /run/scratch/repo "$vm_repo" || mount --bind /run/scratch/repo "$vm_repo"

cg=/sys/fs/cgroup
mount -t cgroup2 none $cg
echo '+cpu +memory +pids' > $cg/cgroup.subtree_control
mkdir $cg/ci $cg/outside
[ "$vm_user" = 0 ] || chown "$vm_user" $cg/ci $cg/ci/cgroup.procs $cg/ci/cgroup.threads \
    $cg/ci/cgroup.subtree_control

mkdir -p /run/home
chown "$vm_user" /run/home
export HOME=/run/home PYTHONDONTWRITEBYTECODE=1 SHUNT_VM=1 vm_repo
export -f vm_command

# The command's shell stays beside it in the cgroup, as every CI agent's does.
place() {
    case $vm_place in
    inside) echo $BASHPID > $cg/ci/cgroup.procs ;;
    outside) echo $BASHPID > $cg/outside/cgroup.procs ;;
    esac
}
as_user() {
    if [ "$vm_user" = 0 ]; then
        bash -c "$1"
    else
        setpriv --reuid "$vm_user" --regid "$vm_user" --clear-groups --inh-caps=-all bash -c "$1"
    fi
}
(
    place
    as_user 'cd "$vm_repo" && vm_command; exit $?'
) </dev/null >>/run/share/out 2>&1
status=$?
echo "$status" > /run/share/status.tmp
sync
mv /run/share/status.tmp /run/share/status
umount /run/share
halt -f
echo o > /proc/sysrq-trigger
