/* SPDX-License-Identifier: MIT */
/*
 * Usage: precompile DIRECTORY
 *
 * Run by make: saves the programs of the shipped profiles in DIRECTORY (sandbox/seccomp/saved.c), in the forms that
 * shunt loads: each alone (to find whose refusal one was), and allow lists merged with guard.json, notifying or
 * not, for commands and for runs whose workers enter their cells with setns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/profile.h"

/* The programs of sandbox/plan: for one command, and for a run with its workers. */
static int save(const char *directory, const char *name, bool profile)
{
    _cleanup_free_ char *path = mem_printf("%s/%s.json", directory, name);
    _cleanup_free_ char *guard = mem_printf("%s/guard.json", directory), *worker = mem_printf("%s/worker.json", directory);
    const char *const alone[] = {path, NULL}, *const one[] = {path, guard, NULL};
    const char *const run[] = {path, guard, worker, NULL}, *const permit[] = {"setns", NULL};
    const struct seccomp_request requests[] = {
        {.paths = alone},
        {.paths = one},
        {.paths = one, .notify = true},
        {.paths = run, .permit = permit},
        {.paths = run, .permit = permit, .notify = true},
    };
    struct err err = ERR_INIT;

    if (seccomp_profile_save(requests, profile ? sizeof(requests) / sizeof(requests[0]) : 1, &err) == 0)
        return 0;
    fprintf(stderr, "precompile: %s\n", err.message);
    if (*err.hint)
        fprintf(stderr, "  %s\n", err.hint);
    return 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool profile; /* an allow list, which the others are merged with */
    } shipped[] = {{"default", true}, {"tight", true}, {"guard", false}, {"worker", false}, {"seal", false}};
    int failed = argc != 2;

    for (size_t i = 0; !failed && i < sizeof(shipped) / sizeof(shipped[0]); i++)
        failed = save(argv[1], shipped[i].name, shipped[i].profile);
    return failed;
}
