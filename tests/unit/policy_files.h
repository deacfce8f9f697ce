/* SPDX-License-Identifier: MIT */
#pragma once

/* A directory of policies for one test: DIR/{seccomp,machines}, with two profiles and whatever the test writes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/mem.h"
#include "sandbox/policy/policy.h"

struct fixture {
    char root[64];
    const char *directories[3]; /* root/policies, root/more */
    struct policy_source source;
};

static inline char *fixture_path(const struct fixture *f, const char *name)
{
    return mem_printf("%s/%s", f->root, name);
}

static inline void fixture_write_bytes(const struct fixture *f, const char *name, const char *bytes, size_t size)
{
    char *path = fixture_path(f, name);
    FILE *out = fopen(path, "w");

    if (!out || fwrite(bytes, 1, size, out) != size || fclose(out) != 0)
        abort();
    free(path);
}

static inline void fixture_write(const struct fixture *f, const char *name, const char *text)
{
    fixture_write_bytes(f, name, text, strlen(text));
}

static inline int fixture_setup(void **state)
{
    static const char *const folders[] = {"policies", "more", "policies/seccomp", "policies/machines"};
    struct fixture *f = mem_zalloc(sizeof(*f));

    strcpy(f->root, "/tmp/shunt-test-policy-XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *path = fixture_path(f, folders[i]);

        if (mkdir(path, 0700) < 0)
            return -1;
        free(path);
    }
    fixture_write(f, "policies/seccomp/tight.json", "{}");
    fixture_write(f, "policies/seccomp/default.json", "{}");
    f->directories[0] = fixture_path(f, "policies");
    f->directories[1] = fixture_path(f, "more");
    f->source.directories = f->directories;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    char *command = mem_printf("rm -rf '%s'", f->root);
    int r = system(command);

    free(command);
    free((char *)f->directories[0]);
    free((char *)f->directories[1]);
    free((char *)f->source.project_file);
    free(f);
    return r;
}

static inline void fixture_project(struct fixture *f, const char *text)
{
    fixture_write(f, "shunt.yaml", text);
    free((char *)f->source.project_file);
    f->source.project_file = fixture_path(f, "shunt.yaml");
}
