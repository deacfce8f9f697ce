/* SPDX-License-Identifier: MIT */
/* Policies from anybody: as a file that is named, and as a project's shunt.yaml. Run from the root of the checkout, so
 * that `extends` finds the shipped policies. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const struct policy_source *source, const char *name)
{
    struct sandbox_spec spec;
    struct err err = ERR_INIT;

    if (policy_load(source, name, NULL, &spec, &err) < 0) {
        if (err.kind == ERR_NONE || !*err.message)
            abort(); /* a failure that says nothing */
        return;
    }
    free(policy_print(&spec));
    spec_done(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const directories[] = {"policies", NULL};
    int fd = memfd_create("policy", MFD_CLOEXEC);
    char path[40];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    load(&(struct policy_source){.directories = directories}, path);
    load(&(struct policy_source){.directories = directories, .project_file = path}, "mine");
    close(fd);
    return 0;
}
