/* SPDX-License-Identifier: MIT */
/* The words of profiles: actions, operators, flags, architectures, errnos. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp/internal.h"

const struct seccomp_word seccomp_actions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, NULL},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, NULL},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, NULL},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, NULL},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, NULL},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, NULL},
    {"SCMP_ACT_TRAP", 0, "a signal that most programs die of; use SCMP_ACT_ERRNO, shunt names refused calls"},
    {"SCMP_ACT_TRACE", 0, "there is no tracer; use SCMP_ACT_ERRNO, shunt names refused calls"},
    {"SCMP_ACT_NOTIFY", 0, "shunt itself is notified of refused calls, and answers them; use SCMP_ACT_ERRNO"},
    {0},
};

const struct seccomp_word seccomp_operators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE, NULL}, {"SCMP_CMP_LT", SCMP_CMP_LT, NULL},
    {"SCMP_CMP_LE", SCMP_CMP_LE, NULL}, {"SCMP_CMP_EQ", SCMP_CMP_EQ, NULL},
    {"SCMP_CMP_GE", SCMP_CMP_GE, NULL}, {"SCMP_CMP_GT", SCMP_CMP_GT, NULL},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ, NULL},
    {0},
};

const struct seccomp_word seccomp_flags[] = {
    /* filters are loaded while there is one thread, so this holds anyway */
    {"SECCOMP_FILTER_FLAG_TSYNC", 0, NULL},
    {"SECCOMP_FILTER_FLAG_LOG", 0, "remove it: shunt names refused calls in its own report"},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", 0, "remove it: mitigations of speculation stay on"},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0, "remove it: it belongs to SCMP_ACT_NOTIFY"},
    {0},
};

/* Only their names are looked at: programs are for the native architecture alone (profile.h says why). */
const struct seccomp_word seccomp_arches[] = {
    {"SCMP_ARCH_NATIVE", 0, NULL},   {"SCMP_ARCH_X86", 0, NULL},      {"SCMP_ARCH_X86_64", 0, NULL},
    {"SCMP_ARCH_X32", 0, NULL},      {"SCMP_ARCH_ARM", 0, NULL},      {"SCMP_ARCH_AARCH64", 0, NULL},
    {"SCMP_ARCH_MIPS", 0, NULL},     {"SCMP_ARCH_MIPS64", 0, NULL},   {"SCMP_ARCH_MIPS64N32", 0, NULL},
    {"SCMP_ARCH_MIPSEL", 0, NULL},   {"SCMP_ARCH_MIPSEL64", 0, NULL}, {"SCMP_ARCH_MIPSEL64N32", 0, NULL},
    {"SCMP_ARCH_PPC", 0, NULL},      {"SCMP_ARCH_PPC64", 0, NULL},    {"SCMP_ARCH_PPC64LE", 0, NULL},
    {"SCMP_ARCH_S390", 0, NULL},     {"SCMP_ARCH_S390X", 0, NULL},    {"SCMP_ARCH_PARISC", 0, NULL},
    {"SCMP_ARCH_PARISC64", 0, NULL}, {"SCMP_ARCH_RISCV64", 0, NULL},  {"SCMP_ARCH_LOONGARCH64", 0, NULL},
    {"SCMP_ARCH_M68K", 0, NULL},     {"SCMP_ARCH_SH", 0, NULL},       {"SCMP_ARCH_SHEB", 0, NULL},
    {0},
};

/* As includes and excludes call them; the value is AUDIT_ARCH_*, 0 where shunt never runs. */
static const struct seccomp_word docker_arches[] = {
    {"amd64", AUDIT_ARCH_X86_64, NULL},
    {"arm64", AUDIT_ARCH_AARCH64, NULL},
    {"x86", AUDIT_ARCH_I386, NULL},
    {"arm", AUDIT_ARCH_ARM, NULL},
    {"ppc64le", AUDIT_ARCH_PPC64LE, NULL},
    {"ppc64", AUDIT_ARCH_PPC64, NULL},
    {"s390x", AUDIT_ARCH_S390X, NULL},
    {"riscv64", AUDIT_ARCH_RISCV64, NULL},
#ifdef AUDIT_ARCH_LOONGARCH64
    {"loong64", AUDIT_ARCH_LOONGARCH64, NULL},
#else
    {"loong64", 0, NULL},
#endif
    {"x32", 0, NULL},
    {"s390", 0, NULL},
    {"ppc", 0, NULL},
    {"mips", 0, NULL},
    {"mips64", 0, NULL},
    {"mips64n32", 0, NULL},
    {"mipsel", 0, NULL},
    {"mipsle", 0, NULL},
    {"mipsel64", 0, NULL},
    {"mipsel64n32", 0, NULL},
    {"mips3l64n32", 0, NULL},
    {"parisc", 0, NULL},
    {"parisc64", 0, NULL},
    {0},
};

const struct seccomp_word *seccomp_word_find(const struct seccomp_word *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

void seccomp_word_list(const struct seccomp_word *table, char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (const struct seccomp_word *word = table; word->name && at < size; word++)
        if (!word->unsupported)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", word->name);
}

int seccomp_docker_arch(const char *name, bool *ret_native)
{
    const struct seccomp_word *word = seccomp_word_find(docker_arches, name);

    if (!word)
        return -EINVAL;
    *ret_native = word->value == seccomp_native_arch();
    return 0;
}

int seccomp_errno_parse(const char *text)
{
    char *end;
    unsigned long number;

    if (text[0] >= '0' && text[0] <= '9') {
        number = strtoul(text, &end, 10);
        return *end == '\0' && number <= 4095 ? (int)number : -EINVAL;
    }
    for (int i = 1; i < 4096; i++) {
        const char *name = strerrorname_np(i);

        if (name && strcmp(name, text) == 0)
            return i;
    }
    /* names that share a number with another */
    return strcmp(text, "EWOULDBLOCK") == 0  ? EWOULDBLOCK
           : strcmp(text, "EDEADLOCK") == 0  ? EDEADLOCK
           : strcmp(text, "ENOTSUP") == 0    ? ENOTSUP
           : strcmp(text, "EOPNOTSUPP") == 0 ? EOPNOTSUPP
                                             : -EINVAL;
}
