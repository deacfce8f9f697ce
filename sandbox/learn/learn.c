/* SPDX-License-Identifier: MIT */
/* What a run does, noted call by call. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"
#include "sandbox/learn/peek.h"
#include "sandbox/learn/rows.h"
#include "sandbox/notify/notify.h"
#include "sandbox/seccomp/profile.h"
#include "sandbox/spec/spec.h"

/* --- life --- */

static void index_rows(struct learn *learn)
{
    memset(learn->row, LEARN_NO_ROW, sizeof(learn->row));
    for (size_t i = 0; i < learn_nrows; i++) {
        int nr = seccomp_syscall_number(learn_rows[i].name);

        if (nr >= 0 && nr < LEARN_CALLS)
            learn->row[nr] = (unsigned char)i;
    }
}

static int read_base(struct learn *learn, const struct learn_options *options, struct err *err)
{
    const char *path = options->base->seccomp, *paths[] = {path, options->guard, NULL};
    static const char *const joins[] = {"setns", NULL};
    struct seccomp_request request = {
        .paths = paths, .caps = options->base->caps, .permit = options->workers ? joins : NULL};
    json_error_t error;

    if (!path)
        return err_set(err, ERR_USAGE, EINVAL,
                       "policy %s has no seccomp profile that could be made smaller",
                       options->base->name);
    learn->profile = json_load_file(path, 0, &error);
    if (!learn->profile)
        return err_set(err, ERR_USAGE, EINVAL, "%s:%d: %s", path, error.line, error.text);
    return seccomp_profile_compile(&request, &learn->base, err);
}

int learn_new(const struct learn_options *options, struct learn **ret, struct err *err)
{
    struct learn *learn = mem_zalloc(sizeof(*learn));
    int r;

    learn->base_name = mem_strdup(options->base->name);
    learn->cwd = mem_strdup(options->cwd);
    learn->home = options->home ? mem_strdup(options->home) : NULL;
    learn->workers = options->workers;
    learn->base_confines = options->base->network != SPEC_NET_HOST;
    learn->base_demands = options->base->demands;
    learn->paths.cwd = learn->cwd;
    learn->paths.home = learn->home;
    index_rows(learn);
    r = read_base(learn, options, err);
    if (r < 0) {
        learn_free(learn);
        return r;
    }
    *ret = learn;
    return 0;
}

void learn_free(struct learn *learn)
{
    if (!learn)
        return;
    seccomp_profile_done(&learn->base);
    json_decref(learn->profile);
    learn_paths_done(&learn->paths);
    free(learn->base_name);
    free(learn->cwd);
    free(learn->home);
    free(learn);
}

void learn_leave_out(struct learn *learn, const char *path)
{
    struct learn_paths *paths = &learn->paths;

    if (path && *path == '/' && path[1] && paths->nown < LEARN_OWN_MAX &&
        !learn_path_below(learn->cwd, path))
        paths->own[paths->nown++] = learn_path_join("/", path);
}

bool learn_starts_task(const struct notify_denial *denial)
{
    return strcmp(denial->name, "clone") == 0 || strcmp(denial->name, "vfork") == 0 ||
           strcmp(denial->name, "fork") == 0;
}

void learn_note_peaks(struct learn *learn, uint64_t tasks, uint64_t memory_bytes)
{
    if (tasks > learn->tasks)
        learn->tasks = tasks;
    if (memory_bytes > learn->memory_bytes)
        learn->memory_bytes = memory_bytes;
}

/* --- one call --- */

struct caller {
    const struct notify *notify;
    const struct notify_denial *call;
};

/* The absolute path that a call names. NULL: none, or it could not be read. */
static char *path_of(const struct caller *caller, const struct row_place *place)
{
    const uint64_t *args = caller->call->args;
    uint64_t address = place->path >= 0 ? args[place->path] : 0;
    int fd = place->dirfd >= 0 ? (int)args[place->dirfd] : AT_FDCWD;
    char path[PATH_MAX] = "", base[PATH_MAX] = "";

    if (address && peek_string(caller->call->tid, address, path, sizeof(path)) < 0)
        return NULL;
    if (*path != '/' && peek_descriptor(caller->call->tid, fd, base, sizeof(base)) < 0)
        return NULL;
    return learn_path_join(base, path);
}

static void note_path(struct learn *learn, const struct caller *caller, const char *path,
                      enum learn_need need, uint64_t flags)
{
    struct stat st;
    bool there = peek_stat(caller->call->tid, path, &st);
    enum learn_want want = learn_path_want(need, flags, there ? &st : NULL);
    _cleanup_free_ char *parent = want == LEARN_WANT_DIRECTORY ? learn_path_join(path, "..") : NULL;

    /* In a directory that is not there it fails, whatever may be written. */
    if (parent && !peek_stat(caller->call->tid, parent, &st))
        return;
    /* Dead meanwhile: the number may be another task's by now. */
    if (notify_waits(caller->notify, caller->call))
        learn_paths_add(&learn->paths, path, want);
}

static void note_places(struct learn *learn, const struct caller *caller, const struct row *row,
                        uint64_t flags)
{
    for (size_t i = 0; i < 2 && row->places[i].need != LEARN_NEED_NONE; i++) {
        _cleanup_free_ char *path = path_of(caller, &row->places[i]);

        if (path)
            note_path(learn, caller, path, row->places[i].need, flags);
    }
}

/* Most calls open for reading, and then nothing is read of the caller. */
static bool opens_for_reading(uint64_t flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC));
}

static void note_open(struct learn *learn, const struct caller *caller, const struct row *row)
{
    uint64_t flags =
        row->flags >= 0 ? caller->call->args[row->flags] : O_CREAT | O_WRONLY | O_TRUNC;

    if (row->kind == ROW_OPENAT2 && peek_bytes(caller->call->tid, flags, &flags, sizeof(flags)) < 0)
        return;
    if (!opens_for_reading(flags))
        note_places(learn, caller, row, flags);
}

static void note_address(struct learn *learn, const struct caller *caller, const struct row *row)
{
    uint64_t address = caller->call->args[row->address],
             length = caller->call->args[row->address + 1];
    char bytes[sizeof(struct sockaddr_storage)], name[128], base[PATH_MAX];
    _cleanup_free_ char *path = NULL;
    enum learn_reach reach;

    if (!address || length > sizeof(bytes) ||
        peek_bytes(caller->call->tid, address, bytes, (size_t)length) < 0)
        return;
    reach = learn_address_reach(bytes, (size_t)length, name, sizeof(name));
    if (reach == LEARN_REACH_UNIX && row->kind == ROW_BIND &&
        peek_descriptor(caller->call->tid, AT_FDCWD, base, sizeof(base)) == 0) {
        path = learn_path_join(base, name);
        note_path(learn, caller, path, LEARN_NEED_NEW, 0);
    }
    if (reach != LEARN_REACH_UNIX && reach > learn->reach &&
        notify_waits(caller->notify, caller->call))
        learn->reach = reach;
}

static void note_number(struct learn *learn, const struct notify_denial *call)
{
    uint32_t answer;

    learn->seen[call->nr] = true;
    if (learn->refused[call->nr])
        return;
    answer = seccomp_evaluate(&learn->base, call->arch, call->nr, call->args);
    if ((answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW &&
        (answer & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_LOG)
        learn->refused[call->nr] =
            answer & SECCOMP_RET_DATA ? (unsigned char)(answer & SECCOMP_RET_DATA) : EPERM;
}

void learn_call(struct learn *learn, const struct notify *notify,
                const struct notify_denial *denial)
{
    struct caller caller = {notify, denial};
    const struct row *row;

    if (denial->arch != seccomp_native_arch() || denial->nr >= LEARN_CALLS) {
        learn->foreign = true;
        return;
    }
    note_number(learn, denial);
    if (learn->row[denial->nr] == LEARN_NO_ROW || denial->tid <= 0)
        return;
    row = &learn_rows[learn->row[denial->nr]];
    switch (row->kind) {
    case ROW_OPEN:
    case ROW_OPENAT2:
        note_open(learn, &caller, row);
        break;
    case ROW_PATHS:
        note_places(learn, &caller, row, 0);
        break;
    case ROW_CONNECT:
    case ROW_BIND:
        note_address(learn, &caller, row);
        break;
    }
}
