/* SPDX-License-Identifier: MIT */
/*
 * A socket that is seen through an overlay cannot be connected to: unix(7) finds the listener by the inode, and the
 * overlay's is another one. So those that listen below it are bound through, one by one. /proc/net/unix lists them with
 * their paths, as far as they are of our network namespace: where the sandbox gets one of its own, the list is read before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

#define SOCKETS_MAX 64 /* no more than a start may cost */
#define LIST_MAX (256u << 10)
#define LIST "/proc/self/net/unix"
#define PATH_FIELD 7 /* counted from 0; a path may hold blanks, so it is the rest of the line */

/* Reads as much of the list as there is room for; 0 where there is none. */
static size_t read_list(char *buf, size_t size)
{
    _cleanup_close_ int fd = open(LIST, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n;

    while (fd >= 0 && used + 1 < size && (n = read(fd, buf + used, size - used - 1)) > 0)
        used += (size_t)n;
    buf[used] = '\0';
    return used;
}

char *mounts_read_sockets(void)
{
    char *text = malloc(LIST_MAX);

    if (text)
        read_list(text, LIST_MAX);
    return text;
}

/* Where the path of a line begins; NULL: the socket has none in the file system. */
static const char *path_of(const char *line, const char *end)
{
    for (int field = 0; field < PATH_FIELD && line < end; field++) {
        while (line < end && *line == ' ')
            line++;
        while (line < end && *line != ' ')
            line++;
    }
    while (line < end && *line == ' ')
        line++;
    return line < end && *line == '/' ? line : NULL;
}

/* A link in the path, or something that is no socket any more, is passed over. */
static void bind_socket(int from, int to, const char *name)
{
    _cleanup_close_ int source = mounts_open_at(from, name);
    _cleanup_close_ int target = mounts_open_at(to, name);
    _cleanup_close_ int tree = -1;
    struct stat st;

    if (source < 0 || target < 0 || fstat(source, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    tree = nm_clone(source, "", 0);
    if (tree >= 0)
        nm_attach(tree, target);
}

int mounts_do_sockets(struct mount_state *state, const struct mount_op *op)
{
    static char own[LIST_MAX]; /* too much for a stack, and a child may not allocate */
    const char *text = state->plan->sockets, *line, *end;
    size_t length = strlen(op->path);
    int from = state->slots[op->slot], budget = SOCKETS_MAX;
    _cleanup_close_ int to = mounts_open_path(op->path);
    char name[256];

    if (to < 0)
        return to;
    if (!text && read_list(own, sizeof(own)))
        text = own;
    for (line = text ? text : ""; *line && budget > 0; line = *end ? end + 1 : end) {
        const char *path;

        end = strchrnul(line, '\n');
        path = path_of(line, end);
        if (!path || strncmp(path, op->path, length) != 0 || path[length] != '/' ||
            (size_t)(end - path) - length > sizeof(name))
            continue;
        memcpy(name, path + length + 1, (size_t)(end - path) - length - 1);
        name[(size_t)(end - path) - length - 1] = '\0';
        bind_socket(from, to, name);
        budget--;
    }
    return 0;
}
