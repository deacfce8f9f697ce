/* SPDX-License-Identifier: MIT */
#include "supervisor/run/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"

struct scratch {
    char *dir, *socket;
    bool removed;
};

/* A socket's path has room for 107 bytes, so a long TMPDIR is of no use. */
static const char *scratch_base(void)
{
    const char *candidates[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < 3; i++)
        if (candidates[i] && *candidates[i] == '/' && strlen(candidates[i]) < 50 &&
            access(candidates[i], W_OK | X_OK) == 0)
            return candidates[i];
    return "/tmp";
}

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); 0: no such process. */
static unsigned long long scratch_start_time(pid_t pid)
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

static unsigned long long scratch_pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (unsigned long long)st.st_ino;
}

int scratch_new(struct scratch **ret, struct err *err)
{
    struct scratch *scratch = mem_zalloc(sizeof(*scratch));

    scratch->dir = mem_printf("%s/shunt-%d-%llu-%llu", scratch_base(), (int)getpid(),
                              scratch_start_time(getpid()), scratch_pid_namespace());
    scratch->socket = mem_printf("%s/socket", scratch->dir);
    if (mkdir(scratch->dir, 0700) < 0) {
        int saved = errno;

        err_set(err, ERR_SYSTEM, saved, "cannot create %s: %m", scratch->dir);
        err_hint(err, "set TMPDIR to a directory that you can write to");
        scratch->removed = true;
        scratch_free(scratch);
        return -saved;
    }
    *ret = scratch;
    return 0;
}

const char *scratch_socket(const struct scratch *scratch)
{
    return scratch->socket;
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->removed)
        return;
    unlink(scratch->socket);
    rmdir(scratch->dir);
    scratch->removed = true;
}

void scratch_free(struct scratch *scratch)
{
    if (!scratch)
        return;
    scratch_remove(scratch);
    free(scratch->dir);
    free(scratch->socket);
    free(scratch);
}

int scratch_sweep(void)
{
    _cleanup_closedir_ DIR *dir = opendir(scratch_base());
    unsigned long long ours = scratch_pid_namespace();
    struct dirent *entry;
    int swept = 0;

    while (dir && (entry = readdir(dir))) {
        unsigned long long start, namespace;
        int pid, used = 0;
        struct stat st;

        if (sscanf(entry->d_name, "shunt-%d-%llu-%llu%n", &pid, &start, &namespace, &used) != 3 ||
            entry->d_name[used] || namespace != ours || scratch_start_time(pid) == start)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode) && st.st_uid == geteuid()) {
            _cleanup_close_ int fd = openat(dirfd(dir), entry->d_name,
                                            O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (fd >= 0)
                unlinkat(fd, "socket", 0);
            swept += unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0;
        }
    }
    return swept;
}
