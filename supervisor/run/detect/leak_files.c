/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/leak_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/leak.h"
#include "supervisor/run/detect/held_result.h"
#include "supervisor/run/state.h"

#define FILES_MAX 512
#define KEPT_MAX 64
#define SHOWN_MAX 3
/* The time stamps of files stand still for a tick of the kernel: whatever changed so short a time ago may change again
 * without a trace. */
#define COARSE_NS (10 * NS_PER_MS)

struct file {
    char *name;
    ino_t inode;
    bool directory;
    size_t test; /* TEST_NONE: nobody's */
};

struct leak_files {
    int fd;
    uint64_t changed_ns; /* the directory, as of the last look; 0: look again */
    struct file *files;
    size_t n, room;
    char *kept[KEPT_MAX];
    size_t nkept;
};

int leak_files_kept(struct worker *worker, const json_t *kept)
{
    struct leak_files *files = worker->files;
    size_t i;
    json_t *name;

    if (!kept || json_is_null(kept))
        return 0;
    if (!json_is_array(kept) || json_array_size(kept) > KEPT_MAX)
        return -EPROTO;
    json_array_foreach (kept, i, name) {
        if (!json_is_string(name) || json_string_length(name) > NAME_MAX)
            return -EPROTO;
        if (files && files->nkept < KEPT_MAX)
            files->kept[files->nkept++] = mem_strdup(json_string_value(name));
    }
    return 0;
}

/* The place where only this worker's changes to /tmp are; -1: there is none, or it cannot be seen from here. */
static int open_place(const struct worker *worker)
{
    const struct run *run = worker->run;
    _cleanup_free_ char *path = NULL;

    if (!run_init_cells(run->init) || !(run_init_plan(run->init)->gives & SPEC_BIT(SPEC_TMP)))
        return -1;
    if (run->layers)
        path = mem_printf("%s/cell-%u/tmp.upper", run->layers, worker->number);
    else if (run_init_plan(run->init)->spec.tmp == SPEC_TMP_FRESH)
        path = mem_printf("/proc/%d/root/tmp", (int)worker->pid);
    return path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

static bool is_kept(const struct leak_files *files, const char *name)
{
    for (size_t i = 0; i < files->nkept; i++)
        if (strcmp(files->kept[i], name) == 0)
            return true;
    return false;
}

static bool is_known(const struct leak_files *files, const char *name, ino_t inode)
{
    for (size_t i = 0; i < files->n; i++)
        if (files->files[i].inode == inode && strcmp(files->files[i].name, name) == 0)
            return true;
    return false;
}

/* Gives what is new to `test`. */
static void list(struct leak_files *files, size_t test)
{
    int fd = openat(files->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (fd >= 0 && !dir)
        close(fd);
    while (dir && files->n < FILES_MAX && (entry = readdir(dir))) {
        /* A character device in an upper layer says that something was removed. */
        if (entry->d_type == DT_CHR || leak_is_foreign_name(entry->d_name) ||
            is_known(files, entry->d_name, entry->d_ino))
            continue;
        mem_grow(&files->files, &files->room, files->n + 1, sizeof(*files->files));
        files->files[files->n++] = (struct file){.name = mem_strdup(entry->d_name),
                                                 .inode = entry->d_ino,
                                                 .directory = entry->d_type == DT_DIR,
                                                 .test = is_kept(files, entry->d_name) ? TEST_NONE : test};
    }
}

static uint64_t wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static void look(struct leak_files *files, size_t test)
{
    struct stat st;
    uint64_t changed;

    if (fstat(files->fd, &st) < 0)
        return;
    changed = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
    if (changed == files->changed_ns)
        return;
    list(files, test);
    files->changed_ns = wall_ns() - changed > COARSE_NS ? changed : 0;
}

void leak_files_start(struct worker *worker)
{
    int fd = worker->files || worker->run->config->leaks == LEAKS_IGNORE ? -1 : open_place(worker);

    if (fd < 0)
        return;
    worker->files = mem_zalloc(sizeof(*worker->files));
    worker->files->fd = fd;
    look(worker->files, TEST_NONE);
}

void leak_files_boundary(struct worker *worker, size_t test)
{
    if (worker->files)
        look(worker->files, test);
}

static bool is_there(const struct leak_files *files, const struct file *file)
{
    struct stat st;

    return fstatat(files->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == file->inode;
}

/* All of one test's, from the file at `first` on. */
static void report_files(struct worker *worker, size_t first)
{
    struct leak_files *files = worker->files;
    size_t test = files->files[first].test;
    struct leak_sum sum = {0};
    struct incident *incident;
    char text[sizeof(incident->evidence) - 8] = ""; /* and room for ", …" */
    size_t at = 0;

    for (size_t i = first; i < files->n; i++) {
        struct file *file = &files->files[i];

        if (file->test != test)
            continue;
        file->test = TEST_NONE;
        if (!is_there(files, file))
            continue;
        if (sum.files++ < SHOWN_MAX && at < sizeof(text))
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s/tmp/%.100s%s", at ? ", " : "", file->name,
                                   file->directory ? "/" : "");
    }
    if (!sum.files)
        return;
    incident = incident_new(worker, VERDICT_LEAK, test);
    incident->counters = (struct detector_counters){0};
    incident->next = INCIDENT_NOTHING;
    incident->blame.confidence = BLAME_WINDOW;
    leak_sum_text(&sum, incident->text, sizeof(incident->text));
    snprintf(incident->evidence, sizeof(incident->evidence), "%s%s", text, sum.files > SHOWN_MAX ? ", …" : "");
    held_result_revise(worker, incident);
    report_incident(worker->run->report, &worker->run->suite, incident);
}

void leak_files_end(struct worker *worker)
{
    struct leak_files *files = worker->files;

    for (size_t i = 0; files && i < files->n; i++)
        if (files->files[i].test != TEST_NONE)
            report_files(worker, i);
    leak_files_free(worker);
}

void leak_files_free(struct worker *worker)
{
    struct leak_files *files = worker->files;

    if (!files)
        return;
    close_fd(&files->fd);
    for (size_t i = 0; i < files->n; i++)
        free(files->files[i].name);
    for (size_t i = 0; i < files->nkept; i++)
        free(files->kept[i]);
    free(files->files);
    free(files);
    worker->files = NULL;
}
