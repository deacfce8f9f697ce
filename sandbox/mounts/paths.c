/* SPDX-License-Identifier: MIT */
/*
 * Targets and sources of mounts by descriptor. Whoever may write in a parent directory can swap a part of a path for a
 * symbolic link between compiling and applying, and so turn a mount elsewhere (CVE-2025-31133 and its kin): no link is
 * ever followed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

bool mounts_is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    if (n == 1 && *dir == '/')
        return *path == '/';
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int make_one(int dirfd, const char *name, bool dir)
{
    int r = dir ? mkdirat(dirfd, name, 0755) : mknodat(dirfd, name, S_IFREG | 0644, 0);

    return r < 0 && errno != EEXIST ? -errno : 0;
}

/* O_PATH|O_NOFOLLOW opens a symbolic link itself, hence the look afterwards. */
static int step(int dirfd, const char *name)
{
    struct stat st;
    int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)) {
        close(fd);
        return -ELOOP;
    }
    return fd;
}

/* Component by component. `make`: what is missing is made, a directory or (at the end, when !dir) a file. */
static int walk(int dirfd, const char *path, bool make, bool dir)
{
    _cleanup_close_ int at = openat(dirfd, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char name[NAME_MAX + 1];

    if (at < 0)
        return -errno;
    while (*(path += strspn(path, "/"))) {
        size_t n = strcspn(path, "/");
        bool last = path[n + strspn(path + n, "/")] == '\0';
        int next;

        if (n >= sizeof(name))
            return -ENAMETOOLONG;
        memcpy(name, path, n);
        name[n] = '\0';
        next = step(at, name);
        if (next == -ENOENT && make) {
            next = make_one(at, name, dir || !last);
            if (next == 0)
                next = step(at, name);
        }
        if (next < 0)
            return next;
        close(at);
        at = next;
        path += n;
    }
    return take_fd(&at);
}

int mounts_open_at(int dirfd, const char *path)
{
    int fd = nm_open_nofollow(dirfd, path, O_PATH);

    /* Older seccomp profiles of container engines answer EPERM for calls that they do not know. */
    return fd == -ENOSYS || fd == -EPERM ? walk(dirfd, path, false, false) : fd;
}

int mounts_open_path(const char *path)
{
    return mounts_open_at(AT_FDCWD, path);
}

int mounts_make_path(const char *path, bool dir)
{
    int fd = mounts_open_path(path);

    return fd == -ENOENT ? walk(AT_FDCWD, path, true, dir) : fd;
}
