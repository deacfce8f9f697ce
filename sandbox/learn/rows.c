/* SPDX-License-Identifier: MIT */
#include "sandbox/learn/rows.h"

#include <string.h>

#define NO_PLACE                \
    {                           \
        -1, -1, LEARN_NEED_NONE \
    }
#define ONE(name, dirfd, path, need)                   \
    {                                                  \
        name, ROW_PATHS, -1, -1,                       \
        {                                              \
            {dirfd, path, LEARN_NEED_##need}, NO_PLACE \
        }                                              \
    }
#define TWO(name, dirfd1, path1, need1, dirfd2, path2, need2) \
    {                                                         \
        name, ROW_PATHS, -1, -1,                              \
        {                                                     \
            {dirfd1, path1, LEARN_NEED_##need1},              \
            {                                                 \
                dirfd2, path2, LEARN_NEED_##need2             \
            }                                                 \
        }                                                     \
    }

const struct row learn_rows[] = {
    {"open", ROW_OPEN, 1, -1, {{-1, 0, LEARN_NEED_OPEN}, NO_PLACE}},
    {"openat", ROW_OPEN, 2, -1, {{0, 1, LEARN_NEED_OPEN}, NO_PLACE}},
    {"openat2", ROW_OPENAT2, 2, -1, {{0, 1, LEARN_NEED_OPEN}, NO_PLACE}},
    {"creat", ROW_OPEN, -1, -1, {{-1, 0, LEARN_NEED_OPEN}, NO_PLACE}},
    ONE("mkdir", -1, 0, NEW),
    ONE("mkdirat", 0, 1, NEW),
    ONE("mknod", -1, 0, NEW),
    ONE("mknodat", 0, 1, NEW),
    ONE("symlink", -1, 1, NEW),
    ONE("symlinkat", 1, 2, NEW),
    ONE("unlink", -1, 0, OLD_ENTRY),
    ONE("unlinkat", 0, 1, OLD_ENTRY),
    ONE("rmdir", -1, 0, OLD_ENTRY),
    TWO("rename", -1, 0, OLD_ENTRY, -1, 1, ENTRY),
    TWO("renameat", 0, 1, OLD_ENTRY, 2, 3, ENTRY),
    TWO("renameat2", 0, 1, OLD_ENTRY, 2, 3, ENTRY),
    /* Both names in one mount, else EXDEV: so the old one's directory as well. */
    TWO("link", -1, 0, OLD_ENTRY, -1, 1, NEW),
    TWO("linkat", 0, 1, OLD_ENTRY, 2, 3, NEW),
    ONE("truncate", -1, 0, OLD),
    ONE("chmod", -1, 0, OLD),
    ONE("fchmod", 0, -1, OLD),
    ONE("fchmodat", 0, 1, OLD),
    ONE("fchmodat2", 0, 1, OLD),
    ONE("chown", -1, 0, OLD),
    ONE("lchown", -1, 0, OLD),
    ONE("fchown", 0, -1, OLD),
    ONE("fchownat", 0, 1, OLD),
    ONE("utime", -1, 0, OLD),
    ONE("utimes", -1, 0, OLD),
    ONE("futimesat", 0, 1, OLD),
    ONE("utimensat", 0, 1, OLD),
    ONE("setxattr", -1, 0, OLD),
    ONE("lsetxattr", -1, 0, OLD),
    ONE("fsetxattr", 0, -1, OLD),
    ONE("removexattr", -1, 0, OLD),
    ONE("lremovexattr", -1, 0, OLD),
    ONE("fremovexattr", 0, -1, OLD),
    {"bind", ROW_BIND, -1, 1, {NO_PLACE, NO_PLACE}},
    {"connect", ROW_CONNECT, -1, 1, {NO_PLACE, NO_PLACE}},
    {"sendto", ROW_CONNECT, -1, 4, {NO_PLACE, NO_PLACE}},
};

const size_t learn_nrows = sizeof(learn_rows) / sizeof(learn_rows[0]);

/* Other processes' memory, the kernel's own machinery, views and identities of the whole machine.
 * What the `tight` profile leaves out for another reason (old, rare) may be learned. */
static const char *const dangerous[] = {
    "acct",
    "add_key",
    "adjtimex",
    "bpf",
    "chroot",
    "clock_adjtime",
    "clock_settime",
    "clone3",
    "create_module",
    "delete_module",
    "fanotify_init",
    "fanotify_mark",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_kernel_syms",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "migrate_pages",
    "modify_ldt",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "open_tree_attr",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "vhangup",
    "vm86",
    "vm86old",
    "vmsplice",
};

bool learn_is_dangerous(const char *call)
{
    for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++)
        if (strcmp(dangerous[i], call) == 0)
            return true;
    return false;
}

const char *const learn_always[] = {
    /* to start: execve and the loader */
    "access",
    "arch_prctl",
    "brk",
    "close",
    "execve",
    "fstat",
    "getrandom",
    "mmap",
    "mprotect",
    "munmap",
    "newfstatat",
    "openat",
    "pread64",
    "prlimit64",
    "read",
    "rseq",
    "sendmsg",
    "set_robust_list",
    "set_tid_address",
    /* to end, and to fail with a message */
    "exit",
    "exit_group",
    "getcwd",
    "getpid",
    "gettid",
    "kill",
    "lseek",
    "tgkill",
    "write",
    "writev",
    /* what depends on timing: signals, waiting, memory that is given back */
    "clock_gettime",
    "clock_nanosleep",
    "futex",
    "madvise",
    "mremap",
    "poll",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "sigaltstack",
    "wait4",
    NULL,
};

const char *const learn_families[] = {
    "accept accept4",
    "access faccessat faccessat2",
    "chdir fchdir",
    "chmod fchmod fchmodat fchmodat2",
    "chown fchown fchownat lchown",
    "clone fork vfork",
    "creat open openat openat2",
    "dup dup2 dup3",
    "epoll_create epoll_create1",
    "epoll_pwait epoll_pwait2 epoll_wait",
    "eventfd eventfd2",
    "execve execveat",
    "fstat lstat newfstatat stat statx",
    "fstatfs statfs",
    "ftruncate truncate",
    "getdents getdents64",
    "getegid geteuid getgid getuid getresgid getresuid",
    "getpgid getpgrp getppid getsid",
    "getrlimit prlimit64 setrlimit",
    "gettimeofday time",
    "inotify_init inotify_init1",
    "clock_nanosleep nanosleep",
    "futimesat utime utimensat utimes",
    "link linkat",
    "mkdir mkdirat",
    "pipe pipe2",
    "poll ppoll pselect6 select",
    "pread64 preadv preadv2 read readv",
    "pwrite64 pwritev pwritev2 write writev",
    "readlink readlinkat",
    "recvfrom recvmmsg recvmsg",
    "rename renameat renameat2",
    "rmdir unlink unlinkat",
    "sendmmsg sendmsg sendto",
    "signalfd signalfd4",
    "symlink symlinkat",
    "wait4 waitid",
    NULL,
};

const char *const learn_worker_calls[] = {
    "capget",
    "capset",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "open",
    "prctl",
    "seccomp",
    NULL,
};
