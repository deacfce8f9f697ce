/* SPDX-License-Identifier: MIT */
/*
 * libshunt-enter.so: how a process forked by the template enters its cell. Loaded by the framework's plugin (ctypes for
 * Python), so it links nothing but the C library.
 *
 *   shunt_enter_join()   in the intermediate: joins the cell's namespaces, keeps the working directory
 *   shunt_enter_seal()   in the worker: fourteen capabilities at most, no_new_privs, the last filter
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/caps/caps.h"

#define FILTER_MAX 4096 /* instructions; BPF_MAXINSNS */

__attribute__((visibility("default"))) int shunt_enter_join(const int *nsfds, int n);
__attribute__((visibility("default"))) int shunt_enter_seal(int filter_fd);

/* setns() into a mount namespace puts us at its root: go back to where the test belongs, and check that it is the
 * same directory and not another one of that name. */
static int return_to(const char *cwd, const struct stat *before)
{
    struct stat now;

    if (chdir(cwd) < 0 || stat(".", &now) < 0)
        return -errno;
    return now.st_dev == before->st_dev && now.st_ino == before->st_ino ? 0 : -ESTALE;
}

int shunt_enter_join(const int *nsfds, int n)
{
    static char cwd[4096]; /* too much for a small thread's stack */
    struct stat before;

    if (n == 0)
        return 0;
    if (!getcwd(cwd, sizeof(cwd)) || stat(".", &before) < 0)
        return -errno;
    for (int i = 0; i < n; i++)
        if (setns(nsfds[i], 0) < 0)
            return -errno;
    return return_to(cwd, &before);
}

static int stack_filter(int fd)
{
    static struct sock_filter code[FILTER_MAX];
    struct sock_fprog program = {.filter = code};
    ssize_t n = pread(fd, code, sizeof(code), 0);

    if (n < 0)
        return -errno;
    if (n == 0 || n % (ssize_t)sizeof(code[0]))
        return -EINVAL;
    program.len = (unsigned short)((size_t)n / sizeof(code[0]));
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int shunt_enter_seal(int filter_fd)
{
    int r = caps_drop();

    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return filter_fd >= 0 ? stack_filter(filter_fd) : 0;
}
