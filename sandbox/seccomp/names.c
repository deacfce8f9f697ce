/* SPDX-License-Identifier: MIT */
/* Names and numbers of system calls: libseccomp's, and those that are newer than it. */
#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp/internal.h"

/* Calls that came after a release's libseccomp is frozen would silently be "unknown". Since 424 new calls have one
 * number on every architecture that shunt is built for. Linux 6.5 to 6.18. */
static const struct {
    const char *name;
    uint32_t nr;
} recent[] = {
    {"cachestat", 451},     {"fchmodat2", 452},         {"map_shadow_stack", 453},  {"futex_wake", 454},
    {"futex_wait", 455},    {"futex_requeue", 456},     {"statmount", 457},         {"listmount", 458},
    {"mseal", 462},         {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461},
    {"setxattrat", 463},    {"getxattrat", 464},        {"listxattrat", 465},       {"removexattrat", 466},
    {"open_tree_attr", 467}, {"file_getattr", 468},     {"file_setattr", 469},
#ifdef __x86_64__
    {"uretprobe", 335},     {"uprobe", 336},
#endif
};

#define NRECENT (sizeof(recent) / sizeof(recent[0]))

uint32_t seccomp_native_arch(void)
{
#if defined(__x86_64__)
    return AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
    return AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
    return AUDIT_ARCH_RISCV64;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return AUDIT_ARCH_PPC64LE;
#elif defined(__s390x__)
    return AUDIT_ARCH_S390X;
#else
#error "shunt does not know this architecture's AUDIT_ARCH"
#endif
}

int seccomp_syscall_number(const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (nr >= 0)
        return nr;
    for (size_t i = 0; i < NRECENT; i++)
        if (strcmp(recent[i].name, name) == 0)
            return (int)recent[i].nr;
    return nr == __NR_SCMP_ERROR ? -EINVAL : -ENOENT;
}

static const char *recent_name(uint32_t nr)
{
    for (size_t i = 0; i < NRECENT; i++)
        if (recent[i].nr == nr)
            return recent[i].name;
    return NULL;
}

const char *seccomp_syscall_name(uint32_t arch, uint32_t nr, char *buf, size_t size)
{
    const char *suffix = "", *late = NULL;
    uint32_t table = arch; /* libseccomp's numbers for architectures are AUDIT_ARCH_*, but for x32 */
    char *name;

    if (arch == AUDIT_ARCH_X86_64 && nr != UINT32_MAX && (nr & SECCOMP_X32_BIT)) {
        suffix = " (x32)";
        table = SCMP_ARCH_X32;
    } else if (arch == AUDIT_ARCH_I386) {
        suffix = " (i386)";
    } else if (arch != seccomp_native_arch()) {
        suffix = " (another architecture)";
    }
    name = seccomp_syscall_resolve_num_arch(table, (int)nr);
    if (!name && arch == seccomp_native_arch())
        late = recent_name(nr & ~(*suffix ? SECCOMP_X32_BIT : 0));
    if (name || late)
        snprintf(buf, size, "%s%s", name ? name : late, suffix);
    else
        snprintf(buf, size, "syscall %u%s", *suffix ? nr & ~SECCOMP_X32_BIT : nr, suffix);
    free(name);
    return buf;
}
