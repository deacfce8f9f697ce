/* SPDX-License-Identifier: MIT */
/* System calls that widen what can be attacked, and other doors to the same calls: the 32-bit entry and x32. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static void ring(char *const args[], struct outcome *out)
{
    (void)args;
    struct io_uring_params params = {0};
    outcome_of(out, syscall(SYS_io_uring_setup, 2, &params));
}

static void keyring(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

static void add_key(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(SYS_add_key, "user", "attack", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static void bpf_map(char *const args[], struct outcome *out)
{
    (void)args;
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    outcome_of(out, syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

static void perf(char *const args[], struct outcome *out)
{
    (void)args;
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr,
                                   .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1, .exclude_hv = 1};
    outcome_of(out, syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static void page_faults(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
}

/* For calls that ask for the right first and look at their arguments later: nonsense that stops them there, so an error
 * that is not about rights means that the right was there. */
static void past_the_check(struct outcome *out, long result)
{
    if (result >= 0 || (errno != EPERM && errno != ENOSYS && errno != EACCES))
        outcome_succeeded(out, "allowed, and stopped by %s", result < 0 ? strerrorname_np(errno) : "nothing");
    else
        outcome_refused(out, errno);
}

static void kexec(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_kexec_load, 0, 17, NULL, 0x00ff0000));
}

static void kexec_file(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0x00ff0000));
}

static void module_by_fd(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_finit_module, -1, "", 0));
}

static void module_by_image(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_init_module, NULL, 0, ""));
}

static void module_delete(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_delete_module, "no_such_module_at_all", O_NONBLOCK));
}

static void swap_off(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_swapoff, "/no/such/file"));
}

static void restart(char *const args[], struct outcome *out)
{
    (void)args;
    past_the_check(out, syscall(SYS_reboot, 0, 0, 0, NULL));
}

static void io_ports(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(SYS_iopl, 3));
}

static void kernel_log(char *const args[], struct outcome *out)
{
    (void)args;
    char text[256];
    outcome_of(out, syscall(SYS_syslog, 3, text, sizeof text));
}

static void host_name(char *const args[], struct outcome *out)
{
    outcome_of(out, sethostname(args[0], strlen(args[0])));
}

/* Its number from outside any table. */
static void unknown_call(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(4000));
}

#ifdef __x86_64__
struct other_entry {
    const char *name;
    long i386, x32; /* numbers */
    unsigned long first, second;
    bool room; /* the second argument is a zeroed page below 4 GiB */
};

static const struct other_entry entries[] = {
    {"keyctl", 288, 250, KEYCTL_GET_KEYRING_ID, (unsigned long)KEY_SPEC_PROCESS_KEYRING, false},
    {"unshare", 310, 272, CLONE_NEWUSER, 0, false},
    {"io_uring", 425, 425, 2, 0, true},
    {"fsopen", 430, 430, 0, 0, true},
    {"perf", 336, 298, 0, 0, true},
    {"getpid", 20, 39, 0, 0, false},
};

static long enter_i386(long nr, unsigned long a, unsigned long b, unsigned long c)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (long)(int)result;
}

static long enter_x32(long nr, unsigned long a, unsigned long b, unsigned long c)
{
    long result = syscall(nr | 0x40000000, a, b, c);
    return result < 0 ? -errno : result;
}

/* Forked: where the entry does not exist, the answer is a signal. Its result comes back as an exit status. */
static void by_other_entry(const char *name, long (*enter)(long, unsigned long, unsigned long, unsigned long), bool i386,
                           struct outcome *out)
{
    const struct other_entry *entry = NULL;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (!strcmp(entries[i].name, name))
            entry = &entries[i];
    if (!entry) {
        outcome_absent(out, "no such call is known here");
        return;
    }
    pid_t pid = fork();
    if (!pid) {
        unsigned long first = entry->first, second = entry->second, room;
        room = (unsigned long)(uintptr_t)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (entry->room && !strcmp(name, "io_uring"))
            second = room;
        if (!strcmp(name, "fsopen"))
            first = (unsigned long)(uintptr_t)strcpy((char *)(uintptr_t)room, "tmpfs");
        if (!strcmp(name, "perf")) { /* a task clock of our own; the other arguments are left over: what counts is the filter */
            struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr,
                                           .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1, .exclude_hv = 1};
            memcpy((char *)(uintptr_t)room, &attr, sizeof attr);
            first = room;
            second = 0;
        }
        long result = enter(i386 ? entry->i386 : entry->x32, first, second, strcmp(name, "keyctl") ? (unsigned long)-1 : 1);
        _exit(result < 0 ? (int)(-result & 0xff) : 0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        outcome_refused(out, errno);
    else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS)
        outcome_absent(out, "this kernel has no such entry: %s", strsignal(WTERMSIG(status)));
    else if (WIFSIGNALED(status))
        outcome_refused(out, EPERM);
    else if (WEXITSTATUS(status))
        outcome_refused(out, WEXITSTATUS(status));
    else
        outcome_succeeded(out, "%s by another entry", name);
}

static void by_i386(char *const args[], struct outcome *out)
{
    by_other_entry(args[0], enter_i386, true, out);
}

static void by_x32(char *const args[], struct outcome *out)
{
    by_other_entry(args[0], enter_x32, false, out);
}
#else
static void by_i386(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_absent(out, "no other entry on this machine");
}
#define by_x32 by_i386
#endif

const struct attack attacks_syscalls[] = {
    {"io-uring", "", 0, ring, false},
    {"keyctl", "", 0, keyring, false},
    {"add-key", "", 0, add_key, false},
    {"bpf", "", 0, bpf_map, false},
    {"perf-event", "", 0, perf, false},
    {"userfaultfd", "", 0, page_faults, false},
    {"kexec", "", 0, kexec, false},
    {"kexec-file", "", 0, kexec_file, false},
    {"finit-module", "", 0, module_by_fd, false},
    {"init-module", "", 0, module_by_image, false},
    {"delete-module", "", 0, module_delete, false},
    {"swapoff", "", 0, swap_off, false},
    {"reboot", "", 0, restart, false},
    {"iopl", "", 0, io_ports, false},
    {"kernel-log", "", 0, kernel_log, false},
    {"host-name", "NAME", 1, host_name, true},
    {"unknown-call", "", 0, unknown_call, false},
    {"i386", "CALL", 1, by_i386, false},
    {"x32", "CALL", 1, by_x32, false},
    {0},
};
