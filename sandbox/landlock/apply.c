/* SPDX-License-Identifier: MIT */
/* In the child, and in libshunt-enter.so: nothing but system calls, and no trust in the block. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/landlock/abi.h"
#include "sandbox/landlock/landlock.h"
#include "sandbox/mounts/newapi.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);

    return abi < 0 ? 0 : (int)abi;
}

static uint64_t known_rights(int abi)
{
    return LL_ALL_1 | (abi >= 2 ? LL_REFER : 0) | (abi >= 3 ? LL_TRUNCATE : 0) | (abi >= 5 ? LL_IOCTL_DEV : 0);
}

static int create_ruleset(int abi)
{
    struct ll_ruleset_attr attr = {.fs = known_rights(abi)};
    size_t size = abi < 4 ? 8 : abi < 6 ? 16 : sizeof(attr);

    if (abi >= 6)
        attr.scoped = LL_SCOPE_ABSTRACT_SOCKETS | LL_SCOPE_SIGNALS;
    return nm_result(syscall(SYS_landlock_create_ruleset, &attr, size, 0));
}

static int add_rule(int ruleset, const char *path, uint64_t access)
{
    _cleanup_close_ int fd = nm_open_nofollow(AT_FDCWD, path, O_PATH);
    struct ll_path_attr rule = {.access = access};
    struct stat st;

    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES || fd == -ELOOP ? 0 : fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        rule.access &= LL_ON_FILES;
    rule.fd = fd;
    if (rule.access == 0)
        return 0;
    return nm_result(syscall(SYS_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0));
}

/* The next rule of the block at *at; every length is checked against `end`. */
static int read_rule(const unsigned char *data, size_t end, size_t *at, struct ll_entry *ret, const char **ret_path)
{
    if (end - *at < sizeof(*ret))
        return -EINVAL;
    memcpy(ret, data + *at, sizeof(*ret));
    *at += sizeof(*ret);
    if (ret->path_bytes == 0 || ret->path_bytes > end - *at || data[*at + ret->path_bytes - 1] != '\0')
        return -EINVAL;
    *ret_path = (const char *)data + *at;
    *at += ret->path_bytes;
    return 0;
}

int landlock_apply(const struct landlock_rules *rules, size_t bytes)
{
    _cleanup_close_ int ruleset = -1;
    uint32_t nrules, all;
    size_t end, at = 0;
    int abi = landlock_abi();

    if (abi == 0)
        return -EOPNOTSUPP;
    if (bytes < sizeof(*rules))
        return -EINVAL;
    /* Read once: the memory may be shared with whoever wrote it. */
    all = *(const volatile uint32_t *)&rules->bytes;
    nrules = *(const volatile uint32_t *)&rules->nrules;
    if (all < sizeof(*rules) || all > bytes || nrules > LL_RULES_MAX)
        return -EINVAL;
    end = all - sizeof(*rules);
    ruleset = create_ruleset(abi);
    if (ruleset < 0)
        return ruleset;
    for (uint32_t i = 0; i < nrules; i++) {
        struct ll_entry entry;
        const char *path;
        int r = read_rule(rules->data, end, &at, &entry, &path);

        if (r == 0)
            r = add_rule(ruleset, path, entry.access & known_rights(abi));
        if (r < 0)
            return r;
    }
    return nm_result(syscall(SYS_landlock_restrict_self, ruleset, 0));
}
