/* SPDX-License-Identifier: MIT */
/*
 * Room below our own v2 cgroup. Only a cgroup without processes of its own may hand controllers to
 * its children (the root excepted), so shunt goes into a leaf beside its subtree, and whoever else
 * lives in its cgroup must go, too: with --adopt-cgroup into a second leaf, for the time of the
 * run. Without, the user is told who it is and what to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

#define REMOVE_TURNS 2000 /* of half a millisecond, on a machine with one slow CPU */
#define MOVE_PASSES 20
#define ANCESTORS_MAX 64

static bool is_ours(pid_t pid)
{
    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        char path[64], text[1024];
        uint64_t start;

        if (pid == getpid())
            return true;
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0 ||
            !cgroup_stat_parse(text, &pid, &start))
            return false;
    }
    return false;
}

static bool is_alive(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return access(path, F_OK) == 0;
}

/* Names the first three processes in `dir` that are not ours. Returns how many there are. */
static int room_foreign(int dir, char *text, size_t size)
{
    _cleanup_free_ pid_t *ids = NULL;
    ssize_t n = cgroup_dir_all_ids(dir, "cgroup.procs", &ids);
    int found = 0;

    if (size)
        text[0] = '\0';
    for (ssize_t i = 0; i < n; i++) {
        char path[64], comm[64] = "of another pid namespace";
        size_t len = size ? strlen(text) : 0;

        if (is_ours(ids[i]) || (ids[i] > 0 && !is_alive(ids[i])))
            continue;
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)ids[i]);
        if (ids[i] > 0 && io_read_file_at(AT_FDCWD, path, comm, sizeof(comm)) > 0)
            comm[strcspn(comm, "\n")] = '\0';
        if (found < 3 && size)
            snprintf(text + len, size - len, "%s%d %s", found ? ", " : "", (int)ids[i], comm);
        else if (found == 3 && size)
            snprintf(text + len, size - len, ", ...");
        found++;
    }
    return found;
}

enum who { WHO_OURS, WHO_FOREIGN, WHO_ALL };

/* Moves processes until a reading finds none: they may fork meanwhile. Zombies are not listed. */
static int room_move(int from, int to, enum who who)
{
    int r = 0;

    for (int pass = 0; pass < MOVE_PASSES; pass++) {
        _cleanup_free_ pid_t *ids = NULL;
        ssize_t n = cgroup_dir_all_ids(from, "cgroup.procs", &ids);
        int left = 0;

        if (n < 0)
            return (int)n;
        for (ssize_t i = 0; i < n; i++) {
            if (who != WHO_ALL && (who == WHO_OURS) != is_ours(ids[i]))
                continue;
            r = ids[i] > 0 ? io_write_u64_at(to, "cgroup.procs", (uint64_t)ids[i]) : -EPERM;
            if (r == -ESRCH)
                continue;
            if (r < 0)
                return r;
            left++;
        }
        if (!left)
            return 0;
    }
    return -EBUSY;
}

unsigned cgroup_room_enable(int dir, unsigned controllers)
{
    char text[512];
    unsigned on = 0, before = 0;

    if (io_read_file_at(dir, "cgroup.subtree_control", text, sizeof(text)) > 0)
        before = cgroup_parse_controllers(text, " \n");
    for (unsigned c = 0; c < CGROUP_RESOURCES; c++) {
        char word[32];

        if (!(controllers & ~before & 1u << c))
            continue;
        snprintf(word, sizeof(word), "+%s", cgroup_controller_names[c]);
        if (io_write_file_at(dir, "cgroup.subtree_control", word) == 0)
            on |= 1u << c;
    }
    return on;
}

static int room_disable(int dir, unsigned controllers)
{
    int result = 0;

    for (unsigned c = 0; c < CGROUP_RESOURCES; c++) {
        char word[32];
        int r;

        if (!(controllers & 1u << c))
            continue;
        snprintf(word, sizeof(word), "-%s", cgroup_controller_names[c]);
        r = io_write_file_at(dir, "cgroup.subtree_control", word);
        if (r < 0)
            result = r;
    }
    return result;
}

static int room_leaf(const struct cgroup_tree *tree, const struct cgroup_id *id,
                     enum cgroup_leftover what, bool make)
{
    char name[CGROUP_NAME_MAX];
    int fd;

    cgroup_id_print(id, what, name);
    if (make && mkdirat(tree->fd, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* The directory above our own, or NULL when that is out of sight. Remedies make cgroups there: our
 * own has processes, so nothing below it can have controllers. */
static char *cgroup_parent_of(const struct cgroup_tree *tree)
{
    const char *slash = strrchr(tree->own, '/');

    if (strcmp(tree->own, tree->mount) == 0 || !slash || slash == tree->own)
        return NULL;
    return strndup(tree->own, (size_t)(slash - tree->own));
}

static int room_refuse_foreign(const struct cgroup_host *host, const char *names, int errnum,
                               struct err *err)
{
    const struct cgroup_tree *tree = &host->trees[host->unified];
    _cleanup_free_ char *parent = cgroup_parent_of(tree);
    const char *prefix[8];

    err_set(err, ERR_SANDBOX, errnum,
            "other processes live in our cgroup %s (%s), and cgroup v2 gives limits only below a "
            "cgroup that has none",
            tree->own, names);
    if (cgroup_host_scope_command(host, prefix, 8))
        return err_hint(err,
                        "start shunt in a scope of its own: systemd-run %s--scope -p Delegate=yes "
                        "shunt ...; or add --adopt-cgroup",
                        strcmp(prefix[1], "--user") == 0 ? "--user " : "");
    if (parent && faccessat(AT_FDCWD, parent, W_OK, AT_EACCESS) == 0)
        return err_hint(
            err,
            "add --adopt-cgroup (they are moved into a cgroup beside shunt's for the time of "
            "the run), or start it alone: sh -c 'mkdir -p %s/alone && echo $$ > "
            "%s/alone/cgroup.procs && exec shunt ...'",
            parent, parent);
    return err_hint(err,
                    "add --adopt-cgroup: they are moved into a cgroup beside shunt's for the time "
                    "of the run");
}

/* Puts shunt (and the foreign, if any) into leaves of their own. */
static int room_clear(const struct cgroup_host *host, bool adopt, struct cgroup_room *room)
{
    const struct cgroup_tree *tree = &host->trees[host->unified];
    _cleanup_close_ int supervisor = room_leaf(tree, &host->id, CGROUP_LEFT_SUPERVISOR, true);
    _cleanup_close_ int adopted = -1;
    int r;

    if (supervisor < 0)
        return supervisor;
    room->supervisor = true;
    if (adopt && room_foreign(tree->fd, NULL, 0) > 0) {
        adopted = room_leaf(tree, &host->id, CGROUP_LEFT_ADOPTED, true);
        if (adopted < 0)
            return adopted;
        room->adopted = true;
        r = room_move(tree->fd, adopted, WHO_FOREIGN);
        if (r < 0)
            return r;
    }
    return room_move(tree->fd, supervisor, WHO_OURS);
}

int cgroup_room_make(const struct cgroup_host *host, const struct cgroup_run_options *options,
                     struct cgroup_room *ret, struct err *err)
{
    const struct cgroup_tree *tree = &host->trees[host->unified];
    struct cgroup_room room = {0};
    char names[256];
    unsigned wanted = tree->controllers;
    int r;

    if (!tree->real_root) {
        if (!(options && options->adopt) && room_foreign(tree->fd, names, sizeof(names)) > 0)
            return room_refuse_foreign(host, names, EBUSY, err);
        r = room_clear(host, options && options->adopt, &room);
        if (r < 0) {
            cgroup_room_undo(host, &room);
            err_set(err, ERR_SANDBOX, -r, "cannot clear cgroup %s of processes: %m", tree->own);
            return err_hint(err, "start shunt alone in a cgroup of its own");
        }
    }
    room.enabled = cgroup_room_enable(tree->fd, wanted);
    /* A process that came in between makes the first try fail. */
    if (!room.enabled && !tree->real_root && options && options->adopt &&
        room_clear(host, true, &room) == 0)
        room.enabled = cgroup_room_enable(tree->fd, wanted);
    if (!room.enabled && !tree->real_root) {
        room_foreign(tree->fd, names, sizeof(names));
        cgroup_room_undo(host, &room);
        return room_refuse_foreign(host, *names ? names : "gone by now", EBUSY, err);
    }
    *ret = room;
    return 0;
}

/* Empty by now, but for children of shunt's that are about to have died: they count and cannot be moved. */
static int room_remove_leaf(int parent, const char *name)
{
    int r = cgroup_dir_remove(parent, name, 0);

    for (int turn = 0; r == -EBUSY && turn < REMOVE_TURNS; turn++) {
        usleep(500);
        r = cgroup_dir_remove(parent, name, 0);
    }
    return r;
}

int cgroup_room_restore(const struct cgroup_tree *tree, const struct cgroup_id *id, bool adopted,
                        unsigned enabled)
{
    enum cgroup_leftover last = adopted ? CGROUP_LEFT_ADOPTED : CGROUP_LEFT_SUPERVISOR;
    int result = room_disable(tree->fd, enabled);

    for (enum cgroup_leftover what = CGROUP_LEFT_SUPERVISOR; what <= last; what++) {
        _cleanup_close_ int fd = room_leaf(tree, id, what, false);
        char name[CGROUP_NAME_MAX];
        int r;

        if (fd < 0)
            continue;
        r = room_move(fd, tree->fd, WHO_ALL);
        cgroup_id_print(id, what, name);
        /* Whoever could not be moved is about to have died, or stays: then the directory does, too. */
        if (room_remove_leaf(tree->fd, name) < 0)
            result = r < 0 ? r : -EBUSY;
    }
    return result;
}

int cgroup_room_undo(const struct cgroup_host *host, struct cgroup_room *room)
{
    struct cgroup_room was = *room;

    *room = (struct cgroup_room){0};
    if (!was.supervisor) {
        /* In the root somebody else may use by now what we turned on; then EBUSY says so, rightly.
         */
        if (was.enabled)
            room_disable(host->trees[host->unified].fd, was.enabled);
        return 0;
    }
    return cgroup_room_restore(&host->trees[host->unified], &host->id, was.adopted, was.enabled);
}

int cgroup_room_refuse(const struct cgroup_host *host, struct err *err)
{
    const struct cgroup_tree *tree = NULL;
    _cleanup_free_ char *parent = NULL;
    const char *prefix[8];

    for (int i = 0; i < host->n_trees && !tree; i++)
        if (host->trees[i].v2 || host->trees[i].controllers & 1u << CGROUP_PIDS)
            tree = &host->trees[i];
    if (!tree) {
        err_set(err, ERR_SANDBOX, ENOENT,
                "no cgroup hierarchy is mounted where this process can see it");
        return err_hint(err, "mount one, as root: mount -t cgroup2 none /sys/fs/cgroup");
    }
    err_set(err, ERR_SANDBOX, tree->why, "cannot make cgroups below our own, %s: %m", tree->own);
    if (cgroup_host_scope_command(host, prefix, 8))
        return err_hint(err,
                        "start shunt in a scope of its own: systemd-run %s--scope -p Delegate=yes "
                        "shunt ...",
                        strcmp(prefix[1], "--user") == 0 ? "--user " : "");
    if (tree->why == EROFS)
        return err_hint(
            err, "it is mounted read-only, as containers do: docker run --privileged "
                 "--cgroupns=private ..., or podman run --security-opt unmask=/sys/fs/cgroup ...");
    if (!tree->v2)
        return err_hint(err, "on cgroup v1 only root can have them: run shunt with sudo");
    if (!(parent = cgroup_parent_of(tree)))
        return err_hint(err,
                        "ask for a delegated cgroup: its directory, cgroup.procs, cgroup.threads "
                        "and cgroup.subtree_control must belong to uid %d",
                        (int)geteuid());
    return err_hint(
        err,
        "as root: d=%s/shunt-%d; mkdir $d && chown %d $d $d/cgroup.procs "
        "$d/cgroup.threads $d/cgroup.subtree_control && echo %d > $d/cgroup.procs; then "
        "again, with --adopt-cgroup",
        parent, (int)geteuid(), (int)geteuid(), (int)getppid());
}

static bool in_path(const char *program)
{
    _cleanup_free_ char *path = mem_strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    char *save = NULL;

    for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        _cleanup_free_ char *file = mem_printf("%s/%s", dir, program);

        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

bool cgroup_host_scope_command(const struct cgroup_host *host, const char *argv_prefix[], size_t n)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *words[] = {
        "systemd-run", geteuid() == 0 ? NULL : "--user", "--scope", "--quiet", "-p", "Delegate=yes",
        "--"};
    const struct cgroup_tree *tree = host->unified < 0 ? NULL : &host->trees[host->unified];
    size_t k = 0;

    if (!tree || !tree->controllers || tree->real_root || getenv("SHUNT_SCOPE"))
        return false;
    if (access("/run/systemd/system", F_OK) < 0 || !in_path("systemd-run"))
        return false;
    if (geteuid() != 0) {
        _cleanup_free_ char *bus = runtime ? mem_printf("%s/systemd/private", runtime) : NULL;

        if (!bus || access(bus, F_OK) < 0)
            return false;
    }
    if (tree->writable && room_foreign(tree->fd, NULL, 0) == 0)
        return false; /* alone already */
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i] && k + 1 < n)
            argv_prefix[k++] = words[i];
    argv_prefix[k] = NULL;
    return true;
}
