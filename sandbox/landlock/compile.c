/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/landlock/abi.h"
#include "sandbox/landlock/landlock.h"

#define LL_TO_FILES (LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE)
#define LL_TO_DEVICES (LL_TO_FILES | LL_READ_DIR | LL_IOCTL_DEV)

struct builder {
    struct landlock_rules *rules;
    size_t bytes;
};

static void append(struct builder *b, const void *data, size_t size)
{
    struct landlock_rules *more = realloc(b->rules, b->bytes + size);

    if (!more)
        abort(); /* a few paths, bounded by the policy */
    b->rules = more;
    memcpy((char *)more + b->bytes, data, size);
    b->bytes += size;
}

/* Links are resolved now: apply.c follows none. What does not exist yet is taken as it is written. */
static void allow(struct builder *b, const char *path, uint64_t access)
{
    _cleanup_free_ char *real = realpath(path, NULL);
    const char *text = real ? real : path;
    struct ll_entry entry = {.access = access, .path_bytes = (uint32_t)strlen(text) + 1};

    append(b, &entry, sizeof(entry));
    append(b, text, entry.path_bytes);
    b->rules->nrules++;
}

static void allow_system(struct builder *b)
{
    static const char *const devices[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                          "/dev/urandom", "/dev/tty",  "/dev/ptmx", "/dev/pts"};
    static const char *const directories[] = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"};

    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        allow(b, devices[i], LL_TO_DEVICES);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        allow(b, directories[i], LL_ALL & ~LL_IOCTL_DEV);
    allow(b, "/proc", LL_READ | LL_TO_FILES);
}

/* -EINVAL for "~/" without a home. */
static int allow_policy(struct builder *b, const struct spec_path *path, const char *cwd, const char *home)
{
    _cleanup_free_ char *full = NULL;

    if (strcmp(path->path, "~") == 0 || strncmp(path->path, "~/", 2) == 0) {
        if (!home)
            return -EINVAL;
        full = mem_printf("%s%s", home, path->path + 1);
    } else {
        full = path->path[0] == '/' ? mem_strdup(path->path) : mem_printf("%s/%s", cwd, path->path);
    }
    allow(b, full, LL_ALL);
    return 0;
}

int landlock_compile(const struct sandbox_spec *spec, const char *cwd, const char *home,
                     const char *const *extra_writable, struct landlock_rules **ret)
{
    struct builder b = {.rules = mem_zalloc(sizeof(struct landlock_rules)), .bytes = sizeof(struct landlock_rules)};
    int r = 0;

    if (!spec->landlock) {
        free(b.rules);
        *ret = NULL;
        return 0;
    }
    allow(&b, "/", spec->root_readonly ? LL_READ : LL_ALL);
    allow_system(&b);
    if (spec->workdir == SPEC_WORKDIR_OVERLAY)
        allow(&b, cwd, LL_ALL);
    for (size_t i = 0; r == 0 && i < spec->npaths; i++)
        if (spec->paths[i].kind == SPEC_PATH_WRITABLE || spec->paths[i].kind == SPEC_PATH_TMPFS)
            r = allow_policy(&b, &spec->paths[i], cwd, home);
    for (; r == 0 && extra_writable && *extra_writable; extra_writable++)
        allow(&b, *extra_writable, LL_ALL);
    if (r == 0 && b.rules->nrules > LL_RULES_MAX)
        r = -E2BIG;
    if (r < 0) {
        free(b.rules);
        return r;
    }
    b.rules->bytes = (uint32_t)b.bytes;
    *ret = b.rules;
    return 0;
}
