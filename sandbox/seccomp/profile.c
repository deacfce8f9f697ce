/* SPDX-License-Identifier: MIT */
/* From a request to a program. */
#include "sandbox/seccomp/profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/internal.h"

int seccomp_request_paths(const struct seccomp_request *request, const char *paths[SECCOMP_PATHS_MAX], struct err *err)
{
    int n = 0;

    if (!request->paths) {
        paths[0] = request->path;
        n = request->path != NULL;
    }
    for (const char *const *path = request->paths; path && *path; path++) {
        if (n == SECCOMP_PATHS_MAX)
            return err_set(err, ERR_USAGE, E2BIG, "more than %d seccomp profiles at once", SECCOMP_PATHS_MAX);
        paths[n++] = *path;
    }
    if (n == 0 && !request->log_all)
        return err_set(err, ERR_INTERNAL, EINVAL, "no seccomp profile was named");
    return n;
}

int seccomp_set_read(const struct seccomp_request *request, struct seccomp_set *ret, struct err *err)
{
    const char *paths[SECCOMP_PATHS_MAX];
    struct seccomp_set set = {0};
    int n = seccomp_request_paths(request, paths, err), r = 0;

    for (int i = 0; r == 0 && i < n; i++) {
        r = seccomp_file_read(paths[i], request->caps, &set.files[i], err);
        set.n += r == 0;
    }
    if (n < 0 || r < 0) {
        seccomp_set_done(&set);
        return n < 0 ? n : r;
    }
    *ret = set;
    return 0;
}

void seccomp_set_done(struct seccomp_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        seccomp_file_done(&set->files[i]);
    set->n = 0;
}

/* A name that is permitted and not known would be a hole in shunt, not in a profile. */
int seccomp_check_permit(const struct seccomp_request *request, struct err *err)
{
    for (const char *const *name = request->permit; name && *name; name++)
        if (seccomp_syscall_number(*name) == -EINVAL)
            return err_set(err, ERR_INTERNAL, EINVAL, "no system call \"%s\" is known", *name);
    return 0;
}

int seccomp_set_compile(const struct seccomp_request *request, const struct seccomp_set *set, struct sock_fprog *ret,
                        struct err *err)
{
    struct sock_fprog programs[SECCOMP_PATHS_MAX] = {0};
    int r = seccomp_check_permit(request, err);

    for (size_t i = 0; r == 0 && i < set->n; i++)
        r = seccomp_file_compile(&set->files[i], &programs[i], err);
    if (r == 0) {
        r = seccomp_programs_merge(request, programs, set->n, ret);
        if (r == -E2BIG)
            err_set(err, ERR_USAGE, E2BIG, "%s%s: more than the %d instructions that the kernel takes",
                    set->n ? set->files[0].path : "", set->n > 1 ? " and what is merged with it" : "", BPF_MAXINSNS);
        else if (r < 0)
            err_set(err, ERR_INTERNAL, -r, "seccomp programs cannot be merged: %m");
    }
    for (size_t i = 0; i < set->n; i++)
        seccomp_profile_done(&programs[i]);
    return r;
}

int seccomp_profile_compile(const struct seccomp_request *request, struct sock_fprog *ret, struct err *err)
{
    struct seccomp_set set = {0};
    int r;

    if (!request->log_all && seccomp_profile_load_saved(request, ret) == 0)
        return 0;
    r = seccomp_set_read(request, &set, err);
    if (r == 0)
        r = seccomp_set_compile(request, &set, ret, err);
    seccomp_set_done(&set);
    return r;
}

void seccomp_profile_done(struct sock_fprog *program)
{
    free(program->filter);
    *program = (struct sock_fprog){0};
}
