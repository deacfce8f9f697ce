/* SPDX-License-Identifier: MIT */
#include "sandbox/plan/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/plan/plan.h"

#define PARTS_MAX 200
#define UNKNOWN 255

enum part_is {
    PART_AS_OUTSIDE,
    PART_OURS_INSIDE, /* an idmapped mount: what is ours outside is the payload's */
    PART_COVERED      /* made by the sandbox, or not there at all */
};

struct part {
    size_t length; /* of the path up to it */
    enum part_is is;
    int fd; /* of the child: O_PATH */
};

static bool is_below(const char *path, size_t length, const char *dir)
{
    size_t n = strlen(dir);

    return length >= n && strncmp(path, dir, n) == 0 && (length == n || path[n] == '/');
}

static bool is_at_rule(const struct sandbox_plan *plan, const struct spec_path *rule, const char *path, size_t length)
{
    _cleanup_free_ char *full = *rule->path == '/' ? mem_strdup(rule->path) : mem_printf("%s/%s", plan->cwd, rule->path);
    _cleanup_free_ char *real = *rule->path == '~' ? NULL : realpath(full, NULL);

    return real && strcmp(real, "/") != 0 && is_below(path, length, real);
}

static enum part_is what_is(const struct sandbox_plan *plan, const char *path, size_t length)
{
    static const char *const fresh[] = {"/tmp", "/var/tmp", "/dev/shm"};
    const struct sandbox_spec *spec = &plan->spec;
    enum part_is is = PART_AS_OUTSIDE;

    for (size_t i = 0; i < sizeof(fresh) / sizeof(fresh[0]); i++)
        if (spec->tmp == SPEC_TMP_FRESH && path[length] && is_below(path, length, fresh[i]))
            is = PART_COVERED;
    if (spec->workdir == SPEC_WORKDIR_OVERLAY && is_below(path, length, plan->cwd))
        is = PART_OURS_INSIDE;
    for (size_t i = 0; i < spec->npaths; i++) {
        if (spec->paths[i].kind == SPEC_PATH_READONLY || !is_at_rule(plan, &spec->paths[i], path, length))
            continue;
        is = spec->paths[i].kind == SPEC_PATH_WRITABLE ? PART_OURS_INSIDE : PART_COVERED;
    }
    return is;
}

static size_t split(const struct sandbox_plan *plan, const char *path, struct part parts[PARTS_MAX])
{
    size_t n = 0;

    for (size_t at = 1; n < PARTS_MAX && path[at - 1]; at++)
        if (path[at] == '/' || !path[at])
            parts[n++] = (struct part){at, what_is(plan, path, at), -1};
    return n;
}

/* Each part by itself: what leads to it may be covered inside. */
static bool is_open(const struct part *part, uid_t ours)
{
    struct stat st;

    if (part->is == PART_COVERED || part->fd < 0 ||
        faccessat(part->fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0 || errno != EACCES)
        return true;
    return part->is == PART_OURS_INSIDE && fstat(part->fd, &st) == 0 && st.st_uid == ours && st.st_mode & S_IXUSR;
}

/* In a child of its own. Its exit status: 0, the number of the first part that is closed, counted from 1, or UNKNOWN. */
static _Noreturn void try_parts(const struct sandbox_plan *plan, char *path, struct part *parts, size_t n)
{
    uid_t ours = geteuid();

    for (size_t i = 0; i < n; i++) {
        char kept = path[parts[i].length];

        path[parts[i].length] = '\0';
        parts[i].fd = open(path, O_PATH | O_CLOEXEC);
        path[parts[i].length] = kept;
    }
    if (setgroups(0, NULL) < 0 || syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
        syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0)
        _exit(UNKNOWN);
    for (size_t i = 0; i < n; i++)
        if (!is_open(&parts[i], ours))
            _exit((int)i + 1);
    _exit(0);
}

int reach_path(const struct sandbox_plan *plan, const char *path, struct reach *ret)
{
    _cleanup_free_ char *copy = mem_strdup(path);
    struct part parts[PARTS_MAX];
    int status, closed;
    struct stat st;
    size_t n;
    pid_t pid;

    if (plan->identity != PLAN_ID_SWITCH || *path != '/' || strlen(path) >= sizeof(ret->closed))
        return 0;
    n = split(plan, copy, parts);
    if (n == PARTS_MAX)
        return 0;
    pid = fork();
    if (pid == 0)
        try_parts(plan, copy, parts, n);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    closed = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : UNKNOWN;
    if (closed == 0 || (size_t)closed > n)
        return 0;
    snprintf(ret->closed, sizeof(ret->closed), "%.*s", (int)parts[closed - 1].length, path);
    if (stat(ret->closed, &st) < 0)
        return 0;
    ret->mode = st.st_mode & 07777;
    ret->owner = st.st_uid;
    return -EACCES;
}

const char *reach_text(const struct sandbox_plan *plan, const char *path, const struct reach *reach, char *buf, size_t size)
{
    bool itself = strcmp(path, reach->closed) == 0;

    snprintf(buf, size, "%.300s cannot be reached by uid %u: %s%.300s%s mode is %04o, %s uid %u", path, plan->uid,
             itself ? "" : "of ", itself ? "" : reach->closed, itself ? "its" : " the", (unsigned)reach->mode,
             itself ? "its owner" : "the owner", (unsigned)reach->owner);
    return buf;
}

int reach_refuse(const struct sandbox_plan *plan, const char *called, const char *path, const struct reach *reach,
                 struct err *err)
{
    char text[800];

    err_set(err, ERR_USAGE, EACCES, "policy %s: %s %s", plan->spec.name, called,
            reach_text(plan, path, reach, text, sizeof(text)));
    return err_hint(err, "open it (chmod o+x %.200s), or have it elsewhere, e.g. below /srv or /var/tmp", reach->closed);
}
