/* SPDX-License-Identifier: MIT */
/*
 * Leftovers of runs whose shunt was killed. The directory's name is the journal: it says which
 * process made it, and a process is known by pid, start time and pid namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

#define SWEEP_TURNS 200 /* of 1 ms: what was killed needs to die */
#define FOREIGN_AGE_S 60

struct leftovers {
    struct cgroup_id *ids;
    size_t n, cap;
};

static bool same_id(const struct cgroup_id *a, const struct cgroup_id *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks && a->pidns == b->pidns;
}

static int note_leftover(int dir, const char *name, void *data)
{
    struct leftovers *all = data;
    struct cgroup_id id;
    enum cgroup_leftover what;

    (void)dir;
    if (!cgroup_id_parse(name, &id, &what))
        return 0;
    for (size_t i = 0; i < all->n; i++)
        if (same_id(&all->ids[i], &id))
            return 0;
    mem_grow(&all->ids, &all->cap, all->n + 1, sizeof(*all->ids));
    all->ids[all->n++] = id;
    return 1;
}

static int count_processes(int dir, const char *name, void *data)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    pid_t id;

    if (fd < 0)
        return 0;
    /* What cannot be read counts as inhabited. */
    return (cgroup_dir_ids(fd, "cgroup.procs", &id, 1) != 0) +
           cgroup_dir_each_child(fd, count_processes, data);
}

static bool is_inhabited(const struct cgroup_host *host, const struct cgroup_id *id)
{
    for (int i = 0; i < host->n_trees; i++)
        for (enum cgroup_leftover what = CGROUP_LEFT_TOP; what <= CGROUP_LEFT_ADOPTED; what++) {
            char name[CGROUP_NAME_MAX];

            cgroup_id_print(id, what, name);
            if (count_processes(host->trees[i].fd, name, NULL) > 0)
                return true;
        }
    return false;
}

/* In doubt, yes. The owner in another pid namespace cannot be looked up; but a live run has
 * processes in its cgroups but for the first moments. */
static bool owner_lives(const struct cgroup_host *host, const struct cgroup_id *id)
{
    char path[64], text[1024];
    uint64_t start;
    pid_t parent;

    if (id->pidns != host->id.pidns) {
        struct timespec up;
        uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

        clock_gettime(CLOCK_BOOTTIME, &up);
        return id->start_ticks / ticks + FOREIGN_AGE_S > (uint64_t)up.tv_sec ||
               is_inhabited(host, id);
    }
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)id->pid);
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0 ||
        !cgroup_stat_parse(text, &parent, &start))
        return access("/proc/self/stat", F_OK) < 0;           /* without /proc nothing is known */
    return start == id->start_ticks && !strstr(text, ") Z "); /* a zombie owns nothing */
}

static int kill_below(int dir, const char *name, void *data)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    (void)data;
    if (fd >= 0)
        cgroup_dir_kill_by_pid(fd, fd);
    return 0;
}

static int sweep_top(const struct cgroup_tree *tree, const struct cgroup_id *id)
{
    _cleanup_close_ int fd = -1;
    char name[CGROUP_NAME_MAX];

    cgroup_id_print(id, CGROUP_LEFT_TOP, name);
    fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (tree->v2) /* it may have died while it held them frozen; the kill works either way */
        io_write_file_at(fd, "cgroup.freeze", "0");
    if (!tree->v2 || cgroup_dir_kill(fd) < 0)
        cgroup_dir_each_child(fd, kill_below, NULL);
    return cgroup_dir_remove(tree->fd, name, 0);
}

static bool sweep_one(const struct cgroup_host *host, const struct cgroup_id *id)
{
    int left = 1;

    for (int turn = 0; turn < SWEEP_TURNS && left; turn++) {
        if (turn)
            usleep(1000);
        left = 0;
        for (int i = 0; i < host->n_trees; i++)
            left |= host->trees[i].writable && sweep_top(&host->trees[i], id) < 0;
    }
    /* Its leaf beside the subtree means that it had turned the controllers on. What lives in there
     * was adopted (never to be killed) or is a child of the dead shunt that nobody asked us to end.
     */
    if (!left && host->unified >= 0 && host->trees[host->unified].writable) {
        const struct cgroup_tree *tree = &host->trees[host->unified];
        char name[CGROUP_NAME_MAX];

        cgroup_id_print(id, CGROUP_LEFT_SUPERVISOR, name);
        if (faccessat(tree->fd, name, F_OK, 0) == 0)
            return cgroup_room_restore(tree, id, true, tree->controllers) == 0;
    }
    return !left;
}

static int sweep_place(const struct cgroup_host *host)
{
    struct leftovers all = {0};
    int swept = 0;

    for (int i = 0; i < host->n_trees; i++)
        if (host->trees[i].writable)
            cgroup_dir_each_child(host->trees[i].fd, note_leftover, &all);
    for (size_t i = 0; i < all.n; i++)
        if (!owner_lives(host, &all.ids[i]) && sweep_one(host, &all.ids[i]))
            swept++;
    free(all.ids);
    return swept;
}

/* A shunt that adopted the processes around it and was killed left them (by now our own shell) in
 * its leaf, and us with them: its leftovers are beside us, and the place that we came from above.
 */
static bool in_leaf_of_dead(const struct cgroup_host *host)
{
    const struct cgroup_tree *tree = host->unified < 0 ? NULL : &host->trees[host->unified];
    const char *name = tree ? strrchr(tree->own, '/') : NULL;
    enum cgroup_leftover what;
    struct cgroup_id id;

    return name && strlen(tree->own) > strlen(tree->mount) &&
           cgroup_id_parse(name + 1, &id, &what) && what != CGROUP_LEFT_TOP &&
           !owner_lives(host, &id);
}

int cgroup_host_sweep(struct cgroup_host *host)
{
    int swept = 0;

    while (in_leaf_of_dead(host)) {
        struct cgroup_tree *tree = &host->trees[host->unified];
        _cleanup_free_ char *was = mem_strdup(tree->own);
        _cleanup_free_ char *above = strndup(was, (size_t)(strrchr(was, '/') - was));
        int n;

        if (!above || cgroup_tree_move(tree, above) < 0)
            break;
        n = tree->writable ? sweep_place(host) : 0;
        swept += n;
        if (!n || access(was, F_OK) == 0) { /* we are still in there */
            cgroup_tree_move(tree, was);
            break;
        }
    }
    return swept + sweep_place(host);
}
