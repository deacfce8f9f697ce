/* SPDX-License-Identifier: MIT */
/* Removing a scratch directory with what overlays and tests left in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/scratch/scratch.h"

#define DEPTH_MAX 64 /* of descriptors and stack; what is deeper is brought up */

struct removal {
    int top;
    dev_t device; /* nothing is removed beyond a mount */
    unsigned moved; /* directories that were brought up */
    int first;      /* error */
};

static void note(struct removal *removal, int errnum)
{
    if (removal->first == 0 && errnum != ENOENT)
        removal->first = -errnum;
}

/* overlayfs leaves a directory of mode 0 in its work directory, and tests leave whatever they like. */
static int open_dir(int dir, const char *name)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, name, how);

    if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
        fd = openat(dir, name, how);
    if (fd >= 0)
        fchmod(fd, 0700);
    return fd;
}

static void remove_below(struct removal *removal, int dir, int depth);

static void remove_dir(struct removal *removal, int dir, const char *name, int depth)
{
    char up[32];
    struct stat st;
    int fd;

    if (depth >= DEPTH_MAX) {
        snprintf(up, sizeof(up), ".deep-%u", removal->moved++);
        if (renameat(dir, name, removal->top, up) < 0)
            note(removal, errno);
        return;
    }
    fd = open_dir(dir, name);
    if (fd < 0)
        note(removal, errno);
    else if (fstat(fd, &st) < 0 || st.st_dev != removal->device)
        close(fd);
    else
        remove_below(removal, fd, depth + 1);
    if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
        note(removal, errno);
}

/* Takes `dir`. */
static void remove_below(struct removal *removal, int dir, int depth)
{
    _cleanup_closedir_ DIR *d = fdopendir(dir);
    struct dirent *entry;

    if (!d) {
        note(removal, errno);
        close(dir);
        return;
    }
    while ((entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), entry->d_name, 0) == 0)
            continue;
        if (errno == EISDIR || errno == EPERM)
            remove_dir(removal, dirfd(d), entry->d_name, depth);
        else
            note(removal, errno);
    }
}

int scratch_remove_tree(const char *path)
{
    _cleanup_close_ int top = path ? open_dir(AT_FDCWD, path) : -1;
    struct removal removal = {.top = top};
    unsigned before;
    struct stat st;

    if (!path)
        return 0;
    if (top < 0 || fstat(top, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    removal.device = st.st_dev;
    do {
        before = removal.moved;
        removal.first = 0;
        int dir = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (dir < 0)
            return -errno;
        remove_below(&removal, dir, 0);
    } while (removal.moved > before);
    if (rmdir(path) < 0 && errno != ENOENT)
        return removal.first ? removal.first : -errno;
    return 0;
}

static void drop_mark(int top, const char *name)
{
    const int how = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int outer = openat(top, name, how);
    _cleanup_close_ int work = outer < 0 ? -1 : openat(outer, "work", how);
    struct removal removal = {.top = work};
    struct stat st;

    if (work < 0 || fstat(work, &st) < 0)
        return;
    removal.device = st.st_dev;
    remove_dir(&removal, work, "incompat", 0);
}

void scratch_drop_marks(const char *path)
{
    _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        size_t length = strlen(entry->d_name);

        if (length > 5 && strcmp(entry->d_name + length - 5, ".work") == 0)
            drop_mark(dirfd(dir), entry->d_name);
    }
}
