/* SPDX-License-Identifier: MIT */
#include "supervisor/config/learning.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/learn.h"
#include "sandbox/notify/notify.h"
#include "supervisor/config/sandbox_config.h"

#define BASE "hardened"

/* A filter that notifies of nothing, in a child. 0 or -errno. */
static int try_listener(void)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow};
    int status, fd, r;
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : notify_install(&program, &fd);
        _exit(-r);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

static int check_machine(struct err *err)
{
    int r = try_listener();

    if (r == 0)
        return 0;
    err_set(err, ERR_SANDBOX, -r,
            "--learn needs seccomp notifications, and they are not to be had here: %s",
            strerror(-r));
    if (r == -EBUSY)
        return err_hint(err,
                        "a sandbox around this one has the only listener: learn outside of it");
    return err_hint(
        err,
        "Linux 5.5 or later has them, and a container's seccomp profile must allow seccomp(2); "
        "\"shunt doctor\" says more");
}

static int open_base(const struct sandbox_config *config, bool workers, struct sandbox_spec *spec,
                     struct learn **ret, struct err *err)
{
    struct sandbox_config base_config = {.policy = BASE, .machine = config->machine, .userns = -1};
    _cleanup_free_ char *policies = sandbox_config_policies(), *cwd = getcwd(NULL, 0),
                        *guard = NULL;
    struct sandbox_spec base;
    struct learn_options options = {
        .base = &base, .cwd = cwd, .home = getenv("HOME"), .workers = workers};
    int r;

    if (!cwd)
        return io_no_cwd(err);
    r = sandbox_config_load(&base_config, &base, err);
    if (r < 0)
        return r;
    guard = mem_printf("%s/seccomp/guard.json", policies);
    if (access(guard, R_OK) == 0)
        options.guard = guard;
    r = learn_new(&options, ret, err);
    /* Empty there, and writable. */
    for (size_t i = 0; r == 0 && i < base.npaths; i++)
        if (base.paths[i].kind == SPEC_PATH_TMPFS)
            learn_leave_out(*ret, base.paths[i].path);
    if (r == 0 && !spec->seccomp)
        spec_set_text(&spec->seccomp,
                      base.seccomp); /* `observe` has no filter, and nothing would be told */
    spec_done(&base);
    return r;
}

int learning_open(const struct sandbox_config *config, bool workers, struct sandbox_spec *spec,
                  struct learn **ret, struct err *err)
{
    int r;

    *ret = NULL;
    if (!config->learn_path)
        return 0;
    r = learn_check_path(config->learn_path, err);
    if (r == 0)
        r = check_machine(err);
    if (r == 0)
        r = open_base(config, workers, spec, ret, err);
    if (r < 0)
        return r;
    learn_relax(spec);
    /* The base sets TMPDIR=/tmp. */
    learn_leave_out(*ret, getenv("TMPDIR"));
    return 0;
}
