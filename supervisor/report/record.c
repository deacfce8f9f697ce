/* SPDX-License-Identifier: MIT */
/*
 * The evidence of incidents as files, below the project's .shunt: runs/ID/incidents/0003/ with
 * incident.json, tasks.txt, stacks.txt and output.txt, and `incidents`, a link to those of the last
 * run that had any. The ten latest runs are kept; a run that still goes on holds a lock. Tests may
 * write to the project's directory, so nothing here follows a link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/config/state_dir.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define RUNS_KEPT 10
#define RUNS_SEEN 256
#define INCIDENTS_MAX 200 /* of one run */
#define ID_SHOWN 8

struct record {
    int run, incidents; /* directories */
    char id[ID_SHOWN + 1];
    char root[400]; /* of the suite, with a slash; "": where shunt was started */
    unsigned count;
};

static int make_dir(int at, const char *name)
{
    int fd;

    if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* All that is below it, at most so deep as we make it. */
static void remove_below(int at, const char *name, int depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (fd >= 0 && !dir)
        close(fd);
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && depth > 0)
            remove_below(dirfd(dir), entry->d_name, depth - 1);
    }
    unlinkat(at, name, AT_REMOVEDIR);
}

struct old_run {
    char name[ID_SHOWN + 1];
    struct timespec time;
};

static int latest_first(const void *a, const void *b)
{
    const struct old_run *x = a, *y = b;

    if (x->time.tv_sec != y->time.tv_sec)
        return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
    return (x->time.tv_nsec < y->time.tv_nsec) - (x->time.tv_nsec > y->time.tv_nsec);
}

static void forget_old_runs(int runs)
{
    struct old_run old[RUNS_SEEN];
    size_t n = 0;
    int fd = openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    struct stat st;

    while (dir && n < RUNS_SEEN && (entry = readdir(dir)))
        if (strlen(entry->d_name) == ID_SHOWN &&
            fstatat(runs, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            memcpy(old[n].name, entry->d_name, ID_SHOWN + 1);
            old[n++].time = st.st_mtim;
        }
    qsort(old, n, sizeof(*old), latest_first);
    for (size_t i = RUNS_KEPT; i < n; i++) {
        _cleanup_close_ int run =
            openat(runs, old[i].name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (run >= 0 && flock(run, LOCK_EX | LOCK_NB) == 0)
            remove_below(runs, old[i].name, 3);
    }
}

/* For people, and for `.shunt/incidents/0003` on a command line: those of the last run. */
static void link_last(int state, const char *id)
{
    char target[64], aside[64];

    snprintf(target, sizeof(target), "runs/%s/incidents", id);
    snprintf(aside, sizeof(aside), ".incidents.%s", id);
    unlinkat(state, aside, 0);
    if (symlinkat(target, state, aside) == 0 && renameat(state, aside, state, "incidents") < 0)
        unlinkat(state, aside, 0);
}

static int open_dirs(struct record *record, int state, struct err *err)
{
    _cleanup_close_ int runs = make_dir(state, "runs");

    record->run = runs < 0 ? runs : make_dir(runs, record->id);
    if (record->run >= 0)
        flock(record->run, LOCK_SH | LOCK_NB);
    record->incidents = record->run < 0 ? record->run : make_dir(record->run, "incidents");
    if (record->incidents < 0)
        return err_set(err, ERR_SYSTEM, -record->incidents, "cannot write below .shunt: %s",
                       strerror(-record->incidents));
    forget_old_runs(runs);
    link_last(state, record->id);
    return 0;
}

static bool is_here(const char *root)
{
    struct stat there, here;

    return stat(root, &there) == 0 && stat(".", &here) == 0 && there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

int record_open(const char *root, const char *run_id, struct record **ret, struct err *err)
{
    _cleanup_close_ int state = state_dir_open(root, err);
    struct record *record;
    int r;

    if (state < 0)
        return state;
    record = mem_zalloc(sizeof(*record));
    record->run = record->incidents = -1;
    snprintf(record->id, sizeof(record->id), "%.*s", ID_SHOWN, run_id);
    if (!is_here(root))
        snprintf(record->root, sizeof(record->root), "%s/", root);
    r = open_dirs(record, state, err);
    if (r < 0) {
        record_close(record);
        return r;
    }
    *ret = record;
    return 0;
}

void record_close(struct record *record)
{
    if (!record)
        return;
    if (record->run >= 0)
        close(record->run);
    if (record->incidents >= 0)
        close(record->incidents);
    free(record);
}

int record_begin(struct record *record, struct incident *incident)
{
    char name[16];

    if (record->count >= INCIDENTS_MAX)
        return -ENOSPC;
    snprintf(name, sizeof(name), "%04u", incident->number);
    if (mkdirat(record->incidents, name, 0755) < 0)
        return -errno;
    record->count++;
    snprintf(incident->more.directory, sizeof(incident->more.directory),
             "%s.shunt/runs/%s/incidents/%s", record->root, record->id, name);
    return 0;
}

static int write_file(int dir, const char *name, const char *data, size_t size)
{
    _cleanup_close_ int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

    return fd < 0 ? -errno : io_write_all(fd, data, size);
}

static int write_lines(int dir, const char *name, const char *data, size_t size)
{
    _cleanup_free_ char *text = data && size ? text_clean(data, size, 1) : NULL;

    return text ? write_file(dir, name, text, strlen(text)) : 0;
}

int record_write(struct record *record, const struct suite *suite, const struct incident *incident)
{
    _cleanup_free_ char *tree = incident_tree(incident), *text = NULL,
                        *block = incident_text(suite, incident, false);
    const char *name = strrchr(incident->more.directory, '/');
    _cleanup_close_ int dir =
        name ? openat(record->incidents, name + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
             : -1;
    json_t *fields;
    int r;

    if (dir < 0)
        return -errno;
    fields = incident_json(suite, incident);
    json_object_set_new(fields, "v", json_integer(1));
    json_object_set_new(fields, "block", json_string(block));
    text = json_dumps(fields, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(fields);
    r = text ? write_file(dir, "incident.json", text, strlen(text)) : -EINVAL;
    if (*tree)
        write_file(dir, "tasks.txt", tree, strlen(tree));
    write_lines(dir, "stacks.txt", incident->more.stacks, incident->more.stacks_size);
    write_lines(dir, "output.txt", incident->output, incident->output_size);
    return r;
}
