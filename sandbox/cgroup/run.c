/* SPDX-License-Identifier: MIT */
/* The subtree of one run. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

static const unsigned limit_bits[] = {[CGROUP_PIDS] = CGROUP_HAS_TASKS,
                                      [CGROUP_MEMORY] = CGROUP_HAS_MEMORY,
                                      [CGROUP_CPU] = CGROUP_HAS_CPU};

/* As few hierarchies as will do: on v1 each is one more move of every worker, and a move may take
 * milliseconds. cpuacct only where no v2 tree counts CPU time; freezer and cpuset never. */
static void run_choose_trees(struct cgroup_run *run, unsigned only)
{
    const struct cgroup_host *host = run->host;

    for (int c = 0; c < CGROUP_RESOURCES; c++)
        run->tree_of[c] = -1;
    run->unified = host->unified >= 0 && host->trees[host->unified].writable ? host->unified : -1;
    /* On a hybrid host the v2 tree only kills and counts, which a pid namespace and rusage do as well. */
    if (only && run->unified >= 0 && !host->trees[run->unified].controllers)
        run->unified = -1;
    if (run->unified >= 0)
        run->used[run->unified] = true;
    for (enum cgroup_resource c = CGROUP_PIDS; c <= CGROUP_CPU; c++) {
        if (only && !(only & limit_bits[c]))
            continue;
        run->tree_of[c] = cgroup_host_tree(host, c, true);
        if (run->tree_of[c] >= 0)
            run->used[run->tree_of[c]] = true;
    }
    if (only && run->unified < 0)
        return;
    run->tree_of[CGROUP_CPUACCT] =
        run->unified >= 0 ? run->unified : cgroup_host_tree(host, CGROUP_CPUACCT, true);
    if (run->tree_of[CGROUP_CPUACCT] >= 0)
        run->used[run->tree_of[CGROUP_CPUACCT]] = true;
}

unsigned cgroup_host_offers(const struct cgroup_host *host, unsigned wanted)
{
    unsigned offers = 0;

    if (host->unified >= 0 && host->trees[host->unified].controllers)
        return 0;
    for (enum cgroup_resource c = CGROUP_PIDS; c <= CGROUP_CPU; c++)
        if (cgroup_host_tree(host, c, true) >= 0)
            offers |= limit_bits[c];
    return wanted & offers;
}

static int v1_make_by_library(const struct cgroup_tree *tree, const char *name)
{
    _cleanup_free_ char *path = NULL;
    const char *below = tree->own + strlen(tree->mount);
    unsigned first = (unsigned)__builtin_ctz(tree->controllers);

    path = mem_printf("%s/%s", below[0] == '/' ? below + 1 : below, name);
    return cgroup_libcg_make(cgroup_controller_names[first], tree->mount,
                             path[0] == '/' ? path + 1 : path,
                             (tree->controllers & 1u << CGROUP_MEMORY) != 0);
}

/* The top directory in one hierarchy; returns its descriptor. */
static int run_make_top(const struct cgroup_tree *tree, const char *name, bool by_library)
{
    int fd;

    if (tree->v2 || !by_library || v1_make_by_library(tree, name) < 0)
        if (mkdirat(tree->fd, name, 0755) < 0 && errno != EEXIST)
            return -errno;
    fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (!tree->v2 && tree->controllers & 1u << CGROUP_MEMORY)
        io_write_file_at(fd, "memory.use_hierarchy", "1");
    return fd;
}

static int run_make(struct cgroup_run *run, struct err *err)
{
    int r;

    for (int i = 0; i < run->host->n_trees; i++) {
        const struct cgroup_tree *tree = &run->host->trees[i];

        if (!run->used[i])
            continue;
        /* libcgroup reads all mounts first, which takes longer than the rest of `shunt exec`. */
        r = run_make_top(tree, run->name, !run->only);
        if (r < 0)
            return err_set(err, ERR_SANDBOX, -r, "cannot make cgroup %s/%s: %m", tree->own,
                           run->name);
        run->top.dir[i] = r;
        /* Processes live in it otherwise, and then it may hand no controllers on. */
        if (tree->v2 && !run->only)
            cgroup_room_enable(r, tree->controllers);
    }
    if (run->only)
        return 0;
    r = cgroup_node_open(&run->top, "control", true, &run->control);
    return r < 0 ? err_set(err, ERR_SANDBOX, -r, "cannot make cgroup %s/control: %m", run->name)
                 : 0;
}

static bool run_control_has(const struct cgroup_run *run, enum cgroup_resource c, const char *file)
{
    const struct cgroup_node *node = run->only ? &run->top : &run->control;
    int tree = run->tree_of[c];

    return tree >= 0 && faccessat(node->dir[tree], file, F_OK, 0) == 0;
}

/* What is there is found in the directory made, not concluded from versions. */
static void run_find_abilities(struct cgroup_run *run)
{
    const struct cgroup_tree *trees = run->host->trees;
    bool v2_tasks, v2_memory;

    if (run_control_has(run, CGROUP_PIDS, "pids.max"))
        run->has |= CGROUP_HAS_TASKS;
    else
        run->tree_of[CGROUP_PIDS] = -1;
    if (run_control_has(run, CGROUP_MEMORY, "memory.max") ||
        run_control_has(run, CGROUP_MEMORY, "memory.limit_in_bytes"))
        run->has |= CGROUP_HAS_MEMORY;
    else
        run->tree_of[CGROUP_MEMORY] = -1;
    if (run_control_has(run, CGROUP_CPU, "cpu.weight") ||
        run_control_has(run, CGROUP_CPU, "cpu.shares"))
        run->has |= CGROUP_HAS_CPU;
    else
        run->tree_of[CGROUP_CPU] = -1;
    if (run->unified >= 0 && faccessat(run->top.dir[run->unified], "cgroup.kill", F_OK, 0) == 0)
        run->has |= CGROUP_HAS_KILL;
    if (run->unified >= 0 && faccessat(run->top.dir[run->unified], "cgroup.freeze", F_OK, 0) == 0)
        run->has |= CGROUP_HAS_FREEZE;
    /* v1: since 6.12 a change of pids.events wakes nobody there, so nothing is promised. */
    v2_tasks = run->tree_of[CGROUP_PIDS] >= 0 && trees[run->tree_of[CGROUP_PIDS]].v2;
    v2_memory = run->tree_of[CGROUP_MEMORY] < 0 || trees[run->tree_of[CGROUP_MEMORY]].v2;
    if (v2_tasks && v2_memory)
        run->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (run->notify_fd >= 0)
        run->has |= CGROUP_HAS_NOTIFY;
}

static void run_write_description(struct cgroup_run *run)
{
    static const char *const words[] = {"tasks", "memory", "cpu"};
    char have[40] = "", lack[60] = "";

    for (unsigned i = 0; i < 3; i++) {
        char *list = run->has & 1u << i ? have : lack;

        if (run->only && !(run->only & 1u << i)) /* nobody looked for it */
            continue;
        snprintf(list + strlen(list), sizeof(have) - strlen(list), "%s%s", *list ? ", " : "",
                 words[i]);
    }
    snprintf(run->describe, sizeof(run->describe), "%s (%s)%s%s", cgroup_mode_name(run->host->mode),
             *have ? have : "no limits", *lack ? "; no controller for " : "", lack);
}

static bool run_needs_room(const struct cgroup_run *run)
{
    return run->unified >= 0 && run->host->trees[run->unified].controllers != 0;
}

int cgroup_run_create(const struct cgroup_host *host, const struct cgroup_run_options *options,
                      struct cgroup_run **ret, struct err *err)
{
    struct cgroup_run *run;
    int r;

    if (host->mode == CGROUP_NONE)
        return cgroup_room_refuse(host, err);
    run = mem_zalloc(sizeof(*run));
    run->host = host;
    run->notify_fd = -1;
    run->only = options ? options->only : 0;
    run->top = run->control = (struct cgroup_node)CGROUP_NODE_INIT;
    cgroup_id_print(&host->id, CGROUP_LEFT_TOP, run->name);
    run_choose_trees(run, run->only);
    if (run_needs_room(run)) {
        r = cgroup_room_make(host, options, &run->room, err);
        if (r < 0) {
            free(run);
            return r;
        }
    }
    r = run_make(run, err);
    if (r < 0) {
        cgroup_run_destroy(run, 0);
        return r;
    }
    run_find_abilities(run);
    run_write_description(run);
    *ret = run;
    return 0;
}

static int kill_one_below(int dir, const char *name, void *data)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool stop_forks = *(const bool *)data;

    if (fd >= 0)
        cgroup_dir_kill_by_pid(fd, stop_forks ? fd : -1);
    return 0;
}

/* By cgroup.kill where it exists; and once more by pid in each v1 hierarchy if something is left,
 * since an attach that failed half-way leaves a process in some hierarchies only. */
static void run_kill(const struct cgroup_run *run, bool all)
{
    if (run->has & CGROUP_HAS_KILL && run->top.dir[run->unified] >= 0)
        if (cgroup_dir_kill(run->top.dir[run->unified]) == 0 && !all)
            return;
    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        bool pids = i == run->tree_of[CGROUP_PIDS];

        if (run->top.dir[i] >= 0 && run->only)
            cgroup_dir_kill_by_pid(run->top.dir[i], pids ? run->top.dir[i] : -1);
        else if (run->top.dir[i] >= 0)
            cgroup_dir_each_child(run->top.dir[i], kill_one_below, &pids);
    }
}

static int run_remove(const struct cgroup_run *run)
{
    int result = 0;

    for (int i = 0; i < run->host->n_trees; i++) {
        int r = run->top.dir[i] < 0 ? 0 : cgroup_dir_remove(run->host->trees[i].fd, run->name, 0);

        if (r < 0)
            result = r;
    }
    return result;
}

int cgroup_run_destroy(struct cgroup_run *run, unsigned timeout_ms)
{
    uint64_t deadline = clock_now_ns() + timeout_ms * NS_PER_MS;
    int r, undone;

    if (!run)
        return 0;
    cgroup_run_warm_end(run);
    /* Usually everything in it has died already, and looking for what to kill takes longer than removing it. */
    if (run_remove(run) < 0)
        run_kill(run, false);
    for (unsigned turn = 0; (r = run_remove(run)) < 0 && clock_now_ns() < deadline; turn++) {
        usleep(turn < 20 ? 500 : 5000);
        if (turn % 20 == 19)
            run_kill(run, true);
    }
    undone = cgroup_room_undo(run->host, &run->room);
    cgroup_node_close(&run->control);
    cgroup_node_close(&run->top);
    close_fd(&run->notify_fd);
    free(run);
    return r < 0 || undone < 0 ? -EBUSY : 0;
}

int cgroup_node_listing(const struct cgroup_run *run, const struct cgroup_node *node)
{
    if (run->unified >= 0)
        return node->dir[run->unified];
    if (run->tree_of[CGROUP_PIDS] >= 0)
        return node->dir[run->tree_of[CGROUP_PIDS]];
    for (int i = 0; i < CGROUP_TREES_MAX; i++)
        if (node->dir[i] >= 0)
            return node->dir[i];
    return -1;
}

int cgroup_run_attach_control(struct cgroup_run *run, pid_t pid)
{
    return cgroup_node_attach(&run->control, pid);
}

int cgroup_run_limit_control(struct cgroup_run *run, uint64_t tasks, uint64_t memory_bytes)
{
    struct cgroup_limits limits = {
        .tasks = tasks ? tasks : UINT64_MAX,
        .memory_bytes = memory_bytes ? memory_bytes : UINT64_MAX,
    };

    /* "None" is what there is without a controller. */
    if (limits.tasks == UINT64_MAX && !(run->has & CGROUP_HAS_TASKS))
        limits.tasks = 0;
    if (limits.memory_bytes == UINT64_MAX && !(run->has & CGROUP_HAS_MEMORY))
        limits.memory_bytes = 0;
    return cgroup_set_limits(run, &run->control, &limits);
}

const char *cgroup_run_describe(const struct cgroup_run *run)
{
    return run->describe;
}

unsigned cgroup_run_has(const struct cgroup_run *run)
{
    return run->has;
}

int cgroup_run_notify_fd(const struct cgroup_run *run)
{
    return run->notify_fd;
}

void cgroup_run_notify_clear(struct cgroup_run *run)
{
    char events[4096];

    while (run->notify_fd >= 0 && read(run->notify_fd, events, sizeof(events)) > 0)
        ;
}
