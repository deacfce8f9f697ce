/* SPDX-License-Identifier: MIT */
/* Namespaces, and the mounts that are made in them: once as we are, once in a user namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/probe/internal.h"

#define DEATH_WAIT_MS 10000

struct view { /* the rungs that one way answers */
    struct probe_rung *all, *pid, *mount, *ipc, *uts, *net;
    const char *how;
    int proc_errnum; /* of the mount of /proc */
};

static int write_map(const char *file, unsigned inner, unsigned outer)
{
    char text[64];

    snprintf(text, sizeof(text), "%u %u 1", inner, outer);
    return -io_write_file_at(AT_FDCWD, file, text);
}

int probe_enter_userns(unsigned inner_uid, unsigned inner_gid, const char **ret_stage)
{
    unsigned uid = geteuid(), gid = getegid();
    int errnum;

    *ret_stage = "unshare(CLONE_NEWUSER)";
    if (unshare(CLONE_NEWUSER) < 0)
        return errno;
    *ret_stage = "setgroups of a user namespace";
    errnum = -io_write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny");
    if (errnum)
        return errnum;
    *ret_stage = "uid_map of a user namespace";
    errnum = write_map("/proc/self/uid_map", inner_uid, uid);
    if (errnum)
        return errnum;
    *ret_stage = "gid_map of a user namespace";
    return write_map("/proc/self/gid_map", inner_gid, gid);
}

static void judge(struct probe_rung *rung, const char *stage, int errnum)
{
    if (errnum)
        probe_fails(rung, errnum, "%s: %s", stage, strerror(errnum));
    else
        probe_works(rung, "%s", "");
}

static void try_uts(struct view *view)
{
    const char *stage = "unshare(CLONE_NEWUTS)";
    int errnum = unshare(CLONE_NEWUTS) < 0 ? errno : 0;

    if (!errnum) {
        stage = "sethostname";
        errnum = sethostname("shunt", 5) < 0 ? errno : 0;
    }
    judge(view->uts, stage, errnum);
}

static int raise_loopback(void)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
}

static void try_net(struct view *view)
{
    const char *stage = "unshare(CLONE_NEWNET)";
    int errnum = unshare(CLONE_NEWNET) < 0 ? errno : 0;

    if (!errnum) {
        stage = "raising lo";
        errnum = raise_loopback();
    }
    judge(view->net, stage, errnum);
}

/* A mount namespace in which nothing that is mounted gets out. */
static int own_mounts(const char **ret_stage)
{
    *ret_stage = "unshare(CLONE_NEWNS)";
    if (unshare(CLONE_NEWNS) < 0)
        return errno;
    *ret_stage = "making / a slave";
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? errno : 0;
}

static int mount_tmpfs(const char *where)
{
    return mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=1m") < 0 ? errno : 0;
}

static int add_mount(void *arg)
{
    (void)arg;
    return mount_tmpfs("/tmp");
}

static void try_mount(struct view *view)
{
    const char *stage;
    int errnum = own_mounts(&stage);

    if (!errnum) {
        stage = "mounting a tmpfs";
        errnum = probe_in_child(add_mount, NULL);
    }
    judge(view->mount, stage, errnum);
    /* Whatever was mounted there must not stand in the way of the other trials. */
    if (!errnum)
        umount2("/tmp", MNT_DETACH);
}

/* Process 1 of the new namespace: mounts /proc, leaves a process behind that has left its session, and dies. */
static int pid_init(void *arg)
{
    struct view *view = arg;
    pid_t pid;

    if (getpid() != 1)
        return EPROTO;
    /* Only in a mount namespace of our own: elsewhere it would be everybody's /proc. */
    view->proc_errnum = view->mount->works ? 0 : view->mount->errnum ? view->mount->errnum : EPERM;
    if (!view->proc_errnum && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        view->proc_errnum = errno;
    judge(&view->all[PROBE_ABLE_PROC], "mounting proc", view->proc_errnum);
    if (view->proc_errnum)
        probe_fails(view->pid, view->proc_errnum, "mounting proc: %s", strerror(view->proc_errnum));
    else
        probe_works(view->pid, "%s", "");
    pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        for (;;)
            pause(); /* holds the pipe that the trial reads */
    }
    return waitpid(pid, NULL, 0) < 0 ? errno : 0;
}

static void try_pid(struct view *view)
{
    struct pollfd end = {.fd = -1, .events = POLLIN};
    int pipes[2], errnum;

    if (unshare(CLONE_NEWPID) < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
        judge(view->pid, "unshare(CLONE_NEWPID)", errno);
        judge(&view->all[PROBE_PID_BARE], "unshare(CLONE_NEWPID)", view->pid->errnum);
        judge(&view->all[PROBE_KILL_PIDNS], "unshare(CLONE_NEWPID)", view->pid->errnum);
        return;
    }
    errnum = probe_in_child(pid_init, view);
    close(pipes[1]);
    end.fd = pipes[0];
    if (errnum)
        judge(&view->all[PROBE_KILL_PIDNS], "init of a pid namespace", errnum);
    else if (poll(&end, 1, DEATH_WAIT_MS) != 1)
        probe_fails(&view->all[PROBE_KILL_PIDNS], 0, "a process survived its init");
    else
        probe_works(&view->all[PROBE_KILL_PIDNS], "tried%s", view->how);
    judge(&view->all[PROBE_PID_BARE], "init of a pid namespace", errnum);
    if (errnum && !view->pid->tried)
        judge(view->pid, "init of a pid namespace", errnum);
    close(pipes[0]);
}

/* ---- mounts; each in a mount namespace of its own again ---- */

static int readonly_recursive(void *arg)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    const char *stage;
    struct statvfs fs;
    int errnum = own_mounts(&stage);

    (void)arg;
    if (errnum)
        return errnum;
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return errno;
    return statvfs("/", &fs) == 0 && fs.f_flag & ST_RDONLY && statvfs("/proc", &fs) == 0 && fs.f_flag & ST_RDONLY
               ? 0
               : EPROTO;
}

/* Flags that whoever owns the mount has locked must be named again. */
static unsigned long flags_of(unsigned long fs)
{
    return (fs & ST_NOSUID ? MS_NOSUID : 0) | (fs & ST_NODEV ? MS_NODEV : 0) | (fs & ST_NOEXEC ? MS_NOEXEC : 0) |
           (fs & ST_NOATIME ? MS_NOATIME : 0) | (fs & ST_NODIRATIME ? MS_NODIRATIME : 0) |
           (fs & ST_RELATIME ? MS_RELATIME : 0);
}

static int readonly_remount(void *arg)
{
    const char *stage;
    struct statvfs fs;
    int errnum = own_mounts(&stage);

    (void)arg;
    if (errnum)
        return errnum;
    if (statvfs("/", &fs) < 0 ||
        mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags_of(fs.f_flag), NULL) < 0)
        return errno;
    return statvfs("/", &fs) == 0 && fs.f_flag & ST_RDONLY ? 0 : EPROTO;
}

static int tmp_fresh(void *arg)
{
    const char *stage;
    int errnum = own_mounts(&stage);

    (void)arg;
    if (!errnum)
        errnum = mount_tmpfs("/tmp");
    if (!errnum)
        errnum = mkdir("/tmp/probe", 0700) < 0 ? errno : 0;
    return errnum;
}

/* Over the host's /tmp, by a descriptor, since the tmpfs for the changes is mounted over it. */
static int tmp_overlay(void *arg)
{
    char options[128];
    const char *stage;
    int errnum = own_mounts(&stage), lower = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (errnum || lower < 0)
        return errnum ? errnum : errno;
    errnum = mount_tmpfs("/tmp");
    if (errnum)
        return errnum;
    if (mkdir("/tmp/upper", 0700) < 0 || mkdir("/tmp/work", 0700) < 0 || mkdir("/tmp/all", 0700) < 0)
        return errno;
    snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d,upperdir=/tmp/upper,workdir=/tmp/work%s", lower,
             *(const bool *)arg ? ",userxattr" : "");
    if (mount("overlay", "/tmp/all", "overlay", 0, options) < 0 || mkdir("/tmp/all/shunt-probe", 0700) < 0)
        return errno;
    return access("/tmp/upper/shunt-probe", F_OK) < 0 ? EPROTO : 0;
}

/* A namespace in which our own file owner is somebody of the pool, for the mount's id map. */
static int foreign_userns(pid_t *ret_pid)
{
    int pipes[2], fd = -1;
    char path[64], byte;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWUSER) < 0 || write(pipes[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipes[1]);
    if (pid > 0 && read(pipes[0], &byte, 1) == 1) {
        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
        write_map(path, 0, PROBE_POOL_ID);
        snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
        write_map(path, 0, PROBE_POOL_ID);
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    close(pipes[0]);
    *ret_pid = pid;
    return fd;
}

/* Of the working directory, since that is what a worker under another id must be able to write. */
static int idmap(void *arg)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
    int userns, tree = (int)syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), errnum = 0;
    pid_t pid = -1;

    (void)arg;
    if (tree < 0)
        return errno;
    userns = foreign_userns(&pid);
    if (userns < 0)
        return EUSERS;
    attr.userns_fd = (unsigned long long)userns;
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        errnum = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return errnum;
}

static void try_files(struct view *view, bool userns)
{
    const struct {
        enum probe_id id;
        int (*fn)(void *);
        const char *what;
    } rows[] = {
        {PROBE_READONLY_RECURSIVE, readonly_recursive, "mount_setattr"},
        {PROBE_READONLY_REMOUNT, readonly_remount, "remount"},
        {PROBE_TMP_TMPFS, tmp_fresh, "tmpfs"},
        {PROBE_TMP_OVERLAY, tmp_overlay, "overlay"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct probe_rung *rung = &view->all[rows[i].id];
        int errnum = view->mount->works ? probe_in_child(rows[i].fn, &userns) : view->mount->errnum;

        if (errnum)
            probe_fails(rung, errnum, "%s: %s", view->mount->works ? rows[i].what : "no mounts", strerror(errnum));
        else
            probe_works(rung, "tried%s", view->how);
    }
}

static void try_all(struct view *view, bool userns)
{
    try_uts(view);
    judge(view->ipc, "unshare(CLONE_NEWIPC)", unshare(CLONE_NEWIPC) < 0 ? errno : 0);
    try_net(view);
    try_mount(view);
    try_files(view, userns);
    if (!userns)
        judge(&view->all[PROBE_ABLE_IDMAP], "an idmapped mount of the working directory", probe_in_child(idmap, NULL));
    try_pid(view); /* last: when its init is gone, nothing can be forked any more */
}

static void try_as_we_are(struct probe_rung *rungs)
{
    struct view view = {rungs,
                        &rungs[PROBE_PID_ROOT],
                        &rungs[PROBE_MOUNT_ROOT],
                        &rungs[PROBE_IPC_ROOT],
                        &rungs[PROBE_UTS_ROOT],
                        &rungs[PROBE_NET_ROOT],
                        " as root",
                        0};

    try_all(&view, false);
}

static void try_in_userns(struct probe_rung *rungs)
{
    struct view view = {rungs,
                        &rungs[PROBE_PID_USERNS],
                        &rungs[PROBE_MOUNT_USERNS],
                        &rungs[PROBE_IPC_USERNS],
                        &rungs[PROBE_UTS_USERNS],
                        &rungs[PROBE_NET_USERNS],
                        " in a user namespace",
                        0};
    struct probe_rung *each[] = {view.pid,
                                 view.mount,
                                 view.ipc,
                                 view.uts,
                                 view.net,
                                 &rungs[PROBE_USER_USERNS],
                                 &rungs[PROBE_KILL_PIDNS],
                                 &rungs[PROBE_PID_BARE],
                                 &rungs[PROBE_READONLY_RECURSIVE],
                                 &rungs[PROBE_READONLY_REMOUNT],
                                 &rungs[PROBE_TMP_TMPFS],
                                 &rungs[PROBE_TMP_OVERLAY]};
    bool root = geteuid() == 0;
    const char *stage;
    int errnum = probe_enter_userns(0, 0, &stage);

    if (errnum) {
        for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
            judge(each[i], stage, errnum);
        return;
    }
    if (root)
        probe_fails(&rungs[PROBE_USER_USERNS], 0, "the caller's own id is root's");
    else
        probe_works(&rungs[PROBE_USER_USERNS], "%s", "");
    try_all(&view, true);
}

#define END PROBE_RUNG_COUNT

const struct probe_trial probe_trials_views[] = {
    {try_as_we_are,
     {PROBE_UTS_ROOT, PROBE_IPC_ROOT, PROBE_NET_ROOT, PROBE_MOUNT_ROOT, PROBE_PID_ROOT, PROBE_PID_BARE, PROBE_KILL_PIDNS,
      PROBE_READONLY_RECURSIVE, PROBE_READONLY_REMOUNT, PROBE_TMP_TMPFS, PROBE_TMP_OVERLAY, PROBE_ABLE_PROC,
      PROBE_ABLE_IDMAP, END}},
    {try_in_userns,
     {PROBE_UTS_USERNS, PROBE_IPC_USERNS, PROBE_NET_USERNS, PROBE_MOUNT_USERNS, PROBE_PID_USERNS, PROBE_USER_USERNS,
      PROBE_PID_BARE, PROBE_KILL_PIDNS, PROBE_READONLY_RECURSIVE, PROBE_READONLY_REMOUNT, PROBE_TMP_TMPFS,
      PROBE_TMP_OVERLAY, PROBE_ABLE_PROC, END}},
    {.run = NULL},
};
