/* SPDX-License-Identifier: MIT */
/*
 * libshunt-enter.so: how a process forked by the template enters its cell. Loaded by the framework's plugin (ctypes for
 * Python), so it links nothing but the C library.
 *
 *   shunt_enter_join()   in the intermediate: joins the cell's namespaces, keeps the working directory
 *   shunt_enter_seal()   in the worker: the policy's capabilities at most, no_new_privs, Landlock, the last filter
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/caps/caps.h"
#include "sandbox/landlock/landlock.h"
#include "sandbox/launch/seal.h"

#define FILTER_MAX 4096 /* instructions; BPF_MAXINSNS */
#define SEAL_MAX (256u << 10)

__attribute__((visibility("default"))) int shunt_enter_join(const int *nsfds, int n);
__attribute__((visibility("default"))) int shunt_enter_seal(int seal_fd);

/* setns() into a mount namespace puts us at its root: go back to where the test belongs, and check that it is the
 * same directory and not another one of that name. In an overlay of /tmp the device differs, and the inode number stays,
 * but for the root of the overlay, which only the keeper can have mounted there. */
static int return_to(const char *cwd, const struct stat *before)
{
    struct stat now, parent;
    struct statfs fs;

    if (chdir(cwd) < 0 || stat(".", &now) < 0 || stat("..", &parent) < 0 || statfs(".", &fs) < 0)
        return -errno;
    if (now.st_ino == before->st_ino || (fs.f_type == OVERLAYFS_SUPER_MAGIC && now.st_dev != parent.st_dev))
        return 0;
    return -ESTALE;
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

static int stack_filter(const void *code, size_t bytes)
{
    struct sock_fprog program = {.filter = (struct sock_filter *)code};

    if (bytes == 0)
        return 0;
    if (bytes % sizeof(struct sock_filter) || bytes / sizeof(struct sock_filter) > FILTER_MAX)
        return -EINVAL;
    program.len = (unsigned short)(bytes / sizeof(struct sock_filter));
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

static int seal_with(const struct seal_header *header, size_t size)
{
    const unsigned char *at = (const unsigned char *)(header + 1);
    int r;

    if (size < sizeof(*header) || header->magic != SEAL_MAGIC ||
        (uint64_t)header->filter_bytes + header->landlock_bytes != size - sizeof(*header))
        return -EINVAL;
    r = header->caps == UINT64_MAX ? 0 : caps_keep(header->caps);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (header->landlock_bytes) {
        r = landlock_apply((const void *)(at + header->filter_bytes), header->landlock_bytes);
        if (r < 0)
            return r;
    }
    return stack_filter(at, header->filter_bytes);
}

int shunt_enter_seal(int seal_fd)
{
    struct stat st;
    void *map;
    int r;

    if (seal_fd < 0)
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
    if (fstat(seal_fd, &st) < 0)
        return -errno;
    if (st.st_size < (off_t)sizeof(struct seal_header) || st.st_size > (off_t)SEAL_MAX)
        return -EINVAL;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, seal_fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    r = seal_with(map, (size_t)st.st_size);
    munmap(map, (size_t)st.st_size);
    return r;
}
