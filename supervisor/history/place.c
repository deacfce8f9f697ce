/* SPDX-License-Identifier: MIT */
/*
 * Where the history lives. Tests can write there, so nothing in the directory is taken for what it was a moment ago: it is
 * opened once, links are not followed, and what is no plain file of one name is set aside. The lock is on the directory,
 * since the file may be replaced while others wait for it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/history/internal.h"

#define LOCK_WAIT_NS (3 * NS_PER_SEC)
#define BAD_MAX 3

static const char *const companions[] = {"-wal", "-journal", "-shm"};

static int lock_directory(struct place *place, struct err *err)
{
    static const struct timespec pause = {.tv_nsec = 5000000};
    uint64_t end = clock_now_ns() + LOCK_WAIT_NS;

    while (flock(place->dirfd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return 0; /* a file system without locks: SQLite's own have to do */
        if (clock_now_ns() >= end)
            return err_set(err, ERR_SYSTEM, EBUSY, "%s is held by another run", place->shown);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void write_gitignore(int dirfd)
{
    _cleanup_close_ int fd = openat(dirfd, ".gitignore", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd >= 0)
        io_write_all(fd, "*\n", 2);
}

static int open_own(struct place *place, const char *root, enum place_mode mode)
{
    _cleanup_close_ int rootfd = -1;
    char real[PATH_MAX];

    if (!realpath(root, real) || strlen(real) + sizeof("/.shunt") > sizeof(place->directory))
        return -errno;
    snprintf(place->directory, sizeof(place->directory), "%.*s/.shunt", (int)sizeof(place->directory) - 8,
             strcmp(real, "/") == 0 ? "" : real);
    snprintf(place->name, sizeof(place->name), "history.db");
    snprintf(place->shown, sizeof(place->shown), ".shunt/history.db");
    rootfd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (rootfd < 0)
        return -errno;
    if (mode == PLACE_CREATE && mkdirat(rootfd, ".shunt", 0777) < 0 && errno != EEXIST)
        return -errno;
    place->dirfd = openat(rootfd, ".shunt", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->dirfd < 0)
        return -errno;
    if (mode == PLACE_CREATE)
        write_gitignore(place->dirfd);
    return 0;
}

static int open_named(struct place *place, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    _cleanup_free_ char *directory = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : mem_strdup(".");

    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EISDIR;
    if (strlen(name) + sizeof(".bad-N-journal") > sizeof(place->name))
        return -ENAMETOOLONG;
    snprintf(place->name, sizeof(place->name), "%s", name);
    snprintf(place->shown, sizeof(place->shown), "%s", file);
    if (!directory || !realpath(directory, place->directory))
        return -errno;
    place->dirfd = open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place->dirfd < 0 ? -errno : 0;
}

int place_open(struct place *place, const struct history_place *where, enum place_mode mode, struct err *err)
{
    int r;

    *place = (struct place){.dirfd = -1};
    r = where->file ? open_named(place, where->file) : open_own(place, where->root ? where->root : ".", mode);
    if (r == -ENOENT && !where->file)
        return r;
    if (r == -ELOOP || (r == -ENOTDIR && !where->file))
        return err_set(err, ERR_SYSTEM, -r, "%s: .shunt is no directory, and links are not followed", place->shown);
    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "%s: %s", where->file ? where->file : ".shunt", strerror(-r));
    r = lock_directory(place, err);
    if (r < 0)
        place_done(place);
    return r;
}

void place_done(struct place *place)
{
    close_fd(&place->dirfd);
}

/* Two names of one file, and writing here would write there. */
static const char *why_not_ours(const struct stat *st, uint64_t most)
{
    if (S_ISLNK(st->st_mode))
        return "it is a symbolic link";
    if (!S_ISREG(st->st_mode))
        return "it is no regular file";
    if (st->st_nlink > 1)
        return "it has a second name";
    if ((uint64_t)st->st_size > most)
        return "it is too large";
    return NULL;
}

int place_check(const struct place *place, char *ret_why, size_t size)
{
    char name[NAME_MAX + 16];
    const char *why;
    struct stat st;

    if (fstatat(place->dirfd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    why = why_not_ours(&st, 2 * HISTORY_FILE_MAX);
    for (size_t i = 0; !why && i < sizeof(companions) / sizeof(*companions); i++) {
        snprintf(name, sizeof(name), "%s%s", place->name, companions[i]);
        if (fstatat(place->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            why = why_not_ours(&st, 2 * HISTORY_FILE_MAX);
    }
    if (!why)
        return 0;
    snprintf(ret_why, size, "%s", why);
    return -EUCLEAN;
}

int place_create_file(const struct place *place)
{
    _cleanup_close_ int fd =
        openat(place->dirfd, place->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    return fd < 0 ? -errno : 0;
}

/* A free name, else the one that was set aside first. */
static void bad_name(const struct place *place, char *ret, size_t size)
{
    struct timespec oldest = {0};
    char name[NAME_MAX + 32];
    struct stat st;

    for (int i = 1; i <= BAD_MAX; i++) {
        snprintf(name, sizeof(name), "%s.bad-%d", place->name, i);
        if (fstatat(place->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            snprintf(ret, size, "%s", name);
            return;
        }
        if (i == 1 || st.st_ctim.tv_sec < oldest.tv_sec ||
            (st.st_ctim.tv_sec == oldest.tv_sec && st.st_ctim.tv_nsec < oldest.tv_nsec)) {
            oldest = st.st_ctim;
            snprintf(ret, size, "%s", name);
        }
    }
}

int place_set_aside(const struct place *place, const char *why, char *ret_notice, size_t size)
{
    char bad[NAME_MAX + 32], name[NAME_MAX + 32], moved[NAME_MAX + 64];

    bad_name(place, bad, sizeof(bad));
    if (renameat(place->dirfd, place->name, place->dirfd, bad) < 0)
        return -errno;
    for (size_t i = 0; i < sizeof(companions) / sizeof(*companions); i++) {
        snprintf(name, sizeof(name), "%s%s", place->name, companions[i]);
        snprintf(moved, sizeof(moved), "%s%s", bad, companions[i]);
        if (unlinkat(place->dirfd, name, 0) < 0 && errno != ENOENT)
            renameat(place->dirfd, name, place->dirfd, moved); /* a directory */
    }
    snprintf(ret_notice, size, "%s is no history of shunt's (%s): set aside as %s", place->shown, why, bad);
    return 0;
}
