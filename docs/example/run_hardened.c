/* SPDX-License-Identifier: MIT */
/* Runs a command under the policy "hardened" with limits of its own, and says what became of it.
 *     cc run_hardened.c $(pkg-config --cflags --libs shunt-sandbox) -o run_hardened
 *     ./run_hardened /usr/local/share/shunt/policies make test
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <shunt-sandbox.h>

extern char **environ;

static int complain(const struct err *err)
{
    fprintf(stderr, "%s\n%s%s", err->message, err->hint, *err->hint ? "\n" : "");
    return err->kind == ERR_SANDBOX ? 6 : 1;
}

/* The policy, and what this program changes in it. */
static int load(const char *policies, struct sandbox_spec *spec, struct err *err)
{
    const char *directories[] = {policies, NULL};
    int r = policy_load(&(struct policy_source){.directories = directories}, "hardened", NULL, spec, err);

    if (r < 0)
        return r;
    spec->limits.tasks = 64;
    spec->limits.memory_bytes = 512ULL << 20;
    spec_add_path(spec, SPEC_PATH_WRITABLE, ".", 0, false, NULL);
    return 0;
}

/* Until all of it is over: 1, or -errno. */
static int wait_for(struct sandbox *sandbox)
{
    int r;

    while ((r = sandbox_dispatch(sandbox)) == 0) {
        struct pollfd fd = {.fd = sandbox_fd(sandbox), .events = POLLIN};
        uint64_t tick_ns = sandbox_tick_ns(sandbox);

        poll(&fd, 1, tick_ns ? (int)(tick_ns / 1000000) + 1 : -1);
    }
    return r;
}

static void report(const struct sandbox *sandbox)
{
    const struct sandbox_result *result = sandbox_result(sandbox);

    printf("%s: %.1f ms, %.1f MiB, limits by %s\n", sandbox_verdict_name(result->verdict),
           (double)result->wall_ns / 1e6, (double)result->memory_peak_bytes / (1 << 20), sandbox_limits_by(sandbox));
    for (size_t i = 0; i < result->ndenials; i++)
        printf("refused: %s, %llu times\n", result->denials[i].call, (unsigned long long)result->denials[i].count);
    for (size_t i = 0; i < result->nleft; i++)
        printf("left behind: %s\n", result->left[i].comm);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct sandbox_spec spec;
    struct sandbox *sandbox = NULL;
    int r;

    if (argc < 3) {
        fprintf(stderr, "usage: %s DIRECTORY-OF-POLICIES COMMAND [ARGUMENTS...]\n", argv[0]);
        return 2;
    }
    if (load(argv[1], &spec, &err) < 0)
        return complain(&err);
    r = sandbox_start(&(struct sandbox_options){.spec = &spec, .argv = argv + 2, .envp = environ, .stdio = {0, 1, 2},
                                                .policies = argv[1]},
                      &sandbox, &err);
    spec_done(&spec); /* it was copied */
    if (r < 0)
        return complain(&err);
    r = wait_for(sandbox);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", sandbox_failed_stage(sandbox), strerror(-r));
    else
        report(sandbox);
    r = r < 0 || sandbox_result(sandbox)->verdict != SANDBOX_OK;
    sandbox_free(sandbox);
    return r;
}
