/* SPDX-License-Identifier: MIT */
#include "sandbox/scratch/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"

#define BESIDE "-b"

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); 0: no such process. */
static unsigned long long start_time(pid_t pid)
{
    char path[64], buf[1024];
    unsigned long long start = 0;
    char *end;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return 0;
    end = strrchr(buf, ')');
    if (!end || sscanf(end + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                       "%*d %llu",
                       &start) != 1)
        return 0;
    return start;
}

static unsigned long long pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (unsigned long long)st.st_ino;
}

static int make(const char *base, const char *ending, char **ret, struct err *err)
{
    _cleanup_free_ char *path = mem_printf("%s/shunt-%d-%llu-%llu%s", base, (int)getpid(), start_time(getpid()),
                                           pid_namespace(), ending);
    struct stat st;

    if (mkdir(path, 0700) < 0 &&
        (errno != EEXIST || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())) {
        int saved = errno;

        err_set(err, ERR_SYSTEM, saved, "cannot create %s: %m", path);
        err_hint(err, "set TMPDIR to a directory that you can write to");
        return -saved;
    }
    *ret = take_ptr(path);
    return 0;
}

int scratch_make(const char *base, char **ret, struct err *err)
{
    return make(base, "", ret, err);
}

int scratch_make_beside(const char *base, char **ret, struct err *err)
{
    return make(base, BESIDE, ret, err);
}

static size_t disk_places(const char *places[3])
{
    const char *given = getenv("TMPDIR");
    size_t n = 0;

    places[n++] = "/var/tmp";
    if (given && *given == '/')
        places[n++] = given;
    places[n++] = "/tmp";
    return n;
}

char *scratch_make_on_disk(void)
{
    const char *places[3];
    size_t n = disk_places(places);
    char *path = NULL;

    for (size_t i = 0; i < n; i++)
        if (access(places[i], W_OK | X_OK) == 0 && scratch_make(places[i], &path, NULL) == 0)
            return path;
    return NULL;
}

/* Given to another user, who could still be at it: no more than the socket is taken out, and what is not empty then stays. */
static bool remove_given(int base, const char *name)
{
    _cleanup_close_ int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return false;
    unlinkat(fd, "socket", 0);
    return unlinkat(base, name, AT_REMOVEDIR) == 0;
}

int scratch_sweep_base(const char *base)
{
    _cleanup_closedir_ DIR *dir = opendir(base);
    unsigned long long ours = pid_namespace();
    struct dirent *entry;
    int swept = 0;

    while (dir && (entry = readdir(dir))) {
        unsigned long long start, namespace;
        int pid, used = 0;
        struct stat st;

        if (sscanf(entry->d_name, "shunt-%d-%llu-%llu%n", &pid, &start, &namespace, &used) != 3 ||
            (entry->d_name[used] && strcmp(entry->d_name + used, BESIDE) != 0) || namespace != ours || start_time(pid) == start)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            continue;
        if (st.st_uid != geteuid()) {
            swept += geteuid() == 0 && remove_given(dirfd(dir), entry->d_name);
        } else {
            _cleanup_free_ char *path = mem_printf("%s/%s", base, entry->d_name);

            scratch_remove_tree(path);
            swept += access(path, F_OK) < 0;
        }
    }
    return swept;
}

int scratch_sweep_disk(void)
{
    const char *places[3];
    size_t n = disk_places(places);
    int swept = 0;

    for (size_t i = 0; i < n; i++)
        swept += scratch_sweep_base(places[i]);
    return swept;
}
