/* SPDX-License-Identifier: MIT */
#include "sandbox/base/proc_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"

/* Its directory has a link for each. */
uint64_t proc_tree_threads(pid_t pid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    return stat(path, &st) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

static size_t add_of_thread(pid_t pid, pid_t tid, pid_t *list, size_t n, size_t room)
{
    char path[64], text[8192], *at = text, *end;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)tid);
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return n;
    for (long child; n < room && (child = strtol(at, &end, 10)) > 0 && end != at; at = end)
        list[n++] = (pid_t)child;
    return n;
}

/* A child belongs to the thread that made it. */
static size_t add_of_process(pid_t pid, pid_t *list, size_t n, size_t room)
{
    _cleanup_closedir_ DIR *dir = NULL;
    const struct dirent *entry;
    char path[64];

    if (proc_tree_threads(pid) < 2)
        return add_of_thread(pid, pid, list, n, room);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (dir && n < room && (entry = readdir(dir)))
        if (atoi(entry->d_name) > 0)
            n = add_of_thread(pid, atoi(entry->d_name), list, n, room);
    return n;
}

size_t proc_tree_list(pid_t root, pid_t *ret, size_t room)
{
    size_t n = 0;

    if (root <= 0 || room == 0)
        return 0;
    ret[n++] = root;
    for (size_t i = 0; i < n; i++)
        n = add_of_process(ret[i], ret, n, room);
    return n;
}
