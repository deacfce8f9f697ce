/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/cgroup.h"

#define PREFIX_MAX 8
#define PROBE_TIMEOUT_MS 5000

static _Noreturn void probe_child(const char *const prefix[])
{
    const char *argv[PREFIX_MAX + 1];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    size_t n = 0;

    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    for (; prefix[n]; n++)
        argv[n] = prefix[n];
    argv[n] = "true";
    argv[n + 1] = NULL;
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* systemd-run may be there and refuse (no bus, no right, a container): then its process would be
 * all that is left of shunt. So it is tried on a command that does nothing. */
static bool probe(const char *const prefix[])
{
    pid_t pid = fork();
    _cleanup_close_ int fd = -1;
    struct pollfd pfd;
    int status;

    if (pid == 0)
        probe_child(prefix);
    if (pid < 0)
        return false;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    pfd = (struct pollfd){fd, POLLIN, 0};
    if (fd >= 0 && poll(&pfd, 1, PROBE_TIMEOUT_MS) <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void start_anew(const char *const prefix[], char **argv)
{
    static char self[4096];
    _cleanup_free_ char **all = NULL;
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t n = 0, rest = 0;

    if (length <= 0)
        return;
    while (argv[rest])
        rest++;
    all = mem_calloc(PREFIX_MAX + 2 + rest, sizeof(*all));
    for (; prefix[n]; n++)
        all[n] = (char *)prefix[n];
    all[n++] = self;
    memcpy(all + n, argv, rest * sizeof(*all));
    setenv("SHUNT_SCOPE", "1", 1);
    fflush(NULL);
    execvp(all[0], all);
}

void scope_enter(char **argv)
{
    const char *prefix[PREFIX_MAX];
    struct cgroup_host *host;
    struct err err = ERR_INIT;

    /* Looking around costs half a millisecond: only where there is somebody to ask. */
    if (getenv("SHUNT_SCOPE") || access("/run/systemd/system", F_OK) < 0 || cgroup_host_open(&host, &err) < 0)
        return;
    if (cgroup_host_scope_command(host, prefix, PREFIX_MAX)) {
        if (probe(prefix))
            start_anew(prefix, argv);
        setenv("SHUNT_SCOPE", "refused", 1); /* so that nobody is told to try just that */
    }
    cgroup_host_free(host);
}
