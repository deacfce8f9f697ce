/* SPDX-License-Identifier: MIT */
#include "supervisor/history/git.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"

#define PARENTS_MAX 64
#define PACKED_MAX (4 << 20)

/* A whole regular file, NUL-terminated. Never waits: somebody may have put a pipe there. */
static char *read_all(int dirfd, const char *path, size_t most)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n;
    char *text;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > most)
        return NULL;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return NULL;
    n = io_pread_fd(fd, text, (size_t)st.st_size + 1);
    if (n < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *read_line(int dirfd, const char *path)
{
    char *text = read_all(dirfd, path, 4096);

    if (text)
        text[strcspn(text, "\r\n")] = '\0';
    return text;
}

static bool is_hash(const char *text, size_t length)
{
    return (length == 40 || length == 64) && strspn(text, "0123456789abcdef") >= length;
}

static int take_hash(const char *text, char *ret, size_t size)
{
    size_t length = strcspn(text, " \r\n");

    if (!is_hash(text, length) || length >= size)
        return -ENOENT;
    memcpy(ret, text, length);
    ret[length] = '\0';
    return 0;
}

/* "HASH refs/heads/main", a line each. */
static int find_packed(int dirfd, const char *ref, char *ret, size_t size)
{
    _cleanup_free_ char *text = read_all(dirfd, "packed-refs", PACKED_MAX);
    char *next = text;
    char *line;

    while ((line = strsep(&next, "\n"))) {
        size_t length = strcspn(line, " ");

        if (line[length] == ' ' && strcmp(line + length + 1, ref) == 0)
            return take_hash(line, ret, size);
    }
    return -ENOENT;
}

static int find_ref(int gitdir, const char *ref, char *ret, size_t size)
{
    _cleanup_free_ char *line = read_line(gitdir, ref);
    _cleanup_free_ char *common = read_line(gitdir, "commondir"); /* of a linked worktree */
    _cleanup_close_ int commonfd = -1;

    if (line)
        return take_hash(line, ret, size);
    if (common)
        commonfd = openat(gitdir, common, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (commonfd >= 0) {
        _cleanup_free_ char *shared = read_line(commonfd, ref);

        if (shared)
            return take_hash(shared, ret, size);
    }
    return find_packed(commonfd >= 0 ? commonfd : gitdir, ref, ret, size);
}

static int open_gitdir(int dirfd)
{
    _cleanup_free_ char *line = NULL;
    int fd = openat(dirfd, ".git", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 || errno != ENOTDIR)
        return fd;
    line = read_line(dirfd, ".git");
    if (!line || strncmp(line, "gitdir: ", 8) != 0)
        return -1;
    return openat(dirfd, line + 8, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int git_head(const char *directory, char *ret, size_t size)
{
    _cleanup_close_ int dirfd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int gitdir = -1;
    _cleanup_free_ char *head = NULL;
    const char *ref;

    for (int i = 0; dirfd >= 0 && gitdir < 0 && i < PARENTS_MAX; i++) {
        int parent;

        gitdir = open_gitdir(dirfd);
        if (gitdir >= 0)
            break;
        parent = openat(dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close_fd(&dirfd);
        dirfd = parent;
    }
    if (gitdir < 0)
        return -ENOENT;
    head = read_line(gitdir, "HEAD");
    if (!head)
        return -ENOENT;
    if (strncmp(head, "ref: ", 5) != 0)
        return take_hash(head, ret, size);
    ref = head + 5;
    if (strncmp(ref, "refs/", 5) != 0 || strstr(ref, ".."))
        return -ENOENT;
    return find_ref(gitdir, ref, ret, size);
}
